"""The record that makes a repeated mutation harmless."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The first use of a key: a hash of its input, and the ids of what it changed."""

    input_hash: str
    outcome: Mapping[str, Any]

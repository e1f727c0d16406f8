"""A collection of decks as it was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DeckRequest:
    """`id` is the integer that people quote; `deck` is the source with its options as sent; its status is its job's."""

    id: int
    kit_id: int
    job_id: UUID
    deck: Mapping[str, Any]
    created_at: datetime

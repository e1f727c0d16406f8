"""What projects, targets and load tests were: each of their versions, with who made it so."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

Definition = TypeVar("Definition", covariant=True)


class VersionKind(StrEnum):
    """What made a version: it was created, given another definition, analysed (targets alone), or archived."""

    CREATED = "CREATED"
    CHANGED = "CHANGED"
    ANALYZED = "ANALYZED"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Generic[Definition]):
    """What a thing was from a time on, until its next version; `analysis` is the number of a target's last analysis, else 0."""

    version: int
    kind: VersionKind
    actor: str
    recorded_at: datetime
    definition: Definition
    analysis: int = 0

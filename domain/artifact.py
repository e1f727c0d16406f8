"""What a job leaves behind: a named file with checksum, size, media type and lineage."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.attempt import AttemptKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One output of an attempt. `inputs` are the ids of the artifacts it was made from; `size` is in bytes."""

    id: UUID
    kit_id: int
    attempt: AttemptKey
    name: str
    media_type: str
    sha256: str
    size: int
    inputs: tuple[UUID, ...]
    created_at: datetime

    @property
    def location(self) -> str:
        """The key of the content in the artifact store."""
        return blob_location(self.attempt, self.sha256)


def blob_location(attempt: AttemptKey, sha256: str) -> str:
    """Where the content with that checksum, left by that attempt, is stored."""
    return f"attempts/{attempt.job_id}/{attempt.number}/{sha256}"

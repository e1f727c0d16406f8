"""What a job leaves behind: a named file with checksum, size, media type and lineage."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from uuid import UUID

from domain.attempt import AttemptKey
from domain.job import Job


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


def found_after(jobs: Iterable[Job], artifacts: Iterable[Artifact]) -> list[Artifact]:
    """What the current attempts of the jobs have left, as one folder: no two of them in the same place.

    Where two have the same name, or the name of one is that of a folder in the other's, there is only the later job's, and of one
    job's only the later. They come in the order of their jobs.
    """
    order = {job.attempt.key: job.order for job in jobs}
    left = [artifact for artifact in artifacts if artifact.attempt in order]
    left.sort(key=lambda artifact: (order[artifact.attempt], artifact.created_at, artifact.name))
    found: list[Artifact] = []
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for artifact in reversed(left):
        place = PurePosixPath(artifact.name)
        if place not in files | folders and files.isdisjoint(place.parents):
            files.add(place)
            folders.update(place.parents)
            found.append(artifact)
    return found[::-1]


def blob_location(attempt: AttemptKey, sha256: str) -> str:
    """Where the content with that checksum, left by that attempt, is stored."""
    return f"attempts/{attempt.job_id}/{attempt.number}/{sha256}"

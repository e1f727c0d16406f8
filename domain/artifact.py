"""What work leaves behind: named files with checksum, size and media type, each of one attempt, target, run, import or model."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from uuid import NAMESPACE_OID, UUID, uuid5

from domain.attempt import AttemptKey
from domain.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact(ABC):
    """A file; `size` is in bytes."""

    id: UUID
    name: str
    media_type: str
    sha256: str
    size: int
    created_at: datetime

    @property
    @abstractmethod
    def location(self) -> str:
        """The key of the content in the artifact store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptArtifact(Artifact):
    """One output of an attempt. `inputs` are the ids of the artifacts it was made from."""

    kit_id: int
    attempt: AttemptKey
    inputs: tuple[UUID, ...]

    @property
    def location(self) -> str:
        """See `Artifact`."""
        return blob_location(self.attempt, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetArtifact(Artifact):
    """The text of a target's OpenAPI document; `actor` is the subject of the person who had it analysed first."""

    target_id: int
    actor: str

    @property
    def location(self) -> str:
        """See `Artifact`."""
        return document_location(self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArtifact(Artifact):
    """A report of a run, asked for by the person with the subject `actor`; it shows that analysis, where there was one."""

    run_id: int
    actor: str
    analysis_id: int | None

    @property
    def location(self) -> str:
        """See `Artifact`."""
        return f"{reports_folder(self.run_id)}/{self.sha256}{PurePosixPath(self.name).suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportArtifact(Artifact):
    """The rows that an import of lot rows has refused; it exists for the person who started that, the subject `actor`, alone."""

    import_id: int
    actor: str

    @property
    def location(self) -> str:
        """See `Artifact`."""
        return f"lot-imports/{self.import_id}/{self.sha256}.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArtifact(Artifact):
    """The file of one or more versions of a set-up model; `actor` is the subject of the person who brought it."""

    model_id: int
    actor: str

    @property
    def location(self) -> str:
        """See `Artifact`."""
        return model_location(self.sha256)


def document_id(target_id: int, sha256: str) -> UUID:
    """The id of a target's document with that checksum: the same text is the same artifact, however often it is analysed."""
    return uuid5(NAMESPACE_OID, f"target/{target_id}/{sha256}")


def report_id(run_id: int, sha256: str) -> UUID:
    """The id of a run's report with that checksum."""
    return uuid5(NAMESPACE_OID, f"run/{run_id}/{sha256}")


def result_id(import_id: int, sha256: str) -> UUID:
    """The id of the file with that checksum of what an import has refused."""
    return uuid5(NAMESPACE_OID, f"lot-import/{import_id}/{sha256}")


def model_artifact_id(model_id: int, sha256: str) -> UUID:
    """The id of a set-up model's file with that checksum."""
    return uuid5(NAMESPACE_OID, f"model/{model_id}/{sha256}")


def found_after(jobs: Iterable[Job], artifacts: Iterable[AttemptArtifact]) -> list[AttemptArtifact]:
    """What the current attempts of the jobs have left, as one folder: no two of them in the same place.

    Where two have the same name, or the name of one is that of a folder in the other's, there is only the later job's, and of one
    job's only the later. They come in the order of their jobs.
    """
    order = {job.attempt.key: job.order for job in jobs}
    left = [artifact for artifact in artifacts if artifact.attempt in order]
    left.sort(key=lambda artifact: (order[artifact.attempt], artifact.created_at, artifact.name))
    found: list[AttemptArtifact] = []
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


def document_location(sha256: str) -> str:
    """Where the text of the document with that checksum is stored, whatever targets it was found for."""
    return f"documents/{sha256}"


def model_location(sha256: str) -> str:
    """Where the model file with that checksum is stored, whatever models have it."""
    return f"models/{sha256}"


def reports_folder(run_id: int) -> str:
    """Below which the reports of a run are stored, and nothing else."""
    return f"reports/{run_id}"

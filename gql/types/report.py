"""Reports of workers and their results."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from domain import report as domain
from domain.attempt import AttemptKey
from domain.errors import ValidationFailed
from gql.types.enums import EventKind, ReportState, Status


@strawberry.input(description="A file that was uploaded to `/attempt/artifacts/SHA256`.")
class ReportedArtifactInput:
    name: str = strawberry.field(
        description="Its name. Another content under a name that the attempt has already is refused, the same is `COALESCED`."
    )
    media_type: str = strawberry.field(description="Its media type.")
    sha256: str = strawberry.field(description="The checksum it was uploaded under.")
    size: float = strawberry.field(description="Its size in bytes; a whole number.")
    inputs: list[str] | None = strawberry.field(default=None, description="The names of the artifacts it was made from.")


@strawberry.input(description="One thing that a worker says about its attempt.")
class TaskReportInput:
    sequence: int = strawberry.field(description="The report's number: 1, 2, 3 … without gaps. A repeat gets the first result.")
    kind: EventKind = strawberry.field(description="`STATUS`, `PROGRESS`, `TRIAL`, `POINT`, `NOTE` or `ARTIFACT`.")
    attempt: int | None = strawberry.field(default=None, description="The attempt; the token's own unless named.")
    task: str | None = strawberry.field(default=None, description="The task; none for a note or artifact of the job.")
    status: Status | None = strawberry.field(default=None, description="`RUNNING`, `SUCCEEDED` or `FAILED`.")
    progress: float | None = strawberry.field(default=None, description="How far the task is, from 0 to 1.")
    reported_at: datetime | None = strawberry.field(default=None, description="The worker's clock.")
    metadata: JSON | None = strawberry.field(
        default=None,
        description="The trial, point or note, at most 64 KiB. So is all that is noted of a task together; of a job 256 KiB.",
    )
    artifact: ReportedArtifactInput | None = strawberry.field(default=None, description="Of an `ARTIFACT`: the file.")

    def as_report(self, own: AttemptKey) -> domain.Report:
        """The report of the domain, of the worker whose attempt is `own`; ValidationFailed where the schema is too wide."""
        artifact = self.artifact
        if self.metadata is not None and not isinstance(self.metadata, dict):
            raise ValidationFailed.of("reports.metadata", "must be an object")
        if artifact is not None and not artifact.size.is_integer():
            raise ValidationFailed.of("reports.artifact.size", "must be a whole number")
        return domain.Report(
            attempt=AttemptKey(own.job_id, own.number if self.attempt is None else self.attempt),
            sequence=self.sequence,
            kind=self.kind,
            task=self.task,
            status=self.status,
            progress=self.progress,
            reported_at=self.reported_at,
            metadata=self.metadata or {},
            artifact=None
            if artifact is None
            else domain.ReportedArtifact(
                name=artifact.name,
                media_type=artifact.media_type,
                sha256=artifact.sha256,
                size=int(artifact.size),
                inputs=tuple(artifact.inputs or ()),
            ),
        )


@strawberry.type(description="What became of one report.")
class TaskReportResult:
    sequence: int = strawberry.field(description="The report's number.")
    state: ReportState = strawberry.field(description="What became of it.")
    version: int | None = strawberry.field(description="The kit's version that its event made; null where it made none.")
    code: str | None = strawberry.field(description="Why it was refused, for programs.")
    message: str | None = strawberry.field(description="Why it was refused, for people.")
    consumed: bool = strawberry.field(
        description="Whether its number is used up. If not, the same number has to be sent again (or the attempt is closed)."
    )

    @classmethod
    def of(cls, result: domain.ReportResult) -> "TaskReportResult":
        """The type for a result of the domain."""
        return cls(
            sequence=result.sequence,
            state=result.state,
            version=result.version,
            code=result.code,
            message=result.message,
            consumed=result.consumed,
        )

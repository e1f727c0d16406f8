"""Jobs, the second depth of the state."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from domain import commands
from domain import job as domain
from domain import kit as domain_kit
from domain.attempt import AttemptKey
from domain.change import Change
from domain.errors import NotFound, ValidationFailed
from domain.query import JobOrder, Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.artifact import Artifact
from gql.types.attempt import Attempt, AttemptConnection
from gql.types.capability import Capability
from gql.types.connection import (
    Connection,
    checked_attempt,
    checked_first,
    checked_offset,
    decode_cursor,
    encode_cursor,
    page_parts,
)
from gql.types.deck_request import DeckRequest
from gql.types.enums import JobType, Status
from gql.types.job_log import JobLog
from gql.types.node import Node
from gql.types.task import Task
from resolvers.job_log import LogPlace
from resolvers.kit import why_not

if TYPE_CHECKING:
    from gql.types.kit import Kit


@strawberry.type(description="One stage of a kit.")
class Job(Node):
    uuid: str = strawberry.field(description="The job's UUID, as it stands in logs, events and SQL views.")
    type: JobType = strawberry.field(description="Which stage it is.")
    order: int = strawberry.field(description="Its place in the kit, from 1.")
    status: Status = strawberry.field(description="Where it stands: the status of its latest attempt.")
    percent: float = strawberry.field(description="The mean progress of its tasks, from 0 to 100.")
    attempt: Attempt = strawberry.field(description="The latest attempt.")
    cancel_requested: bool = strawberry.field(description="Whether it is being ended by its runner at somebody's wish.")
    version: int = strawberry.field(description="The kit's version at the job's last event.")
    status_version: int = strawberry.field(description="The kit's version at the job's last change of status.")
    created_at: datetime = strawberry.field(description="When it was recorded.")
    updated_at: datetime = strawberry.field(description="When its last event was recorded.")
    started_at: datetime | None = strawberry.field(description="When the latest attempt began to run.")
    ended_at: datetime | None = strawberry.field(description="When the latest attempt ended.")
    metadata: JSON = strawberry.field(description="What the worker of the latest attempt has told about the job.")
    data_info: JSON | None = strawberry.field(
        description=(
            "Of a DOE job: method, seed, rows, columns with roles and ranges or categories, failed points, and how a sampled "
            "design was drawn. Null until it is known."
        )
    )
    tasks: list[Task] = strawberry.field(description="Its tasks, in order.")
    job: strawberry.Private[domain.Job]
    past: strawberry.Private["domain_kit.Kit | None"]

    @strawberry.field(description="The kit it belongs to.")
    async def kit(self, info: Info) -> Annotated["Kit", strawberry.lazy("gql.types.kit")]:
        if self.past is not None:
            return info.context.present_kit(self.past, is_past=True)  # type: ignore[no-any-return]
        kit = await info.context.loaders.kit_by_id.load(self.job.kit_id)
        if kit is None:
            raise NotFound("kit", self.job.kit_id)
        return info.context.present_kit(kit)  # type: ignore[no-any-return]

    @strawberry.field(description="Whether the viewer may queue it.", directives=[Volatile()])
    async def viewer_can_start(self, info: Info) -> Capability:
        return await self._capability(info, commands.start_job)

    @strawberry.field(description="Whether the viewer may queue a new attempt of it.", directives=[Volatile()])
    async def viewer_can_retry(self, info: Info) -> Capability:
        return await self._capability(info, commands.retry_job)

    @strawberry.field(description="Whether the viewer may end it.", directives=[Volatile()])
    async def viewer_can_cancel(self, info: Info) -> Capability:
        return await self._capability(info, commands.cancel_job)

    async def _capability(self, info: Info, command: Callable[[Change, UUID], None]) -> Capability:
        kit = None if self.past is not None else await info.context.loaders.kit_by_id.load(self.job.kit_id)
        if kit is None:
            return Capability.of_the_past()
        return Capability.of(why_not(info.context.actor, kit, lambda change: command(change, self.job.id)))

    @strawberry.field(description="Its attempts, oldest first.")
    async def attempts(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> AttemptConnection:
        place = decode_cursor("attempt", after, int)
        found = await info.context.loaders.attempts_by_job.load(self.job.id)
        if self.past is not None:  # what was tried before is over and stays as it is
            found = [*(attempt for attempt in found if attempt.number < self.job.attempt.number), self.job.attempt]
        rest = [attempt for attempt in found if place is None or attempt.number > place[0]]
        shown = rest[: checked_first(first)]
        cursors = [encode_cursor("attempt", attempt.number) for attempt in shown]
        nodes = [Attempt.of(attempt) for attempt in shown]
        return AttemptConnection(**page_parts(nodes, cursors, has_more=len(rest) > len(shown), after=after))

    @strawberry.field(description="What an attempt has left behind, by name; of the latest attempt unless one is named.")
    async def artifacts(
        self,
        info: Info,
        attempt: Annotated[int | None, strawberry.argument(description="The number of the attempt.")] = None,
    ) -> list[Artifact]:
        number = checked_attempt(attempt) or self.job.attempt.number
        found = await info.context.loaders.artifacts_by_job.load(self.job.id)
        until = None if self.past is None else self.past.updated_at
        shown = (artifact for artifact in found if until is None or artifact.created_at <= until)
        return [Artifact.of(artifact) for artifact in shown if artifact.attempt.number == number]

    @strawberry.field(description="Of a DECK_COLLECTION job: the request that it carries out.")
    async def deck_request(self, info: Info) -> DeckRequest | None:
        found = await info.context.loaders.deck_requests_by_job.load(self.job.id)
        return DeckRequest.of(found[0], self.job) if found else None

    @strawberry.field(
        description=(
            "A piece of an attempt's output, for reading it later; `jobLog` streams it live. Of a past kit, too, it is the "
            "output as it is now."
        ),
        directives=[Volatile()],
    )
    async def log(
        self,
        info: Info,
        attempt: Annotated[int | None, strawberry.argument(description="The attempt; the latest unless named.")] = None,
        after: Annotated[int, strawberry.argument(description="The byte offset to read on from: `end` of the last piece.")] = 0,
    ) -> JobLog | None:
        key = AttemptKey(self.job.id, checked_attempt(attempt) or self.job.attempt.number)
        job = self.job if self.past is None else await info.context.loaders.job_by_id.load(self.job.id) or self.job
        is_over = key.number < job.attempt.number or job.is_ended
        frame = await info.context.loaders.log_at.load(LogPlace(key, checked_offset(after), is_over))
        return None if frame is None else JobLog.of(frame)

    @classmethod
    def of(cls, job: domain.Job, past: domain_kit.Kit | None = None) -> "Job":
        """The type for a job of the domain, with the kit it is shown in where that is a past one."""
        return cls(
            id=strawberry.ID(ids.encode("Job", job.id)),
            uuid=str(job.id),
            type=job.type,
            order=job.order,
            status=job.status,
            percent=round(job.progress * 100, 2),
            attempt=Attempt.of(job.attempt),
            cancel_requested=job.cancel_requested,
            version=job.version,
            status_version=job.status_version,
            created_at=job.created_at,
            updated_at=job.updated_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            metadata=JSON(job.metadata),
            data_info=JSON(job.metadata["dataInfo"]) if "dataInfo" in job.metadata else None,
            tasks=[Task.of(task) for task in job.tasks],
            job=job,
            past=past,
        )


@strawberry.type(description="A page of jobs across kits.")
class JobConnection(Connection[Job]):
    @classmethod
    def of(cls, page: Page[domain.Job], order: JobOrder, after: str | None) -> "JobConnection":
        """The connection for a page of jobs in that order."""
        places = {JobOrder.KIT_NUMBER: lambda job: job.kit_id, JobOrder.UPDATED_AT: lambda job: job.updated_at}
        cursors = [encode_cursor(f"job {order}", places[order](job), job.kit_id, job.order) for job in page.items]
        nodes = [Job.of(job) for job in page.items]
        return cls(**page_parts(nodes, cursors, has_more=page.has_more, after=after))


def decode_job_cursor(order: JobOrder, cursor: str | None) -> tuple[int | datetime, int, JobType] | None:
    """The place in a cursor of a list of jobs in that order: sort value, kit number, job type."""
    types = {JobOrder.KIT_NUMBER: int, JobOrder.UPDATED_AT: datetime}
    place = decode_cursor(f"job {order}", cursor, types[order], int, int)
    if place is None:
        return None
    value, kit_id, job_order = place
    found = next((each for each in JobType if each.order == job_order), None)
    if found is None:
        raise ValidationFailed.of("after", "is no cursor of this list")
    return value, kit_id, found

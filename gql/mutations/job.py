"""What people do with the jobs of a kit."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry

from domain import job as domain
from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import ExpectedVersion, IdempotencyKey
from gql.types.job import Job
from resolvers import job as jobs

JobId = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]


@strawberry.type(description="The command was given to the job.")
class JobCommandPayload:
    job: Job = strawberry.field(description="The job after the command.")


JobCommandAnswer = Annotated[
    JobCommandPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("JobCommandAnswer", description="The job after the command, or why it was refused."),
]
Command = Callable[..., Awaitable[domain.Job]]


@strawberry.type
class JobMutation:
    @mutation(description="Queue one job. Its predecessor must have succeeded.")
    async def job_start(
        self, info: Info, id: JobId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> JobCommandAnswer:
        return await _command(jobs.start_job, info, id, expected_version, idempotency_key)

    @mutation(description="Queue a new attempt of a job that has ended. Later jobs go back to `PENDING`; old attempts stay.")
    async def job_retry(
        self, info: Info, id: JobId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> JobCommandAnswer:
        return await _command(jobs.retry_job, info, id, expected_version, idempotency_key)

    @mutation(
        description="End a job: at once where it waits, through its runner where it runs. Its kit then starts no further job by "
        "itself; a job whose step succeeds before it could be ended is `CANCELLED` all the same, with its artifacts kept."
    )
    async def job_cancel(
        self, info: Info, id: JobId, expected_version: ExpectedVersion = None, idempotency_key: IdempotencyKey = None
    ) -> JobCommandAnswer:
        return await _command(jobs.cancel_job, info, id, expected_version, idempotency_key)


async def _command(command: Command, info: Info, id: str, expected_version: int | None, key: str | None) -> JobCommandPayload:
    context = info.context
    job = await command(context.services, context.actor, ids.job_uuid(id), expected_version, key)
    return JobCommandPayload(job=Job.of(job))

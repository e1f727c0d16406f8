"""What people do with the jobs of a kit."""

import logging
from collections.abc import Callable
from uuid import UUID

from domain import commands
from domain.actor import Actor
from domain.artifact import AttemptArtifact
from domain.attempt import Attempt
from domain.change import Change
from domain.deck_request import DeckRequest
from domain.job import Job
from domain.query import JobQuery, Page
from resolvers.authorisation import require_person, visibility_of
from resolvers.change import change_kit, check_expected, kit_of_job
from resolvers.idempotency import Idempotency
from resolvers.services import Services

log = logging.getLogger(__name__)
JobCommand = Callable[[Change, UUID], None]


async def start_job(
    services: Services, actor: Actor, job_id: UUID, expected_version: int | None = None, idempotency_key: str | None = None
) -> Job:
    """Queue one job whose predecessor has succeeded."""
    return await _command(services, actor, job_id, "jobStart", commands.start_job, expected_version, idempotency_key)


async def retry_job(
    services: Services, actor: Actor, job_id: UUID, expected_version: int | None = None, idempotency_key: str | None = None
) -> Job:
    """Queue a new attempt of a job that has ended; later jobs go back to `PENDING`."""
    return await _command(services, actor, job_id, "jobRetry", commands.retry_job, expected_version, idempotency_key)


async def cancel_job(
    services: Services, actor: Actor, job_id: UUID, expected_version: int | None = None, idempotency_key: str | None = None
) -> Job:
    """End a job that has not ended."""
    return await _command(services, actor, job_id, "jobCancel", commands.cancel_job, expected_version, idempotency_key)


async def _command(
    services: Services,
    actor: Actor,
    job_id: UUID,
    mutation: str,
    decide: JobCommand,
    expected_version: int | None,
    idempotency_key: str | None,
) -> Job:
    person, visibility = require_person(actor), visibility_of(actor)
    idempotency = Idempotency.of(
        person.subject, mutation, idempotency_key, {"job": str(job_id), "expectedVersion": expected_version}
    )
    kit_id = await kit_of_job(services, job_id, visibility)

    def checked(change: Change) -> None:
        job = change.job(job_id)
        check_expected(f"Job {job.type} of kit {kit_id}", expected_version, job.status_version, change.kit.version)
        decide(change, job_id)

    kit = await change_kit(services, person.subject, kit_id, checked, visibility=visibility, idempotency=idempotency)
    log.info("%s", mutation, extra={"kit": kit_id, "job": job_id, "version": kit.version, "subject": person.subject})
    return next(job for job in kit.jobs if job.id == job_id)


async def find_jobs(services: Services, actor: Actor, job_ids: list[UUID]) -> dict[UUID, Job]:
    """The jobs of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        kit_ids = sorted(set((await work.kits.of_jobs(job_ids, visibility_of(actor))).values()))
        kits = await work.kits.get_many(kit_ids, visibility_of(actor))
        wanted = set(job_ids)
        return {job.id: job for kit in kits.values() for job in kit.jobs if job.id in wanted}


async def list_jobs(services: Services, actor: Actor, query: JobQuery) -> Page[Job]:
    """A page of jobs across kits."""
    async with services.database.snapshot() as work:
        return await work.kits.job_page(query, visibility_of(actor))


async def attempts_of_jobs(services: Services, job_ids: list[UUID]) -> list[Attempt]:
    """All attempts of jobs that the caller was shown, oldest first."""
    async with services.database.snapshot() as work:
        return await work.attempts.of_jobs(job_ids)


async def artifacts_of_jobs(services: Services, job_ids: list[UUID]) -> list[AttemptArtifact]:
    """All artifacts of jobs that the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.artifacts.of_jobs(job_ids)


async def deck_requests_of_jobs(services: Services, job_ids: list[UUID]) -> list[DeckRequest]:
    """The deck requests of jobs that the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.deck_requests.of_jobs(job_ids)


async def find_deck_requests(services: Services, actor: Actor, request_ids: list[int]) -> dict[int, DeckRequest]:
    """The deck requests of these numbers that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.deck_requests.get_many(request_ids, visibility_of(actor))

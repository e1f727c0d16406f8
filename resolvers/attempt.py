"""What an attempt needs of the server: its order to start, its input, a place for its artifacts."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.actor import Actor, Worker
from domain.artifact import blob_location, found_after
from domain.attempt import AttemptKey
from domain.deck import bucket_of
from domain.errors import AttemptSuperseded, NotFound
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit
from domain.runner import LaunchOrder
from domain.step_template import BUILTIN
from domain.storage import UnitOfWork
from domain.visibility import EVERYTHING
from resolvers.artifact import input_url, signed_url
from resolvers.authorisation import require_worker
from resolvers.services import Services
from resolvers.upload import take_in, upload_location, upload_path

TOKEN_LIFETIME = timedelta(days=30)
INPUT_LIFETIME = timedelta(hours=6)
UPLOAD_NAME = "upload.zip"


def launch_order(services: Services, kit: Kit, job: Job) -> LaunchOrder:
    """What a runner is told to start for the job's current attempt; NotFound where its template was taken out of the settings."""
    template = services.steps.templates.get(kit.definition["template"])
    if template is None:
        raise NotFound("step template", kit.definition["template"])
    step = template.steps[job.type]
    return LaunchOrder(
        key=job.attempt.key,
        command=step.command,
        environment=step.environment,
        working_data=step.working_data,
        limits=step.limits,
        grace_seconds=step.grace_seconds,
        server_url=services.public_url,
        token=attempt_token(services, job.attempt.key, kit.id),
    )


def attempt_token(services: Services, key: AttemptKey, kit_id: int) -> str:
    """A token for the attempt that is good for `TOKEN_LIFETIME` from now."""
    return services.attempt_tokens.issue(Worker(attempt=key, kit_id=kit_id, expires_at=datetime.now(UTC) + TOKEN_LIFETIME))


async def input_document(services: Services, actor: Actor) -> dict[str, Any]:
    """The document that the worker's step gets (`docs/steps.md`), with a signed URL for each input."""
    worker = require_worker(actor)
    async with services.database.snapshot() as work:
        kit, job = await _current(work, worker)
        earlier = [each for each in kit.jobs if each.order < job.order]
        artifacts = found_after(earlier, await work.artifacts.of_jobs([each.id for each in earlier]))
    types = {each.id: each.type for each in earlier}
    uploads = await _uploads(services, kit) if job.type is JobType.DECK_COLLECTION else []
    return {
        "kit": {"number": kit.id, "name": kit.name, "productLine": kit.product_line},
        "job": {
            "id": str(job.id),
            "type": job.type,
            "attempt": job.attempt.number,
            "tasks": [task.name for task in job.tasks],
        },
        "definition": kit.definition,
        "inputs": [
            {
                "name": artifact.name,
                "id": str(artifact.id),
                "sha256": artifact.sha256,
                "size": artifact.size,
                "mediaType": artifact.media_type,
                "jobType": types[artifact.attempt.job_id],
                "url": input_url(services, artifact, INPUT_LIFETIME),
            }
            for artifact in artifacts
        ]
        + uploads,
        "server": {
            "folders": services.steps.folders,
            "functions": services.steps.functions,
            "allowPrivateAddresses": services.steps.allow_private_addresses,
            "buckets": _buckets(services, kit) if job.type is JobType.DECK_COLLECTION else {},
        },
    }


async def upload_offset(services: Services, actor: Actor, sha256: str) -> int:
    """How many bytes of an upload of the worker's attempt the server holds."""
    return await services.artifacts.upload_offset(await _upload_location(services, actor, sha256))


async def upload(services: Services, actor: Actor, sha256: str, size: int, offset: int, chunks: AsyncIterator[bytes]) -> None:
    """Take in the content of an artifact from `offset` on; it is stored once `size` bytes with that checksum are there."""
    await take_in(services, await _upload_location(services, actor, sha256), sha256, size, offset, chunks)


def _buckets(services: Services, kit: Kit) -> dict[str, Mapping[str, str]]:
    """How to read the bucket that the kit's decks come from, where they come from one.

    Its keys are for the built-in step alone: what a team's own step prints is read by everybody who sees the kit.
    """
    if kit.definition["template"] != BUILTIN:
        return {}
    bucket = bucket_of(kit.definition["deck"]["source"].get("url"))
    return {} if bucket is None or bucket not in services.steps.buckets else {bucket: services.steps.buckets[bucket]}


async def _uploads(services: Services, kit: Kit) -> list[dict[str, Any]]:
    """The zip that the kit's owner has uploaded, as an input, where its decks come from one."""
    sha256 = kit.definition["deck"]["source"].get("upload")
    if sha256 is None:
        return []
    path = upload_path(kit.owner, sha256)
    return [
        {
            "name": UPLOAD_NAME,
            "id": None,
            "sha256": sha256,
            "size": await services.artifacts.size(upload_location(kit.owner, sha256)),
            "mediaType": "application/zip",
            "jobType": None,
            "url": signed_url(services, path, INPUT_LIFETIME),
        }
    ]


async def _upload_location(services: Services, actor: Actor, sha256: str) -> str:
    worker = require_worker(actor)
    async with services.database.snapshot() as work:
        await _current(work, worker)
    return blob_location(worker.attempt, sha256)


async def _current(work: UnitOfWork, worker: Worker) -> tuple[Kit, Job]:
    kit = await work.kits.get(worker.kit_id, EVERYTHING)
    job = kit.job(worker.attempt.job_id) if kit is not None else None
    if kit is None or job is None:
        raise NotFound("attempt", worker.attempt)
    if job.attempt.key != worker.attempt or job.is_ended:
        raise AttemptSuperseded(worker.attempt.number, job.attempt.number)
    return kit, job

"""Where the trained model of a new version comes from: what a job has registered, or what a person has uploaded.

Whoever made it, a process of its own looks into its file before that is taken; the file is stored before any row names it.
"""

import json
from uuid import UUID

from domain.actor import Actor
from domain.artifact import AttemptArtifact, model_location
from domain.errors import NotFound, ValidationFailed
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit, ProductLine
from domain.model_source import (
    InspectedModel,
    ModelSource,
    checked_content,
    read_card,
    read_metrics,
    trained_content,
    uploaded_content,
)
from domain.model_version import MAX_MODEL_BYTES, ModelContent
from domain.status import Status
from resolvers.authorisation import require_person, visibility_of
from resolvers.services import Services
from resolvers.upload import copy, upload_location

CARD_FILE = "model_card.json"
MODEL_FILE = "model.skops"
METRICS_FILE = "metrics.json"
MAX_DOCUMENT_BYTES = 50_000_000
JOB_FIELD = "input.source.jobId"
UPLOAD_FIELD = "input.source.upload.sha256"


async def content_of(services: Services, actor: Actor, product_line: ProductLine, source: ModelSource) -> ModelContent:
    """The content that the source leads to, for a model of that product line; its file is kept where models' files are."""
    if source.job_id is None:
        return await _of_upload(services, actor, source)
    return await _of_job(services, actor, product_line, source.job_id)


async def _of_upload(services: Services, actor: Actor, source: ModelSource) -> ModelContent:
    """What the person has uploaded, once it was looked into by a process of its own."""
    assert source.sha256 is not None
    location = upload_location(require_person(actor).subject, source.sha256)
    size = await services.artifacts.size(location)
    if size is None:
        raise ValidationFailed.of(UPLOAD_FIELD, "was not uploaded: send the file to /uploads/SHA256 first")
    if size > MAX_MODEL_BYTES:
        raise ValidationFailed.of(UPLOAD_FIELD, f"is {size} bytes long; {MAX_MODEL_BYTES} are allowed")
    found = await services.model_inspector.inspect(services.artifacts.read(location, 0, size))
    content = uploaded_content(source, size, found)
    await copy(services, location, model_location(content.sha256), content.sha256, size)
    return content


async def _of_job(services: Services, actor: Actor, product_line: ProductLine, job_id: UUID) -> ModelContent:
    """What an OPTIMIZE job has registered, with what its card says of it: its own model or that of the ML job before."""
    async with services.database.snapshot() as work:
        kit_id = (await work.kits.of_jobs([job_id], visibility_of(actor))).get(job_id)
        kit = None if kit_id is None else await work.kits.get(kit_id, visibility_of(actor))
        if kit is None:
            raise NotFound("job", job_id)
        left = await work.artifacts.of_jobs([job.id for job in kit.jobs])
    job = _trained(kit, job_id, product_line)
    if job.type is JobType.ML:
        return await _of_training(services, job, left)
    card = _artifact(left, job, CARD_FILE)
    name, sha256, content = read_card(await _json(services, card), JOB_FIELD)
    for maker in (job, kit.job_of(JobType.ML)):
        for artifact in left:
            if (artifact.attempt, artifact.name, artifact.sha256) == (maker.attempt.key, name, sha256):
                checked = checked_content(content, await _inspected(services, artifact), JOB_FIELD)
                return await _kept(services, artifact, checked)
    raise ValidationFailed.of(JOB_FIELD, f"names {name[:80]!r} as its model, which is not among its artifacts")


async def _of_training(services: Services, job: Job, left: list[AttemptArtifact]) -> ModelContent:
    """What an ML job has trained. It leaves no card: the model itself is asked for its inputs."""
    figures = read_metrics(await _json(services, _artifact(left, job, METRICS_FILE)), JOB_FIELD)
    artifact = _artifact(left, job, MODEL_FILE)
    return await _kept(services, artifact, trained_content(await _inspected(services, artifact), figures, JOB_FIELD))


def _trained(kit: Kit, job_id: UUID, product_line: ProductLine) -> Job:
    job = kit.job(job_id)
    assert job is not None
    if job.type not in (JobType.ML, JobType.OPTIMIZE):
        raise ValidationFailed.of(JOB_FIELD, f"is a job {job.type}; it has to be {JobType.ML} or {JobType.OPTIMIZE}")
    if job.status is not Status.SUCCEEDED:
        raise ValidationFailed.of(JOB_FIELD, f"is {job.status}; only what has SUCCEEDED has left a model")
    if kit.product_line is not product_line:
        raise ValidationFailed.of(JOB_FIELD, f"belongs to a kit of {kit.product_line}, and not of {product_line}")
    return job


def _artifact(left: list[AttemptArtifact], job: Job, name: str) -> AttemptArtifact:
    for artifact in left:
        if artifact.attempt == job.attempt.key and artifact.name == name:
            return artifact
    raise ValidationFailed.of(JOB_FIELD, f"has left no {name}")


async def _json(services: Services, artifact: AttemptArtifact) -> object:
    if artifact.size > MAX_DOCUMENT_BYTES:
        raise ValidationFailed.of(
            JOB_FIELD, f"has left a {artifact.name} of {artifact.size} bytes; {MAX_DOCUMENT_BYTES} are read"
        )
    content = b"".join([each async for each in services.artifacts.read(artifact.location, 0, artifact.size)])
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


async def _inspected(services: Services, artifact: AttemptArtifact) -> InspectedModel:
    if artifact.size > MAX_MODEL_BYTES:
        raise ValidationFailed.of(JOB_FIELD, f"has left a model of {artifact.size} bytes; {MAX_MODEL_BYTES} are allowed")
    return await services.model_inspector.inspect(services.artifacts.read(artifact.location, 0, artifact.size))


async def _kept(services: Services, artifact: AttemptArtifact, content: ModelContent) -> ModelContent:
    await copy(services, artifact.location, model_location(artifact.sha256), artifact.sha256, artifact.size)
    return content.found_in(artifact)

"""Finding artifacts and handing out links to them."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.actor import Actor, Person
from domain.artifact import Artifact, AttemptArtifact, ModelArtifact, RunArtifact, TargetArtifact
from domain.errors import NotFound, PermissionDenied
from domain.set_up_model import ModelFile
from domain.storage import UnitOfWork
from domain.visibility import EVERY_MODEL, EVERY_PROJECT, EVERYTHING
from resolvers.authorisation import membership_of, reach_of, require_person, visibility_of
from resolvers.model_access_request import access_denial, access_used
from resolvers.rights import with_rights
from resolvers.services import Services


async def find_artifacts(services: Services, actor: Actor, ids: list[UUID]) -> dict[UUID, Artifact]:
    """The artifacts of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.artifacts.get_many(ids, visibility_of(actor), membership_of(actor), reach_of(actor))


async def reports_of_runs(services: Services, run_ids: list[int]) -> list[RunArtifact]:
    """The reports of runs that the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.artifacts.of_runs(run_ids)


async def model_files(services: Services, actor: Actor, ids: list[UUID]) -> dict[UUID, ModelFile]:
    """Which of these outputs of attempts, that the caller was shown, are the files of set-up models."""
    async with services.database.snapshot() as work:
        return await work.set_up_models.files_among(ids, reach_of(actor))


def why_not_download(services: Services, file: ModelFile | None) -> PermissionDenied | None:
    """What downloading an output that is that file is refused with; None where it is not (also of no model's file)."""
    if file is None or file.usable_id is not None:
        return None
    return access_denial(services, file.product_line, file.unarchived_id)


def download_url(services: Services, actor: Actor, artifact: Artifact) -> str:
    """A link to the content of an artifact that the person was shown; it needs no sign-in, and opens what they may see then."""
    viewer = base64.urlsafe_b64encode(require_person(actor).subject.encode()).decode().rstrip("=")
    return signed_url(services, f"/artifacts/{artifact.id}/{viewer}", services.download_lifetime)


def input_url(services: Services, artifact: Artifact, lifetime: timedelta) -> str:
    """A link to the content of an artifact for the attempt that it is an input of: the link itself is the permission."""
    return signed_url(services, f"/artifacts/{artifact.id}", lifetime)


def signed_url(services: Services, path: str, lifetime: timedelta) -> str:
    """A link to a path of this server that needs no sign-in until it expires."""
    return f"{services.public_url}{path}?{services.url_signer.sign('GET', path, datetime.now(UTC) + lifetime)}"


async def viewer_behind_link(services: Services, viewer: str) -> Actor:
    """The person for whom a valid link was made, with what they may do now."""
    subject = base64.urlsafe_b64decode(viewer + "=" * (-len(viewer) % 4)).decode()
    return await with_rights(services, Person(subject=subject, name=subject, expires_at=datetime.max.replace(tzinfo=UTC)))


@dataclass(frozen=True, slots=True)
class Opening:
    """What has opened an artifact besides permissions: a download lasts no longer than these do (`OpenStream.hold`)."""

    access: frozenset[int] = frozenset()
    members: frozenset[tuple[str, int]] = frozenset()


async def artifact_behind_link(services: Services, artifact_id: UUID, viewer: Actor | None) -> tuple[Artifact, Opening]:
    """The artifact that a valid link leads to, if it exists for the viewer; where none is named, the link is the permission.

    `PermissionDenied` where it is the file of a set-up model that the viewer may not use.
    """
    visibility, membership, reach = EVERYTHING, EVERY_PROJECT, EVERY_MODEL
    if viewer is not None:
        visibility, membership, reach = visibility_of(viewer), membership_of(viewer), reach_of(viewer)
    async with services.database.snapshot() as work:
        artifact = (await work.artifacts.get_many([artifact_id], visibility, membership, reach)).get(artifact_id)
        if artifact is None:
            raise NotFound("artifact", artifact_id)
        return artifact, Opening() if viewer is None else await _opening(services, work, require_person(viewer), artifact)


async def _opening(services: Services, work: UnitOfWork, viewer: Person, artifact: Artifact) -> Opening:
    membership = membership_of(viewer)
    match artifact:
        case ModelArtifact():
            return Opening(access=await access_used(work, viewer, artifact.model_id))
        case AttemptArtifact():
            file = (await work.set_up_models.files_among([artifact.id], reach_of(viewer))).get(artifact.id)
            if (refusal := why_not_download(services, file)) is not None:
                raise refusal
            if file is None or file.usable_id is None:
                return Opening()
            return Opening(access=await access_used(work, viewer, file.usable_id))
        case RunArtifact():
            runs = await work.load_test_runs.get_many([artifact.run_id], membership)
            projects = [run.project_id for run in runs.values()]
        case TargetArtifact():
            targets = await work.targets.get_many([artifact.target_id], membership)
            projects = [target.project_id for target in targets.values()]
        case _:
            projects = []
    return Opening(members=frozenset((viewer.subject, project) for project in projects))

"""Finding artifacts and handing out links to them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.actor import Actor
from domain.artifact import Artifact, RunArtifact
from domain.errors import NotFound
from domain.visibility import EVERYTHING
from resolvers.authorisation import visibility_of
from resolvers.services import Services


async def find_artifacts(services: Services, actor: Actor, ids: list[UUID]) -> dict[UUID, Artifact]:
    """The artifacts of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.artifacts.get_many(ids, visibility_of(actor))


async def reports_of_runs(services: Services, run_ids: list[int]) -> list[RunArtifact]:
    """The reports of runs that the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.artifacts.of_runs(run_ids)


def download_url(services: Services, artifact: Artifact, lifetime: timedelta | None = None) -> str:
    """A link to the content of an artifact that the caller was shown; it needs no sign-in and expires."""
    return signed_url(services, f"/artifacts/{artifact.id}", lifetime or services.download_lifetime)


def signed_url(services: Services, path: str, lifetime: timedelta) -> str:
    """A link to a path of this server that needs no sign-in until it expires."""
    return f"{services.public_url}{path}?{services.url_signer.sign('GET', path, datetime.now(UTC) + lifetime)}"


async def artifact_behind_link(services: Services, artifact_id: UUID) -> Artifact:
    """The artifact that a valid link leads to: the link itself is the permission."""
    async with services.database.snapshot() as work:
        artifact = (await work.artifacts.get_many([artifact_id], EVERYTHING)).get(artifact_id)
    if artifact is None:
        raise NotFound("artifact", artifact_id)
    return artifact

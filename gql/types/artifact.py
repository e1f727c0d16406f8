"""Artifacts: what attempts, targets, runs and set-up models have."""

from datetime import datetime

import strawberry

from domain import artifact as domain
from domain.errors import PermissionDenied
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.capability import Capability
from gql.types.node import Node
from resolvers.artifact import download_url, why_not_download

OF_PERSONS = (domain.TargetArtifact, domain.RunArtifact, domain.ImportArtifact, domain.ModelArtifact)


@strawberry.type(
    description=(
        "A file that is kept: an output of an attempt of a job, the document of a target, the report of a run, the rows that an "
        "import of lot rows has refused, or a trained model."
    )
)
class Artifact(Node):
    name: str = strawberry.field(description="The file's name, single within its attempt.")
    media_type: str = strawberry.field(description="Its media type, as in `application/vnd.apache.parquet`.")
    size: float = strawberry.field(description="Its size in bytes; a whole number.")
    sha256: str = strawberry.field(description="The SHA-256 checksum of its content in hexadecimal digits.")
    owner_id: strawberry.ID = strawberry.field(
        description="The id of the attempt, target, run, import or set-up model that it belongs to."
    )
    attempt_number: int | None = strawberry.field(description="The number of the attempt that made it; null of others.")
    input_ids: list[strawberry.ID] = strawberry.field(description="The ids of the artifacts that an attempt made it from.")
    analysis_id: strawberry.ID | None = strawberry.field(
        description="Of a report: the id of the analysis that it shows; null where the run had none then, and of others."
    )
    actor: str | None = strawberry.field(
        description="The subject of the person who had it made first; null for the output of an attempt."
    )
    created_at: datetime = strawberry.field(description="When it was recorded.")
    artifact: strawberry.Private[domain.Artifact]

    @strawberry.field(
        description=(
            "A link to its content; null where the viewer may not download it. It needs no sign-in, expires after some minutes, "
            "and opens nothing that the viewer may not see any more."
        ),
        directives=[Volatile()],
    )
    async def download_url(self, info: Info) -> str | None:
        if await self._refusal(info) is not None:
            return None
        return download_url(info.context.services, info.context.actor, self.artifact)

    @strawberry.field(
        description=(
            "Whether the viewer may download it: what a job has left that is the file of a set-up model of its product line is "
            "for those who may use the model."
        ),
        directives=[Volatile()],
    )
    async def viewer_can_download(self, info: Info) -> Capability:
        return Capability.of(await self._refusal(info))

    async def _refusal(self, info: Info) -> PermissionDenied | None:
        if not isinstance(self.artifact, domain.AttemptArtifact):
            return None
        return why_not_download(info.context.services, await info.context.loaders.of_models.file_by_output.load(self.artifact.id))

    @classmethod
    def of(cls, artifact: domain.Artifact) -> "Artifact":
        """The type for an artifact of the domain."""
        attempt = artifact.attempt if isinstance(artifact, domain.AttemptArtifact) else None
        inputs = artifact.inputs if isinstance(artifact, domain.AttemptArtifact) else ()
        analysis = artifact.analysis_id if isinstance(artifact, domain.RunArtifact) else None
        return cls(
            id=strawberry.ID(ids.encode("Artifact", artifact.id)),
            name=artifact.name,
            media_type=artifact.media_type,
            size=artifact.size,
            sha256=artifact.sha256,
            owner_id=strawberry.ID(_owner(artifact)),
            attempt_number=None if attempt is None else attempt.number,
            input_ids=[strawberry.ID(ids.encode("Artifact", each)) for each in inputs],
            analysis_id=None if analysis is None else strawberry.ID(ids.encode("LoadTestAnalysis", analysis)),
            actor=artifact.actor if isinstance(artifact, OF_PERSONS) else None,
            created_at=artifact.created_at,
            artifact=artifact,
        )


def _owner(artifact: domain.Artifact) -> str:
    match artifact:
        case domain.AttemptArtifact(attempt=attempt):
            return ids.encode("Attempt", attempt.job_id, attempt.number)
        case domain.TargetArtifact(target_id=target_id):
            return ids.encode("Target", target_id)
        case domain.RunArtifact(run_id=run_id):
            return ids.encode("LoadTestRun", run_id)
        case domain.ImportArtifact(import_id=import_id):
            return ids.encode("LotImport", import_id)
        case domain.ModelArtifact(model_id=model_id):
            return ids.encode("SetUpModel", model_id)
    raise TypeError(type(artifact))

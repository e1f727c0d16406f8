"""Artifacts: the outputs of attempts."""

from datetime import datetime

import strawberry

from domain import artifact as domain
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.node import Node
from resolvers.artifact import download_url


@strawberry.type(description="A file that an attempt has left behind.")
class Artifact(Node):
    name: str = strawberry.field(description="The file's name, single within its attempt.")
    media_type: str = strawberry.field(description="Its media type, as in `application/vnd.apache.parquet`.")
    size: float = strawberry.field(description="Its size in bytes; a whole number.")
    sha256: str = strawberry.field(description="The SHA-256 checksum of its content in hexadecimal digits.")
    attempt_number: int = strawberry.field(description="The number of the attempt that made it.")
    input_ids: list[strawberry.ID] = strawberry.field(description="The ids of the artifacts it was made from.")
    created_at: datetime = strawberry.field(description="When it was recorded.")
    artifact: strawberry.Private[domain.Artifact]

    @strawberry.field(
        description="A link to its content. It needs no sign-in and expires after some minutes.", directives=[Volatile()]
    )
    def download_url(self, info: Info) -> str:
        return download_url(info.context.services, self.artifact)

    @classmethod
    def of(cls, artifact: domain.Artifact) -> "Artifact":
        """The type for an artifact of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("Artifact", artifact.id)),
            name=artifact.name,
            media_type=artifact.media_type,
            size=artifact.size,
            sha256=artifact.sha256,
            attempt_number=artifact.attempt.number,
            input_ids=[strawberry.ID(ids.encode("Artifact", each)) for each in artifact.inputs],
            created_at=artifact.created_at,
            artifact=artifact,
        )

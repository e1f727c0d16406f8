"""The records of artifacts; their content is in the artifact store."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.artifact import Artifact
from domain.attempt import AttemptKey
from domain.storage import ArtifactRecords
from domain.visibility import Visibility
from persistence import tables
from persistence.dialect import among
from persistence.repositories.kit import is_visible

ARTIFACT = tables.artifact


class ArtifactRepository(ArtifactRecords):
    """The artifacts of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, artifacts: Sequence[Artifact]) -> None:
        for artifact in artifacts:
            values = {
                "id": artifact.id,
                "kit_id": artifact.kit_id,
                "job_id": artifact.attempt.job_id,
                "attempt": artifact.attempt.number,
                "name": artifact.name,
                "media_type": artifact.media_type,
                "sha256": artifact.sha256,
                "size": artifact.size,
                "inputs": [str(each) for each in artifact.inputs],
                "created_at": artifact.created_at,
            }
            await self._connection.execute(ARTIFACT.insert().values(values))

    async def get_many(self, ids: Sequence[UUID], visibility: Visibility) -> dict[UUID, Artifact]:
        query = (
            select(ARTIFACT)
            .join(tables.kit, tables.kit.c.id == ARTIFACT.c.kit_id)
            .where(among(ARTIFACT.c.id, ids, self._connection.dialect.name), is_visible(visibility))
        )
        found = [self._artifact(row) for row in await self._connection.execute(query)]
        return {artifact.id: artifact for artifact in found}

    async def of_jobs(self, job_ids: Sequence[UUID]) -> list[Artifact]:
        query = select(ARTIFACT).where(among(ARTIFACT.c.job_id, job_ids, self._connection.dialect.name))
        query = query.order_by(ARTIFACT.c.job_id, ARTIFACT.c.attempt, ARTIFACT.c.name)
        return [self._artifact(row) for row in await self._connection.execute(query)]

    @staticmethod
    def _artifact(row: Row[tuple[object, ...]]) -> Artifact:
        return Artifact(
            id=row.id,
            kit_id=row.kit_id,
            attempt=AttemptKey(row.job_id, row.attempt),
            name=row.name,
            media_type=row.media_type,
            sha256=row.sha256,
            size=row.size,
            inputs=tuple(UUID(each) for each in row.inputs or ()),
            created_at=row.created_at,
        )

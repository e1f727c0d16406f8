"""The records of artifacts; their content is in the artifact store."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.artifact import Artifact, AttemptArtifact, ImportArtifact, ModelArtifact, RunArtifact, TargetArtifact
from domain.attempt import AttemptKey
from domain.storage import ArtifactRecords
from domain.visibility import Membership, ModelReach, Visibility
from persistence import load_test_tables, model_tables, tables
from persistence.dialect import among, insert_into
from persistence.membership import is_member
from persistence.model_reach import is_usable_by
from persistence.repositories.kit import is_visible

ARTIFACT, TARGET, RUN = tables.artifact, load_test_tables.target, load_test_tables.load_test_run
MODEL = model_tables.set_up_model


class ArtifactRepository(ArtifactRecords):
    """The artifacts of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, artifacts: Sequence[Artifact]) -> None:
        for artifact in artifacts:
            await self._connection.execute(ARTIFACT.insert().values(_values(artifact)))

    async def add_once(self, artifact: Artifact) -> Artifact:
        insert = insert_into(self._connection, ARTIFACT).values(_values(artifact))
        await self._connection.execute(insert.on_conflict_do_nothing(index_elements=[ARTIFACT.c.id]))
        return _artifact((await self._connection.execute(select(ARTIFACT).where(ARTIFACT.c.id == artifact.id))).one())

    async def get_many(
        self, ids: Sequence[UUID], visibility: Visibility, membership: Membership, reach: ModelReach
    ) -> dict[UUID, Artifact]:
        exists_for_caller = (
            is_visible(visibility),
            *(_of_project(of, membership) for of in (TARGET, RUN)),
            _of_import(membership),
            is_usable_by(reach, self._connection.dialect.name) & MODEL.c.id.is_not(None),
        )
        query = (
            select(ARTIFACT)
            .join(tables.kit, tables.kit.c.id == ARTIFACT.c.kit_id, isouter=True)
            .join(TARGET, TARGET.c.id == ARTIFACT.c.target_id, isouter=True)
            .join(RUN, RUN.c.id == ARTIFACT.c.run_id, isouter=True)
            .join(MODEL, MODEL.c.id == ARTIFACT.c.model_id, isouter=True)
            .where(self._among(ARTIFACT.c.id, ids))
            .where(or_(*exists_for_caller))
        )
        found = [_artifact(row) for row in await self._connection.execute(query)]
        return {artifact.id: artifact for artifact in found}

    async def of_jobs(self, job_ids: Sequence[UUID]) -> list[AttemptArtifact]:
        query = select(ARTIFACT).where(self._among(ARTIFACT.c.job_id, job_ids))
        query = query.order_by(ARTIFACT.c.job_id, ARTIFACT.c.attempt, ARTIFACT.c.name)
        return [_of_attempt(row) for row in await self._connection.execute(query)]

    async def of_runs(self, run_ids: Sequence[int]) -> list[RunArtifact]:
        query = select(ARTIFACT).where(self._among(ARTIFACT.c.run_id, run_ids))
        query = query.order_by(ARTIFACT.c.run_id, ARTIFACT.c.created_at, ARTIFACT.c.id)
        return [_of_run(row) for row in await self._connection.execute(query)]

    async def remove_of_run(self, run_id: int) -> None:
        await self._connection.execute(delete(ARTIFACT).where(ARTIFACT.c.run_id == run_id))

    def _among(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return among(column, values, self._connection.dialect.name)


def _of_project(owner: Table, membership: Membership) -> ColumnElement[bool]:
    """What belongs to a target or run of the person's projects."""
    return and_(owner.c.id.is_not(None), *is_member(owner.c.project_id, membership))


def _of_import(membership: Membership) -> ColumnElement[bool]:
    """What an import of lot rows has left, for who started it."""
    of_whom = [] if membership.subject is None else [ARTIFACT.c.actor == membership.subject]
    return and_(ARTIFACT.c.import_id.is_not(None), *of_whom)


def _values(artifact: Artifact) -> dict[str, Any]:
    values = {name: value for name, value in asdict(artifact).items() if name in ARTIFACT.c}
    if isinstance(artifact, AttemptArtifact):
        values |= {"job_id": artifact.attempt.job_id, "attempt": artifact.attempt.number}
        values["inputs"] = [str(each) for each in artifact.inputs]
    return values


def _artifact(row: Row[Any]) -> Artifact:
    if row.run_id is not None:
        return _of_run(row)
    if row.import_id is not None:
        return ImportArtifact(**_shared(row), import_id=row.import_id, actor=row.actor)
    if row.model_id is not None:
        return ModelArtifact(**_shared(row), model_id=row.model_id, actor=row.actor)
    return _of_attempt(row) if row.target_id is None else TargetArtifact(**_shared(row), target_id=row.target_id, actor=row.actor)


def _of_attempt(row: Row[Any]) -> AttemptArtifact:
    inputs = tuple(UUID(each) for each in row.inputs or ())
    return AttemptArtifact(**_shared(row), kit_id=row.kit_id, attempt=AttemptKey(row.job_id, row.attempt), inputs=inputs)


def _of_run(row: Row[Any]) -> RunArtifact:
    return RunArtifact(**_shared(row), run_id=row.run_id, actor=row.actor, analysis_id=row.analysis_id)


def _shared(row: Row[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("id", "name", "media_type", "sha256", "size", "created_at")}

"""The versions of set-up models and which was in use when; whether one is in use is read off the activations."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Row, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.attempt import AttemptKey
from domain.model_storage import ModelVersionStore
from domain.model_version import (
    FeatureKind,
    ModelActivation,
    ModelContent,
    ModelFeature,
    ModelOrigin,
    ModelVersion,
    ModelVersionState,
    VersionKey,
)
from domain.query import HistoryQuery, Page
from persistence.dialect import among, table_of
from persistence.listing import histories
from persistence.model_tables import model_activation, model_version, set_up_model

VERSION, ACTIVATION, MODEL = model_version, model_activation, set_up_model
STATE = case(
    (
        exists().where(MODEL.c.id == VERSION.c.model_id, MODEL.c.active_version == VERSION.c.number),
        ModelVersionState.ACTIVE.value,
    ),
    (
        exists().where(ACTIVATION.c.model_id == VERSION.c.model_id, ACTIVATION.c.version == VERSION.c.number),
        ModelVersionState.RETIRED.value,
    ),
    else_=ModelVersionState.CANDIDATE.value,
)
SELECTED = select(VERSION, STATE.label("state"))


class ModelVersionRepository(ModelVersionStore):
    """The versions and activations of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get_many(self, keys: Sequence[VersionKey]) -> dict[VersionKey, ModelVersion]:
        wanted = table_of(self._connection.dialect.name, keys, model_id=Integer(), number=Integer())
        is_it = (VERSION.c.model_id == wanted.c.model_id) & (VERSION.c.number == wanted.c.number)
        rows = await self._connection.execute(SELECTED.join_from(VERSION, wanted, is_it))
        return {version.key: version for version in map(_version, rows)}

    async def pages(self, queries: Sequence[HistoryQuery]) -> list[Page[ModelVersion]]:
        return await histories(self._connection, queries, SELECTED, VERSION.c.number, _version)

    async def add(self, model_id: int, content: ModelContent, actor: str, actor_name: str, at: datetime) -> VersionKey:
        last = select(func.max(VERSION.c.number)).where(VERSION.c.model_id == model_id)
        key = VersionKey(model_id, ((await self._connection.execute(last)).scalar_one() or 0) + 1)
        values = {
            **asdict(content),
            **key._asdict(),
            "job_id": None if content.attempt is None else content.attempt.job_id,
            "attempt": None if content.attempt is None else content.attempt.number,
            "source_model_id": None if content.source is None else content.source.model_id,
            "source_number": None if content.source is None else content.source.number,
            "actor": actor,
            "actor_name": actor_name,
            "created_at": at,
        }
        del values["source"]
        await self._connection.execute(VERSION.insert().values(values))
        return key

    async def activate(self, activation: ModelActivation) -> None:
        await self._connection.execute(ACTIVATION.insert().values(asdict(activation)))

    async def activations(self, queries: Sequence[HistoryQuery]) -> list[Page[ModelActivation]]:
        return await histories(self._connection, queries, select(ACTIVATION), ACTIVATION.c.number, _activation)

    async def activation(self, model_id: int, number: int) -> ModelActivation | None:
        query = select(ACTIVATION).where(ACTIVATION.c.model_id == model_id, ACTIVATION.c.number == number)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _activation(row)

    async def active_at(self, places: Sequence[tuple[int, datetime]]) -> dict[tuple[int, datetime], ModelActivation]:
        models = sorted({model_id for model_id, _ in places})
        query = select(ACTIVATION).where(among(ACTIVATION.c.model_id, models, self._connection.dialect.name))
        rows = await self._connection.execute(query.order_by(ACTIVATION.c.model_id, ACTIVATION.c.number))
        found: dict[tuple[int, datetime], ModelActivation] = {}
        for activation in map(_activation, rows):
            for model_id, at in places:
                if model_id == activation.model_id and activation.recorded_at <= at:
                    found[model_id, at] = activation
        return found


def _version(row: Row[Any]) -> ModelVersion:
    attempt = None if row.job_id is None else AttemptKey(row.job_id, row.attempt)
    source = None if row.source_model_id is None else VersionKey(row.source_model_id, row.source_number)
    content = ModelContent(
        sha256=row.sha256,
        size=row.size,
        features=tuple(_feature(each) for each in row.features),
        targets=tuple(row.targets),
        metrics=row.metrics,
        frameworks=row.frameworks,
        origin=ModelOrigin(row.origin),
        attempt=attempt,
        source=source,
    )
    return ModelVersion(
        key=VersionKey(row.model_id, row.number),
        content=content,
        actor=row.actor,
        actor_name=row.actor_name,
        created_at=row.created_at,
        state=ModelVersionState(row.state),
    )


def _feature(said: dict[str, Any]) -> ModelFeature:
    return ModelFeature(**{**said, "kind": FeatureKind(said["kind"]), "categories": tuple(said["categories"])})


def _activation(row: Row[Any]) -> ModelActivation:
    return ModelActivation(**{column.name: getattr(row, column.name) for column in ACTIVATION.columns})

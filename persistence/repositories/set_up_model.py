"""Set-up models, and what they were before."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kit import ProductLine
from domain.model_storage import SetUpModelStore
from domain.query import HistoryQuery, Page, SetUpModelQuery
from domain.set_up_model import ModelDefinition, ModelFile, SetUpModel
from domain.version import Version
from domain.visibility import ModelReach
from persistence import model_tables as tables
from persistence.dialect import among
from persistence.listing import begins_with, equals, is_given, one_of
from persistence.model_reach import exists_for, is_decided_by, is_usable_by
from persistence.tables import artifact, kit
from persistence.versioned import Versioned, VersionedRows

ARTIFACT, MODEL = artifact, tables.set_up_model
FIRST_VERSION = 1


class SetUpModelRepository(SetUpModelStore):
    """The set-up models of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows = VersionedRows(connection, KEPT)

    async def get_many(self, ids: Sequence[int], reach: ModelReach) -> dict[int, SetUpModel]:
        return await self._rows.get_many(ids, exists_for(reach))

    async def files_among(self, artifact_ids: Sequence[UUID], reach: ModelReach) -> dict[UUID, ModelFile]:
        is_usable = is_usable_by(reach, self._connection.dialect.name)
        is_theirs = exists_for(reach) & is_decided_by(reach)  # first, as no end of access closes these
        query = (
            select(
                ARTIFACT.c.id,
                MODEL.c.product_line,
                func.coalesce(_least_where(is_theirs), _least_where(is_usable)).label("usable_id"),
                _least_where(MODEL.c.archived_at.is_(None)).label("unarchived_id"),
            )
            .join(kit, kit.c.id == ARTIFACT.c.kit_id)
            .join(tables.model_version, tables.model_version.c.sha256 == ARTIFACT.c.sha256)
            .join(MODEL, (MODEL.c.id == tables.model_version.c.model_id) & (MODEL.c.product_line == kit.c.product_line))
            .where(among(ARTIFACT.c.id, artifact_ids, self._connection.dialect.name))
            .group_by(ARTIFACT.c.id, MODEL.c.product_line)
        )
        rows = await self._connection.execute(query)
        return {row.id: ModelFile(row.product_line, row.usable_id, row.unarchived_id) for row in rows}

    async def lock(self, number: int) -> None:
        await self._connection.execute(select(MODEL.c.id).where(MODEL.c.id == number).with_for_update(read=True))

    async def page(self, query: SetUpModelQuery, reach: ModelReach) -> Page[SetUpModel]:
        return await self._rows.page(query, _conditions(query, reach))

    async def copies(self, queries: Sequence[SetUpModelQuery], reach: ModelReach) -> list[Page[SetUpModel]]:
        alike: dict[SetUpModelQuery, list[int]] = defaultdict(list)
        for query in queries:
            assert query.source_id is not None
            alike[replace(query, source_id=None)].append(query.source_id)
        found: dict[SetUpModelQuery, list[SetUpModel]] = defaultdict(list)
        for query, sources in alike.items():
            for model in await self._first_of_each(query, sources, reach):
                found[replace(query, source_id=model.source_id)].append(model)
        return [Page(found[each][: each.first], has_more=len(found[each]) > each.first) for each in queries]

    async def _first_of_each(self, query: SetUpModelQuery, sources: list[int], reach: ModelReach) -> list[SetUpModel]:
        """For each source the copies on its page and one more, in one statement."""
        order = MODEL.c.id.desc() if query.is_descending else MODEL.c.id.asc()
        place = func.row_number().over(partition_by=MODEL.c.source_id, order_by=order).label("place")
        of_them = among(MODEL.c.source_id, sources, self._connection.dialect.name)
        numbered = self._rows.on_page(query, select(MODEL, place).where(of_them, *_conditions(query, reach))).subquery()
        selected = select(numbered).where(numbered.c.place <= query.first + 1).order_by(numbered.c.place)
        return [_model(row) for row in await self._connection.execute(selected)]

    async def count(self, query: SetUpModelQuery, reach: ModelReach) -> int:
        return await self._rows.count(_conditions(query, reach))

    async def add(
        self,
        definition: ModelDefinition,
        product_line: ProductLine,
        owner: str,
        owner_name: str,
        source_id: int | None = None,
    ) -> SetUpModel:
        build = partial(SetUpModel, definition=definition, product_line=product_line, owner=owner, owner_name=owner_name)
        return await self._rows.add(partial(build, active_version=FIRST_VERSION, source_id=source_id), owner)

    async def change(
        self,
        model: SetUpModel,
        actor: str,
        *,
        definition: ModelDefinition | None = None,
        active_version: int | None = None,
        is_archived: bool = False,
    ) -> SetUpModel | None:
        changed = replace(model, definition=definition or model.definition, active_version=active_version or model.active_version)
        return await self._rows.change(model, changed, actor, is_archived=is_archived)

    async def revisions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[ModelDefinition]]]:
        return await self._rows.versions(queries)


def _least_where(condition: ColumnElement[bool]) -> ColumnElement[int | None]:
    return func.min(case((condition, MODEL.c.id)))


def _conditions(query: SetUpModelQuery, reach: ModelReach) -> list[ColumnElement[bool]]:
    return [
        exists_for(reach),
        *is_given(MODEL.c.archived_at, query.is_archived),
        *one_of(MODEL.c.product_line, query.product_lines),
        *begins_with(MODEL.c.name, query.name_prefix),
        *equals(MODEL.c.owner, query.owner),
        *equals(MODEL.c.source_id, query.source_id),
    ]


def _fixed(model: SetUpModel) -> dict[str, Any]:
    return {
        "product_line": model.product_line,
        "owner": model.owner,
        "owner_name": model.owner_name,
        "source_id": model.source_id,
    }


def _changing(model: SetUpModel) -> dict[str, Any]:
    said = model.definition
    attributes = dict(said.attributes)
    return {
        "name": said.name,
        "attributes": attributes,
        "description": said.description,
        "active_version": model.active_version,
    }


def _definition(row: Row[Any]) -> ModelDefinition:
    return ModelDefinition(name=row.name, attributes=row.attributes, description=row.description)


def _model(row: Row[Any]) -> SetUpModel:
    return SetUpModel(
        id=row.id,
        definition=_definition(row),
        product_line=row.product_line,
        owner=row.owner,
        owner_name=row.owner_name,
        active_version=row.active_version,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        source_id=row.source_id,
        archived_at=row.archived_at,
    )


KEPT = Versioned(
    table=MODEL,
    versions=tables.set_up_model_revision,
    name=MODEL.c.name,
    what="set-up model of this product line",
    selected=select(MODEL),
    read=_model,
    fixed=_fixed,
    changing=_changing,
    definition=_definition,
)

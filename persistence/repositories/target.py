"""Targets with their analyses and endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_document import ApiDocument, Drift, NamedAddress, TriedAddress
from domain.endpoint import Endpoint
from domain.errors import ValidationFailed
from domain.query import EndpointQuery, NamedOrder, Page, TargetQuery
from domain.storage import TargetStore
from domain.target import Target, TargetAnalysis, TargetDefinition
from persistence import tables
from persistence.dialect import among, clock
from persistence.listing import begins_with, from_place, is_archived
from persistence.repositories.project import single_name

TARGET = tables.target
VERSION = tables.target_version
ANALYSIS = tables.target_analysis
ENDPOINT = tables.endpoint
TAG = tables.endpoint_tag
SORT_COLUMNS: Mapping[NamedOrder, ColumnElement[Any]] = {NamedOrder.NUMBER: TARGET.c.id, NamedOrder.NAME: TARGET.c.name}
DETAILS: dict[str, TypeAdapter[Any]] = {
    "api": TypeAdapter(ApiDocument),
    "drift": TypeAdapter(Drift),
    "tried": TypeAdapter(tuple[TriedAddress, ...]),
    "choices": TypeAdapter(tuple[NamedAddress, ...]),
}
OPERATION = TypeAdapter(Endpoint)
BATCH = 500
MAX_OPERATIONS = 200_000_000  # references can make a small document large


class TargetRepository(TargetStore):
    """The targets of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    async def get_many(self, ids: Sequence[int]) -> dict[int, Target]:
        query = _targets().where(among(TARGET.c.id, ids, self._dialect))
        return {row.id: _target(row) for row in await self._connection.execute(query)}

    async def page(self, query: TargetQuery) -> Page[Target]:
        order = [(SORT_COLUMNS[query.order], query.is_descending), (TARGET.c.id, query.is_descending)]
        selected = from_place(_targets().where(*self._conditions(query)), order, query.after).limit(query.first + 1)
        found = [_target(row) for row in await self._connection.execute(selected)]
        return Page(found[: query.first], has_more=len(found) > query.first)

    async def count(self, query: TargetQuery) -> int:
        selected = select(func.count()).select_from(TARGET).where(*self._conditions(query))
        return int((await self._connection.execute(selected)).scalar_one())

    async def add(self, project_id: int, definition: TargetDefinition, actor: str) -> Target:
        at = await clock(self._connection)
        values = {"project_id": project_id, "name": definition.name, "url": definition.url, "analysis": 0}
        values |= {"version": 1, "created_at": at, "updated_at": at}
        async with single_name("target of this project"):
            number = (await self._connection.execute(TARGET.insert().values(values).returning(TARGET.c.id))).scalar_one()
        target = Target(id=number, project_id=project_id, definition=definition, version=1, created_at=at, updated_at=at)
        await self._record(target, actor)
        return target

    async def change(
        self, target: Target, definition: TargetDefinition, actor: str, *, is_archived: bool = False
    ) -> Target | None:
        return await self._write(target, replace(target, definition=definition), actor, is_archived=is_archived)

    async def add_analysis(self, target: Target, analysis: TargetAnalysis, endpoints: Sequence[Endpoint]) -> Target | None:
        changed = await self._write(target, replace(target, analysis=analysis), analysis.actor)
        if changed is None:
            return None
        analysis = replace(analysis, recorded_at=changed.updated_at)
        await self._connection.execute(ANALYSIS.insert().values(_analysis_values(analysis)))
        key = {"target_id": target.id, "analysis": analysis.number}
        left = MAX_OPERATIONS
        for start in range(0, len(endpoints), BATCH):
            batch = list(enumerate(endpoints[start : start + BATCH], start + 1))
            rows = [{**key, **_endpoint_values(place, each)} for place, each in batch]
            left -= sum(len(orjson.dumps(row["operation"])) for row in rows)
            if left < 0:
                raise ValidationFailed.of(
                    "url", f"the document's endpoints take more than {MAX_OPERATIONS} bytes when written out"
                )
            await self._connection.execute(ENDPOINT.insert(), rows)
            if tags := [{**key, "place": place, "tag": tag} for place, each in batch for tag in each.tags]:
                await self._connection.execute(TAG.insert(), tags)
        return replace(changed, analysis=analysis)

    async def endpoints(self, query: EndpointQuery) -> Page[tuple[int, Endpoint]]:
        selected = select(ENDPOINT.c.place, ENDPOINT.c.operation).where(
            ENDPOINT.c.target_id == query.target_id, ENDPOINT.c.analysis == query.analysis, ENDPOINT.c.place > query.after
        )
        selected = selected.where(*self._endpoint_conditions(query)).order_by(ENDPOINT.c.place).limit(query.first + 1)
        found = [(row.place, OPERATION.validate_python(row.operation)) for row in await self._connection.execute(selected)]
        return Page(found[: query.first], has_more=len(found) > query.first)

    async def all_endpoints(self, target_id: int, analysis: int) -> list[Endpoint]:
        query = select(ENDPOINT.c.operation).where(ENDPOINT.c.target_id == target_id, ENDPOINT.c.analysis == analysis)
        rows = await self._connection.execute(query.order_by(ENDPOINT.c.place))
        return [OPERATION.validate_python(row.operation) for row in rows]

    async def _write(self, target: Target, changed: Target, actor: str, *, is_archived: bool = False) -> Target | None:
        at = max(target.updated_at, await clock(self._connection))
        archived_at = at if is_archived else target.archived_at
        changed = replace(changed, version=target.version + 1, updated_at=at, archived_at=archived_at)
        values = {**_values(changed), "version": changed.version, "updated_at": at}
        is_same = (TARGET.c.id == target.id) & (TARGET.c.version == target.version)
        async with single_name("target of this project"):
            result = await self._connection.execute(TARGET.update().where(is_same).values(values))
        if result.rowcount == 0:
            return None
        await self._record(changed, actor)
        return changed

    async def _record(self, target: Target, actor: str) -> None:
        values = {"target_id": target.id, "version": target.version, "actor": actor, "recorded_at": target.updated_at}
        await self._connection.execute(VERSION.insert().values(values | _values(target)))

    def _conditions(self, query: TargetQuery) -> list[ColumnElement[bool]]:
        conditions = is_archived(TARGET.c.archived_at, query.is_archived)
        if query.project_id is not None:
            conditions.append(TARGET.c.project_id == query.project_id)
        if query.name_prefix:
            conditions += begins_with(TARGET.c.name, query.name_prefix)
        return conditions

    def _endpoint_conditions(self, query: EndpointQuery) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if query.methods:
            conditions.append(ENDPOINT.c.method.in_(sorted(query.methods)))
        if query.tag is not None:
            tagged = select(TAG.c.place).where(
                TAG.c.target_id == query.target_id, TAG.c.analysis == query.analysis, TAG.c.tag == query.tag
            )
            conditions.append(ENDPOINT.c.place.in_(tagged))
        if query.search:
            position = func.strpos if self._dialect == "postgresql" else func.instr
            conditions.append(position(ENDPOINT.c.search, query.search.casefold()) > 0)
        if query.is_deprecated is not None:
            conditions.append(ENDPOINT.c.is_deprecated == query.is_deprecated)
        return conditions


def _targets() -> Select[Any]:
    is_latest = and_(ANALYSIS.c.target_id == TARGET.c.id, ANALYSIS.c.number == TARGET.c.analysis)
    named = [column.label(f"analysis_{column.name}") for column in ANALYSIS.columns]
    return select(TARGET, *named).join_from(TARGET, ANALYSIS, is_latest, isouter=True)


def _values(target: Target) -> dict[str, Any]:
    return {
        "name": target.definition.name,
        "url": target.definition.url,
        "analysis": 0 if target.analysis is None else target.analysis.number,
        "archived_at": target.archived_at,
    }


def _analysis_values(analysis: TargetAnalysis) -> dict[str, Any]:
    values = {column.name: getattr(analysis, column.name) for column in ANALYSIS.columns if column.name != "details"}
    details = {name: adapter.dump_python(getattr(analysis, name), mode="json") for name, adapter in DETAILS.items()}
    return {**values, "details": details}


def _endpoint_values(place: int, endpoint: Endpoint) -> dict[str, Any]:
    searched = (endpoint.key, endpoint.summary, endpoint.operation_id, *endpoint.tags)
    return {
        "place": place,
        "method": endpoint.method,
        "path": endpoint.path,
        "is_deprecated": endpoint.is_deprecated,
        "search": "\n".join(searched).casefold(),
        "operation": OPERATION.dump_python(endpoint, mode="json"),
    }


def _target(row: Row[Any]) -> Target:
    return Target(
        id=row.id,
        project_id=row.project_id,
        definition=TargetDefinition(name=row.name, url=row.url),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
        analysis=None if row.analysis_number is None else _analysis(row),
    )


def _analysis(row: Row[Any]) -> TargetAnalysis:
    names = [column.name for column in ANALYSIS.columns if column.name != "details"]
    values = {name: getattr(row, f"analysis_{name}") for name in names}
    details = {name: adapter.validate_python(row.analysis_details[name]) for name, adapter in DETAILS.items()}
    return TargetAnalysis(**values, **details)

"""Targets with their analyses and endpoints."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, ColumnElement, Row, Select, and_, bindparam, func, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.api_document import ApiDocument, Drift, NamedAddress, TriedAddress
from domain.endpoint import Endpoint, Method
from domain.errors import ValidationFailed
from domain.load_test_storage import TargetStore, WrittenEndpoints
from domain.query import EndpointQuery, HistoryQuery, Page, TargetQuery
from domain.target import Target, TargetAnalysis, TargetDefinition
from domain.version import Version
from domain.visibility import Membership
from persistence import load_test_tables as tables
from persistence.dialect import WrittenDocument, among
from persistence.listing import begins_with, equals, histories, is_given, one_of
from persistence.membership import is_member
from persistence.versioned import Versioned, VersionedRows

TARGET = tables.target
VERSION = tables.target_version
ANALYSIS = tables.target_analysis
ENDPOINT = tables.endpoint
TAG = tables.endpoint_tag
DETAILS: dict[str, TypeAdapter[Any]] = {
    "api": TypeAdapter(ApiDocument),
    "drift": TypeAdapter(Drift),
    "tried": TypeAdapter(tuple[TriedAddress, ...]),
    "choices": TypeAdapter(tuple[NamedAddress, ...]),
}
OPERATION = TypeAdapter(Endpoint)
WRITTEN = bindparam("written", type_=WrittenDocument())
BATCH = 500
MAX_OPERATIONS = 200_000_000  # references can make a small document large


class TargetRepository(TargetStore):
    """The targets of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._rows = VersionedRows(connection, KEPT)

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, Target]:
        return await self._rows.get_many(ids, *is_member(TARGET.c.project_id, membership))

    async def page(self, query: TargetQuery, membership: Membership) -> Page[Target]:
        return await self._rows.page(query, _conditions(query, membership))

    async def count(self, query: TargetQuery, membership: Membership) -> int:
        return await self._rows.count(_conditions(query, membership))

    async def add(self, project_id: int, definition: TargetDefinition, actor: str) -> Target:
        return await self._rows.add(partial(Target, project_id=project_id, definition=definition), actor)

    async def change(
        self, target: Target, definition: TargetDefinition, actor: str, *, is_archived: bool = False
    ) -> Target | None:
        return await self._rows.change(target, replace(target, definition=definition), actor, is_archived=is_archived)

    async def add_analysis(self, target: Target, analysis: TargetAnalysis, endpoints: WrittenEndpoints) -> Target | None:
        changed = await self._rows.change(target, replace(target, analysis=analysis), analysis.actor)
        if changed is None:
            return None
        analysis = replace(analysis, recorded_at=changed.updated_at)
        await self._connection.execute(ANALYSIS.insert().values(_analysis_values(analysis)))
        key = {"target_id": target.id, "analysis": analysis.number}
        for table, rows in ((ENDPOINT.insert().values(operation=WRITTEN), endpoints.rows), (TAG.insert(), endpoints.tags)):
            for start in range(0, len(rows), BATCH):
                await self._connection.execute(table, [{**key, **row} for row in rows[start : start + BATCH]])
        return replace(changed, analysis=analysis)

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[TargetDefinition]]]:
        return await self._rows.versions(queries)

    async def analyses(self, queries: Sequence[HistoryQuery]) -> list[Page[TargetAnalysis]]:
        return await histories(self._connection, queries, select(ANALYSIS), ANALYSIS.c.number, _analysis)

    async def endpoints(self, query: EndpointQuery, membership: Membership) -> Page[tuple[int, Endpoint]]:
        selected = select(ENDPOINT.c.place, ENDPOINT.c.operation).where(
            ENDPOINT.c.target_id == query.target_id, ENDPOINT.c.analysis == query.analysis, ENDPOINT.c.place > query.after
        )
        selected = selected.where(*self._endpoint_conditions(query), *_of_projects(membership))
        selected = selected.order_by(ENDPOINT.c.place).limit(query.first + 1)
        found = [(row.place, OPERATION.validate_python(row.operation)) for row in await self._connection.execute(selected)]
        return Page(found[: query.first], has_more=len(found) > query.first)

    async def endpoints_named(self, analyses: Mapping[int, int], keys: Collection[str]) -> dict[tuple[int, str], Endpoint]:
        if not analyses or not keys:
            return {}
        paths = {key.partition(" ")[2] for key in keys}
        query = select(ENDPOINT.c.target_id, ENDPOINT.c.operation).where(
            tuple_(ENDPOINT.c.target_id, ENDPOINT.c.analysis).in_(sorted(analyses.items())),
            among(ENDPOINT.c.path, sorted(paths), self._dialect),
        )
        rows = await self._connection.execute(query)
        found = [(row.target_id, OPERATION.validate_python(row.operation)) for row in rows]
        return {(target_id, endpoint.key): endpoint for target_id, endpoint in found if endpoint.key in keys}

    async def demands(self, target_id: int, analysis: int) -> list[Endpoint]:
        found: list[Endpoint] = []
        operation = type_coerce(ENDPOINT.c.operation, JSON)
        query = select(
            ENDPOINT.c.method,
            ENDPOINT.c.path,
            operation["security"].label("security"),
            operation["servers"].label("servers"),
            operation["demands"].as_string().label("demands"),
            operation["parts"].as_string().label("parts"),
        ).where(ENDPOINT.c.target_id == target_id, ENDPOINT.c.analysis == analysis)
        while True:
            page = query.where(ENDPOINT.c.place > len(found)).order_by(ENDPOINT.c.place).limit(BATCH)
            rows = (await self._connection.execute(page)).all()
            found += [_demanding(row) for row in rows]
            if len(rows) < BATCH:
                return found

    def _endpoint_conditions(self, query: EndpointQuery) -> list[ColumnElement[bool]]:
        conditions = [
            *one_of(ENDPOINT.c.method, query.methods),
            *equals(ENDPOINT.c.is_deprecated, query.is_deprecated),
        ]
        if query.tag is not None:
            tagged = select(TAG.c.place).where(
                TAG.c.target_id == query.target_id, TAG.c.analysis == query.analysis, TAG.c.tag == query.tag
            )
            conditions.append(ENDPOINT.c.place.in_(tagged))
        if query.search:
            position = func.strpos if self._dialect == "postgresql" else func.instr
            conditions.append(position(ENDPOINT.c.search, query.search.casefold()) > 0)
        return conditions


def _conditions(query: TargetQuery, membership: Membership) -> list[ColumnElement[bool]]:
    return [
        *is_given(TARGET.c.archived_at, query.is_archived),
        *is_member(TARGET.c.project_id, membership),
        *equals(TARGET.c.project_id, query.project_id),
        *begins_with(TARGET.c.name, query.name_prefix),
    ]


def _of_projects(membership: Membership) -> list[ColumnElement[bool]]:
    """The condition on endpoints that their target exists for the caller."""
    conditions = is_member(TARGET.c.project_id, membership)
    return [ENDPOINT.c.target_id.in_(select(TARGET.c.id).where(*conditions))] if conditions else []


def _targets() -> Select[Any]:
    is_latest = and_(ANALYSIS.c.target_id == TARGET.c.id, ANALYSIS.c.number == TARGET.c.analysis)
    named = [column.label(f"analysis_{column.name}") for column in ANALYSIS.columns]
    return select(TARGET, *named).join_from(TARGET, ANALYSIS, is_latest, isouter=True)


def _is_analysis() -> ColumnElement[bool]:
    before = VERSION.alias()
    is_before = and_(before.c.target_id == VERSION.c.target_id, before.c.version == VERSION.c.version - 1)
    analysis = select(before.c.analysis).where(is_before).correlate(VERSION).scalar_subquery()
    return VERSION.c.analysis != func.coalesce(analysis, 0)


def _changing(target: Target) -> dict[str, Any]:
    return {
        "name": target.definition.name,
        "url": target.definition.url,
        "analysis": 0 if target.analysis is None else target.analysis.number,
    }


def _analysis_values(analysis: TargetAnalysis) -> dict[str, Any]:
    values = {column.name: getattr(analysis, column.name) for column in ANALYSIS.columns if column.name != "details"}
    details = {name: adapter.dump_python(getattr(analysis, name), mode="json") for name, adapter in DETAILS.items()}
    return {**values, "details": details}


def write_out(endpoints: Sequence[Endpoint]) -> WrittenEndpoints:
    """The endpoints as their rows: seconds of the processor for the largest documents."""
    left = MAX_OPERATIONS
    rows: list[dict[str, Any]] = []
    for place, endpoint in enumerate(endpoints, 1):
        operation = OPERATION.dump_json(endpoint)
        left -= len(operation)
        if left < 0:
            raise ValidationFailed.of("url", f"the document's endpoints take more than {MAX_OPERATIONS} bytes when written out")
        rows.append({**_endpoint_values(place, endpoint), WRITTEN.key: operation.decode()})
    return WrittenEndpoints(
        rows=rows, tags=[{"place": place, "tag": tag} for place, each in enumerate(endpoints, 1) for tag in each.tags]
    )


def _endpoint_values(place: int, endpoint: Endpoint) -> dict[str, Any]:
    searched = (endpoint.key, endpoint.summary, endpoint.operation_id, *endpoint.tags)
    return {
        "place": place,
        "method": endpoint.method,
        "path": endpoint.path,
        "is_deprecated": endpoint.is_deprecated,
        "search": "\n".join(searched).casefold(),
    }


def _demanding(row: Row[*tuple[Any, ...]]) -> Endpoint:
    return Endpoint(
        method=Method(row.method),
        path=row.path,
        security=tuple(tuple(alternative) for alternative in row.security),
        servers=tuple(row.servers),
        demands=row.demands,
        parts=row.parts or "",
    )


def _definition(row: Row[Any]) -> TargetDefinition:
    return TargetDefinition(name=row.name, url=row.url)


def _target(row: Row[Any]) -> Target:
    return Target(
        id=row.id,
        project_id=row.project_id,
        definition=_definition(row),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
        analysis=None if row.analysis_number is None else _analysis(row, "analysis_"),
    )


def _analysis(row: Row[Any], prefix: str = "") -> TargetAnalysis:
    names = [column.name for column in ANALYSIS.columns if column.name != "details"]
    values = {name: getattr(row, f"{prefix}{name}") for name in names}
    said = getattr(row, f"{prefix}details")
    details = {name: adapter.validate_python(said[name]) for name, adapter in DETAILS.items()}
    return TargetAnalysis(**values, **details)


KEPT = Versioned(
    table=TARGET,
    versions=tables.target_version,
    name=TARGET.c.name,
    what="target of this project",
    selected=_targets(),
    read=_target,
    fixed=lambda target: {"project_id": target.project_id},
    changing=_changing,
    definition=_definition,
    is_analysis=_is_analysis(),
)

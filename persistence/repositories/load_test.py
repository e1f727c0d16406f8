"""Load tests, and what they were before."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.load_test import LoadTest, LoadTestDefinition, stored_definition
from domain.load_test_storage import LoadTestStore
from domain.query import HistoryQuery, LoadTestQuery, Page
from domain.target import Target
from domain.version import Version
from domain.visibility import Membership
from persistence import load_test_tables as tables
from persistence.listing import begins_with, equals, is_given
from persistence.membership import is_member
from persistence.versioned import Versioned, VersionedRows

LOAD_TEST, PROJECT, TARGET, RUN = tables.load_test, tables.project, tables.target, tables.load_test_run


def _of_last_run(column: ColumnElement[int]) -> ColumnElement[int]:
    """A column of each load test's last run, 0 before the first; looked up for what is on the page, not for the whole table."""
    last = select(column).where(RUN.c.load_test_id == LOAD_TEST.c.id).order_by(RUN.c.id.desc()).limit(1)
    return func.coalesce(last.scalar_subquery(), 0)


VERSIONS = (LOAD_TEST.c.version, PROJECT.c.version, TARGET.c.version, _of_last_run(RUN.c.id), _of_last_run(RUN.c.version))


class LoadTestRepository(LoadTestStore):
    """The load tests of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows = VersionedRows(connection, KEPT)

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, LoadTest]:
        return await self._rows.get_many(ids, *is_member(LOAD_TEST.c.project_id, membership))

    async def page(self, query: LoadTestQuery, membership: Membership) -> Page[LoadTest]:
        return await self._rows.page(query, _conditions(query, membership))

    async def versions_on_page(self, query: LoadTestQuery, membership: Membership) -> dict[int, tuple[int, ...]]:
        selected = select(LOAD_TEST.c.id, *VERSIONS).join_from(LOAD_TEST, PROJECT, PROJECT.c.id == LOAD_TEST.c.project_id)
        selected = selected.join(TARGET, TARGET.c.id == LOAD_TEST.c.target_id).where(*_conditions(query, membership))
        found = await self._connection.execute(self._rows.on_page(query, selected).limit(query.first))
        return {number: tuple(versions) for number, *versions in found}

    async def hold(self, load_test_id: int) -> None:
        held = select(LOAD_TEST.c.id).join_from(LOAD_TEST, TARGET, TARGET.c.id == LOAD_TEST.c.target_id)
        held = held.join(PROJECT, PROJECT.c.id == LOAD_TEST.c.project_id).where(LOAD_TEST.c.id == load_test_id)
        await self._connection.execute(held.with_for_update(read=True))

    async def count(self, query: LoadTestQuery, membership: Membership) -> int:
        return await self._rows.count(_conditions(query, membership))

    async def add(self, target: Target, definition: LoadTestDefinition, owner: str) -> LoadTest:
        build = partial(LoadTest, project_id=target.project_id, target_id=target.id, definition=definition, owner=owner)
        return await self._rows.add(build, owner)

    async def change(
        self, load_test: LoadTest, definition: LoadTestDefinition, actor: str, *, is_archived: bool = False
    ) -> LoadTest | None:
        changed = replace(load_test, definition=definition)
        return await self._rows.change(load_test, changed, actor, is_archived=is_archived)

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[LoadTestDefinition]]]:
        return await self._rows.versions(queries)


def _conditions(query: LoadTestQuery, membership: Membership) -> list[ColumnElement[bool]]:
    return [
        *is_given(LOAD_TEST.c.archived_at, query.is_archived),
        *is_member(LOAD_TEST.c.project_id, membership),
        *equals(LOAD_TEST.c.project_id, query.project_id),
        *equals(LOAD_TEST.c.target_id, query.target_id),
        *begins_with(LOAD_TEST.c.title, query.title_prefix),
    ]


def _changing(load_test: LoadTest) -> dict[str, Any]:
    return {"title": load_test.definition.title, "definition": load_test.definition.as_json()}


def _definition(row: Row[Any]) -> LoadTestDefinition:
    return stored_definition(row.definition)


def _load_test(row: Row[Any]) -> LoadTest:
    return LoadTest(
        id=row.id,
        project_id=row.project_id,
        target_id=row.target_id,
        definition=_definition(row),
        owner=row.owner,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )


KEPT = Versioned(
    table=LOAD_TEST,
    versions=tables.load_test_version,
    name=LOAD_TEST.c.title,
    what="load test of this project",
    selected=select(LOAD_TEST),
    read=_load_test,
    fixed=lambda load_test: {name: getattr(load_test, name) for name in ("project_id", "target_id", "owner")},
    changing=_changing,
    definition=_definition,
)

"""Projects of load tests, and what they were before."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import ValidationFailed
from domain.project import Project, ProjectDefinition
from domain.query import NamedOrder, Page, ProjectQuery
from domain.storage import ProjectStore
from persistence import tables
from persistence.dialect import among, clock
from persistence.listing import begins_with, from_place, is_archived

PROJECT = tables.project
VERSION = tables.project_version
SORT_COLUMNS: Mapping[NamedOrder, ColumnElement[Any]] = {NamedOrder.NUMBER: PROJECT.c.id, NamedOrder.NAME: PROJECT.c.name}


@asynccontextmanager
async def single_name(thing: str) -> AsyncIterator[None]:
    """Say so where the name of what is written belongs to another."""
    try:
        yield
    except IntegrityError as error:
        raise ValidationFailed.of("input.name", f"is the name of another {thing}") from error


class ProjectRepository(ProjectStore):
    """The projects of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get_many(self, ids: Sequence[int]) -> dict[int, Project]:
        query = select(PROJECT).where(among(PROJECT.c.id, ids, self._connection.dialect.name))
        return {row.id: _project(row) for row in await self._connection.execute(query)}

    async def page(self, query: ProjectQuery) -> Page[Project]:
        order = [(SORT_COLUMNS[query.order], query.is_descending), (PROJECT.c.id, query.is_descending)]
        selected = from_place(select(PROJECT).where(*self._conditions(query)), order, query.after).limit(query.first + 1)
        found = [_project(row) for row in await self._connection.execute(selected)]
        return Page(found[: query.first], has_more=len(found) > query.first)

    async def count(self, query: ProjectQuery) -> int:
        selected = select(func.count()).select_from(PROJECT).where(*self._conditions(query))
        return int((await self._connection.execute(selected)).scalar_one())

    async def add(self, definition: ProjectDefinition, owner: str) -> Project:
        at = await clock(self._connection)
        values = {**_values(definition), "owner": owner, "version": 1, "created_at": at, "updated_at": at}
        async with single_name("project"):
            number = (await self._connection.execute(PROJECT.insert().values(values).returning(PROJECT.c.id))).scalar_one()
        project = Project(id=number, definition=definition, owner=owner, version=1, created_at=at, updated_at=at)
        await self._record(project, owner)
        return project

    async def change(
        self, project: Project, definition: ProjectDefinition, actor: str, *, is_archived: bool = False
    ) -> Project | None:
        at = max(project.updated_at, await clock(self._connection))
        changed = replace(
            project,
            definition=definition,
            version=project.version + 1,
            updated_at=at,
            archived_at=at if is_archived else project.archived_at,
        )
        values = {**_values(definition), "version": changed.version, "updated_at": at, "archived_at": changed.archived_at}
        is_same = (PROJECT.c.id == project.id) & (PROJECT.c.version == project.version)
        async with single_name("project"):
            result = await self._connection.execute(PROJECT.update().where(is_same).values(values))
        if result.rowcount == 0:
            return None
        await self._record(changed, actor)
        return changed

    async def _record(self, project: Project, actor: str) -> None:
        values = {
            **_values(project.definition),
            "project_id": project.id,
            "version": project.version,
            "archived_at": project.archived_at,
            "actor": actor,
            "recorded_at": project.updated_at,
        }
        await self._connection.execute(VERSION.insert().values(values))

    def _conditions(self, query: ProjectQuery) -> list[ColumnElement[bool]]:
        conditions = is_archived(PROJECT.c.archived_at, query.is_archived)
        if query.name_prefix:
            conditions += begins_with(PROJECT.c.name, query.name_prefix)
        if query.owner is not None:
            conditions.append(PROJECT.c.owner == query.owner)
        return conditions


def _values(definition: ProjectDefinition) -> dict[str, Any]:
    return {"name": definition.name, "description": definition.description, "members": list(definition.members)}


def _project(row: Row[Any]) -> Project:
    return Project(
        id=row.id,
        definition=ProjectDefinition(name=row.name, description=row.description, members=tuple(row.members)),
        owner=row.owner,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )

"""Projects of load tests, and what they were before."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.load_test_storage import ProjectStore
from domain.project import Project, ProjectDefinition
from domain.query import HistoryQuery, Page, ProjectQuery
from domain.version import Version
from persistence import load_test_tables as tables
from persistence.listing import begins_with, is_archived
from persistence.versioned import Versioned, VersionedRows

PROJECT = tables.project


class ProjectRepository(ProjectStore):
    """The projects of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._rows = VersionedRows(connection, KEPT)

    async def get_many(self, ids: Sequence[int]) -> dict[int, Project]:
        return await self._rows.get_many(ids)

    async def page(self, query: ProjectQuery) -> Page[Project]:
        return await self._rows.page(query, _conditions(query))

    async def count(self, query: ProjectQuery) -> int:
        return await self._rows.count(_conditions(query))

    async def add(self, definition: ProjectDefinition, owner: str) -> Project:
        return await self._rows.add(partial(Project, definition=definition, owner=owner), owner)

    async def change(
        self, project: Project, definition: ProjectDefinition, actor: str, *, is_archived: bool = False
    ) -> Project | None:
        return await self._rows.change(project, replace(project, definition=definition), actor, is_archived=is_archived)

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[ProjectDefinition]]]:
        return await self._rows.versions(queries)


def _conditions(query: ProjectQuery) -> list[ColumnElement[bool]]:
    conditions = is_archived(PROJECT.c.archived_at, query.is_archived)
    if query.name_prefix:
        conditions += begins_with(PROJECT.c.name, query.name_prefix)
    if query.owner is not None:
        conditions.append(PROJECT.c.owner == query.owner)
    return conditions


def _changing(project: Project) -> dict[str, Any]:
    definition = project.definition
    return {"name": definition.name, "description": definition.description, "members": list(definition.members)}


def _definition(row: Row[Any]) -> ProjectDefinition:
    return ProjectDefinition(name=row.name, description=row.description, members=tuple(row.members))


def _project(row: Row[Any]) -> Project:
    return Project(
        id=row.id,
        definition=_definition(row),
        owner=row.owner,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )


KEPT = Versioned(
    table=PROJECT,
    versions=tables.project_version,
    name=PROJECT.c.name,
    what="project",
    selected=select(PROJECT),
    read=_project,
    fixed=lambda project: {"owner": project.owner},
    changing=_changing,
    definition=_definition,
)

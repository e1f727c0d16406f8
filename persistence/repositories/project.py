"""Projects of load tests, and what they were before."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.load_test_storage import ProjectStore
from domain.project import Project, ProjectDefinition, ProjectMember, ProjectRole
from domain.query import HistoryQuery, Page, ProjectQuery
from domain.version import Version
from domain.visibility import Membership
from persistence import load_test_tables as tables
from persistence.dialect import among
from persistence.listing import begins_with, equals, is_given
from persistence.membership import is_member
from persistence.versioned import Versioned, VersionedRows

PROJECT, MEMBER = tables.project, tables.project_member


class ProjectRepository(ProjectStore):
    """The projects of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows = VersionedRows(connection, KEPT)

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, Project]:
        return await self._rows.get_many(ids, *is_member(PROJECT.c.id, membership))

    async def page(self, query: ProjectQuery, membership: Membership) -> Page[Project]:
        return await self._rows.page(query, _conditions(query, membership))

    async def count(self, query: ProjectQuery, membership: Membership) -> int:
        return await self._rows.count(_conditions(query, membership))

    async def add(self, definition: ProjectDefinition, owner: str) -> Project:
        project = await self._rows.add(partial(Project, definition=definition, owner=owner), owner)
        await self._enrol(project)
        return project

    async def change(
        self, project: Project, definition: ProjectDefinition, actor: str, *, is_archived: bool = False
    ) -> Project | None:
        changed = await self._rows.change(project, replace(project, definition=definition), actor, is_archived=is_archived)
        if changed is not None and changed.definition.members != project.definition.members:
            await self._connection.execute(MEMBER.delete().where(MEMBER.c.project_id == project.id))
            await self._enrol(changed)
        return changed

    async def role_of(self, subject: str, project_id: int) -> ProjectRole | None:
        query = select(MEMBER.c.role).where(MEMBER.c.project_id == project_id, MEMBER.c.subject == subject)
        role = (await self._connection.execute(query)).scalar_one_or_none()
        return None if role is None else ProjectRole(role)

    async def members_among(self, members: Collection[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        subjects, projects = (sorted({each[part] for each in members}) for part in (0, 1))
        dialect = self._connection.dialect.name
        are_theirs = among(MEMBER.c.subject, subjects, dialect), among(MEMBER.c.project_id, projects, dialect)
        found = await self._connection.execute(select(MEMBER.c.subject, MEMBER.c.project_id).where(*are_theirs))
        return frozenset(members) & {(subject, project_id) for subject, project_id in found}

    async def _enrol(self, project: Project) -> None:
        rows = [{"project_id": project.id, **asdict(member)} for member in project.definition.members]
        if rows:
            await self._connection.execute(MEMBER.insert(), rows)

    async def versions(self, queries: Sequence[HistoryQuery]) -> list[Page[Version[ProjectDefinition]]]:
        return await self._rows.versions(queries)


def _conditions(query: ProjectQuery, membership: Membership) -> list[ColumnElement[bool]]:
    return [
        *is_given(PROJECT.c.archived_at, query.is_archived),
        *is_member(PROJECT.c.id, membership),
        *begins_with(PROJECT.c.name, query.name_prefix),
        *equals(PROJECT.c.owner, query.owner),
    ]


def _changing(project: Project) -> dict[str, Any]:
    definition = project.definition
    members = [asdict(each) for each in definition.members]
    return {"name": definition.name, "description": definition.description, "members": members}


def _definition(row: Row[Any]) -> ProjectDefinition:
    return ProjectDefinition(name=row.name, description=row.description, members=tuple(map(_member, row.members)))


def _member(said: str | Mapping[str, str]) -> ProjectMember:
    """A member as a version says it; before there were roles, all could change everything."""
    if isinstance(said, str):
        return ProjectMember(said, ProjectRole.EDITOR)
    return ProjectMember(said["subject"], ProjectRole(said["role"]))


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

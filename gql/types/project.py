"""Projects of load tests."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import strawberry

from domain import project as domain
from domain.query import NamedOrder, Page, ProjectQuery
from domain.version import Version
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types import version as versions
from gql.types.connection import (
    After,
    Connection,
    First,
    checked_first,
    checked_text,
    decode_cursor,
    encode_cursor,
    history_query,
    page_parts,
)
from gql.types.enums import ProjectRole
from gql.types.node import Node
from resolvers import project as projects
from resolvers.authorisation import require_person

NAMED_PLACES = {NamedOrder.NUMBER: int, NamedOrder.NAME: str}


@strawberry.type(description="Somebody who works on a project.")
class ProjectMember:
    subject: str = strawberry.field(description="The issuer's name for the person.")
    role: ProjectRole = strawberry.field(description="What they may do.")

    @classmethod
    def of(cls, member: domain.ProjectMember) -> "ProjectMember":
        """The type for a member of the domain."""
        return cls(subject=member.subject, role=member.role)


@strawberry.input(description="Somebody who is to work on a project.")
class ProjectMemberInput:
    subject: str = strawberry.field(description="The issuer's name for the person.")
    role: ProjectRole = strawberry.field(default=ProjectRole.EDITOR, description="What they may do.")


@strawberry.type(description="What a project was.")
class ProjectVersion(versions.Version):
    name: str = strawberry.field(description="Its name then.")
    description: str = strawberry.field(description="What it was about.")
    members: list[ProjectMember] = strawberry.field(description="The people who worked on it.")

    @classmethod
    def of(cls, version: Version[domain.ProjectDefinition]) -> "ProjectVersion":
        """The type for a version of the domain."""
        said = version.definition
        parts = versions.version_parts(version)
        return cls(
            **parts, name=said.name, description=said.description, members=[ProjectMember.of(each) for each in said.members]
        )


@strawberry.type(description="A page of a project's versions, oldest first.")
class ProjectVersionConnection(Connection[ProjectVersion]):
    @classmethod
    def of(cls, page: Page[Version[domain.ProjectDefinition]], after: str | None) -> "ProjectVersionConnection":
        """The connection for a page of versions."""
        return cls(**versions.version_page(page, ProjectVersion.of, after))


@strawberry.type(description="What belongs together in load testing: targets, load tests and their history, and who works on it.")
class Project(Node):
    number: int = strawberry.field(description="The short number that people quote.")
    name: str = strawberry.field(description="Its name; no other project of its creator that is not archived has it.")
    description: str = strawberry.field(description="What it is about.")
    owner: str = strawberry.field(description="The subject of the person who created it.")
    members: list[ProjectMember] = strawberry.field(description="The people who work on it; it exists for nobody else.")
    version: int = strawberry.field(description="Grows by one with each change.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    archived_at: datetime | None = strawberry.field(description="When it was taken out of the lists.")

    @strawberry.field(description="What the viewer is in it; null for nobody any more.", directives=[Volatile()])
    def viewer_role(self, info: Info) -> ProjectRole | None:
        subject = require_person(info.context.actor).subject
        return next((each.role for each in self.members if each.subject == subject), None)

    @strawberry.field(description="What it was and is: its versions, oldest first.")
    async def versions(self, info: Info, first: First = 50, after: After = None) -> ProjectVersionConnection:
        query = history_query("version", self.number, first, after)
        return ProjectVersionConnection.of(await info.context.loaders.histories.projects.load(query), after)

    @classmethod
    def of(cls, project: domain.Project) -> "Project":
        """The type for a project of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("Project", project.id)),
            number=project.id,
            name=project.definition.name,
            description=project.definition.description,
            owner=project.owner,
            members=[ProjectMember.of(each) for each in project.definition.members],
            version=project.version,
            created_at=project.created_at,
            updated_at=project.updated_at,
            archived_at=project.archived_at,
        )


@strawberry.input(description="A project as people define it.")
class ProjectInput:
    name: str = strawberry.field(
        description="Its name, at most 200 characters; no other project of who created it, not archived, may have it."
    )
    description: str = strawberry.field(default="", description="What it is about.")
    members: list[ProjectMemberInput] | None = strawberry.field(
        default=None,
        description=(
            "The people who work on it, each once, at most 1,000, one of them an `OWNER`. Left out: as they are. Who creates a "
            "project is an `OWNER` of it."
        ),
    )

    def document(self) -> dict[str, Any]:
        """The input as the domain reads it."""
        members = None if self.members is None else [asdict(each) for each in self.members]
        return {"name": self.name, "description": self.description, "members": members}


@strawberry.input(description="Which projects. What is left out does not restrict; archived ones are left out unless asked for.")
class ProjectFilter:
    name_prefix: str | None = strawberry.field(default=None, description="Whose name begins so, letter by letter.")
    owner: str | None = strawberry.field(default=None, description="Created by the person with this subject.")
    is_archived: bool | None = strawberry.field(default=False, description="Archived or not; null for both.")


@strawberry.type(description="A page of projects.")
class ProjectConnection(Connection[Project]):
    query: strawberry.Private[ProjectQuery]

    @strawberry.field(description="How many projects the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await projects.count_projects(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.Project], query: ProjectQuery, after: str | None) -> "ProjectConnection":
        """The connection for a page of projects."""
        cursors = [named_cursor("project", query.order, each.definition.name, each.id) for each in page.items]
        nodes = [Project.of(each) for each in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def project_query(
    chosen: ProjectFilter | None, order: NamedOrder, is_descending: bool, first: int, after: str | None
) -> ProjectQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or ProjectFilter()
    return ProjectQuery(
        name_prefix=checked_text("filter.namePrefix", chosen.name_prefix),
        owner=checked_text("filter.owner", chosen.owner),
        is_archived=chosen.is_archived,
        order=order,
        is_descending=is_descending,
        after=named_place("project", order, after),
        first=checked_first(first),
    )


def named_cursor(kind: str, order: NamedOrder, name: str, number: int) -> str:
    """The place of a thing of that name and number in a list of that order."""
    return encode_cursor(f"{kind} {order}", number if order is NamedOrder.NUMBER else name, number)


def named_place(kind: str, order: NamedOrder, after: str | None) -> tuple[int | str, int] | None:
    """The place that such a cursor holds."""
    place = decode_cursor(f"{kind} {order}", after, NAMED_PLACES[order], int)
    return None if place is None else (place[0], place[1])

"""Reading projects: what can be asked of them, as the root of a query."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.enums import NamedOrder
from gql.types.project import Project, ProjectConnection, ProjectFilter, project_query
from resolvers import project as projects


@strawberry.type
class ProjectQueries:
    @strawberry.field(description="The project of that id; null where it does not exist.")
    async def project(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The project's id.")]
    ) -> Project | None:
        number = ids.found(ids.project_number, id)
        project = None if number is None else await info.context.loaders.project_by_id.load(number)
        return None if project is None else Project.of(project)

    @strawberry.field(description="Projects, newest first unless ordered otherwise.")
    async def projects(
        self,
        info: Info,
        filter: Annotated[ProjectFilter | None, strawberry.argument(description="Which projects.")] = None,
        order_by: Annotated[NamedOrder, strawberry.argument(description="What they are sorted by.")] = NamedOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> ProjectConnection:
        query = project_query(filter, order_by, descending, first, after)
        page = await projects.list_projects(info.context.services, info.context.actor, query)
        return ProjectConnection.of(page, query, after)

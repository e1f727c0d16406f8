"""Reading applications for permissions."""

from typing import Annotated

import strawberry

from gql.context import Info
from gql.types.connection import After, First, NewestFirst
from gql.types.permission_request import PermissionRequestConnection, PermissionRequestFilter, permission_request_query
from resolvers import permission_request as requests


@strawberry.type
class PermissionRequestQueries:
    @strawberry.field(description="The viewer's own applications, and all for the permissions on which the viewer decides.")
    async def permission_requests(
        self,
        info: Info,
        filter: Annotated[PermissionRequestFilter | None, strawberry.argument(description="Which applications.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> PermissionRequestConnection:
        query = permission_request_query(filter, descending, first, after)
        page = await requests.list_permission_requests(info.context.services, info.context.actor, query)
        return PermissionRequestConnection.of(page, query, after)

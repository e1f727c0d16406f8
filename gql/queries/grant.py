"""Reading what people are and were permitted."""

from typing import Annotated

import strawberry

from gql.context import Info
from gql.types.connection import After, First, NewestFirst
from gql.types.grant import GrantConnection, GrantFilter, grant_query
from resolvers import grant as grants


@strawberry.type
class GrantQueries:
    @strawberry.field(description="What the viewer has and had, and all of the permissions on which the viewer decides.")
    async def grants(
        self,
        info: Info,
        filter: Annotated[GrantFilter | None, strawberry.argument(description="Which grants.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> GrantConnection:
        query = grant_query(filter, descending, first, after)
        page = await grants.list_grants(info.context.services, info.context.actor, query)
        return GrantConnection.of(page, query, after)

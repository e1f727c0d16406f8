"""Reading endpoints: what can be asked of them, as the root of a query."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.endpoint import EndpointConnection, EndpointFilter, endpoint_query
from resolvers import target as targets


@strawberry.type
class EndpointQueries:
    @strawberry.field(
        description=(
            "The endpoints of a target's last analysis, in its document's order; none before `targetAnalyze`. A page after "
            "another is of the same analysis, whatever came since."
        )
    )
    async def endpoints(
        self,
        info: Info,
        target_id: Annotated[strawberry.ID, strawberry.argument(description="The target's id.")],
        filter: Annotated[EndpointFilter | None, strawberry.argument(description="Which endpoints.")] = None,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> EndpointConnection:
        number = ids.found(ids.target_number, target_id)
        target = None if number is None else await info.context.loaders.target_by_id.load(number)
        latest = target.analysis.number if target is not None and target.analysis is not None else 0
        query = endpoint_query(number or 0, latest, filter, first, after)
        page = await targets.list_endpoints(info.context.services, info.context.actor, query)
        return EndpointConnection.of(page, query, after)

"""Reading targets: what can be asked of them, as the root of a query."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.enums import NamedOrder
from gql.types.target import Target, TargetConnection, TargetFilter, target_query
from resolvers import target as targets


@strawberry.type
class TargetQueries:
    @strawberry.field(description="The target of that id; null where it does not exist.")
    async def target(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The target's id.")]
    ) -> Target | None:
        number = ids.found(ids.target_number, id)
        target = None if number is None else await info.context.loaders.target_by_id.load(number)
        return None if target is None else Target.of(target)

    @strawberry.field(description="Targets, of all projects or of one, newest first unless ordered otherwise.")
    async def targets(
        self,
        info: Info,
        filter: Annotated[TargetFilter | None, strawberry.argument(description="Which targets.")] = None,
        order_by: Annotated[NamedOrder, strawberry.argument(description="What they are sorted by.")] = NamedOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> TargetConnection:
        query = target_query(filter, order_by, descending, first, after)
        page = await targets.list_targets(info.context.services, info.context.actor, query)
        return TargetConnection.of(page, query, after)

"""Reading results of set-up models for lots."""

from typing import Annotated

import strawberry

from gql.context import Info
from gql.types.connection import After, First, NewestFirst
from gql.types.lot_result import LotResultConnection, LotResultFilter, lot_result_query
from resolvers import lot_result as results


@strawberry.type
class LotResultQueries:
    @strawberry.field(description="What models predicted for lots, of the product lines that the viewer can see.")
    async def lot_results(
        self,
        info: Info,
        filter: Annotated[LotResultFilter | None, strawberry.argument(description="Which results.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> LotResultConnection:
        query = lot_result_query(filter, descending, first, after)
        page = await results.list_lot_results(info.context.services, info.context.actor, query)
        return LotResultConnection.of(page, query, after)

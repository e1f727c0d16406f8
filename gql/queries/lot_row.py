"""Reading lot rows: one of them, or a list."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.connection import After, First
from gql.types.enums import LotRowOrder
from gql.types.lot_row import LotRow, LotRowConnection, LotRowFilter, lot_row_query
from resolvers import lot_row as lot_rows


@strawberry.type
class LotRowQueries:
    @strawberry.field(description="The lot row of that id; null where it does not exist.")
    async def lot_row(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The row's id.")]
    ) -> LotRow | None:
        number = ids.found(ids.lot_row_number, id)
        row = None if number is None else await info.context.loaders.lots.row_by_id.load(number)
        return None if row is None else LotRow.of(row)

    @strawberry.field(description="Lot rows of the product lines that the viewer can see, newest first unless ordered otherwise.")
    async def lot_rows(
        self,
        info: Info,
        filter: Annotated[LotRowFilter | None, strawberry.argument(description="Which rows.")] = None,
        order_by: Annotated[LotRowOrder, strawberry.argument(description="What they are sorted by.")] = LotRowOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: First = 50,
        after: After = None,
    ) -> LotRowConnection:
        query = lot_row_query(filter, order_by, descending, first, after)
        page = await lot_rows.list_lot_rows(info.context.services, info.context.actor, query)
        return LotRowConnection.of(page, query, after)

"""Reading imports of lot rows: one of them, or a list."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.connection import After, First, NewestFirst
from gql.types.lot_import import LotImport, LotImportConnection, LotImportFilter, lot_import_query
from resolvers import lot_import as lot_imports


@strawberry.type
class LotImportQueries:
    @strawberry.field(description="The viewer's import of lot rows of that id; null where it does not exist.")
    async def lot_import(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The import's id.")]
    ) -> LotImport | None:
        number = ids.found(ids.lot_import_number, id)
        found = None if number is None else await info.context.loaders.lots.import_by_id.load(number)
        return None if found is None else LotImport.of(found)

    @strawberry.field(description="The viewer's imports of lot rows.")
    async def lot_imports(
        self,
        info: Info,
        filter: Annotated[LotImportFilter | None, strawberry.argument(description="Which imports.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> LotImportConnection:
        query = lot_import_query(filter, descending, first, after)
        page = await lot_imports.list_lot_imports(info.context.services, info.context.actor, query)
        return LotImportConnection.of(page, query, after)

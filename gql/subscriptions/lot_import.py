"""Watching imports of lot rows live."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain import lot_import as domain
from gql import ids
from gql.context import Info
from gql.types.connection import First, NewestFirst
from gql.types.frame import ListFrame, StateFrame, list_parts, state_parts
from gql.types.lot_import import LotImport, LotImportFilter, lot_import_query
from resolvers import live_list
from resolvers.live_lot_import import watch_lot_import, watch_lot_imports


@strawberry.type(description="An import's state. Versions only rise from frame to frame.")
class LotImportStateFrame(StateFrame):
    lot_import: LotImport = strawberry.field(description="The import at `toVersion`.")

    @classmethod
    def of(cls, frame: live_list.StateFrame[domain.LotImport]) -> "LotImportStateFrame":
        """The type for a frame of the use case."""
        return cls(lot_import=LotImport.of(frame.body), **state_parts(frame))


@strawberry.type(description="The first page of the viewer's imports, as it now is.")
class LotImportListFrame(ListFrame):
    changed: list[LotImportStateFrame] = strawberry.field(
        description="The imports that are new on the page or have changed since the last frame."
    )

    @classmethod
    def of(cls, frame: live_list.ListFrame[domain.LotImport]) -> "LotImportListFrame":
        """The type for a frame of the use case."""
        return cls(**list_parts("LotImport", frame, [LotImportStateFrame.of(each) for each in frame.changed]))


@strawberry.type
class LotImportSubscription:
    @strawberry.subscription(description="An import's state: first as it is, then whenever it has changed.")
    async def lot_import(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The import's id.")]
    ) -> AsyncGenerator[LotImportStateFrame, None]:
        async for frame in watch_lot_import(info.context.services, info.context.actor, ids.lot_import_number(id)):
            yield LotImportStateFrame.of(frame)

    @strawberry.subscription(description="The first page of the viewer's imports: first as it is, then whenever it has changed.")
    async def lot_imports(
        self,
        info: Info,
        filter: Annotated[LotImportFilter | None, strawberry.argument(description="Which imports.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
    ) -> AsyncGenerator[LotImportListFrame, None]:
        query = lot_import_query(filter, descending, first, None)
        async for frame in watch_lot_imports(info.context.live.lot_imports, info.context.actor, query):
            yield LotImportListFrame.of(frame)

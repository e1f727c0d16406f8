"""Reading kits: one, one of a number, a page of them."""

from datetime import datetime
from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.enums import KitOrder
from gql.types.kit import Kit, KitConnection, KitFilter, kit_query
from resolvers import kit as kits


@strawberry.type(description="The kit still has the version that you know.")
class Unchanged:
    version: int = strawberry.field(description="That version.")


KitAnswer = Annotated[
    Kit | Unchanged, strawberry.union("KitAnswer", description="The kit, or that it has not changed since `ifVersionNot`.")
]


@strawberry.type
class KitQueries:
    @strawberry.field(description="The kit of that id, now or as it was at a time; null where it does not exist.")
    async def kit(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The kit's id.")],
        as_of: Annotated[
            datetime | None,
            strawberry.argument(
                description=(
                    "A time of the database's clock: the state as it was then, with the events, attempts and artifacts that "
                    "there were. Logs are shown as they are now. What was being stored at that very time may appear in it a "
                    "moment later."
                )
            ),
        ] = None,
        if_version_not: Annotated[
            int | None,
            strawberry.argument(description="The version that you have; if it still is that: `Unchanged`."),
        ] = None,
    ) -> KitAnswer | None:
        number = ids.found(ids.kit_number, id)
        return None if number is None else await _answer(info, number, as_of, if_version_not)

    @strawberry.field(description="The kit of that number, as people quote it.")
    async def kit_by_number(
        self, info: Info, number: Annotated[int, strawberry.argument(description="The kit's number.")]
    ) -> Kit | None:
        kit = await kits.find_kit(info.context.services, info.context.actor, number)
        return None if kit is None else Kit.of(kit)

    @strawberry.field(description="Kits, newest first unless ordered otherwise.")
    async def kits(
        self,
        info: Info,
        filter: Annotated[KitFilter | None, strawberry.argument(description="Which kits.")] = None,
        order_by: Annotated[KitOrder, strawberry.argument(description="What they are sorted by.")] = KitOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> KitConnection:
        query = kit_query(filter, order_by, descending, first, after)
        page = await kits.list_kits(info.context.services, info.context.actor, query)
        return KitConnection.of(page, query, after)


async def _answer(info: Info, number: int, as_of: datetime | None, known: int | None) -> Kit | Unchanged | None:
    services, actor = info.context.services, info.context.actor
    find = kits.find_kit(services, actor, number) if as_of is None else kits.find_past_kit(services, actor, number, as_of)
    kit = await find
    if kit is None:
        return None
    if kit.version == known:
        return Unchanged(version=kit.version)
    return Kit.of(kit, is_past=as_of is not None)

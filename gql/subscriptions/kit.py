"""Watching kits and logs live."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain import kit as domain
from gql import ids
from gql.context import Info
from gql.types.connection import checked_offset
from gql.types.enums import KitOrder
from gql.types.frame import ListFrame, StateFrame, list_parts, state_parts
from gql.types.job_log import JobLog
from gql.types.kit import Kit, KitFilter, kit_query
from resolvers import live, live_list
from resolvers.job_log import watch_log


@strawberry.type(
    description=(
        "A kit's state. Versions only rise from frame to frame. A frame that merges several versions says so by its range; "
        "`events(afterVersion:)` of the kit has what was skipped."
    )
)
class KitStateFrame(StateFrame):
    kit: Kit = strawberry.field(description="The kit at `toVersion`.")

    @classmethod
    def of(cls, frame: live_list.StateFrame[domain.Kit]) -> "KitStateFrame":
        """The type for a frame of the use case."""
        return cls(kit=Kit.of(frame.body), **state_parts(frame))


@strawberry.type(description="The first page of a list of kits, as it now is.")
class KitListFrame(ListFrame):
    changed: list[KitStateFrame] = strawberry.field(
        description="The kits that are new on the page or have changed since the last frame, each with the versions that are new."
    )

    @classmethod
    def of(cls, frame: live_list.ListFrame[domain.Kit]) -> "KitListFrame":
        """The type for a frame of the use case."""
        return cls(**list_parts("Kit", frame, [KitStateFrame.of(each) for each in frame.changed]))


@strawberry.type
class KitSubscription:
    @strawberry.subscription(description="A kit's state: first as it is, then whenever it has changed.")
    async def kit_state(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The kit's id.")]
    ) -> AsyncGenerator[KitStateFrame, None]:
        async for frame in live.watch_kit(info.context.live.kits, info.context.actor, ids.kit_number(id)):
            yield KitStateFrame.of(frame)

    @strawberry.subscription(description="The first page of a list of kits: first as it is, then whenever it has changed.")
    async def kits(
        self,
        info: Info,
        filter: Annotated[KitFilter | None, strawberry.argument(description="Which kits.")] = None,
        order_by: Annotated[KitOrder, strawberry.argument(description="What they are sorted by.")] = KitOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
    ) -> AsyncGenerator[KitListFrame, None]:
        query = kit_query(filter, order_by, descending, first)
        async for frame in live.watch_kits(info.context.live.kits, info.context.actor, query):
            yield KitListFrame.of(frame)

    @strawberry.subscription(
        description="The output of a job's attempt as it is written, from byte `after` on, until the attempt has ended."
    )
    async def job_log(
        self,
        info: Info,
        job_id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")],
        attempt: Annotated[int | None, strawberry.argument(description="The attempt; the latest unless named.")] = None,
        after: Annotated[int, strawberry.argument(description="The byte to go on from: `end` of the last piece seen.")] = 0,
    ) -> AsyncGenerator[JobLog, None]:
        context, job_uuid = info.context, ids.job_uuid(job_id)
        async for frame in watch_log(
            context.services, context.live.kits, context.actor, job_uuid, attempt, checked_offset(after)
        ):
            yield JobLog.of(frame)

"""Watching kits and logs live."""

from collections.abc import AsyncGenerator, Hashable
from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.enums import KitOrder
from gql.types.job_log import JobLog
from gql.types.kit import Kit, KitFilter, kit_query
from resolvers import live


@strawberry.type(
    description=(
        "A kit's state. Versions only rise from frame to frame. A frame that merges several versions says so by its range; "
        "`events(afterVersion:)` of the kit has what was skipped."
    )
)
class KitStateFrame:
    kit: Kit = strawberry.field(description="The kit at `toVersion`.")
    from_version: int = strawberry.field(description="The first version that is new in it; in a snapshot the last.")
    to_version: int = strawberry.field(description="The version shown.")
    is_snapshot: bool = strawberry.field(description="Whether it is the first frame after (re)connecting.")
    is_merged: bool = strawberry.field(description="Whether more than one version is new in it.")
    shared_as: strawberry.Private[Hashable]


@strawberry.type(description="The first page of a list of kits, as it now is.")
class KitListFrame:
    order: list[strawberry.ID] = strawberry.field(description="The ids of all kits on the page, in their order.")
    changed: list[Kit] = strawberry.field(description="The kits that are new or changed since the last frame.")
    is_snapshot: bool = strawberry.field(description="Whether it is the first frame after (re)connecting.")
    shared_as: strawberry.Private[Hashable]


@strawberry.type
class KitSubscription:
    @strawberry.subscription(description="A kit's state: first as it is, then whenever it has changed.")
    async def kit_state(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The kit's id.")]
    ) -> AsyncGenerator[KitStateFrame, None]:
        context = info.context
        async for frame in live.watch_kit(context.services, context.live, context.actor, ids.kit_number(id)):
            yield KitStateFrame(
                kit=Kit.of(frame.kit),
                from_version=frame.from_version,
                to_version=frame.to_version,
                is_snapshot=frame.is_snapshot,
                is_merged=frame.to_version > frame.from_version,
                shared_as=(frame.kit.id, frame.from_version, frame.to_version, frame.is_snapshot),
            )

    @strawberry.subscription(description="The first page of a list of kits: first as it is, then whenever it has changed.")
    async def kits(
        self,
        info: Info,
        filter: Annotated[KitFilter | None, strawberry.argument(description="Which kits.")] = None,
        order_by: Annotated[KitOrder, strawberry.argument(description="What they are sorted by.")] = KitOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
    ) -> AsyncGenerator[KitListFrame, None]:
        context, query = info.context, kit_query(filter, order_by, descending, first)
        async for frame in live.watch_kits(context.services, context.live, context.actor, query):
            order = [strawberry.ID(ids.encode("Kit", number)) for number in frame.order]
            yield KitListFrame(
                order=order,
                changed=[Kit.of(kit) for kit in frame.changed],
                is_snapshot=frame.is_snapshot,
                shared_as=(frame.order, tuple((kit.id, kit.version) for kit in frame.changed), frame.is_snapshot),
            )

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
        async for frame in live.watch_log(context.services, context.live, context.actor, job_uuid, attempt, max(after, 0)):
            yield JobLog.of(frame)

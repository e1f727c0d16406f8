"""Watching runs of the daily batch live."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain import daily_batch_run as domain
from gql import ids
from gql.context import Info
from gql.types.connection import First, NewestFirst
from gql.types.daily_batch_run import DailyBatchRun, DailyBatchRunFilter, daily_batch_run_query
from gql.types.frame import ListFrame, StateFrame, list_parts, state_parts
from resolvers import live_list
from resolvers.live_daily_batch_run import watch_daily_batch_run, watch_daily_batch_runs


@strawberry.type(description="A run's state. Versions only rise from frame to frame.")
class DailyBatchRunStateFrame(StateFrame):
    daily_batch_run: DailyBatchRun = strawberry.field(description="The run at `toVersion`.")

    @classmethod
    def of(cls, frame: live_list.StateFrame[domain.DailyBatchRun]) -> "DailyBatchRunStateFrame":
        """The type for a frame of the use case."""
        return cls(daily_batch_run=DailyBatchRun.of(frame.body), **state_parts(frame))


@strawberry.type(description="The first page of the runs of the daily batch, as it now is.")
class DailyBatchRunListFrame(ListFrame):
    changed: list[DailyBatchRunStateFrame] = strawberry.field(
        description="The runs that are new on the page or have changed since the last frame."
    )

    @classmethod
    def of(cls, frame: live_list.ListFrame[domain.DailyBatchRun]) -> "DailyBatchRunListFrame":
        """The type for a frame of the use case."""
        return cls(**list_parts("DailyBatchRun", frame, [DailyBatchRunStateFrame.of(each) for each in frame.changed]))


@strawberry.type
class DailyBatchRunSubscription:
    @strawberry.subscription(description="A run of the daily batch: first as it is, then whenever it has changed.")
    async def daily_batch_run(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The run's id.")]
    ) -> AsyncGenerator[DailyBatchRunStateFrame, None]:
        async for frame in watch_daily_batch_run(info.context.services, info.context.actor, ids.daily_batch_run_number(id)):
            yield DailyBatchRunStateFrame.of(frame)

    @strawberry.subscription(
        description="The first page of the runs of the daily batch: first as it is, then whenever it has changed."
    )
    async def daily_batch_runs(
        self,
        info: Info,
        filter: Annotated[DailyBatchRunFilter | None, strawberry.argument(description="Which runs.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
    ) -> AsyncGenerator[DailyBatchRunListFrame, None]:
        query = daily_batch_run_query(filter, descending, first, None)
        async for frame in watch_daily_batch_runs(info.context.live.daily_batch_runs, info.context.actor, query):
            yield DailyBatchRunListFrame.of(frame)

"""Reading runs of the daily batch: one of them, or a list."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.connection import After, First, NewestFirst
from gql.types.daily_batch_run import DailyBatchRun, DailyBatchRunConnection, DailyBatchRunFilter, daily_batch_run_query
from resolvers import daily_batch_run as runs


@strawberry.type
class DailyBatchRunQueries:
    @strawberry.field(description="The run of the daily batch of that id; null where it does not exist.")
    async def daily_batch_run(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The run's id.")]
    ) -> DailyBatchRun | None:
        number = ids.found(ids.daily_batch_run_number, id)
        run = None if number is None else await info.context.loaders.batch.run_by_id.load(number)
        return None if run is None else DailyBatchRun.of(run)

    @strawberry.field(description="Runs of the daily batch, of the product lines that the viewer can see.")
    async def daily_batch_runs(
        self,
        info: Info,
        filter: Annotated[DailyBatchRunFilter | None, strawberry.argument(description="Which runs.")] = None,
        descending: NewestFirst = True,
        first: First = 50,
        after: After = None,
    ) -> DailyBatchRunConnection:
        query = daily_batch_run_query(filter, descending, first, after)
        page = await runs.list_daily_batch_runs(info.context.services, info.context.actor, query)
        return DailyBatchRunConnection.of(page, query, after)

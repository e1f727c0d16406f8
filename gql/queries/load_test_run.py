"""Reading runs of load tests: what can be asked of them, as the root of a query."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.load_test_run import LoadTestRun, LoadTestRunConnection, LoadTestRunFilter, load_test_run_query
from resolvers import load_test_run as runs


@strawberry.type
class LoadTestRunQueries:
    @strawberry.field(description="The run of that id; null where it does not exist.")
    async def load_test_run(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The run's id.")]
    ) -> LoadTestRun | None:
        number = ids.found(ids.run_number, id)
        run = None if number is None else await info.context.loaders.run_by_id.load(number)
        return None if run is None else LoadTestRun.of(run)

    @strawberry.field(description="The run of that number; null where it does not exist.")
    async def load_test_run_by_number(
        self, info: Info, number: Annotated[int, strawberry.argument(description="The run's number.")]
    ) -> LoadTestRun | None:
        run = await info.context.loaders.run_by_id.load(number)
        return None if run is None else LoadTestRun.of(run)

    @strawberry.field(description="Runs of load tests, the newest first.")
    async def load_test_runs(
        self,
        info: Info,
        filter: Annotated[LoadTestRunFilter | None, strawberry.argument(description="Which runs.")] = None,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> LoadTestRunConnection:
        query = load_test_run_query(filter, first, after)
        page = await runs.list_runs(info.context.services, info.context.actor, query)
        return LoadTestRunConnection.of(page, query, after)

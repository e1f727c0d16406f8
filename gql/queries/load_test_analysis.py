"""Reading analyses of runs, as the root of a query."""

from typing import Annotated

import strawberry

from gql import ids
from gql.context import Info
from gql.types.analysis_enums import LoadTestAnalysisOrder
from gql.types.load_test_analysis import (
    LoadTestAnalysis,
    LoadTestAnalysisConnection,
    LoadTestAnalysisFilter,
    load_test_analysis_query,
)
from resolvers import load_test_analysis as analyses


@strawberry.type
class LoadTestAnalysisQueries:
    @strawberry.field(description="The analysis of that id; null where it does not exist.")
    async def load_test_analysis(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The analysis's id.")]
    ) -> LoadTestAnalysis | None:
        number = ids.found(ids.analysis_number, id)
        analysis = None if number is None else await info.context.loaders.analysis_by_id.load(number)
        return None if analysis is None else LoadTestAnalysis.of(analysis)

    @strawberry.field(description="Analyses of runs, newest first unless ordered otherwise.")
    async def load_test_analyses(
        self,
        info: Info,
        filter: Annotated[LoadTestAnalysisFilter | None, strawberry.argument(description="Which analyses.")] = None,
        order_by: Annotated[
            LoadTestAnalysisOrder, strawberry.argument(description="What they are sorted by.")
        ] = LoadTestAnalysisOrder.NUMBER,
        descending: Annotated[bool, strawberry.argument(description="Greatest first.")] = True,
        first: Annotated[int, strawberry.argument(description="How many at most, 1 to 100.")] = 50,
        after: Annotated[str | None, strawberry.argument(description="Go on after this cursor.")] = None,
    ) -> LoadTestAnalysisConnection:
        query = load_test_analysis_query(filter, order_by, descending, first, after)
        page = await analyses.list_analyses(info.context.services, info.context.actor, query)
        return LoadTestAnalysisConnection.of(page, query, after)

"""Comparing runs of load tests, as the root of a query."""

from dataclasses import replace
from typing import Annotated, Any

import strawberry

from domain.errors import ValidationFailed
from domain.query import MAX_SERIES
from gql import ids
from gql.context import Info
from gql.types.comparison import LoadTestComparison, LoadTestTrend
from gql.types.load_test_run import LoadTestRunFilter, load_test_run_query
from resolvers import comparison as comparisons

Scenarios = Annotated[
    list[str] | None, strawberry.argument(description="Only the scenarios of these names; null for all, and for all together.")
]


@strawberry.type
class ComparisonQueries:
    @strawberry.field(
        description=(
            "How runs differ from the first of them, figure by figure, with an interval that allows for noise which lasts from "
            "window to window. What makes two runs of the same thing differ (another day, another neighbour on the machine) is "
            "no noise of either: only more runs show it. An error where a run has not ended, `NOT_FOUND` where one does not "
            "exist."
        )
    )
    async def load_test_comparison(
        self,
        info: Info,
        run_ids: Annotated[list[strawberry.ID], strawberry.argument(description="2 to 20 runs; the first is the baseline.")],
        scenarios: Scenarios = None,
        confidence: Annotated[float, strawberry.argument(description="Of each interval, 0.5 to 0.999.")] = 0.95,
    ) -> LoadTestComparison:
        services, actor = info.context.services, info.context.actor
        numbers = [ids.run_number(each) for each in run_ids]
        return LoadTestComparison.of(await comparisons.compare_runs(services, actor, numbers, confidence, scenarios))

    @strawberry.field(
        description=(
            "How figures went over the runs of a load test, or of each load test of a target or project, as those of different "
            "ones can't be compared: by load test, of all scenarios together, then of each, with the runs that have it. They are "
            "those of the newest runs of the filter that have ended, of all load tests together; empty where there is none."
        )
    )
    async def load_test_trend(
        self,
        info: Info,
        load_test_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Of the load test with this id; exactly one of the three ids has to be given."),
        ] = None,
        target_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of all load tests of the target with this id.")
        ] = None,
        project_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of all load tests of the project with this id.")
        ] = None,
        scenarios: Scenarios = None,
        filter: Annotated[LoadTestRunFilter | None, strawberry.argument(description="Which of the runs.")] = None,
        first: Annotated[
            int, strawberry.argument(description="How many of the newest runs at most, of all load tests together, 1 to 1,000.")
        ] = 50,
    ) -> list[LoadTestTrend]:
        query = load_test_run_query(filter, first, None, MAX_SERIES)
        asked = {
            "load_test_id": None if load_test_id is None else ids.found(ids.load_test_number, load_test_id) or 0,
            "target_id": None if target_id is None else ids.found(ids.target_number, target_id) or 0,
            "project_id": None if project_id is None else ids.found(ids.project_number, project_id) or 0,
        }
        of: dict[str, Any] = {name: number for name, number in asked.items() if number is not None}
        if len(of) != 1:
            raise ValidationFailed.of("loadTestId", "must be given, or else targetId or projectId: exactly one of the three")
        if any(getattr(query, name) not in (None, number) for name, number in of.items()):
            return []
        services, actor = info.context.services, info.context.actor
        return await comparisons.trends(services, actor, replace(query, **of), scenarios, LoadTestTrend.of)

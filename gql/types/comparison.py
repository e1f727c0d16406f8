"""Runs held against a baseline, and the figures of runs over time."""

from dataclasses import asdict
from datetime import datetime

import strawberry

from domain import comparison as domain
from domain import load_test_trend
from gql import ids
from gql.types.enums import ComparisonVerdict, RunFigure, RunStatus
from gql.types.load_test_run import LoadTestRun


@strawberry.type(description="A figure of a run beside the baseline's; null where it could not be had.")
class FigureDifference:
    figure: RunFigure = strawberry.field(description="Which figure.")
    unit: str = strawberry.field(description="The unit of its numbers; empty for shares from 0 to 1.")
    verdict: ComparisonVerdict = strawberry.field(description="What the difference means.")
    baseline: float | None = strawberry.field(description="The baseline's figure, in the windows compared.")
    value: float | None = strawberry.field(description="The run's figure, in the windows compared.")
    difference: float | None = strawberry.field(description="The run's figure less the baseline's.")
    low: float | None = strawberry.field(
        description="The least difference that the noise leaves room for; null where the verdict is `UNKNOWN`."
    )
    high: float | None = strawberry.field(description="The greatest difference that the noise leaves room for; null likewise.")
    p_value: float | None = strawberry.field(
        description="How likely noise alone makes a difference as great, 0 to 1; null likewise."
    )
    reason: str = strawberry.field(description="Why the verdict is `UNKNOWN`; else empty.")
    start: datetime | None = strawberry.field(description="When the run's windows that it is of begin; null for none.")
    end: datetime | None = strawberry.field(
        description="When they end. Where one of the runs was silent there can be more of TPS than `windows`."
    )

    @classmethod
    def of(cls, difference: domain.FigureDifference) -> "FigureDifference":
        """The type for a difference of the domain."""
        return cls(unit=difference.figure.unit, **asdict(difference))


@strawberry.type(description="The figures of one scenario, or of all together, of a run beside those of the baseline.")
class ScenarioComparison:
    scenario: str | None = strawberry.field(description="The scenario; null: all together.")
    windows: int = strawberry.field(
        description=(
            "How many windows of the run were compared: of the same load from the later of the first answers to the earlier of "
            "the last."
        )
    )
    baseline_windows: int = strawberry.field(description="How many windows of the baseline were compared, likewise.")
    differences: list[FigureDifference] = strawberry.field(description="Each figure.")


@strawberry.type(description="A run held against the baseline.")
class RunComparison:
    run: LoadTestRun = strawberry.field(description="The run.")
    is_same_load: bool = strawberry.field(
        description=(
            "Whether its scenarios are the baseline's: then windows are compared one by one from the begin of the load, else "
            "those under constant load, of which both need 8."
        )
    )
    remarks: list[str] = strawberry.field(description="What should be known of the comparison, in a sentence each.")
    scenarios: list[ScenarioComparison] = strawberry.field(description="All together, then each scenario that both have by name.")

    @classmethod
    def of(cls, comparison: domain.RunComparison) -> "RunComparison":
        """The type for a comparison of the domain."""
        scenarios = [
            ScenarioComparison(
                scenario=each.scenario,
                windows=each.windows,
                baseline_windows=each.baseline_windows,
                differences=[FigureDifference.of(difference) for difference in each.differences],
            )
            for each in comparison.scenarios
        ]
        return cls(
            run=LoadTestRun.of(comparison.run),
            is_same_load=comparison.is_same_load,
            remarks=list(comparison.remarks),
            scenarios=scenarios,
        )


@strawberry.type(description="Runs held against a baseline, each by itself.")
class LoadTestComparison:
    baseline: LoadTestRun = strawberry.field(description="The first of the runs.")
    confidence: float = strawberry.field(description="Of each interval, 0 to 1.")
    runs: list[RunComparison] = strawberry.field(description="The others, in the order given.")

    @classmethod
    def of(cls, comparison: domain.Comparison) -> "LoadTestComparison":
        """The type for a comparison of the domain."""
        return cls(
            baseline=LoadTestRun.of(comparison.baseline),
            confidence=comparison.confidence,
            runs=[RunComparison.of(each) for each in comparison.runs],
        )


@strawberry.type(
    description=(
        "The final figures of runs of one load test, the oldest first, as columns of the same length, of one scenario, in the "
        "runs that have it, or all together, in all runs; times in milliseconds, null where a run measured none."
    )
)
class LoadTestTrend:
    load_test_id: strawberry.ID = strawberry.field(description="The id of the load test.")
    title: str = strawberry.field(description="The load test's title, as the newest of its runs has it, of all scenarios.")
    scenario: str | None = strawberry.field(description="The scenario; null: all together.")
    run_id: list[strawberry.ID] = strawberry.field(description="The runs' ids.")
    number: list[int] = strawberry.field(description="The runs' short numbers.")
    label: list[str | None] = strawberry.field(description="What was tested, as each run's label says; null: not said.")
    created_at: list[datetime] = strawberry.field(description="When each was asked for.")
    load_test_version: list[int] = strawberry.field(description="The version of the load test that each was started with.")
    status: list[RunStatus] = strawberry.field(description="Their verdicts.")
    requests: list[float | None] = strawberry.field(description="Completed requests, whole numbers.")
    tps_mean: list[float | None] = strawberry.field(description="The mean TPS.")
    error_rate: list[float | None] = strawberry.field(description="The share of requests that failed, 0 to 1.")
    mean: list[float | None] = strawberry.field(description="The mean response time.")
    p50: list[float | None] = strawberry.field(description="The median of the response times.")
    p95: list[float | None] = strawberry.field(description="Their 95th percentile.")
    p99: list[float | None] = strawberry.field(description="Their 99th percentile.")

    @classmethod
    def of(cls, trend: load_test_trend.LoadTestTrend) -> "LoadTestTrend":
        """The type for a trend of the domain."""
        runs = trend.runs
        names = ("requests", "tps_mean", "error_rate", "mean", "p50", "p95", "p99")
        return cls(
            load_test_id=strawberry.ID(ids.encode("LoadTest", runs[-1].load_test_id)),
            title=trend.title,
            scenario=trend.scenario,
            run_id=[strawberry.ID(ids.encode("LoadTestRun", each.id)) for each in runs],
            number=[each.id for each in runs],
            label=[each.label for each in runs],
            created_at=[each.created_at for each in runs],
            load_test_version=[each.load_test_version for each in runs],
            status=[each.status for each in runs],
            **{name: [getattr(each, name, None) for each in trend.figures] for name in names},
        )

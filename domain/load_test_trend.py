"""How the figures of runs went over time, as columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.load_test_run import LoadTestRun
from domain.metric_series import RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestTrend:
    """Runs of one load test, one at least and the oldest first, with their figures of one scenario, or of all together (None).

    The figures of a run that has none of it are None.
    """

    scenario: str | None
    runs: tuple[LoadTestRun, ...]
    figures: tuple[RunFigures | None, ...]


def trends_of(runs: Sequence[LoadTestRun], scenarios: Sequence[str] | None = None) -> list[LoadTestTrend]:
    """Load test by load test: of all together and of each scenario that any of its runs has, by name; only of those named in
    `scenarios` if given.
    """
    of_tests: dict[int, list[LoadTestRun]] = {}
    for run in sorted(runs, key=lambda run: (run.load_test_id, run.id)):
        of_tests.setdefault(run.load_test_id, []).append(run)
    return [trend for some in of_tests.values() for trend in _trends(some, scenarios)]


def _trends(runs: Sequence[LoadTestRun], scenarios: Sequence[str] | None) -> Iterator[LoadTestTrend]:
    names: list[str | None] = [None, *dict.fromkeys(name for run in runs for name in run.names.values())]
    found = [{each.scenario: each for each in run.figures} for run in runs]
    for name in names:
        if scenarios is None or name in scenarios:
            yield LoadTestTrend(scenario=name, runs=tuple(runs), figures=tuple(each.get(name) for each in found))

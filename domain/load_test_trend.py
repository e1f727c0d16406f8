"""How the figures of runs went over time, as columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.load_test_run import RunStatus
from domain.metric_series import RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendRun:
    """What a trend shows of a run that has ended.

    `title` and the names of its `scenarios` are those of the definition that it was started with. `figures` are the final ones,
    of all scenarios together (None) and of each; none where it measured nothing.
    """

    id: int
    load_test_id: int
    load_test_version: int
    title: str
    scenarios: tuple[str, ...]
    label: str | None
    created_at: datetime
    status: RunStatus
    figures: tuple[RunFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestTrend:
    """Runs of one load test that have a scenario, one at least and the oldest first, with their figures of it.

    Of all scenarios together (None) they are all runs. The figures of a run that measured nothing are None. `title` is that of
    the newest of all runs, whichever scenarios it has.
    """

    title: str
    scenario: str | None
    runs: tuple[TrendRun, ...]
    figures: tuple[RunFigures | None, ...]


def trends_of(runs: Sequence[TrendRun], scenarios: Sequence[str] | None = None) -> list[LoadTestTrend]:
    """Load test by load test: of all together and of each scenario that any of its runs has, in the order in which they came.

    Only of those named in `scenarios` if given.
    """
    of_tests: dict[int, list[TrendRun]] = {}
    for run in sorted(runs, key=lambda run: (run.load_test_id, run.id)):
        of_tests.setdefault(run.load_test_id, []).append(run)
    return [trend for some in of_tests.values() for trend in _trends(some, None if scenarios is None else frozenset(scenarios))]


def _trends(runs: Sequence[TrendRun], scenarios: frozenset[str] | None) -> Iterator[LoadTestTrend]:
    found: dict[str | None, list[tuple[TrendRun, RunFigures | None]]] = {}
    for run in runs:
        figures = {each.scenario: each for each in run.figures}
        for name in (None, *run.scenarios):
            if scenarios is None or name in scenarios:
                found.setdefault(name, []).append((run, figures.get(name)))
    for name, points in found.items():
        shown, measured = zip(*points, strict=True)
        yield LoadTestTrend(title=runs[-1].title, scenario=name, runs=shown, figures=measured)

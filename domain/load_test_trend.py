"""How the figures of runs went over time, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.load_test_run import LoadTestRun
from domain.metric_series import RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestTrend:
    """Runs, the oldest first, with their figures of one scenario, or of all together (None); None where a run has none of it."""

    scenario: str | None
    runs: tuple[LoadTestRun, ...]
    figures: tuple[RunFigures | None, ...]


def trends_of(runs: Sequence[LoadTestRun], scenarios: Sequence[str] | None = None) -> list[LoadTestTrend]:
    """Of all together and of each scenario that any of the runs has, by name; only of those named in `scenarios` if given."""
    ordered = tuple(sorted(runs, key=lambda run: run.id))
    names: list[str | None] = [None, *dict.fromkeys(name for run in ordered for name in run.names.values())]
    if scenarios is not None:
        names = [name for name in names if name in scenarios]
    return [
        LoadTestTrend(
            scenario=name,
            runs=ordered,
            figures=tuple(next((each for each in run.figures if each.scenario == name), None) for run in ordered),
        )
        for name in names
    ]

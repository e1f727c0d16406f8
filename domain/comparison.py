"""Comparing runs: by how much each figure of a run differs from the baseline's, and whether the noise would explain that.

Only full windows of a scenario's load are compared. Runs that make the same load are compared window by window, counted from the
begin of the load, so that ramps and warm-up weigh the same in both and cancel out; what a window more or less of a ramp changes
counts as noise. Where one of them falls silent while the other goes on, that is a fall of its TPS and no noise. Of runs that
make different loads only windows under constant load are compared: a ramp can't be told from noise.
What differs from one run to the next for reasons that no window of either shows (another day, another neighbour on the machine)
is not noise here: it takes more runs to see it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.load_profile import steady_windows
from domain.load_test import Scenario
from domain.load_test_run import LoadTestRun, RunStatus
from domain.long_run import LEAST_WINDOWS, Spread, Values, spread_of_mean
from domain.paired_windows import WindowPair, centred, pair_silent_windows, pair_windows
from domain.run_figure import RunFigure, estimate
from domain.window_sample import MeasuredRun, WindowSample


class ComparisonVerdict(StrEnum):
    """What a difference means."""

    BETTER = "BETTER"
    WORSE = "WORSE"
    NO_DIFFERENCE = "NO_DIFFERENCE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureDifference:
    """A figure of a run and of the baseline, in the figure's unit, and the difference (the run's less the baseline's).

    `low` and `high` are the interval of the difference; `p_value` is how likely noise alone makes one as great.
    These are None where the verdict is `UNKNOWN`, for the `reason` given, and the figures are where they could not be had.
    `start` and `end` are when the run's windows that it is of begin and end; None where there are none.
    """

    figure: RunFigure
    verdict: ComparisonVerdict
    baseline: float | None = None
    value: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    reason: str = ""
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioComparison:
    """The figures of one scenario, or of all together (None), from so many windows of either run, but for TPS of silent runs."""

    scenario: str | None
    windows: int
    baseline_windows: int
    differences: tuple[FigureDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """A run against the baseline; `remarks` say what should be known of it, in a sentence each."""

    run: LoadTestRun
    is_same_load: bool
    remarks: tuple[str, ...]
    scenarios: tuple[ScenarioComparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs against a baseline; each interval has that confidence, 0 to 1."""

    baseline: LoadTestRun
    confidence: float
    runs: tuple[RunComparison, ...]


def compare(
    baseline: MeasuredRun, others: Sequence[MeasuredRun], confidence: float, scenarios: Sequence[str] | None = None
) -> Comparison:
    """All together, and each scenario that has its name in both runs; only those named in `scenarios` where it is not None."""
    return Comparison(
        baseline=baseline.run,
        confidence=confidence,
        runs=tuple(compare_run(baseline, each, confidence, scenarios) for each in others),
    )


def compare_run(
    baseline: MeasuredRun, other: MeasuredRun, confidence: float, scenarios: Sequence[str] | None = None
) -> RunComparison:
    """One run against the baseline; arguments as of `compare`."""
    is_same_load = _load(baseline.run) == _load(other.run)
    shared: list[str | None] = [name for name in baseline.run.names.values() if name in other.run.names.values()]
    names: list[str | None] = [None, *shared] if scenarios is None else [each for each in shared if each in scenarios]
    silent = {name: pair_silent_windows(baseline, other, name) if is_same_load else None for name in names}
    return RunComparison(
        run=other.run,
        is_same_load=is_same_load,
        remarks=tuple(_remarks(baseline, other, silent, is_same_load=is_same_load)),
        scenarios=tuple(
            _compare_alike(baseline, other, name, confidence, silent[name])
            if is_same_load
            else _compare_steady(baseline, other, name, confidence)
            for name in names
        ),
    )


def _load(run: LoadTestRun) -> tuple[int, tuple[Scenario, ...]]:
    """What makes two runs the same load: scenarios with all that they send, in windows of one length."""
    return run.window_seconds, run.definition.scenarios


def _remarks(
    baseline: MeasuredRun, other: MeasuredRun, silent: Mapping[str | None, WindowPair | None], *, is_same_load: bool
) -> Iterator[str]:
    if not is_same_load:
        yield "Its load is not the baseline's (scenarios, requests or the length of a window differ)."
    if baseline.run.definition.server != other.run.definition.server:
        yield f"It called {other.run.definition.server}, the baseline {baseline.run.definition.server}."
    if baseline.run.document_sha256 != other.run.document_sha256:
        yield "The target's document is not what it was at the baseline."
    for each in (baseline.run, other.run):
        if each.status not in (RunStatus.PASSED, RunStatus.FAILED):
            yield f"Run {each.id} is {each.status}: {each.message}"
    silences = [*_silences((baseline.run, other.run), silent)]
    counts = [len(each.load(None)) for each in (baseline, other)]
    if is_same_load and counts[0] != counts[1] and not silences:
        yield f"They have {counts[0]} and {counts[1]} windows under load: what only one has is left out."
    yield from silences


def _silences(runs: Sequence[LoadTestRun], silent: Mapping[str | None, WindowPair | None]) -> Iterator[str]:
    """Who was silent for how long; of a scenario only where it was so for longer than all together."""
    for place, run in enumerate(runs):
        seconds = {name: pair.silences[place] if pair else 0 for name, pair in silent.items()}
        for name, each in seconds.items():
            if each > (0 if name is None else seconds.get(None, 0)):
                of_what = "" if name is None else f"of {name!r} "
                yield (
                    f"Run {run.id} gave no successful answers {of_what}for at least {each} s in which the other did: for its TPS "
                    "that is a fall, and no noise."
                )


def _compare_alike(
    baseline: MeasuredRun, other: MeasuredRun, scenario: str | None, confidence: float, silent: WindowPair | None
) -> ScenarioComparison:
    """A scenario of runs of the same load; TPS in the windows of `silent` where one of them was silent for some time."""
    pair = pair_windows(baseline, other, scenario)
    pairs = {figure: silent if silent and figure is RunFigure.TPS else pair for figure in RunFigure}
    return _comparison(scenario, pair, tuple(compare_windows(each, figure, confidence) for figure, each in pairs.items()))


def _compare_steady(baseline: MeasuredRun, other: MeasuredRun, scenario: str | None, confidence: float) -> ScenarioComparison:
    """A scenario of runs of different loads, where these are constant."""
    samples, unsteady = [], []
    for measured in (baseline, other):
        sample = measured.sample(scenario).inner
        mask = steady_windows(measured, sample.starts)
        is_steady = mask.sum() >= LEAST_WINDOWS
        samples.append(sample.only(mask) if is_steady else sample)
        unsteady += [] if is_steady else [measured.run.id]
    pair = WindowPair(samples[0], samples[1])
    differences = tuple(compare_windows(pair, figure, confidence) for figure in RunFigure)
    if unsteady:
        reason = f"The loads differ, and run {unsteady[0]} has fewer than {LEAST_WINDOWS} windows under constant load."
        differences = tuple(
            replace(each, verdict=ComparisonVerdict.UNKNOWN, low=None, high=None, p_value=None, reason=each.reason or reason)
            for each in differences
        )
    return _comparison(scenario, pair, differences)


def _comparison(scenario: str | None, pair: WindowPair, differences: tuple[FigureDifference, ...]) -> ScenarioComparison:
    return ScenarioComparison(
        scenario=scenario, windows=len(pair.other), baseline_windows=len(pair.baseline), differences=differences
    )


def compare_windows(pair: WindowPair, figure: RunFigure, confidence: float, baseline: str = "the baseline") -> FigureDifference:
    """A figure of windows held against each other; `baseline` is what a reason calls the first."""
    fewest = min(len(pair.baseline), len(pair.other))
    if fewest < LEAST_WINDOWS:
        found = "1 window" if fewest == 1 else f"{fewest} windows"
        reason = f"{found} besides the first and the last can be compared; at least {LEAST_WINDOWS} are needed."
        return _unknown(pair, figure, reason)
    before, after = (estimate(each, figure, confidence) for each in (pair.baseline, pair.other))
    if before.down is None or before.up is None or after.down is None or after.up is None:
        reason = after.unknown or f"Of {baseline}: {before.unknown}"
        return _unknown(pair, figure, reason)
    slack = before.slack + after.slack
    if pair.parts is not None:
        slack += sum(_shift(each, figure, confidence) for each in (pair.baseline, pair.other)) / 2
    least = before.least_variance + after.least_variance
    below = _spread(before.up, after.down, least, pair.parts)
    above = _spread(before.down, after.up, least, pair.parts)
    difference = after.value - before.value
    low = difference - below.half_width(confidence) - slack
    high = difference + above.half_width(confidence) + slack
    return FigureDifference(
        figure=figure,
        verdict=_verdict(figure, low, high),
        baseline=before.value,
        value=after.value,
        difference=difference,
        low=low,
        high=high,
        p_value=(below if difference > 0.0 else above).p_value(max(abs(difference) - slack, 0.0)),
        start=pair.other.start,
        end=pair.other.end,
    )


def _unknown(pair: WindowPair, figure: RunFigure, reason: str) -> FigureDifference:
    return FigureDifference(
        figure=figure, verdict=ComparisonVerdict.UNKNOWN, reason=reason, start=pair.other.start, end=pair.other.end
    )


def _spread(first: Values, second: Values, least: float, parts: NDArray[np.int64] | None) -> Spread:
    """That of the second figure less the first, whose windows move them so much."""
    found = spread_of_mean(first) + spread_of_mean(second) if parts is None else spread_of_mean(centred(second - first, parts))
    return Spread(max(found.variance, least), found.freedom)


def _shift(sample: WindowSample, figure: RunFigure, confidence: float) -> float:
    """By how much the figure changes where its windows begin one later: a start lies anywhere in its window."""
    early, late = (estimate(sample.only(part), figure, confidence) for part in (slice(0, -1), slice(1, None)))
    return 0.0 if early.unknown or late.unknown else abs(late.value - early.value)


def _verdict(figure: RunFigure, low: float, high: float) -> ComparisonVerdict:
    if low <= 0.0 <= high:
        return ComparisonVerdict.NO_DIFFERENCE
    is_greater_better = figure is RunFigure.TPS
    return ComparisonVerdict.BETTER if (low > 0.0) == is_greater_better else ComparisonVerdict.WORSE

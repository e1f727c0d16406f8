"""Comparing runs: by how much each figure of a run differs from the baseline's, and whether the noise would explain that.

Only full windows of a scenario's load are compared. Runs that make the same load are compared window by window, counted from the
begin of the load, so that ramps and warm-up weigh the same in both and cancel out; what a window more or less of a ramp changes
counts as noise. Where one of them answers later or falls silent sooner than the other, its TPS are 0 for so long. Of runs that
make different loads only windows under constant load are compared: a ramp can't be told from noise.
What differs from one run to the next for reasons that no window of either shows (another day, another neighbour on the machine)
is not noise here: it takes more runs to see it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.load_profile import steady_windows
from domain.load_test import Scenario
from domain.load_test_run import LoadTestRun, RunStatus
from domain.long_run import LEAST_WINDOWS, Spread, Values, spread_of_mean
from domain.paired_windows import SilentPair, centred, pair_silent_windows, pair_windows
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioComparison:
    """The figures of one scenario, or of all together (None), from so many windows of either run.

    `first` and `last` are when those of the run begin and end; None where there are none.
    """

    scenario: str | None
    windows: int
    baseline_windows: int
    first: datetime | None
    last: datetime | None
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
    silent = {name: pair_silent_windows(baseline, other, name) if is_same_load else None for name in (None, *names)}
    return RunComparison(
        run=other.run,
        is_same_load=is_same_load,
        remarks=(*_remarks(baseline, other, silent, is_same_load=is_same_load),),
        scenarios=tuple(
            _compare_scenario(baseline, other, name, confidence, silent[name], is_paired=is_same_load) for name in names
        ),
    )


def _load(run: LoadTestRun) -> tuple[int, tuple[Scenario, ...]]:
    """What makes two runs the same load: scenarios with all that they send, in windows of one length."""
    return run.window_seconds, run.definition.scenarios


def _remarks(
    baseline: MeasuredRun, other: MeasuredRun, silent: Mapping[str | None, SilentPair | None], *, is_same_load: bool
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
    counts = [len(each.load(None)) for each in (baseline, other)]
    if is_same_load and counts[0] != counts[1] and silent[None] is None:
        yield f"They have {counts[0]} and {counts[1]} windows under load: what only one has is left out."
    yield from _silences((baseline.run, other.run), silent)


def _silences(runs: Sequence[LoadTestRun], silent: Mapping[str | None, SilentPair | None]) -> Iterator[str]:
    """Who was silent for how long; of a scenario only where it was so for longer than all together."""
    for place, run in enumerate(runs):
        seconds = {name: pair.seconds[place] if pair else 0 for name, pair in silent.items()}
        for name, each in seconds.items():
            if each > (0 if name is None else seconds[None]):
                of_what = "" if name is None else f"of {name!r} "
                yield (
                    f"Run {run.id} gave no answers {of_what}for {each} s before its first or after its last, while the other "
                    "did: they count as 0 TPS, and in no other figure."
                )


def _compare_scenario(
    baseline: MeasuredRun,
    other: MeasuredRun,
    scenario: str | None,
    confidence: float,
    silent: SilentPair | None,
    *,
    is_paired: bool,
) -> ScenarioComparison:
    unsteady: int | None = None
    if is_paired:
        samples = pair_windows(baseline, other, scenario)
    else:
        samples = [each.sample(scenario).inner for each in (baseline, other)]
        masks = [steady_windows(measured, each.starts) for each, measured in zip(samples, (baseline, other), strict=True)]
        is_steady = [mask.sum() >= LEAST_WINDOWS for mask in masks]
        samples = [each.only(mask) if enough else each for each, mask, enough in zip(samples, masks, is_steady, strict=True)]
        unsteady = next((run.id for run, enough in zip((baseline.run, other.run), is_steady, strict=True) if not enough), None)
    first, second = samples
    differences = tuple(
        compare_samples(*silent.samples, figure, confidence, parts=silent.parts)
        if silent and figure is RunFigure.TPS
        else compare_samples(first, second, figure, confidence, parts=np.ones(len(first), dtype=int) if is_paired else None)
        for figure in RunFigure
    )
    if unsteady is not None:
        reason = f"The loads differ, and run {unsteady} has fewer than {LEAST_WINDOWS} windows under constant load."
        differences = tuple(
            replace(each, verdict=ComparisonVerdict.UNKNOWN, low=None, high=None, p_value=None, reason=each.reason or reason)
            for each in differences
        )
    return ScenarioComparison(
        scenario=scenario,
        windows=len(second),
        baseline_windows=len(first),
        first=datetime.fromtimestamp(second.starts[0], UTC) if len(second) else None,
        last=datetime.fromtimestamp(second.starts[-1] + second.seconds, UTC) if len(second) else None,
        differences=differences,
    )


def compare_samples(
    baseline: WindowSample, other: WindowSample, figure: RunFigure, confidence: float, *, parts: NDArray[np.int64] | None
) -> FigureDifference:
    """A figure of two samples. Where their windows belong together one by one, `parts` are those of the load that these lie in:
    what differs from part to part is no noise.
    """
    fewest = min(len(baseline), len(other))
    if fewest < LEAST_WINDOWS:
        found = "1 window" if fewest == 1 else f"{fewest} windows"
        return _unknown(figure, f"{found} besides the first and the last can be compared; at least {LEAST_WINDOWS} are needed.")
    first, second = (estimate(each, figure, confidence) for each in (baseline, other))
    if first.down is None or first.up is None or second.down is None or second.up is None:
        return _unknown(figure, second.unknown or f"Of the baseline: {first.unknown}")
    slack = first.slack + second.slack
    if parts is not None:
        slack += sum(_shift(each, figure, confidence) for each in (baseline, other)) / 2
    least = first.least_variance + second.least_variance
    below = _spread(first.up, second.down, least, parts)
    above = _spread(first.down, second.up, least, parts)
    difference = second.value - first.value
    low = difference - below.half_width(confidence) - slack
    high = difference + above.half_width(confidence) + slack
    return FigureDifference(
        figure=figure,
        verdict=_verdict(figure, low, high),
        baseline=first.value,
        value=second.value,
        difference=difference,
        low=low,
        high=high,
        p_value=(below if difference > 0.0 else above).p_value(max(abs(difference) - slack, 0.0)),
    )


def _unknown(figure: RunFigure, reason: str) -> FigureDifference:
    return FigureDifference(figure=figure, verdict=ComparisonVerdict.UNKNOWN, reason=reason)


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

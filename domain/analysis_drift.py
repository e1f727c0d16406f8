"""The check of an analysis that looks for what becomes worse while the load is constant."""

from collections.abc import Iterator, Mapping, Sequence

from domain.analysis_check import FALSE_ALARM, Check, not_made, of, scenarios_looked_at, untold
from domain.comparison import ComparisonVerdict, FigureDifference, compare_windows
from domain.finding import Finding, FindingKind, shown
from domain.load_profile import constant_stretches
from domain.long_run import LEAST_WINDOWS
from domain.paired_windows import WindowPair
from domain.run_figure import RunFigure
from domain.window_sample import MeasuredRun, WindowSample

DRIFTING_TIMES = (RunFigure.MEAN, RunFigure.P95)
LEAST = 2 * LEAST_WINDOWS  # windows of one load, in a row
FIRST = ("sixth", "third", "half", "two thirds", "five sixths")  # of a time, against what comes after it


def check_drift(measured: MeasuredRun, figures: Sequence[RunFigure]) -> Check:
    """Whether these figures become worse in the longest time of one load: after its first sixth, or two of them, and so on.

    There is a false alarm in at most one of twenty checks, however many figures and scenarios it has (Bonferroni). Where a figure
    is worse after several of them, the surest is told.
    """
    stretches = constant_stretches(measured, scenarios_looked_at(measured))
    places = {name: _places(len(stretch)) for name, stretch in stretches.items() if len(stretch) >= LEAST}
    if not places:
        return not_made(_too_short(None))
    looks = len(figures) * sum(map(len, places.values()))
    findings, unseen, remarks = [], 0, [_too_short(name) for name in stretches if name not in places]
    for name, own in places.items():
        untellable = []
        for found in _compared(measured.sample(name, stretches[name]), own, figures, 1.0 - FALSE_ALARM / looks):
            worse = {first: each for first, each in found.items() if each.verdict is ComparisonVerdict.WORSE}
            if worse:
                surest = min(worse, key=lambda first: worse[first].p_value or 0.0)
                findings.append(_finding(worse[surest], surest, name, looks))
            if all(each.verdict is ComparisonVerdict.UNKNOWN for each in found.values()):
                untellable.append(found["half"])
        unseen += len(untellable)
        remarks += [f"Under constant load {remark}" for remark in untold(untellable, name)]
    if unseen == len(places) * len(figures):
        return not_made(*remarks)
    return Check(findings=tuple(findings), remarks=tuple(remarks))


def _too_short(scenario: str | None) -> str:
    return f"What becomes worse{of(scenario)} under constant load needs {LEAST} full windows in a row of one load."


def _places(count: int) -> dict[str, int]:
    """Numbers of windows that come first, where they leave enough on both sides, by what part of all they are."""
    places = {first: round(count * sixths / 6) for sixths, first in enumerate(FIRST, 1)}
    return {first: place for first, place in places.items() if LEAST_WINDOWS <= place <= count - LEAST_WINDOWS}


def _compared(
    sample: WindowSample, places: Mapping[str, int], figures: Sequence[RunFigure], confidence: float
) -> Iterator[dict[str, FigureDifference]]:
    """Of each figure what comes after each place against what comes before."""
    pairs = {
        first: WindowPair(sample.only(slice(None, place)), sample.only(slice(place, None))) for first, place in places.items()
    }
    for figure in figures:
        yield {first: compare_windows(pair, figure, confidence, "what comes before") for first, pair in pairs.items()}


def _finding(found: FigureDifference, first: str, scenario: str | None, looks: int) -> Finding:
    figure, before, after = found.figure, found.baseline or 0.0, found.value or 0.0
    went = "fell" if after < before else "grew"
    values = f"{shown(before, figure.unit)} in the first {first} of the time, {shown(after, figure.unit)} after it"
    return Finding(
        kind=FindingKind.DRIFT,
        figure=figure.phrase,
        value=after,
        unit=figure.unit,
        baseline=before,
        low=found.low,
        high=found.high,
        confidence=1.0 - min(1.0, (found.p_value or 0.0) * looks),
        sentence=f"Under constant load {figure.phrase} {went}: {values}.",
        is_problem=True,
        scenario=scenario,
        start=found.start,
        end=found.end,
    )

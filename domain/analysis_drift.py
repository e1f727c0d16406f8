"""The check of an analysis that looks for what becomes worse while the load is constant."""

from collections.abc import Sequence
from itertools import product

from domain.analysis_check import FALSE_ALARM, Check, not_made, of, scenarios_looked_at, untold
from domain.comparison import ComparisonVerdict, FigureDifference, compare_windows
from domain.finding import Finding, FindingKind, shown
from domain.load_profile import constant_stretches
from domain.long_run import LEAST_WINDOWS
from domain.paired_windows import WindowPair
from domain.run_figure import RunFigure
from domain.window_sample import MeasuredRun

DRIFTING_TIMES = (RunFigure.MEAN, RunFigure.P95)
LEAST = 2 * LEAST_WINDOWS  # windows of one load, in a row
SIXTHS = ("a sixth", "a third", "half", "two thirds", "five sixths")  # of a time, after which something may begin


def check_drift(measured: MeasuredRun, figures: Sequence[RunFigure]) -> Check:
    """Whether these figures become worse in the longest time of one load, each sixth of which may be where that begins.

    There is a false alarm in at most one of twenty checks, however many figures and scenarios it has (Bonferroni). Of the places
    from which on a figure is worse the surest is told.
    """
    stretches = constant_stretches(measured, scenarios_looked_at(measured))
    pairs = {name: _pairs(measured, name, stretch) for name, stretch in stretches.items() if len(stretch) >= LEAST}
    if not pairs:
        return not_made(_too_short(None))
    looks = len(figures) * sum(map(len, pairs.values()))
    findings, unseen, remarks = [], 0, [_too_short(name) for name in stretches if name not in pairs]
    for name, figure in product(pairs, figures):
        confidence = 1.0 - FALSE_ALARM / looks
        found = {place: compare_windows(pair, figure, confidence, "what comes before") for place, pair in pairs[name].items()}
        worse = {place: each for place, each in found.items() if each.verdict is ComparisonVerdict.WORSE}
        if worse:
            surest = min(worse, key=lambda place: worse[place].p_value or 0.0)
            findings.append(_finding(worse[surest], surest, name, looks))
        elif all(each.verdict is ComparisonVerdict.UNKNOWN for each in found.values()):
            remarks.append(f"Under constant load {untold(found['half'], name)}")
            unseen += 1
    if unseen == len(pairs) * len(figures):
        return not_made(*remarks)
    return Check(findings=tuple(findings), remarks=tuple(remarks))


def _too_short(scenario: str | None) -> str:
    return f"What becomes worse{of(scenario)} under constant load needs {LEAST} full windows in a row of one load."


def _pairs(measured: MeasuredRun, scenario: str | None, stretch: range) -> dict[str, WindowPair]:
    """What comes before and after each place that leaves enough of both."""
    places = {words: round(len(stretch) * sixth / 6) for sixth, words in enumerate(SIXTHS, 1)}
    return {
        words: WindowPair(measured.sample(scenario, stretch[:place]), measured.sample(scenario, stretch[place:]))
        for words, place in places.items()
        if LEAST_WINDOWS <= place <= len(stretch) - LEAST_WINDOWS
    }


def _finding(found: FigureDifference, place: str, scenario: str | None, looks: int) -> Finding:
    figure, before, after = found.figure, found.baseline or 0.0, found.value or 0.0
    went = f"{'fell' if after < before else 'grew'} from {shown(before, figure.unit)} to {shown(after, figure.unit)}"
    return Finding(
        kind=FindingKind.DRIFT,
        figure=figure.phrase,
        value=after,
        unit=figure.unit,
        baseline=before,
        low=found.low,
        high=found.high,
        confidence=1.0 - min(1.0, (found.p_value or 0.0) * looks),
        sentence=f"Under constant load {figure.phrase} {went} after {place} of the time.",
        is_problem=True,
        scenario=scenario,
        start=found.start,
        end=found.end,
    )

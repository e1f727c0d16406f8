"""The check of an analysis that holds a run against another."""

from collections.abc import Iterator, Sequence

from domain.analysis_check import FALSE_ALARM, Check, not_made, untold
from domain.comparison import ComparisonVerdict, FigureDifference, compare_run
from domain.finding import Finding, FindingKind, shown
from domain.run_figure import RunFigure
from domain.window_sample import MeasuredRun

KINDS = {ComparisonVerdict.WORSE: FindingKind.REGRESSION, ComparisonVerdict.BETTER: FindingKind.IMPROVEMENT}


def check_regressions(baseline: MeasuredRun, measured: MeasuredRun, figures: Sequence[RunFigure]) -> Check:
    """Each of the figures against the baseline's, of all together and, where there are several, of each scenario that both have.

    There is a false alarm in at most one of twenty checks, however many figures it has (Bonferroni).
    """
    is_single = len(measured.run.names) == len(baseline.run.names) == 1
    shared = [name for name in measured.run.names.values() if name in baseline.run.names.values()]
    looks = len(figures) * (1 if is_single else 1 + len(shared))
    comparison = compare_run(baseline, measured, 1.0 - FALSE_ALARM / looks)
    looked_at = {
        scenario.scenario: [each for each in scenario.differences if each.figure in figures]
        for scenario in comparison.scenarios[: 1 if is_single else None]
    }
    told = [(name, each) for name, row in looked_at.items() for each in row if each.verdict is not ComparisonVerdict.UNKNOWN]
    if not told:
        reasons = {each.reason for each in comparison.scenarios[0].differences if each.reason}
        return not_made(f"Nothing could be held against run {baseline.run.id}: {'; '.join(sorted(reasons))}")
    findings = tuple(found for name, each in told for found in _finding(baseline.run.id, name, each, looks))
    unseen = [f"With run {baseline.run.id} {remark}" for name, row in looked_at.items() for remark in untold(row, name)]
    return Check(findings=findings, remarks=(*comparison.remarks, *unseen))


def _finding(baseline: int, scenario: str | None, found: FigureDifference, looks: int) -> Iterator[Finding]:
    kind = KINDS.get(found.verdict)
    if kind is None or found.value is None or found.baseline is None or found.p_value is None:
        return
    figure = found.figure
    values = f"{shown(found.value, figure.unit)}, and {shown(found.baseline, figure.unit)} in run {baseline}"
    phrase = figure.phrase[0].upper() + figure.phrase[1:]
    yield Finding(
        kind=kind,
        figure=figure.phrase,
        value=found.value,
        unit=figure.unit,
        baseline=found.baseline,
        low=found.low,
        high=found.high,
        confidence=1.0 - min(1.0, found.p_value * looks),
        sentence=f"{phrase} is {found.verdict.lower()}: {values}.",
        is_problem=kind is FindingKind.REGRESSION,
        scenario=scenario,
        start=found.start,
        end=found.end,
    )

"""What a run of a load test says, by statistics: checks that find problems, each with a known rate of false alarms."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from domain.analysis_check import Check, check_bursts, check_error_rate, check_resources, check_saturation
from domain.analysis_drift import DRIFTING_TIMES, check_drift
from domain.analysis_regression import check_regressions
from domain.finding import Finding
from domain.load_test_run import RunStatus
from domain.resource_peak import ResourceColumn
from domain.run_figure import RunFigure
from domain.window_sample import MeasuredRun
from domain.wording import UNASKED, Wording

MOST_OF_BROKEN = 0.5  # confidence in a run whose own verdict is that its figures can't be trusted


class AnalysisKind(StrEnum):
    """What an analysis looks at."""

    TPS = "TPS"
    RESPONSE_TIME = "RESPONSE_TIME"
    ERROR_RATE = "ERROR_RATE"
    RESOURCE_USAGE = "RESOURCE_USAGE"
    COMPARISON = "COMPARISON"
    COMPREHENSIVE = "COMPREHENSIVE"


TIMES = (RunFigure.MEAN, RunFigure.P50, RunFigure.P95, RunFigure.P99)
COMPARED: dict[AnalysisKind, tuple[RunFigure, ...]] = {
    AnalysisKind.TPS: (RunFigure.TPS,),
    AnalysisKind.RESPONSE_TIME: TIMES,
    AnalysisKind.ERROR_RATE: (RunFigure.ERROR_RATE,),
    AnalysisKind.COMPARISON: tuple(RunFigure),
    AnalysisKind.COMPREHENSIVE: tuple(RunFigure),
}
CHECKS: dict[AnalysisKind, tuple[Callable[[MeasuredRun], Check], ...]] = {
    AnalysisKind.TPS: (check_saturation, partial(check_drift, figures=(RunFigure.TPS,))),
    AnalysisKind.RESPONSE_TIME: (partial(check_drift, figures=DRIFTING_TIMES),),
    AnalysisKind.ERROR_RATE: (check_error_rate, check_bursts),
    AnalysisKind.COMPREHENSIVE: (
        check_saturation,
        partial(check_drift, figures=(RunFigure.TPS, *DRIFTING_TIMES)),
        check_error_rate,
        check_bursts,
    ),
}
WITH_RESOURCES = frozenset({AnalysisKind.RESOURCE_USAGE, AnalysisKind.COMPREHENSIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What an analysis came to.

    `confidence`, 0 to 1, says how much of what its kind looks at could be looked at, and how sure that is: the mean over its
    checks, where one that could not be made counts 0, one that found nothing 1 less its rate of false alarms, and any other as
    much as its least sure finding. It is at most a half where the run's verdict is `ERROR` or `INVALID`. `score`, 0 to 100, is
    how free of problems the run is: 100 less the mean, over the checks that could be made, of the surest problem's confidence in
    percent; None where none could be made. `remarks` say what could not be looked at, and why.
    """

    confidence: float
    score: float | None
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestAnalysis:
    """An analysis of a run, as it is kept: what statistics came to, and its `wording` by a chat model.

    `model` is the chat model that worded it, None where no word of any stands; `seconds` is how long all that took.
    """

    id: int
    project_id: int
    load_test_id: int
    run_id: int
    baseline_run_id: int | None
    kind: AnalysisKind
    model: str | None
    seconds: float
    actor: str
    created_at: datetime
    conclusion: Conclusion
    wording: Wording = UNASKED


def analyse(
    kind: AnalysisKind, measured: MeasuredRun, baseline: MeasuredRun | None, resources: Sequence[ResourceColumn] = ()
) -> Conclusion:
    """All checks of that kind on a run, and regressions where there is a baseline, without which a `COMPARISON` has no checks."""
    checks = [check(measured) for check in CHECKS.get(kind, ())]
    if kind in WITH_RESOURCES:
        checks.append(check_resources(resources))
    if baseline is not None and kind in COMPARED:
        checks.append(check_regressions(baseline, measured, COMPARED[kind]))
    return _concluded(checks, is_broken=measured.run.status in (RunStatus.ERROR, RunStatus.INVALID))


def _concluded(checks: Iterable[Check], *, is_broken: bool) -> Conclusion:
    checks = list(checks)
    made = [each for each in checks if each.is_made]
    confidence = sum(each.confidence for each in made) / len(checks)
    found = [finding for each in checks for finding in each.findings]
    return Conclusion(
        confidence=min(confidence, MOST_OF_BROKEN) if is_broken else confidence,
        score=100.0 * (1.0 - sum(each.worst for each in made) / len(made)) if made else None,
        findings=tuple(replace(each, number=number) for number, each in enumerate(found, 1)),
        remarks=tuple(remark for each in checks for remark in each.remarks),
    )

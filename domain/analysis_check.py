"""The checks of an analysis: each looks at one side of a run, and says what it found or why it could not look."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain import saturation
from domain.comparison import ComparisonVerdict, FigureDifference
from domain.error_burst import FALSE_ALARM as FALSE_BURST
from domain.error_burst import LEAST_WINDOWS as LEAST_SCANNED
from domain.error_burst import ErrorBurst, error_bursts
from domain.finding import Finding, FindingKind, shown
from domain.load_profile import is_arrival_rate, planned_load
from domain.load_test import LoadTestDefinition
from domain.long_run import LEAST_WINDOWS, Spread, spread_of_mean
from domain.resource_peak import ResourceColumn, resource_findings
from domain.run_figure import RunFigure, estimate
from domain.window_sample import MeasuredRun, WindowSample

FALSE_ALARM = 0.05
MOST_ERRORS = 0.01  # of the requests of a scenario without a limit, where none is set for all together either


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check came to; `false_alarm` is how often it finds something where there is nothing."""

    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    is_made: bool = True
    false_alarm: float = FALSE_ALARM

    @property
    def confidence(self) -> float:
        """How sure it is of what it says."""
        return min((each.confidence for each in self.findings), default=1.0 - self.false_alarm)

    @property
    def worst(self) -> float:
        """The confidence of its surest problem; 0 without one."""
        return max((each.confidence for each in self.findings if each.is_problem), default=0.0)


def not_made(*reasons: str) -> Check:
    """A check that could not be made."""
    return Check(is_made=False, remarks=reasons)


def untold(found: Iterable[FigureDifference], scenario: str | None) -> Iterator[str]:
    """The rest of a remark for each reason why it can't be told of figures whether they differ."""
    reasons: dict[str, list[str]] = {}
    for each in found:
        if each.verdict is ComparisonVerdict.UNKNOWN:
            reasons.setdefault(each.reason, []).append(each.figure.phrase)
    for reason, phrases in reasons.items():
        yield f"{', '.join(phrases)}{of(scenario)} could not be compared: {reason}"


def of(scenario: str | None) -> str:
    """Whose something is, in a sentence; nothing where it is that of all together."""
    return "" if scenario is None else f" of {scenario!r}"


def window_times(sample: WindowSample, first: int = 0, last: int = -1) -> dict[str, Any]:
    """When windows number `first` to `last` begin and end."""
    return {"start": sample.only(slice(first, None)).start, "end": sample.only(slice(last, None if last == -1 else last + 1)).end}


def check_saturation(measured: MeasuredRun) -> Check:
    """Whether more load stops bringing TPS: of all together where all scenarios' loads can be added up, else of each."""
    scenarios = measured.run.definition.scenarios
    kinds = {is_arrival_rate(each.executor) for each in scenarios}
    names: list[str | None] = [None] if len(kinds) == 1 else [each.name for each in scenarios]
    findings = [found for name in names if (found := _saturation(measured, name)) is not None]
    if not findings:
        least = saturation.LEAST_WINDOWS
        return not_made(f"Where more load stops bringing TPS needs {least} windows under loads that differ by half or more.")
    return Check(findings=tuple(findings), false_alarm=saturation.FALSE_ALARM)


def _saturation(measured: MeasuredRun, scenario: str | None) -> Finding | None:
    chosen = [each for each in measured.run.definition.scenarios if scenario in (None, each.name)]
    is_rate = is_arrival_rate(chosen[0].executor)
    unit = "requests/s" if is_rate else "VUs"
    sample = measured.sample(scenario).inner
    if len(sample) < saturation.LEAST_WINDOWS or not sample.requests.any():
        return None
    load = sample.vus if scenario is None and not is_rate else np.full(len(sample), np.nan)
    if np.isnan(load).any():
        planned = [planned_load(measured, each.executor, sample.starts) for each in chosen]
        load = np.sum([part * (len(each.requests) if is_rate else 1) for part, each in zip(planned, chosen, strict=True)], axis=0)
    sample, load = sample.only(load > 0.0), load[load > 0.0]
    if load.size < saturation.LEAST_WINDOWS or not saturation.can_tell(load):
        return None
    found = saturation.saturation(load, sample.requests / sample.seconds)
    if found is None:
        most = float(load.max())
        return Finding(
            kind=FindingKind.NO_SATURATION,
            figure="load",
            value=most,
            unit=unit,
            confidence=1.0 - saturation.FALSE_ALARM,
            sentence=f"TPS grew with the load up to the greatest, {shown(most, unit)}.",
            is_problem=False,
            scenario=scenario,
            **window_times(sample),
        )
    wanted = measured.run.definition.target_tps if scenario is None else None
    beyond = np.flatnonzero(load >= found.load)
    tps = shown(found.tps, "requests/s")
    place = shown(found.load, unit)
    begin = f"More than the least load, {place}," if found.from_start else f"More than {place}"
    return Finding(
        kind=FindingKind.SATURATION,
        figure="load",
        value=found.load,
        unit=unit,
        low=found.low,
        high=found.high,
        confidence=1.0 - found.p_value,
        sentence=f"{begin} brings no more TPS: it stays at about {tps}.",
        is_problem=wanted is None or found.tps < wanted,
        scenario=scenario,
        **window_times(sample, int(beyond[0]), int(beyond[-1])),
    )


def scenarios_looked_at(measured: MeasuredRun) -> list[str | None]:
    """All together, and each scenario where there are several."""
    names = list(measured.run.names.values())
    return [None, *names] if len(names) > 1 else [None]


def check_error_rate(measured: MeasuredRun) -> Check:
    """Whether more requests fail than is allowed of all together, or of a scenario; `MOST_ERRORS` where neither is said of it."""
    findings, is_made = [], False
    limits = _error_limits(measured.run.definition)
    confidence = 1.0 - FALSE_ALARM / len(limits)
    for name, limit in limits.items():
        sample = measured.sample(name).inner
        found = estimate(sample, RunFigure.ERROR_RATE, confidence) if len(sample) >= LEAST_WINDOWS else None
        if found is None or found.down is None:
            continue
        is_made = True
        spread = spread_of_mean(found.down)
        spread = Spread(max(spread.variance, found.least_variance), spread.freedom)
        reach = spread.half_width(confidence)
        if found.value - reach <= limit:
            continue
        findings.append(
            Finding(
                kind=FindingKind.ERROR_RATE,
                figure=RunFigure.ERROR_RATE.phrase,
                value=found.value,
                unit="",
                baseline=limit,
                low=found.value - reach - limit,
                high=found.value + reach - limit,
                confidence=1.0 - min(1.0, spread.p_value(found.value - limit) * len(limits)),
                sentence=f"{shown(found.value, '')} of the requests failed; {shown(limit, '')} are allowed.",
                is_problem=True,
                scenario=name,
                **window_times(sample),
            )
        )
    if not is_made:
        return not_made(f"The error rate needs {LEAST_WINDOWS} windows with requests.")
    return Check(findings=tuple(findings))


def _error_limits(definition: LoadTestDefinition) -> dict[str | None, float]:
    """The most that may fail, 0 to 1, of all together (None) and of scenarios."""
    default = MOST_ERRORS if definition.error_rate is None else None
    limits: dict[str | None, float | None] = {None: definition.error_rate}
    limits |= {each.name: default if each.error_rate is None else each.error_rate for each in definition.scenarios}
    return {name: limit for name, limit in limits.items() if limit is not None}


def check_bursts(measured: MeasuredRun) -> Check:
    """Where errors gather: of all together, then of each scenario what is no part of those.

    The first and the last window of the load count as well: errors are a share of the requests that there are.
    """
    if len(measured.load(None)) < LEAST_SCANNED:
        return not_made(f"Bursts of errors need {LEAST_SCANNED} windows.")
    names = scenarios_looked_at(measured)
    findings: list[Finding] = []
    whole: list[tuple[float, float]] = []  # when the first and the last window of each begin, as loads begin at different times
    for name in names:
        sample = measured.sample(name)
        alarm = FALSE_BURST / 2 if name is None else FALSE_BURST / 2 / (len(names) - 1)
        for burst in error_bursts(sample.failed, sample.requests, alarm):
            begin, end = sample.starts[burst.first], sample.starts[burst.last]
            if name is not None and any(begin <= last and end >= first for first, last in whole):
                continue
            whole += [(begin, end)] if name is None else []
            findings.append(_burst(sample, burst, name, len(names)))
    return Check(findings=tuple(findings), false_alarm=FALSE_BURST)


def _burst(sample: WindowSample, burst: ErrorBurst, scenario: str | None, looks: int) -> Finding:
    rate = burst.failed / burst.requests
    times = window_times(sample, burst.first, burst.last)
    seconds = (burst.last - burst.first + 1) * sample.seconds
    elsewhere = shown(burst.elsewhere, "")
    return Finding(
        kind=FindingKind.ERROR_BURST,
        figure=RunFigure.ERROR_RATE.phrase,
        value=rate,
        unit="",
        baseline=burst.elsewhere,
        confidence=1.0 - min(1.0, burst.p_value * looks),
        sentence=f"Within {seconds} s {burst.failed} requests failed, {shown(rate, '')}; {elsewhere} did in the rest.",
        is_problem=True,
        scenario=scenario,
        **times,
    )


def check_resources(given: Sequence[ResourceColumn]) -> Check:
    """Which resource came nearest to its limit, and what limits to set."""
    findings = tuple(resource_findings(given))
    if not findings and any(value is not None for each in given for value in each.values):
        return not_made(f"Limits of resources need {LEAST_WINDOWS} windows in which they were measured.")
    if not findings:
        return not_made("The resources of what is under test were not measured.")
    return Check(findings=findings)

"""Analyses of runs: what each kind looks at, what it finds in runs of known truth, and how sure it says it is."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from domain.executor import Executor, ExecutorKind, Stage
from domain.finding import FindingKind, shown
from domain.k6_script import SET_UP_END
from domain.load_test_analysis import AnalysisKind, analyse
from domain.load_test_run import RunStatus
from domain.metric_window import MetricWindow
from domain.resource_peak import ResourceColumn, resource_findings
from tests.endurance import SHARE, Tell
from tests.synthetic_runs import (
    AT,
    BEGIN,
    COUNT,
    STEADY,
    after_login,
    at_most,
    constant,
    gauges,
    load_test_run,
    measured,
    of_kind,
    ramp,
    rising_rate,
    scenario,
    steady,
    windows,
)

KNEE = 0.6  # of the greatest load


def bending(chance: np.random.Generator) -> list[MetricWindow]:
    return windows(chance, COUNT, replace(STEADY, tps=200.0), level=lambda place: min((place + 0.5) / COUNT, KNEE))


def test_saturation_is_told_in_vus_or_offered_requests() -> None:
    chance = np.random.default_rng(1)
    vus = gauges([200 * (place + 1) / COUNT for place in range(COUNT)])
    for parts, executor, unit in (
        ((bending(chance), vus), ramp(300, 200), "VUs"),
        ((bending(chance),), ramp(300, 200), "VUs"),
        ((bending(chance),), rising_rate(300, 200), "requests/s"),
    ):
        conclusion = analyse(AnalysisKind.TPS, measured(*parts, run=load_test_run(scenario(executor))), None)
        (found,) = conclusion.findings
        assert (found.kind, found.unit, found.is_problem) == (FindingKind.SATURATION, unit, True)
        assert found.value == pytest.approx(120, abs=15) and found.low is not None and found.low < 120
        assert found.start is not None and abs(found.start - AT - timedelta(seconds=180)) < timedelta(seconds=40)
        assert f"More than {found.value:.0f} {unit} brings no more TPS" in found.sentence and found.confidence > 0.99
        assert conclusion.score is not None and conclusion.score < 1 and 0.49 < conclusion.confidence < 0.5
        assert conclusion.remarks == ("What becomes worse under constant load needs 16 full windows in a row of one load.",)


def test_what_was_asked_for_is_no_problem_and_no_knee_says_up_to_where() -> None:
    chance = np.random.default_rng(2)
    run = load_test_run(scenario(ramp(300, 200)))
    enough = replace(run, definition=replace(run.definition, target_tps=100.0))
    conclusion = analyse(AnalysisKind.TPS, measured(bending(chance), run=enough), None)
    assert not conclusion.findings[0].is_problem and conclusion.score == 100.0
    straight = measured(windows(chance, COUNT, level=lambda place: (place + 0.5) / COUNT), run=run)
    (found,) = analyse(AnalysisKind.TPS, straight, None).findings
    assert found.kind is FindingKind.NO_SATURATION and found.value > 190 and not found.is_problem


def test_loads_that_can_not_be_added_up_are_looked_at_one_by_one() -> None:
    chance = np.random.default_rng(3)
    run = load_test_run(scenario(ramp(300, 200)), scenario(rising_rate(300, 200), "buy"))
    other = windows(chance, COUNT, replace(STEADY, tps=200.0), key="s2", level=lambda place: (place + 0.5) / COUNT)
    found = analyse(AnalysisKind.TPS, measured(bending(chance), other, run=run), None).findings
    assert [(each.scenario, each.kind) for each in found] == [
        ("browse", FindingKind.SATURATION),
        ("buy", FindingKind.NO_SATURATION),
    ]


def test_a_run_is_held_against_its_baseline() -> None:
    chance = np.random.default_rng(4)
    baseline, worse = steady(chance), steady(chance, replace(STEADY, median=65.0, tps=80.0), 2)
    conclusion = analyse(AnalysisKind.COMPARISON, worse, baseline)
    assert {each.kind for each in conclusion.findings} == {FindingKind.REGRESSION}
    tps = conclusion.findings[0]
    assert (tps.figure, tps.scenario, tps.number) == ("TPS", None, 1) and tps.baseline == pytest.approx(100, rel=0.1)
    assert tps.low is not None and tps.high is not None and tps.low < -20 < tps.high < 0
    assert tps.sentence.startswith("TPS is worse: 79.2 requests/s, and 98.8") and "in run 1." in tps.sentence
    only = analyse(AnalysisKind.RESPONSE_TIME, worse, baseline)
    assert "TPS" not in {each.figure for each in only.findings} and of_kind(only, FindingKind.REGRESSION)
    better = analyse(AnalysisKind.TPS, baseline, worse)
    assert of_kind(better, FindingKind.IMPROVEMENT) and better.score == 100.0


def test_errors_over_their_limit_and_in_bursts() -> None:
    chance = np.random.default_rng(6)
    run = load_test_run(scenario(constant(300)), replace(scenario(constant(300), "buy"), error_rate=0.2))
    browse = windows(chance, COUNT, errors=lambda place: 20.0 if 30 <= place < 33 else 1.0)
    buy = windows(chance, COUNT, replace(STEADY, error_rate=0.1), key="s2")
    conclusion = analyse(AnalysisKind.ERROR_RATE, measured(browse, buy, run=run), None)
    assert of_kind(conclusion, FindingKind.ERROR_RATE) == [], "what is allowed is no problem"
    (burst,) = of_kind(conclusion, FindingKind.ERROR_BURST)
    assert burst.scenario in (None, "browse") and burst.start == datetime.fromtimestamp(BEGIN + 150, AT.tzinfo)
    assert burst.end == AT + timedelta(seconds=165) and burst.sentence.startswith("Within 15 s ")
    strict = load_test_run(replace(scenario(constant(300)), error_rate=0.001))
    (rate,) = of_kind(
        analyse(AnalysisKind.ERROR_RATE, measured(windows(chance, COUNT), run=strict), None), FindingKind.ERROR_RATE
    )
    assert rate.value == pytest.approx(0.01, abs=0.003) and rate.baseline == 0.001 and "0.1 % are allowed" in rate.sentence


def test_bursts_of_a_scenario_that_begins_late_are_told_once_and_never_swallowed() -> None:
    chance = np.random.default_rng(1)
    late = replace(constant(150), start_time=150.0)
    run = load_test_run(scenario(constant(300)), scenario(late, "late"))
    calm = replace(STEADY, error_rate=0.002)

    def bursts(browse: list[MetricWindow], late: list[MetricWindow]) -> set[tuple[str | None, float]]:
        later = [replace(each, start=each.start + 150) for each in late]
        found = of_kind(analyse(AnalysisKind.ERROR_RATE, measured(browse, later, run=run), None), FindingKind.ERROR_BURST)
        return {(each.scenario, (each.start - AT).total_seconds()) for each in found if each.start}

    many = windows(chance, 30, calm, key="s2", errors=lambda place: 200.0 if 10 <= place < 13 else 1.0)
    assert {name for name, _ in bursts(windows(chance, COUNT, calm), many)} == {None}, "a part of those of all together"
    few = replace(calm, tps=4.0)
    own = windows(chance, 30, few, key="s2", errors=lambda place: 150.0 if 10 <= place < 13 else 0.0)
    other = windows(chance, COUNT, errors=lambda place: 40.0 if 10 <= place < 13 else 1.0)
    assert bursts(other, own) == {(None, 50.0), ("late", 200.0)}, "the same windows of its own load, at another time"


@pytest.mark.parametrize(
    ("overall", "own", "error_rate", "expected"),
    [
        (0.05, None, 0.03, []),
        (0.05, None, 0.07, [(None, 0.05)]),
        (0.001, None, 0.005, [(None, 0.001)]),
        (0.05, 0.02, 0.03, [("browse", 0.02)]),
        (None, None, 0.03, [("browse", 0.01)]),
    ],
)
def test_errors_are_held_against_the_limit_of_all_together_too(
    overall: float | None, own: float | None, error_rate: float, expected: list[tuple[str | None, float]]
) -> None:
    run = load_test_run(replace(scenario(constant(300)), error_rate=own))
    run = replace(run, definition=replace(run.definition, error_rate=overall))
    parts = windows(np.random.default_rng(11), COUNT, replace(STEADY, error_rate=error_rate))
    found = of_kind(analyse(AnalysisKind.ERROR_RATE, measured(parts, run=run), None), FindingKind.ERROR_RATE)
    assert [(each.scenario, each.baseline) for each in found] == expected


def test_windows_without_load_are_not_looked_at() -> None:
    chance = np.random.default_rng(10)
    falls = Executor(kind=ExecutorKind.RAMPING_ARRIVAL_RATE, start=200, stages=(Stage(duration=300, target=20),), max_vus=1000)
    run = load_test_run(scenario(falls), summary={"metrics": {SET_UP_END: {"value": 30_000.0}}})
    follows = windows(chance, COUNT, replace(STEADY, tps=200.0), level=lambda place: 1.0 - 0.9 * (place + 0.5) / COUNT)
    (found,) = analyse(AnalysisKind.TPS, measured(after_login(follows, 30), run=run), None).findings
    assert found.kind is FindingKind.NO_SATURATION and found.value == pytest.approx(200 - 180 * 7.5 / 300)
    assert found.start == AT + timedelta(seconds=35) and found.end == AT + timedelta(seconds=325)

    same = measured(after_login(windows(chance, COUNT), 30), run=replace(run, definition=load_test_run().definition))
    assert analyse(AnalysisKind.COMPREHENSIVE, same, steady(chance)).findings == ()
    nothing = analyse(AnalysisKind.TPS, measured(windows(chance, COUNT, replace(STEADY, tps=0.0)), run=run), None)
    assert nothing.findings == () and nothing.score is None, "where nothing answers TPS grow with no load"
    short = measured(after_login(windows(chance, 5, errors=lambda place: 50.0 if place == 2 else 1.0), 60))
    assert analyse(AnalysisKind.ERROR_RATE, short, None).remarks == (
        "The error rate needs 8 windows with requests.",
        "Bursts of errors need 6 windows.",
    )
    first = measured(after_login(windows(chance, COUNT, errors=lambda place: 50.0 if place < 3 else 1.0), 30))
    (burst,) = of_kind(analyse(AnalysisKind.ERROR_RATE, first, None), FindingKind.ERROR_BURST)
    assert (burst.start, burst.end) == (AT + timedelta(seconds=30), AT + timedelta(seconds=45)), (
        "cut off, but a share of requests"
    )


def series(name: str, limit: float | None, *values: float | None) -> ResourceColumn:
    starts = tuple(range(BEGIN, BEGIN + 5 * len(values), 5))
    return ResourceColumn(name=name, unit="MB", limit=limit, seconds=5, starts=starts, values=values)


def test_the_resource_nearest_its_limit_and_the_limit_to_set() -> None:
    chance = np.random.default_rng(7)
    cpu = series("CPU", 1000.0, *(float(each) for each in chance.uniform(500, 800, 58)), 930.0, None)
    memory = series("memory", None, *([400.0] * 60))
    short = series("disk", 10.0, 9.9, *([None] * 59))
    nearest, *limits = resource_findings([memory, cpu, short])
    assert (nearest.kind, nearest.value, nearest.baseline) == (FindingKind.RESOURCE_NEAREST_LIMIT, 930.0, 1000.0)
    assert nearest.is_problem and nearest.start == AT + timedelta(seconds=290) and 0.5 < nearest.confidence < 0.96
    assert nearest.sentence == "CPU came nearest to its limit: 930 MB of 1,000 MB, 93 %."
    assert [(each.figure, each.value) for each in limits] == [("limit of memory", 500.0), ("limit of CPU", 1200.0)]
    assert list(resource_findings([short])) == []
    assert analyse(AnalysisKind.RESOURCE_USAGE, steady(chance), None, [short]).remarks == (
        "Limits of resources need 8 windows in which they were measured.",
    )
    unseen = analyse(AnalysisKind.RESOURCE_USAGE, steady(chance), None, [series("CPU of api", None, None)])
    assert unseen.remarks == ("The resources of what is under test were not measured.",)
    assert analyse(AnalysisKind.RESOURCE_USAGE, steady(chance), None, [cpu]).score == pytest.approx(
        100 * (1 - nearest.confidence)
    )


def test_how_sure_an_analysis_is() -> None:
    chance = np.random.default_rng(7)
    nothing = analyse(AnalysisKind.COMPREHENSIVE, measured(windows(chance, 4)), None)
    assert (nothing.confidence, nothing.score, nothing.findings) == (0.0, None, ()) and len(nothing.remarks) == 5
    assert analyse(AnalysisKind.COMPREHENSIVE, measured(), None).score is None
    clean = analyse(AnalysisKind.COMPREHENSIVE, steady(chance, replace(STEADY, error_rate=0.001)), None)
    assert clean.score == 100.0 and clean.confidence == pytest.approx((0.95 + 0.95 + 0.99) / 5) and len(clean.remarks) == 2
    broken = analyse(AnalysisKind.RESPONSE_TIME, steady(chance, status=RunStatus.INVALID), None)
    assert broken.confidence == 0.5


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.01234, "", "1.23 %"),
        (0.0, "", "0 %"),
        (0.5, "ms", "0.50 ms"),
        (12.345, "ms", "12.3 ms"),
        (12345.6, "VUs", "12,346 VUs"),
    ],
)
def test_figures_for_people(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def check_false_alarms(trials: int, count: int) -> float:
    """How often a comprehensive analysis finds a problem in a run that is as its baseline was and has none."""
    chance, alarms = np.random.default_rng(9), 0
    truth = replace(STEADY, error_rate=0.004)
    run = load_test_run(scenario(constant(count * 5)))
    for _ in range(trials):
        first, second = (measured(windows(chance, count, truth), run=run) for _ in range(2))
        alarms += any(each.is_problem for each in analyse(AnalysisKind.COMPREHENSIVE, second, first).findings)
    assert at_most(alarms, trials, 0.08), alarms
    return alarms / trials


def test_few_alarms_where_nothing_is_wrong() -> None:
    check_false_alarms(40, 40)


@pytest.mark.endurance
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [20, 60, 200])
def test_false_alarms_in_full(count: int, tell: Tell) -> None:
    tell(str(check_false_alarms(max(40, round(400 * SHARE)), count)))

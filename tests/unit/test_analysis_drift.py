"""What becomes worse under constant load: where an analysis looks for it, what it finds in runs of known truth, and how often."""

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.analysis_drift import DRIFTING_TIMES, FIRST, check_drift
from domain.executor import Executor, ExecutorKind, Stage
from domain.finding import FindingKind
from domain.load_profile import constant_stretches
from domain.load_test_analysis import AnalysisKind, analyse
from domain.metric_window import MetricWindow
from domain.run_figure import RunFigure
from domain.window_sample import MeasuredRun
from tests.endurance import SHARE, Tell
from tests.synthetic_runs import (
    AT,
    BEGIN,
    COUNT,
    STEADY,
    at_most,
    constant,
    load_test_run,
    measured,
    of_kind,
    scenario,
    steady,
    windows,
)

LEAST_FOUND = {RunFigure.TPS: 0.8, RunFigure.MEAN: 0.8, RunFigure.P95: 0.4}


def falling(chance: np.random.Generator, place: int, share: float = 0.6, count: int = COUNT) -> list[MetricWindow]:
    """Windows whose TPS are only such a share from that place on."""
    return windows(chance, count, level=lambda at: share if at >= place else 1.0)


def of_iterations(parts: list[MetricWindow], completed: dict[int, int]) -> list[MetricWindow]:
    """The same windows with so many iterations completed in those at these places."""
    return [replace(each, iterations=completed.get(place, 0)) for place, each in enumerate(parts)]


def test_response_times_that_grow_under_constant_load() -> None:
    chance = np.random.default_rng(5)
    first, second = windows(chance, 30), windows(chance, 30, replace(STEADY, median=80.0))
    grows = [*first, *(replace(each, start=each.start + 150) for each in second)]
    found = of_kind(analyse(AnalysisKind.RESPONSE_TIME, measured(grows), None), FindingKind.DRIFT)
    assert [each.figure for each in found] == ["the mean response time", "the 95th percentile of the response times"]
    assert all(each.is_problem and each.start and each.start > AT + timedelta(seconds=140) for each in found)
    same = analyse(AnalysisKind.RESPONSE_TIME, steady(chance), None)
    assert (same.findings, same.score, same.confidence) == ((), 100.0, 0.95)


def test_tps_that_falls_under_constant_load() -> None:
    chance = np.random.default_rng(9)
    first, second = windows(chance, 30), windows(chance, 30, replace(STEADY, tps=80.0))
    falls = measured([*first, *(replace(each, start=each.start + 150) for each in second)])
    for kind in (AnalysisKind.TPS, AnalysisKind.COMPREHENSIVE):
        conclusion = analyse(kind, falls, None)
        (found,) = of_kind(conclusion, FindingKind.DRIFT)
        assert (found.figure, found.unit, found.is_problem) == ("TPS", "requests/s", True)
        assert found.low is not None and found.high is not None and found.low < -20 < found.high < 0
        assert found.start and found.start > AT + timedelta(seconds=140) and found.confidence > 0.99
        said = r"Under constant load TPS fell: 1\S+ requests/s in the first half of the time, 7\S+ requests/s after it\."
        assert re.fullmatch(said, found.sentence), found.sentence
        assert any("loads that differ" in remark for remark in conclusion.remarks)
    assert analyse(AnalysisKind.RESPONSE_TIME, falls, None).findings == ()
    even = analyse(AnalysisKind.TPS, steady(chance), None)
    assert (even.findings, even.score, even.confidence) == ((), 100.0, 0.95 / 2)


def test_another_load_is_no_drift() -> None:
    """Where all that grows or falls does so with the load: VUs in stages, a scenario that begins late or is done early."""
    chance = np.random.default_rng(12)

    def staged(first: int, second: int) -> Executor:
        stages = (Stage(duration=150, target=first), Stage(duration=0, target=second), Stage(duration=150, target=second))
        return Executor(kind=ExecutorKind.RAMPING_VUS, start=first, stages=stages)

    late = replace(constant(150), start_time=150.0)
    half = windows(chance, 30, key="s2")
    made = sum(each.iterations for each in half)
    done = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=10, iterations=made, duration=600)
    again = [replace(each, start=each.start + 150) for each in half]

    def level(first: float, second: float) -> list[MetricWindow]:
        slower = replace(STEADY, median=STEADY.median * second / first)
        low = windows(chance, 30, slower, level=lambda _: second / 10)
        return [*windows(chance, 30, level=lambda _: first / 10), *(replace(each, start=each.start + 150) for each in low)]

    for parts, scenarios in (
        ((level(12, 10),), [scenario(staged(12, 10))]),
        ((level(20, 10),), [scenario(staged(20, 10))]),
        ((level(10, 20),), [scenario(staged(10, 20))]),
        ((windows(chance, 30), again), [scenario(constant(150)), scenario(late, "late")]),
        ((windows(chance, COUNT), half), [scenario(constant(300)), scenario(done, "done")]),
    ):
        run = measured(*parts, run=load_test_run(*scenarios))
        for kind in (AnalysisKind.TPS, AnalysisKind.RESPONSE_TIME, AnalysisKind.COMPREHENSIVE):
            conclusion = analyse(kind, run, None)
            assert of_kind(conclusion, FindingKind.DRIFT) == [] and not any("constant" in each for each in conclusion.remarks)


def test_a_fall_of_tps_is_found_behind_a_ramp_and_before_another_scenario() -> None:
    chance = np.random.default_rng(13)
    stages = (Stage(duration=30, target=20), Stage(duration=270, target=20))
    executor = Executor(kind=ExecutorKind.RAMPING_VUS, start=0, stages=stages)
    late = replace(constant(30), start_time=270.0)
    added = [replace(each, start=each.start + 270) for each in windows(chance, 6, key="s2")]

    def falls(place: int) -> list[MetricWindow]:
        return windows(chance, COUNT, level=lambda at: min(1.0, (at + 0.5) / 6) * (0.6 if at >= place else 1.0))

    for parts, scenarios in (
        ((falls(33),), [scenario(executor)]),
        ((falls(30), added), [scenario(executor), scenario(late, "late")]),
    ):
        run = measured(*parts, run=load_test_run(*scenarios))
        for kind in (AnalysisKind.TPS, AnalysisKind.COMPREHENSIVE):
            drift = of_kind(analyse(kind, run, None), FindingKind.DRIFT)
            assert {each.figure for each in drift} == {"TPS"} and drift[0].scenario is None


def test_a_fall_is_found_where_there_is_load_and_answers() -> None:
    """Before a pause that is longer, and beside a scenario that was to go on, answered for half of the time, and is not done."""
    chance = np.random.default_rng(14)
    stages = [Stage(duration=seconds, target=vus) for seconds, vus in ((130, 10), (0, 0), (170, 0), (0, 10), (130, 10))]
    paused = Executor(kind=ExecutorKind.RAMPING_VUS, start=10, stages=tuple(stages))
    pause = windows(chance, 86, level=lambda at: 0.0 if 26 <= at < 60 else 0.5 if 13 <= at < 26 else 1.0)
    sparse = Executor(kind=ExecutorKind.CONSTANT_ARRIVAL_RATE, rate=2, duration=300, max_vus=1000)
    falls = windows(chance, COUNT, level=lambda at: 0.6 if at >= 30 else 1.0)
    few = windows(chance, 30, replace(STEADY, tps=2.0), key="s2")
    for parts, scenarios in (
        ((pause,), [scenario(paused)]),
        ((falls, few), [scenario(constant(300)), scenario(sparse, "sparse")]),
    ):
        run = measured(*parts, run=load_test_run(*scenarios))
        found = of_kind(analyse(AnalysisKind.TPS, run, None), FindingKind.DRIFT)
        assert [(each.scenario, each.figure) for each in found][:1] == [(None, "TPS")]


def test_the_longest_time_of_one_load() -> None:
    """In windows from the run's begin: between answers, and while no VU may have made all its iterations."""
    chance = np.random.default_rng(15)
    sparse = Executor(kind=ExecutorKind.CONSTANT_ARRIVAL_RATE, rate=2, duration=300, max_vus=1000)
    shared = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=10, iterations=13_000, duration=600)
    of_each = Executor(kind=ExecutorKind.PER_VU_ITERATIONS, vus=10, iterations=1300, duration=600)
    of_one = replace(of_each, vus=1, iterations=13_000)
    late_each = replace(of_each, start_time=150.0, iterations=5000)
    brief = replace(shared, iterations=5000, duration=150)
    late = replace(constant(100), start_time=400.0)
    short, long = windows(chance, 26, replace(STEADY, tps=101.0)), windows(chance, COUNT)
    after = [replace(each, start=each.start + 400) for each in windows(chance, 20, key="s2")]
    half = [replace(each, scenario="s2") for each in windows(chance, 30)]
    late_half = [replace(each, start=each.start + 150) for each in half]
    for parts, scenarios, expected in (
        ((long, half), [scenario(constant(300)), scenario(sparse, "b")], {None: (1, 59), "browse": (1, 59), "b": (1, 29)}),
        ((short, after), [scenario(shared), scenario(late, "b")], {None: (1, 24), "browse": (1, 24), "b": (81, 99)}),
        ((short, after), [scenario(of_each), scenario(late, "b")], {None: (81, 99), "browse": (0, 0), "b": (81, 99)}),
        ((short, after), [scenario(of_one), scenario(late, "b")], {None: (1, 24), "browse": (1, 24), "b": (81, 99)}),
        (
            (long, late_half),
            [scenario(constant(300)), scenario(late_each, "b")],
            {None: (1, 29), "browse": (1, 29), "b": (31, 39)},
        ),
        ((long, half[:11]), [scenario(constant(300)), scenario(brief, "b")], {None: (12, 59), "browse": (12, 59), "b": (1, 9)}),
    ):
        run = measured(*parts, run=load_test_run(*scenarios))
        found = constant_stretches(run, [None, "browse", "b"])
        places = {name: ((each.start - BEGIN) // 5, (each.stop - BEGIN) // 5) for name, each in found.items() if each}
        assert {name: places.get(name, (0, 0)) for name in expected} == expected


def test_a_load_of_iterations_is_constant_while_every_vu_has_some_to_make() -> None:
    """Ten VUs that share 15 iterations of 100 s are five from then on; what falls before has another cause."""
    chance = np.random.default_rng(16)
    shared = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=10, iterations=15, duration=600)
    fewer = of_iterations(falling(chance, 20, 0.5, 40), {20: 10, 39: 5})
    run = measured(fewer, run=load_test_run(scenario(shared)))
    assert of_kind(analyse(AnalysisKind.TPS, run, None), FindingKind.DRIFT) == []
    one = Executor(kind=ExecutorKind.PER_VU_ITERATIONS, iterations=30_000, duration=300)
    later = replace(one, vus=10, start_time=300.0, iterations=9)
    added = [replace(each, start=each.start + 300) for each in windows(chance, 6, key="s2")]
    for parts, scenarios in (
        ((falling(chance, 30),), [scenario(one)]),
        ((falling(chance, 30), added), [scenario(constant(300)), scenario(later, "later")]),
    ):
        run = measured(*parts, run=load_test_run(*scenarios))
        found = of_kind(analyse(AnalysisKind.TPS, run, None), FindingKind.DRIFT)
        assert [(each.scenario, each.figure) for each in found][:1] == [(None, "TPS")]


def test_what_could_not_be_looked_at_is_said() -> None:
    chance = np.random.default_rng(17)
    few = windows(chance, 40, replace(STEADY, tps=0.4))
    conclusion = analyse(AnalysisKind.RESPONSE_TIME, measured(few), None)
    assert conclusion.score is not None, "the mean could"
    (remark,) = conclusion.remarks
    assert remark.startswith("Under constant load the 95th percentile of the response times could not be compared: ")
    assert remark.endswith("requests were completed; this percentile needs at least 200.")
    none = analyse(AnalysisKind.RESPONSE_TIME, measured(_silent_but_last(chance)), None)
    assert (none.score, none.confidence, none.findings) == (None, 0.0, ())
    assert none.remarks == (
        "Under constant load the mean response time, the 95th percentile of the response times could not be compared: "
        "No requests were completed.",
    )
    both = load_test_run(scenario(constant(200)), scenario(replace(constant(40), start_time=160.0), "late"))
    short = [replace(each, start=each.start + 160) for each in windows(chance, 8, key="s2")]
    remarks = analyse(AnalysisKind.RESPONSE_TIME, measured(windows(chance, 40), short, run=both), None).remarks
    assert remarks == ("What becomes worse of 'late' under constant load needs 16 full windows in a row of one load.",)


def _silent_but_last(chance: np.random.Generator) -> list[MetricWindow]:
    """Windows of which the last half has no answer, but for one at the end."""
    return windows(chance, COUNT, level=lambda at: 1.0 if at < 8 or at == COUNT - 1 else 0.0)


def drifting(chance: np.random.Generator, count: int, figure: RunFigure, begin: float) -> MeasuredRun:
    """Under constant load a fifth less TPS, or response times longer by two fifths, after that share of the run."""
    place, slower = round(count * begin), replace(STEADY, median=STEADY.median * 1.4)
    run = load_test_run(scenario(constant(count * 5)))
    if figure is RunFigure.TPS:
        return measured(falling(chance, place, 0.8, count), run=run)
    return measured(windows(chance, count)[:place], windows(chance, count, slower)[place:], run=run)


def check_detection(trials: int, count: int, begin: float, figure: RunFigure) -> float:
    """How often an analysis of its kind tells of a figure that becomes worse after that share of so many windows."""
    chance, kind = np.random.default_rng(18), AnalysisKind.TPS if figure is RunFigure.TPS else AnalysisKind.RESPONSE_TIME
    hits = 0
    for _ in range(trials):
        found = of_kind(analyse(kind, drifting(chance, count, figure, begin), None), FindingKind.DRIFT)
        hits += figure.phrase in [each.figure for each in found]
    return hits / trials


def check_false_alarms(trials: int, count: int) -> float:
    """How often something is told to become worse where nothing does."""
    chance, run, alarms = np.random.default_rng(19), load_test_run(scenario(constant(count * 5))), 0
    for _ in range(trials):
        alarms += bool(check_drift(measured(windows(chance, count), run=run), (RunFigure.TPS, *DRIFTING_TIMES)).findings)
    assert at_most(alarms, trials, 0.05), alarms
    return alarms / trials


@pytest.mark.parametrize(("figure", "least"), LEAST_FOUND.items())
def test_what_begins_after_a_third_or_half_or_two_thirds_is_found(figure: RunFigure, least: float) -> None:
    for begin in (1 / 3, 1 / 2, 2 / 3):
        assert check_detection(10, COUNT, begin, figure) >= least, begin


def test_few_false_alarms() -> None:
    check_false_alarms(40, 40)


@pytest.mark.endurance
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [20, 60, 200])
def test_detection_in_full(count: int, tell: Tell) -> None:
    trials = max(10, round(100 * SHARE))
    told = []
    for place, words in enumerate(FIRST, 1):
        rates = {figure: check_detection(trials, count, place / 6, figure) for figure in LEAST_FOUND}
        is_certain = count > 20 and place in (2, 3, 4)
        assert not is_certain or all(rates[figure] >= least for figure, least in LEAST_FOUND.items()), (words, rates)
        told.append(f"after {words} " + ", ".join(f"{figure} {rate:.0%}" for figure, rate in rates.items()))
    tell("; ".join(told))


@pytest.mark.endurance
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [20, 60, 200])
def test_false_alarms_in_full(count: int, tell: Tell) -> None:
    tell(f"{check_false_alarms(max(40, round(400 * SHARE)), count):.1%}")

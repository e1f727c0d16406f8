"""Comparing runs: what changed is found, what did not is left alone, and what can't be told is not told."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from domain.comparison import ComparisonVerdict, FigureDifference, ScenarioComparison, compare, compare_run
from domain.executor import Executor, ExecutorKind
from domain.k6_script import SET_UP_END
from domain.load_test_run import RunStatus
from domain.long_run import independent_count, spread_of_mean
from domain.metric_window import MetricWindow
from domain.run_figure import RunFigure
from domain.window_sample import MeasuredRun
from tests.endurance import SHARE, Tell
from tests.synthetic_runs import (
    AT,
    STEADY,
    Truth,
    after_login,
    at_most,
    constant,
    gauges,
    lasting_noise,
    load_test_run,
    measured,
    ramp,
    scenario,
    windows,
)

WORSE, BETTER, SAME, UNKNOWN = (
    ComparisonVerdict.WORSE,
    ComparisonVerdict.BETTER,
    ComparisonVerdict.NO_DIFFERENCE,
    ComparisonVerdict.UNKNOWN,
)
SLOWER = Truth(tps=90.0, median=56.0, error_rate=0.025)
Verdicts = dict[RunFigure, ComparisonVerdict]


def found(first: MeasuredRun, second: MeasuredRun, confidence: float = 0.95) -> Verdicts:
    return verdicts(compare_run(first, second, confidence).scenarios[0].differences)


def verdicts(differences: tuple[FigureDifference, ...]) -> Verdicts:
    return {each.figure: each.verdict for each in differences}


def start_of(found: ScenarioComparison) -> datetime | None:
    """When the windows of its response times begin."""
    return next(each.start for each in found.differences if each.figure is RunFigure.MEAN)


def shares(trials: int, pair: Callable[[np.random.Generator], tuple[MeasuredRun, MeasuredRun]]) -> Counter[tuple[str, str]]:
    """How often each figure got each verdict."""
    chance, counted = np.random.default_rng(5), Counter[tuple[str, str]]()
    for _ in range(trials):
        counted.update((str(figure), str(verdict)) for figure, verdict in found(*pair(chance)).items())
    return counted


def test_an_interval_holds_the_mean_of_lasting_noise_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    for count, memory in ((10, 0.5), (60, 0.7), (720, 0.7)):
        outside = 0
        for _ in range(1000):
            noise = lasting_noise(chance, count, 1.0, memory)
            outside += abs(noise.mean()) > spread_of_mean(noise).half_width(0.95)
        assert 0.02 < outside / 1000 < 0.11, (count, memory, outside)
    assert independent_count(lasting_noise(chance, 20_000, 1.0, 0.9)) == pytest.approx(20_000 * 0.1 / 1.9, rel=0.3)


def test_the_same_twice_differs_in_nothing_and_costs_no_chance() -> None:
    run = measured(windows(np.random.default_rng(1), 40))
    (difference, *_) = (first := compare_run(run, run, 0.95)).scenarios[0].differences
    assert set(found(run, run).values()) == {SAME} and difference.difference == 0.0 and difference.p_value == 1.0
    assert first == compare_run(run, run, 0.95), "nothing in it is random"


def test_figures_are_those_of_the_windows_compared() -> None:
    chance = np.random.default_rng(2)
    first, second = (measured(windows(chance, 40, truth)) for truth in (STEADY, SLOWER))
    result = compare_run(first, second, 0.95).scenarios[0]
    tps = result.differences[0]
    requests = [each.requests for each in second.windows[1:-1]]
    assert (result.windows, result.baseline_windows, result.scenario) == (38, 38, None)
    assert tps.value == pytest.approx(sum(requests) / len(requests) / 5) and tps.baseline is not None
    assert tps.low is not None and tps.high is not None and tps.difference is not None
    assert (
        tps.value is not None
        and tps.difference == pytest.approx(tps.value - tps.baseline)
        and tps.low < tps.difference < tps.high < 0
    )
    assert {each.figure: each.verdict for each in result.differences if each.figure is not RunFigure.P99} == {
        each: WORSE for each in RunFigure if each is not RunFigure.P99
    }
    back = compare_run(second, first, 0.95).scenarios[0].differences
    assert {each.verdict for each in back if each.figure is not RunFigure.P99} == {BETTER}


def test_scenarios_are_compared_by_name_and_all_runs_with_the_first() -> None:
    chance = np.random.default_rng(3)
    browse, buy = scenario(constant(300), "browse"), scenario(constant(300), "buy")
    first = measured(windows(chance, 60), windows(chance, 60, key="s2"), run=load_test_run(browse, buy))
    slow = [windows(chance, 60, replace(STEADY, median=75.0), key="s1"), windows(chance, 60, key="s2")]
    swapped = measured(*slow, run=load_test_run(buy, browse, number=2))
    comparison = compare(first, [first, swapped], 0.95)
    assert [each.run.id for each in comparison.runs] == [1, 2] and comparison.baseline.id == 1
    by_name = {each.scenario: verdicts(each.differences)[RunFigure.P50] for each in comparison.runs[1].scenarios}
    assert by_name == {None: WORSE, "browse": SAME, "buy": WORSE}
    only = compare(first, [swapped], 0.95, ["buy", "sell"]).runs[0].scenarios
    assert [each.scenario for each in only] == ["buy"]


def test_what_can_not_be_told_says_why() -> None:
    chance = np.random.default_rng(4)
    short = measured(windows(chance, 9))
    (reason,) = {each.reason for each in compare_run(measured(windows(chance, 40)), short, 0.95).scenarios[0].differences}
    assert reason == "7 windows besides the first and the last can be compared; at least 8 are needed."
    few = measured(windows(chance, 40, replace(STEADY, tps=0.5)))
    differences = compare_run(few, few, 0.95).scenarios[0].differences
    assert verdicts(differences)[RunFigure.P99] is UNKNOWN and verdicts(differences)[RunFigure.TPS] is SAME
    assert "this percentile needs at least 1000" in next(each.reason for each in differences if each.figure is RunFigure.P99)
    nothing = measured(windows(chance, 40, replace(STEADY, tps=0.0)))
    assert found(few, nothing)[RunFigure.TPS] is WORSE and found(few, nothing)[RunFigure.MEAN] is UNKNOWN
    assert set(found(measured(), measured()).values()) == {UNKNOWN}


def test_another_load_is_said_and_compared_where_it_is_constant() -> None:
    chance = np.random.default_rng(5)
    first = measured(windows(chance, 60), run=load_test_run(scenario(constant(300))))
    run = load_test_run(
        scenario(ramp(150, 10)), number=2, status=RunStatus.ABORTED, message="Stopped by ada.", document_sha256="other"
    )
    ramped = measured(windows(chance, 60, level=lambda place: min(1.0, place / 30)), run=run)
    comparison = compare_run(first, ramped, 0.95)
    assert not comparison.is_same_load and comparison.remarks == (
        "Its load is not the baseline's (scenarios, requests or the length of a window differ).",
        "The target's document is not what it was at the baseline.",
        "Run 2 is ABORTED: Stopped by ada.",
    )
    assert comparison.scenarios[0].windows == 28, "from the end of the ramp and a window more to the last but one"
    assert verdicts(comparison.scenarios[0].differences)[RunFigure.TPS] is SAME
    steep = measured(windows(chance, 60), run=load_test_run(scenario(ramp(300, 10)), number=3))
    (tps, *_) = differences = compare_run(first, steep, 0.95).scenarios[0].differences
    assert {each.verdict for each in differences} == {UNKNOWN} and tps.low is None and tps.value == pytest.approx(100, rel=0.1)
    assert tps.reason == "The loads differ, and run 3 has fewer than 8 windows under constant load."


def test_of_vus_that_are_done_one_by_one_nothing_is_compared_with_a_constant_load() -> None:
    chance = np.random.default_rng(12)
    first = measured(windows(chance, 60), run=load_test_run(scenario(constant(300))))
    each_vu = Executor(kind=ExecutorKind.PER_VU_ITERATIONS, vus=10, iterations=1500, duration=600)
    fewer = windows(chance, 60, level=lambda place: 1.0 - place / 60)
    done = measured(fewer, run=load_test_run(scenario(each_vu), number=2))
    (tps, *_) = compare_run(first, done, 0.95).scenarios[0].differences
    assert (tps.verdict, tps.reason) == (UNKNOWN, "The loads differ, and run 2 has fewer than 8 windows under constant load.")


@pytest.mark.parametrize("summary", [{"metrics": {SET_UP_END: {"value": 30_400.0}}}, {}])
@pytest.mark.parametrize("executor", [constant(300), ramp(300, 50)])
def test_the_same_load_after_a_long_login_is_no_difference(executor: Executor, summary: dict[str, Any]) -> None:
    chance = np.random.default_rng(9)
    later = replace(executor, start_time=60.0, duration=240.0)
    run = load_test_run(scenario(executor), scenario(later, "buy"))
    slow = replace(run, id=2, summary=summary)

    def made() -> list[MetricWindow]:
        level = (lambda _: 1.0) if executor.kind is ExecutorKind.CONSTANT_VUS else (lambda place: (place + 0.5) / 60)
        buy = [replace(each, start=each.start + 60) for each in windows(chance, 48, key="s2")]
        return [*windows(chance, 60, level=level), *buy, *gauges([10] * 60)]

    with_login = measured(after_login(made(), 30), run=slow)
    for pair in ((measured(made(), run=run), with_login), (with_login, measured(made(), run=run))):
        comparison = compare_run(*pair, 0.99)
        assert [(each.windows, each.baseline_windows) for each in comparison.scenarios] == [(58, 58), (58, 58), (46, 46)]
        assert {verdict for each in comparison.scenarios for verdict in verdicts(each.differences).values()} == {SAME}
        assert comparison.is_same_load and comparison.remarks == ()
    (overall, _, buy) = compare_run(measured(made(), run=run), with_login, 0.99).scenarios
    assert (start_of(overall), start_of(buy)) == (AT + timedelta(seconds=35), AT + timedelta(seconds=95))


def test_of_other_loads_the_constant_part_begins_after_the_login() -> None:
    chance = np.random.default_rng(11)
    first = measured(windows(chance, 60), run=load_test_run(scenario(constant(300))))
    run = load_test_run(scenario(ramp(150, 10)), number=2, summary={"metrics": {SET_UP_END: {"value": 30_000.0}}})
    ramped = measured(after_login(windows(chance, 60, level=lambda place: min(1.0, (place + 0.5) / 30)), 30), run=run)
    (overall, *_) = compare_run(first, ramped, 0.95).scenarios
    assert (overall.windows, start_of(overall)) == (28, AT + timedelta(seconds=185)), "as without a login, 30 s later"
    assert verdicts(overall.differences)[RunFigure.TPS] is SAME


def test_outliers_beyond_a_percentile_hide_no_shift_of_it() -> None:
    chance = np.random.default_rng(8)
    first, second = (
        measured(windows(chance, 40, truth)) for truth in (replace(STEADY, slow=0.0), replace(STEADY, slow=0.045, median=65.0))
    )
    p95 = compare_run(first, second, 0.95).scenarios[0].differences[3]
    assert p95.figure is RunFigure.P95 and p95.verdict is WORSE
    assert p95.low is not None and p95.high is not None and p95.difference is not None
    assert p95.high - p95.difference > 1.5 * (p95.difference - p95.low) > 0, "they make it less sure upwards than downwards"


def test_a_rare_error_is_no_difference_and_many_are() -> None:
    chance = np.random.default_rng(6)
    none, few, many = (measured(windows(chance, 40, replace(STEADY, error_rate=rate))) for rate in (0.0, 0.0001, 0.01))
    assert found(none, few)[RunFigure.ERROR_RATE] is SAME
    assert found(none, many)[RunFigure.ERROR_RATE] is WORSE


def test_an_hour_is_compared_fast() -> None:
    chance = np.random.default_rng(7)
    names = [f"s{number}" for number in range(1, 11)]
    run = load_test_run(*(scenario(constant(3600), name) for name in names))
    one = {name: windows(chance, 72, key=name) for name in names}
    parts = [[replace(each, start=each.start + 360 * lap) for lap in range(10) for each in one[name]] for name in names]
    hour = measured(*parts, gauges([10] * 720), run=run)
    before = time.process_time()
    compare_run(hour, hour, 0.95)
    assert time.process_time() - before < 8.0  # measured: 1.4 s


def pairs(
    count: int, first: Truth, second: Truth, *, is_ramp: bool = False
) -> Callable[[np.random.Generator], tuple[MeasuredRun, MeasuredRun]]:
    run = load_test_run(scenario(ramp(count * 5, 50) if is_ramp else constant(count * 5)))

    def made(chance: np.random.Generator) -> Iterator[MeasuredRun]:
        for truth in (first, second):
            level = (lambda place: (place + 0.5) / count) if is_ramp else (lambda _: 1.0)
            yield measured(windows(chance, count, truth, level=level), run=run)

    return lambda chance: tuple(made(chance))  # type: ignore[return-value]


def check_false_alarms(trials: int, count: int, memory: float, *, is_ramp: bool = False) -> dict[str, float]:
    """Runs of one truth: at 95 % about one figure in 20 may differ; one in 8 where the noise lasts long beside so few windows."""
    truth = replace(STEADY, memory=memory)
    counted = shares(trials, pairs(count, truth, truth, is_ramp=is_ramp))
    for figure in RunFigure:
        alarms = counted[figure, WORSE] + counted[figure, BETTER]
        assert at_most(alarms, trials, (0.07 if memory < 0.6 else 0.1) + 0.03 * is_ramp), (figure, alarms, trials)
    return {figure: (counted[figure, WORSE] + counted[figure, BETTER]) / trials for figure in RunFigure}


def check_detection(trials: int) -> dict[str, float]:
    """A tenth less TPS, an eighth more time, 1.5 % more errors, in five minutes; p99 is too noisy for so little."""
    counted = shares(trials, pairs(60, STEADY, SLOWER))
    for figure in RunFigure:
        assert counted[figure, BETTER] == 0 or at_most(counted[figure, BETTER], trials, 0.001)
        assert counted[figure, WORSE] >= (0.3 if figure is RunFigure.P99 else 0.9) * trials, (figure, counted)
    return {figure: counted[figure, WORSE] / trials for figure in RunFigure}


@pytest.mark.parametrize(("count", "memory", "is_ramp"), [(14, 0.5, False), (14, 0.8, True)])
def test_the_same_truth_raises_few_alarms(count: int, memory: float, is_ramp: bool) -> None:
    check_false_alarms(60, count, memory, is_ramp=is_ramp)


def test_a_known_shift_is_found() -> None:
    check_detection(30)


def rates(by_figure: dict[str, float]) -> str:
    return ", ".join(f"{figure} {rate:.1%}" for figure, rate in by_figure.items())


@pytest.mark.endurance
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("is_ramp", [False, True])
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("count", [10, 14, 62, 200])
def test_false_alarms_in_full(count: int, memory: float, is_ramp: bool, tell: Tell) -> None:
    tell(rates(check_false_alarms(max(30, round(300 * SHARE)), count, memory, is_ramp=is_ramp)))


@pytest.mark.endurance
@pytest.mark.timeout(1800)
def test_detection_in_full(tell: Tell) -> None:
    tell(rates(check_detection(max(30, round(300 * SHARE)))))

"""Windows of runs of the same load: which belong together, and what is silence in one of them."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.comparison import compare_run
from domain.executor import Executor, ExecutorKind
from domain.histogram import Histogram
from domain.load_test_run import RunStatus
from domain.metric_window import MetricWindow
from domain.run_figure import RunFigure
from domain.window_sample import MeasuredRun
from tests.synthetic_runs import (
    AT,
    STEADY,
    constant,
    gauges,
    load_test_run,
    measured,
    ramp,
    scenario,
    windows,
)
from tests.unit.test_comparison import BETTER, SAME, UNKNOWN, WORSE, start_of, verdicts

SILENT = " s in which the other did: for its TPS that is a fall, and no noise."


def test_windows_are_paired_from_the_begin_of_the_load_and_not_from_the_first_answers() -> None:
    chance = np.random.default_rng(10)
    run = load_test_run(scenario(ramp(300, 50)))
    first, second = (windows(chance, 60, level=lambda place: (place + 0.5) / 60) for _ in range(2))
    late = [replace(each, times=Histogram(), failed=0) if place < 6 else each for place, each in enumerate(second)]
    result = compare_run(measured(first, run=run), measured(late, run=run), 0.99)
    assert result.remarks == ("Run 1 gave no successful answers for at least 25" + SILENT,)
    assert (result.scenarios[0].windows, start_of(result.scenarios[0])) == (52, AT + timedelta(seconds=35))
    assert set(verdicts(result.scenarios[0].differences).values()) == {SAME}


def silenced(parts: list[MetricWindow], silent: range) -> list[MetricWindow]:
    """The windows of those numbers without an answer."""
    return [replace(each, times=Histogram(), failed=0, iterations=0) if at in silent else each for at, each in enumerate(parts)]


@pytest.mark.parametrize("silent", [range(30, 60), range(54, 60), range(30), range(6, 60), range(12, 48), range(20, 25)])
@pytest.mark.parametrize("executor", [constant(300), ramp(300, 50)])
def test_a_load_without_answers_is_zero_tps(executor: Executor, silent: range) -> None:
    chance, run = np.random.default_rng(13), load_test_run(scenario(executor))
    level = (lambda _: 1.0) if executor.kind is ExecutorKind.CONSTANT_VUS else (lambda place: (place + 0.5) / 60)
    first, second = ([*windows(chance, 60, level=level), *gauges([10.0] * 60)] for _ in range(2))
    quiet = silenced(second, silent)
    for pair, verdict, number in (((first, quiet), WORSE, 2), ((quiet, first), BETTER, 1)):
        result = compare_run(measured(pair[0], run=run), measured(pair[1], run=replace(run, id=2)), 0.99)
        told = verdicts(result.scenarios[0].differences)
        is_told = executor.kind is ExecutorKind.CONSTANT_VUS or (silent.start > 0 and len(silent) > 5)
        assert told[RunFigure.TPS] is verdict or not is_told, silent
        assert {told[each] for each in RunFigure if each is not RunFigure.TPS} <= {SAME, UNKNOWN}, silent
        (*_, remark) = result.remarks
        assert remark.startswith(f"Run {number} gave no successful answers for at least") and remark.endswith(SILENT), silent


def test_a_scenario_that_falls_silent_is_worse_by_itself() -> None:
    chance = np.random.default_rng(14)
    run = load_test_run(scenario(constant(300)), scenario(replace(constant(150), start_time=150.0), "late"))

    def of(answered: int, number: int) -> MeasuredRun:
        late = [replace(each, start=each.start + 150) for each in windows(chance, 30, key="s2")[:answered]]
        return measured(windows(chance, 60), late, gauges([10.0] * 60), run=replace(run, id=number))

    for answered, count, seconds in ((15, 13, 70), (3, 1, 130), (0, 0, 140)):
        result = compare_run(of(30, 1), of(answered, 2), 0.99)
        (whole, browse, late) = result.scenarios
        assert [(each.windows, each.baseline_windows) for each in (whole, browse, late)] == [(58, 58), (58, 58), (count, count)]
        assert verdicts(late.differences)[RunFigure.TPS] is WORSE and set(verdicts(browse.differences).values()) == {SAME}
        assert result.remarks == (f"Run 2 gave no successful answers of 'late' for at least {seconds}" + SILENT,)


def test_timeouts_do_not_end_the_silence_of_a_hanging_api() -> None:
    chance, run = np.random.default_rng(19), load_test_run(scenario(constant(300)))
    timeout = Histogram()
    for _ in range(10):
        timeout.add(30_000.0)
    first, second = ([*windows(chance, 60), *gauges([10.0] * 60)] for _ in range(2))
    hanging = silenced(second, range(30, 60))
    for place in (35, 41, 47, 53, 59):
        hanging[place] = replace(hanging[place], times=timeout, failed=10)
    result = compare_run(measured(first, run=run), measured(hanging, run=replace(run, id=2)), 0.99)
    told = verdicts(result.scenarios[0].differences)
    assert told[RunFigure.TPS] is WORSE
    assert result.remarks[-1] == "Run 2 gave no successful answers for at least 145" + SILENT


def test_a_run_without_any_answers_has_no_tps_at_all() -> None:
    chance, run = np.random.default_rng(16), load_test_run(scenario(constant(300)))
    nothing = measured(gauges([10.0] * 60), run=replace(run, id=2))
    answered = measured(windows(chance, 60), gauges([10.0] * 60), run=run)
    for pair, verdict in (((answered, nothing), WORSE), ((nothing, answered), BETTER)):
        (whole, browse) = compare_run(*pair, 0.99).scenarios
        (tps, *others) = whole.differences
        assert (tps.verdict, {each.verdict for each in others}) == (verdict, {UNKNOWN})
        assert (whole.windows, whole.baseline_windows) == (0, 0) and browse.differences == whole.differences
        assert (tps.start, tps.end) == (AT + timedelta(seconds=5), AT + timedelta(seconds=295))
        assert {(each.start, each.end) for each in others} == {(None, None)}


@pytest.mark.parametrize("each_window", [0.2, 0.5, 1.0])
def test_pauses_of_a_sparse_load_are_no_silence(each_window: float) -> None:
    chance, told = np.random.default_rng(17), Counter[str]()
    for _ in range(100):
        first, second = (
            measured(windows(chance, 60, replace(STEADY, tps=each_window / 5)), gauges([1.0] * 60)) for _ in range(2)
        )
        result = compare_run(first, second, 0.95)
        told[verdicts(result.scenarios[0].differences)[RunFigure.TPS]] += 1
        told["silent"] += any("gave no successful answers" in each for each in result.remarks)
    assert told[WORSE] + told[BETTER] <= 8 and told["silent"] <= 10, told


def test_an_iteration_that_was_interrupted_is_no_silence_of_the_faster_run() -> None:
    chance = np.random.default_rng(18)
    executor = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=10, iterations=12_000, duration=600.0)
    run = load_test_run(scenario(executor))

    def of(count: int, last: int) -> MeasuredRun:
        done = [replace(each, iterations=12_000 // count) for each in windows(chance, count, replace(STEADY, tps=4800 / count))]
        done[-1].iterations += last
        return measured(done, gauges([10.0] * 126), run=run)

    (whole, *_) = compare_run(of(60, -1), of(30, 0), 0.99).scenarios
    assert verdicts(whole.differences)[RunFigure.TPS] is BETTER


def test_what_comes_after_the_load_is_none_of_it() -> None:
    chance = np.random.default_rng(15)
    run = load_test_run(scenario(constant(300)))
    first = [*windows(chance, 60), *gauges([10.0] * 66)]
    slow = [*windows(chance, 60), *gauges([10.0] * 66)]
    slow += [replace(each, start=each.start + 300) for each in windows(chance, 6, replace(STEADY, tps=2.0))]
    (whole, *_) = compare_run(measured(first, run=run), measured(slow, run=run), 0.99).scenarios
    assert verdicts(whole.differences)[RunFigure.TPS] is SAME and whole.baseline_windows == 58
    stopped = measured(windows(chance, 30), gauges([10.0] * 30), run=replace(run, id=2, status=RunStatus.ABORTED))
    result = compare_run(measured(first, run=run), stopped, 0.99)
    assert verdicts(result.scenarios[0].differences)[RunFigure.TPS] is SAME
    assert result.remarks[1] == "They have 60 and 30 windows under load: what only one has is left out."
    shared = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=10, iterations=12_000, duration=600.0)
    other = load_test_run(scenario(shared), scenario(constant(300), "buy"))
    done = [replace(each, iterations=200) for each in windows(chance, 60, replace(STEADY, tps=80.0))]
    quick = [replace(each, iterations=400) for each in windows(chance, 30, replace(STEADY, tps=160.0))]
    buy = windows(chance, 60, key="s2")
    (_, browse, _) = compare_run(measured(quick, buy, run=other), measured(done, buy, run=replace(other, id=2)), 0.99).scenarios
    assert verdicts(browse.differences)[RunFigure.TPS] is WORSE, "whoever has made all of its iterations is not silent"

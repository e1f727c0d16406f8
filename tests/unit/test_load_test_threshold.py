"""Thresholds of load tests: what is judged by which figure, at its limit and on either side of it, and what is left out."""

from dataclasses import replace
from typing import Any

import pytest

from domain.attempt import Ending
from domain.executor import Executor, ExecutorKind
from domain.k6_script import SET_UP_END, ScriptScenario, write_script
from domain.load_test import LoadTestDefinition, Scenario
from domain.load_test_run import Counts, LoadTestRun, RunStatus
from domain.load_test_threshold import Threshold, thresholds_of
from domain.load_test_verdict import verdict
from domain.metric_window import SET_UP, MetricWindow
from domain.scenario_request import ScenarioRequest
from tests.synthetic_runs import load_test_run

SECONDS = 5
REQUEST = (ScenarioRequest(endpoint="GET /"),)


def scenario(name: str = "browse", start: float = 0.0, **wanted: Any) -> Scenario:
    executor = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=1, duration=10, start_time=start)
    return Scenario(name=name, requests=REQUEST, executor=executor, **wanted)


def definition(*scenarios: Scenario, **wanted: Any) -> LoadTestDefinition:
    return LoadTestDefinition(title="t", server="http://x.test", scenarios=scenarios or (scenario(),), **wanted)


def window(key: str, *times: float, start: int = 0, failed: int = 0) -> MetricWindow:
    made = MetricWindow(start, key, failed=failed)
    for time in times:
        made.times.add(time)
    return made


def told(found: tuple[Threshold, ...]) -> list[tuple[str | None, str, str, float | None, bool | None]]:
    return [(each.scenario, each.metric, each.condition, each.value, each.is_met) for each in found]


def test_those_of_all_together_and_of_each_scenario_are_judged_by_their_own_requests() -> None:
    wanted = definition(
        scenario(response_time=20, percentile=100),
        scenario("größe", error_rate=0.2),
        scenario("idle", response_time=1, error_rate=0),
        response_time=30,
        percentile=100,
        error_rate=0.25,
        target_tps=0.5,
    )
    parts = [window("s1", 10.0, 20.0), window("s2", 40.0, 30.0, failed=1), window(SET_UP, 900.0, failed=1)]
    assert told(thresholds_of(wanted, parts, 8.0)) == [
        (None, "http_req_duration", "p(100)<=30", 40.0, False),
        (None, "http_req_failed", "rate<=0.25", 0.25, True),
        (None, "http_reqs", "rate>=0.5", 0.5, True),
        ("browse", "http_req_duration", "p(100)<=20", 20.0, True),
        ("größe", "http_req_failed", "rate<=0.2", 0.5, False),
        ("idle", "http_req_duration", "p(95.0)<=1", None, None),
        ("idle", "http_req_failed", "rate<=0", None, None),
    ]


@pytest.mark.parametrize(("limit", "is_met"), [(99.9, False), (100.0, True), (100.1, True)])
def test_a_response_time_at_its_limit_is_met(limit: float, is_met: bool) -> None:
    (found,) = thresholds_of(definition(response_time=limit), [window("s1", *[100.0] * 7)])
    assert (found.value, found.is_met) == (100.0, is_met)


@pytest.mark.parametrize(("limit", "is_met"), [(0.29, False), (0.3, True), (0.31, True)])
def test_an_error_rate_at_its_limit_is_met(limit: float, is_met: bool) -> None:
    (found,) = thresholds_of(definition(error_rate=limit), [window("s1", *[1.0] * 10, failed=3)])
    assert (found.value, found.is_met) == (0.3, is_met)


@pytest.mark.parametrize(("limit", "is_met"), [(4.9, True), (5.0, True), (5.1, False)])
def test_a_rate_of_requests_at_its_limit_is_met(limit: float, is_met: bool) -> None:
    (found,) = thresholds_of(definition(target_tps=limit), [window("s1", *[1.0] * 10)], 2.0)
    assert (found.value, found.is_met) == (5.0, is_met)


def test_the_percentile_is_the_sample_of_its_rank_and_no_figure_between_two() -> None:
    times = [100.0] * 19 + [1000.0]  # k6 says 145: a twentieth of the way from one to the other
    (found,) = thresholds_of(definition(response_time=110), [window("s1", *times)])
    assert found.value == pytest.approx(100.0, rel=0.01) and found.is_met


@pytest.mark.parametrize("percentile", [29, 57, 58])
def test_the_rank_is_that_of_the_decimal_number(percentile: float) -> None:
    times = [1.05**number for number in range(101)]
    (found,) = thresholds_of(definition(response_time=1, percentile=percentile), [window("s1", *times)], 1.0)
    assert found.value == pytest.approx(times[round(percentile)], rel=0.01)


def test_windows_are_merged_before_the_percentile_is_taken() -> None:
    parts = [window("s1", *[10.0] * 9, 500.0), window("s1", *[10.0] * 90, start=5)]
    (found,) = thresholds_of(definition(response_time=50), parts)
    assert found.value == pytest.approx(10.0, rel=0.01) and found.is_met


def run_of(
    wanted: LoadTestDefinition, requests: int | None = None, seconds: float = 1.0, set_up: float | None = None
) -> LoadTestRun:
    """A run that k6 ran for so long, the set-up for `set_up` milliseconds of it; without `requests` it came to no summary."""
    metrics: dict[str, Any] = {} if requests is None else {"http_reqs": {"count": requests, "rate": requests / seconds}}
    if set_up is not None:
        metrics[SET_UP_END] = {"value": set_up}
    return load_test_run(definition=wanted, window_seconds=SECONDS, summary={"metrics": metrics}, status=RunStatus.RUNNING)


@pytest.mark.parametrize(
    ("set_up", "start", "value"), [(None, 0.0, 2.0), (0.4, 0.0, 20 / 9.9996), (2000.0, 0.0, 2.5), (2000.0, 3.0, 4.0)]
)
def test_time_without_load_is_not_judged(set_up: float | None, start: float, value: float) -> None:
    wanted = definition(scenario(start=start), scenario("late", start=start + 1), target_tps=3)
    run = run_of(wanted, 21, 10.0, set_up).measured([window(SET_UP, 5.0), window("s1", *[1.0] * 20)])
    (found,) = run.thresholds
    assert found.value == pytest.approx(value) and found.is_met is (value >= 3)


def test_without_a_summary_the_load_begins_with_the_last_answer_of_the_set_up() -> None:
    parts = [window(SET_UP, 1.0), window(SET_UP, 1.0, start=5), window("s1", *[1.0] * 14, start=10), window("s1", 1.0, start=15)]
    (found,) = run_of(definition(target_tps=1)).measured(parts).thresholds
    assert (found.value, found.is_met) == (1.0, True)


def test_without_a_summary_the_time_without_answers_is_load_as_well() -> None:
    gauges = [MetricWindow(start, SET_UP, vus_count=5, vus_total=5) for start in range(0, 65, 5)]
    (found,) = run_of(definition(target_tps=5)).measured([*gauges, window("s1", *[1.0] * 50, start=60)]).thresholds
    assert found.value == pytest.approx(50 / 65) and found.is_met is False


def test_a_time_that_can_not_be_is_none() -> None:
    (found,) = run_of(definition(target_tps=1), 5, 1.0, 20_000.0).measured([window("s1", 1.0)]).thresholds
    assert (found.value, found.is_met) == (None, None)


def test_before_the_verdict_they_are_there_and_neither_met_nor_missed() -> None:
    wanted = definition(scenario(error_rate=0.1), response_time=5, target_tps=1)
    run = run_of(wanted, 10)
    assert [(each.value, each.is_met) for each in run.thresholds] == [(None, None)] * 3
    assert run_of(wanted, 1).measured([window(SET_UP, 1.0)]).thresholds == run.thresholds == thresholds_of(wanted)


OLD = definition(scenario(response_time=20), scenario("größe", error_rate=0.2), target_tps=5.0, error_rate=0.5)
OF_K6 = {
    "http_reqs": {"count": 10, "rate": 2.0, "thresholds": {"rate>=5.0": True}},
    "http_req_failed": {"passes": 1, "fails": 9, "value": 0.1},
    "http_req_duration{scenario:s1}": {"avg": 9, "count": 5, "thresholds": {"p(95.0)<=20": False}},
    "http_req_failed{scenario:s2}": {"passes": 4, "fails": 1, "value": 0.8, "thresholds": {"rate<=0.2": True}},
}


def ended(metrics: dict[str, Any], status: RunStatus = RunStatus.FAILED, wanted: LoadTestDefinition = OLD) -> LoadTestRun:
    """A run whose thresholds an older version left to k6."""
    return replace(load_test_run(*wanted.scenarios), definition=wanted, status=status, summary={"metrics": metrics})


def test_of_a_run_that_an_older_version_judged_k6_says_what_was_met_and_not_what_was_measured() -> None:
    assert told(ended(OF_K6).thresholds) == [
        (None, "http_req_failed", "rate<=0.5", None, None),
        (None, "http_reqs", "rate>=5.0", None, False),
        ("browse", "http_req_duration", "p(95.0)<=20", None, True),
        ("größe", "http_req_failed", "rate<=0.2", None, False),
    ]
    assert ended(OF_K6, RunStatus.RUNNING).thresholds == thresholds_of(OLD), "before the verdict nothing is judged"
    judged = replace(ended(OF_K6, RunStatus.RUNNING).measured([window("s1", 30.0)]), status=RunStatus.FAILED)
    assert judged.thresholds == judged.judged != ended(OF_K6).thresholds, "what PLOG judged stays"


def test_the_conditions_are_those_of_the_script() -> None:
    """Those of scenarios stand there still, so that k6 names them as PLOG does."""
    wanted = definition(scenario(response_time=1e-05, percentile=99.9), scenario("größe", error_rate=1e-07))
    made = [ScriptScenario(title=each.name, executor=each.executor, requests=(), **targets(each)) for each in wanted.scenarios]
    script = write_script(made)
    for key, each in zip(("s1", "s2"), thresholds_of(wanted), strict=True):
        assert f'"{each.metric}{{scenario:{key}}}"' in script and f'"{each.condition}"' in script


def targets(wanted: Scenario) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in ("percentile", "response_time", "error_rate")}


@pytest.mark.parametrize(
    "said",
    [
        {"count": 0, "avg": 0, "thresholds": {"p(95.0)<=20": False}},
        {"passes": 0, "fails": 0, "thresholds": {"p(95.0)<=20": False}},
        {"count": 5, "thresholds": {"p(95.0)<=21": False}},
        {"count": 5, "thresholds": {"p(95.0)<=20": None}},
        {"count": 5, "thresholds": ["p(95.0)<=20"]},
        {"count": 5, "thresholds": None},
        {},
    ],
)
def test_where_k6_had_no_sample_or_says_nothing_it_is_not_known_what_was_met(said: dict[str, Any]) -> None:
    (found,) = ended({"http_req_duration{scenario:s1}": said}, wanted=definition(scenario(response_time=20))).thresholds
    assert (found.value, found.is_met) == (None, None)


@pytest.mark.parametrize(
    ("limit", "failed", "expected", "message"),
    [
        (100.0, 0, RunStatus.PASSED, "All thresholds were met."),
        (99.0, 0, RunStatus.FAILED, "1 of 2 thresholds were missed."),
        (99.0, 1, RunStatus.FAILED, "2 of 2 thresholds were missed."),
    ],
)
def test_a_run_is_judged_by_them_and_not_by_k6(limit: float, failed: int, expected: RunStatus, message: str) -> None:
    run = run_of(definition(scenario(error_rate=0.2), response_time=limit), 4)
    by_k6 = {"http_req_failed{scenario:s1}": {"passes": 0, "fails": 4, "thresholds": {"rate<=0.2": not failed}}}
    run = replace(run, summary={"metrics": {**run.summary["metrics"], **by_k6}})
    run = run.measured([window("s1", *[100.0] * 4, failed=failed)])
    assert verdict(run, Ending(exit_code=0, reports=1), Counts(requests=4)) == (expected, message)


@pytest.mark.parametrize(("of_all", "word"), [({}, "no request of 'idle'"), ({"error_rate": 0.1}, "no request of any scenario")])
def test_where_nothing_was_measured_a_run_is_invalid(of_all: dict[str, float], word: str) -> None:
    run = run_of(definition(scenario("idle", response_time=5), **of_all), 3).measured([window(SET_UP, 1.0, 1.0, 1.0)])
    status, message = verdict(run, Ending(exit_code=0, reports=1), Counts(requests=3))
    assert status is RunStatus.INVALID and word in message

"""Runs of load tests: which status leads where, and how what has ended is judged."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from domain.attempt import Cause, Ending
from domain.errors import IllegalTransition
from domain.executor import Executor, ExecutorKind, Stage
from domain.load_test import LoadTestDefinition, Scenario
from domain.load_test_run import VERDICTS, Counts, LoadTestRun, RunStatus
from domain.load_test_threshold import Threshold
from domain.load_test_verdict import verdict
from domain.metric_series import figures_of
from domain.metric_window import SET_UP, MetricWindow
from domain.scenario_request import ScenarioRequest

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
EXECUTOR = Executor(kind=ExecutorKind.CONSTANT_VUS, duration=10)
DEFINITION = LoadTestDefinition(
    title="t",
    server="http://x.test",
    scenarios=(Scenario(name="größe", requests=(ScenarioRequest(endpoint="GET /"),), executor=EXECUTOR),),
)
MET = Threshold(scenario="größe", metric="http_req_failed", condition="rate<=0.5", value=0.1, is_met=True)
MISSED = Threshold(scenario=None, metric="http_reqs", condition="rate>=5", value=1.0, is_met=False)
IDLE = tuple(replace(MET, condition=each, value=None, is_met=None) for each in ("rate<=0.1", "rate<=0.2"))
DONE = Ending(exit_code=0, reports=3)
Q, T, R, S, *_ = RunStatus
ALLOWED = {
    Q: {T, RunStatus.ABORTED},
    T: {R, S, *VERDICTS},
    R: {S, *VERDICTS},
    S: set(VERDICTS),
    **{each: set() for each in VERDICTS},
}


def run(status: RunStatus = R, judged: tuple[Threshold, ...] = (), **summary: Any) -> LoadTestRun:
    return LoadTestRun(
        id=1,
        uuid=uuid4(),
        load_test_id=1,
        load_test_version=1,
        target_id=1,
        project_id=1,
        definition=DEFINITION,
        origin="http://x.test:80",
        document_sha256="",
        window_seconds=5,
        actor="ada",
        status=status,
        version=3,
        created_at=NOW,
        updated_at=NOW,
        summary=summary,
        judged=judged,
    )


@pytest.mark.parametrize(
    ("status", "summary", "ending", "expected"),
    [
        (R, {"stopped": False}, DONE, RunStatus.INVALID),
        (S, {"stopped": True}, DONE, RunStatus.ABORTED),
        (R, {}, replace(DONE, exit_code=1), RunStatus.ERROR),
    ],
)
def test_reports_that_were_refused_are_told(
    status: RunStatus, summary: dict[str, Any], ending: Ending, expected: RunStatus
) -> None:
    refused = run(status, metrics=metrics(), refusedReports=2, **summary)
    found, message = verdict(refused, ending, Counts(requests=10))
    assert found is expected and message.count("2 reports of its load generator made no sense and were refused") == 1


@pytest.mark.parametrize(("status", "wanted"), list(product(RunStatus, RunStatus)))
def test_every_pair_of_statuses(status: RunStatus, wanted: RunStatus) -> None:
    before, later = run(status), NOW + timedelta(seconds=1)
    if wanted not in ALLOWED[status]:
        with pytest.raises(IllegalTransition):
            before.moved(wanted, "", later)
        return
    after = before.moved(wanted, "why", later)
    assert (after.status, after.version, after.updated_at, after.message) == (wanted, 4, later, "why")
    assert (after.ended_at == later) is (wanted in VERDICTS) is after.has_ended
    assert (after.started_at == later) is (wanted is T)


def metrics(count: int = 10) -> dict[str, Any]:
    return {"http_reqs": {"count": count}}


def judging(*judged: Threshold, **said: Any) -> dict[str, Any]:
    """What there is of a run to its end, with these thresholds judged."""
    return {"stopped": False, "metrics": metrics(), "judged": judged, **said}


@pytest.mark.parametrize(
    ("status", "summary", "ending", "counts", "expected", "word"),
    [
        (R, {"stopped": False, "metrics": metrics()}, DONE, Counts(requests=10), RunStatus.PASSED, "nothing was judged"),
        (
            R,
            judging(MET),
            DONE,
            Counts(requests=10),
            RunStatus.PASSED,
            "All thresholds",
        ),
        (
            R,
            judging(MET, MISSED),
            DONE,
            Counts(requests=10),
            RunStatus.FAILED,
            "1 of 2",
        ),
        (R, {"stopped": False, "metrics": metrics()}, DONE, Counts(requests=9), RunStatus.INVALID, "1 off"),
        (R, judging(MISSED), DONE, Counts(requests=11), RunStatus.INVALID, "1 off"),
        (
            R,
            {"stopped": False, "metrics": metrics(), "unread": 2},
            DONE,
            Counts(requests=10),
            RunStatus.INVALID,
            "2 of k6's samples",
        ),
        (R, {}, DONE, Counts(requests=10), RunStatus.INVALID, "no summary"),
        (R, {"metrics": {"vus": {"value": 1}}, "judged": IDLE}, DONE, Counts(), RunStatus.INVALID, "No request was completed."),
        (
            R,
            judging(*IDLE),
            DONE,
            Counts(requests=10),
            RunStatus.INVALID,
            "no request of 'größe' was completed",
        ),
        (
            R,
            judging(MISSED, cpuBusiest=0.93),
            DONE,
            Counts(requests=10),
            RunStatus.INVALID,
            "93% of the processors",
        ),
        (R, {"metrics": metrics(), "cpuBusiest": 0.89}, DONE, Counts(requests=10), RunStatus.PASSED, "to its end"),
        (S, {"stopped": True, "metrics": metrics(3)}, DONE, Counts(requests=3), RunStatus.ABORTED, "Stopped"),
        (S, judging(MISSED, stopped=True), DONE, Counts(requests=3), RunStatus.ABORTED, "Stopped"),
        (S, {}, replace(DONE, exit_code=None, cause=Cause.CANCELLED), Counts(), RunStatus.ABORTED, "Stopped"),
        (S, {"stopped": False, "metrics": metrics()}, DONE, Counts(requests=10), RunStatus.PASSED, "to its end"),
        (
            R,
            judging(MISSED),
            replace(DONE, exit_code=1, message="k6 broke"),
            Counts(),
            RunStatus.ERROR,
            "k6 broke",
        ),
        (R, {}, replace(DONE, exit_code=None, cause=Cause.TIME_LIMIT, message="too long"), Counts(), RunStatus.ERROR, "too long"),
        (
            S,
            {"stopped": True},
            replace(DONE, exit_code=None, cause=Cause.RUNNER_LOST, message="x"),
            Counts(),
            RunStatus.ERROR,
            "x",
        ),
        (R, {}, Ending(exit_code=7, reports=0), Counts(), RunStatus.ERROR, "exit code 7"),
    ],
)
def test_the_first_that_applies_is_the_verdict(
    status: RunStatus, summary: dict[str, Any], ending: Ending, counts: Counts, expected: RunStatus, word: str
) -> None:
    found, message = verdict(run(status, **summary), ending, counts)
    assert found is expected and word in message


@pytest.mark.parametrize(
    ("kind", "done", "expected"),
    [
        (ExecutorKind.CONSTANT_ARRIVAL_RATE, 94, RunStatus.PASSED),  # 5 missed, 2 interrupted
        (ExecutorKind.CONSTANT_ARRIVAL_RATE, 93, RunStatus.INVALID),
        (ExecutorKind.RAMPING_ARRIVAL_RATE, 92, RunStatus.INVALID),
        (ExecutorKind.SHARED_ITERATIONS, 10, RunStatus.PASSED),
    ],
)
def test_an_arrival_rate_that_was_not_reached_makes_a_run_invalid(kind: ExecutorKind, done: int, expected: RunStatus) -> None:
    executor = Executor(
        kind=kind, rate=10, duration=10, vus=2, max_vus=2, iterations=100, stages=(Stage(duration=20, target=10),)
    )
    scenario = replace(DEFINITION.scenarios[0], executor=executor)
    subject = replace(run(metrics=metrics()), definition=replace(DEFINITION, scenarios=(scenario,)))
    found, message = verdict(subject, DONE, Counts(requests=10, iterations={"s1": done}))
    assert found is expected and (f"{done} of 10" in message) is (expected is RunStatus.INVALID)


@pytest.mark.parametrize(
    ("requests", "steps", "expected"),
    [
        (10, {}, "It ran to its end; nothing was judged."),
        (10, {"clockBack": 0.9, "clockForward": 0.9}, "It ran to its end; nothing was judged."),
        (9, {"clockBack": 0.9}, "9 requests are stored, and k6 counted 10: 1 off."),
        (10, {"clockBack": 30.2}, "It ran to its end; nothing was judged. The clock of k6's machine went back by 30 s: "),
        (
            9,
            {"clockBack": 30.2},
            "9 requests are stored, and k6 counted 10: 1 off. The clock of k6's machine went back by 30 s: ",
        ),
        (10, {"clockForward": 61}, "It ran to its end; nothing was judged. The clock of k6's machine went forward by 61 s, "),
    ],
)
def test_a_clock_that_was_set_is_told(requests: int, steps: dict[str, Any], expected: str) -> None:
    _, message = verdict(run(metrics=metrics(), **steps), DONE, Counts(requests=requests))
    assert message.startswith(expected) and message.endswith(("judged.", "off.", "begin.", "any."))


def test_a_clock_that_was_set_to_and_fro_is_told_both_ways() -> None:
    _, message = verdict(run(metrics=metrics(), clockBack=30, clockForward=30), DONE, Counts(requests=10))
    assert "went back by 30 s" in message and "went forward by 30 s" in message


def test_figures_stand_beside_those_of_k6() -> None:
    window = MetricWindow(10, "s1")
    for time in (10.0, 20.0, 30.0):
        window.times.add(time)
    gauge = MetricWindow(10, SET_UP)
    gauge.count_vus(2)
    said = {"http_reqs": {"count": 4, "rate": 2.5}, "http_req_failed": {"passes": 1, "value": 0.25}, "vus": {"min": 1, "max": 2}}
    subject = run(metrics=said | {"http_req_duration": {"avg": 21.0, "p(95)": 29.0}})
    assert subject.k6_seconds == 1.6
    endless = {"metrics": {"http_reqs": {"count": 2**62, "rate": 5e-324}, "iterations": {"count": 4, "rate": 2.0}}}
    assert replace(subject, summary=endless).k6_seconds == 2.0
    subject = replace(subject, figures=tuple(figures_of([gauge, window], 5, {"s1": "größe"}, subject.k6_seconds)))
    found = {each.figure: (each.stored, each.k6) for each in subject.k6_figures}
    assert found == {
        "requests": (3, 4),
        "tps_mean": (1.875, 2.5),
        "failed": (0, 1),
        "error_rate": (0.0, 0.25),
        "least_vus": (2, 1),
        "most_vus": (2, 2),
        "mean": (pytest.approx(20.0), 21.0),
        "p95": (pytest.approx(20.0, rel=0.01), 29.0),
    }
    assert run(metrics=said).k6_figures == ()


def judged(executor: Executor, counts: Counts) -> tuple[RunStatus, str]:
    """The verdict on a run whose only scenario has this executor."""
    scenarios = (replace(DEFINITION.scenarios[0], executor=executor),)
    subject = replace(run(metrics=metrics(4), judged=(MET,)), definition=replace(DEFINITION, scenarios=scenarios))
    return verdict(subject, DONE, counts)


@pytest.mark.parametrize("kind", [ExecutorKind.CONSTANT_ARRIVAL_RATE, ExecutorKind.RAMPING_ARRIVAL_RATE])
def test_iterations_of_a_rate_that_had_no_virtual_user_saturate_the_generator(kind: ExecutorKind) -> None:
    executor = replace(EXECUTOR, kind=kind, rate=1, start=1, stages=(Stage(duration=10, target=1),), duration=10)
    status, message = judged(executor, Counts(requests=4, dropped={"s1": 7}))
    assert status is RunStatus.INVALID and "saturated: 7 of 7 iterations had no virtual user" in message


def test_a_hundredth_of_the_iterations_may_be_dropped_while_virtual_users_are_made() -> None:
    executor = replace(EXECUTOR, kind=ExecutorKind.CONSTANT_ARRIVAL_RATE, rate=10, duration=10)
    assert judged(executor, Counts(requests=4, iterations={"s1": 99}, dropped={"s1": 1}))[0] is RunStatus.PASSED
    assert judged(executor, Counts(requests=4, iterations={"s1": 98}, dropped={"s1": 2}))[0] is RunStatus.INVALID


@pytest.mark.parametrize("kind", [ExecutorKind.SHARED_ITERATIONS, ExecutorKind.PER_VU_ITERATIONS])
def test_iterations_for_which_the_time_was_too_short_do_not_saturate_the_generator(kind: ExecutorKind) -> None:
    executor = replace(EXECUTOR, kind=kind, iterations=20, duration=2.0)
    found = judged(executor, Counts(requests=4, dropped={"s1": 16}))
    assert found == (RunStatus.PASSED, "All thresholds were met. 16 iterations of 'größe' did not begin within its maxDuration.")


@pytest.mark.parametrize(
    ("interrupted", "expected"), [(None, RunStatus.PASSED), (0, RunStatus.PASSED), (5, RunStatus.PASSED), (6, RunStatus.INVALID)]
)
def test_many_requests_that_never_ended_make_a_run_invalid(interrupted: int | None, expected: RunStatus) -> None:
    subject = run(metrics=metrics(100), judged=(MET,), interrupted=interrupted)
    found, message = verdict(subject, DONE, Counts(requests=100))
    assert found is expected and (f"{interrupted} iterations were interrupted" in message) is (expected is RunStatus.INVALID)


@pytest.mark.parametrize(("asleep", "expected"), [(10, RunStatus.PASSED), (8, RunStatus.INVALID), (0, RunStatus.INVALID)])
def test_who_is_interrupted_in_a_pause_waits_for_no_answer(asleep: int, expected: RunStatus) -> None:
    thinking = replace(DEFINITION.scenarios[0], think_time=(1.0, 3.0))
    busy = replace(DEFINITION.scenarios[0], name="busy", think_time=(0.0, 0.0))
    definition = replace(DEFINITION, scenarios=(thinking, busy))
    measured = metrics(20) | {"plog_pauses": {"count": 12 + asleep, "rate": 1.0}}
    subject = replace(run(metrics=measured, judged=(MET,), interrupted=10), definition=definition)
    found, message = verdict(subject, DONE, Counts(requests=20, iterations={"s1": 12, "s2": 90}))
    assert found is expected and (f"{10 - asleep} iterations were interrupted" in message) is (expected is RunStatus.INVALID)


def test_only_what_was_interrupted_is_forgiven_where_k6_says_how_many() -> None:
    executor = Executor(kind=ExecutorKind.CONSTANT_ARRIVAL_RATE, rate=10, duration=10, vus=400, max_vus=400)
    scenarios = (replace(DEFINITION.scenarios[0], executor=executor),)
    subject = replace(run(metrics=metrics(50), interrupted=1), definition=replace(DEFINITION, scenarios=scenarios))
    assert verdict(subject, DONE, Counts(requests=50, iterations={"s1": 50}))[0] is RunStatus.INVALID


def test_a_run_that_nears_its_deadline_is_warned_once() -> None:
    waiting = replace(run(T), deadline=None)
    running = waiting.moved(R, "", NOW)
    limit = timedelta(seconds=DEFINITION.last_second + 120)
    assert (waiting.deadline, running.deadline) == (None, NOW + limit)
    near = NOW + limit - timedelta(seconds=60)
    assert not running.nears_its_end(near - timedelta(seconds=1), 60) and running.nears_its_end(near, 60)
    assert not running.nears_its_end(near, 0), "0 is never"
    warned = running.warned(near)
    assert not warned.nears_its_end(near, 60) and warned.version == running.version + 1
    stopping = running.moved(S, "", near)
    assert stopping.deadline == running.deadline and not stopping.nears_its_end(near, 60)


def test_the_longest_run_of_the_most_scenarios_may_tell_all_its_windows() -> None:
    executor = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=1, duration=4 * 3600 - 30)
    scenarios = tuple(replace(DEFINITION.scenarios[0], name=f"{number}", executor=executor) for number in range(50))
    subject = replace(run(), definition=replace(DEFINITION, scenarios=scenarios), window_seconds=1)
    assert subject.expected_reports >= 2 * 51 * 4 * 3600

"""Load tests that really run: the verdict, the figures, stops, queues, and servers and generators that are killed."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.server import PlogServer
from tests.files import contents_of
from tests.sites import Site, serving
from tests.waiting import eventually

API = {
    "openapi": "3.1.0",
    "info": {"title": "Fast and slow", "version": "1"},
    "servers": [{"url": "/"}],
    "paths": {"/fast": {"get": {}}, "/bad": {"get": {}}},
}
ERROR = "... on UserError { code message }"
PROJECT = f'mutation {{ projectCreate(input: {{name: "p"}}) {{ ... on ProjectCreatePayload {{ project {{ id }} }} {ERROR} }} }}'
TARGET = f"""mutation ($project: ID!, $url: String!) {{ targetAdd(projectId: $project, input: {{url: $url, name: $url}}) {{
  ... on TargetPayload {{ target {{ id }} }} {ERROR} }} }}"""
ANALYZE = f"mutation ($id: ID!) {{ targetAnalyze(id: $id) {{ ... on TargetPayload {{ target {{ id }} }} {ERROR} }} }}"
CREATE = f"""mutation ($target: ID!, $input: LoadTestInput!) {{ loadTestCreate(targetId: $target, input: $input) {{
  ... on LoadTestPayload {{ loadTest {{ id }} }} {ERROR} }} }}"""
START = f"""mutation ($id: ID!, $key: String) {{ loadTestStart(id: $id, idempotencyKey: $key) {{
  ... on LoadTestRunPayload {{ run {{ id number status }} }} {ERROR} }} }}"""
STOP = f"mutation ($id: ID!) {{ loadTestStop(id: $id) {{ ... on LoadTestRunPayload {{ run {{ id status }} }} {ERROR} }} }}"
FIGURES = """scenario seconds requests failed errorRate errorRateLeast errorRateMost tpsLeast tpsMean tpsMost
  least mean greatest p50 p90 p95 p99 leastVus meanVus mostVus
  iterations dropped checksPassed checksFailed"""
SERIES = "scenario windowStart requests tps failed errorRate least mean greatest p50 p90 p95 p99 vus"
RUN = f"""query ($id: ID!) {{ loadTestRun(id: $id) {{ id number status message version startedAt endedAt placeInQueue
  waitsFor {{ reason behind {{ number }} }}
  k6Version k6Requests k6CpuSeconds k6CpuBusiest k6Figures {{ figure stored k6 difference }} documentSha256 script
  thresholds {{ scenario metric condition value isMet }} figures {{ {FIGURES} }} metrics {{ {SERIES} }}
  resources {{ pod windowStart actualUsage {{ cpuMillicores memoryMb }} usage {{ cpuPredicted }} }}
  log {{ text isLast }} loadTest {{ id }} }} }}"""
VERDICTS = {"PASSED", "FAILED", "ABORTED", "ERROR", "INVALID"}


@pytest.fixture
def site() -> Iterator[Site]:
    with serving({"/openapi.json": json.dumps(API), "/fast": b"{}", "/bad": 500}) as found:
        yield found


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlogServer]:
    server = PlogServer(tmp_path / "plog", {"K6__WINDOW_SECONDS": "1", "K6__CAPACITY": "2"})
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def target(server: PlogServer, url: str) -> str:
    project = (await server.client.command("projectCreate", PROJECT))["project"]["id"]
    return await target_of(server, project, url)


async def target_of(server: PlogServer, project: str, url: str) -> str:
    found = (await server.client.command("targetAdd", TARGET, project=project, url=url))["target"]["id"]
    await server.client.command("targetAnalyze", ANALYZE, id=found)
    return str(found)


def scenario(path: str = "/fast", seconds: float = 3, **values: Any) -> dict[str, Any]:
    executor = {"kind": "CONSTANT_VUS", "vus": 2, "duration": seconds, "gracefulStop": 1}
    think = {"shortest": 0.01}
    return {"name": "größe", "requests": [{"endpoint": f"GET {path}"}], "executor": executor, "thinkTime": think, **values}


async def load_test(server: PlogServer, of: str, *scenarios: dict[str, Any], title: str = "t", **values: Any) -> str:
    document = {"title": title, "scenarios": list(scenarios) or [scenario()], **values}
    return str((await server.client.command("loadTestCreate", CREATE, target=of, input=document))["loadTest"]["id"])


async def start(server: PlogServer, test: str) -> str:
    return str((await server.client.command("loadTestStart", START, id=test))["run"]["id"])


async def read(server: PlogServer, run: str) -> dict[str, Any]:
    return dict((await server.client.run(RUN, id=run))["loadTestRun"])


async def reaches(server: PlogServer, run: str, *statuses: str, deadline: float = 60) -> dict[str, Any]:
    async def is_there() -> bool:
        return (await read(server, run))["status"] in statuses

    await eventually(is_there, deadline=deadline, every=0.1)
    return await read(server, run)


def check_figures(run: dict[str, Any]) -> None:
    """The windows, the whole and k6's own count agree."""
    whole, of_scenario = run["figures"]
    overall, series = run["metrics"]
    assert (whole["scenario"], of_scenario["scenario"], overall["scenario"], series["scenario"]) == (None, "größe", None, "größe")
    assert sum(overall["requests"]) == sum(series["requests"]) == whole["requests"] == of_scenario["requests"]
    assert whole["requests"] == (run["k6Requests"] or whole["requests"])
    assert sum(overall["failed"]) == whole["failed"] and whole["errorRate"] == whole["failed"] / whole["requests"]
    assert whole["least"] <= whole["p50"] <= whole["p90"] <= whole["p95"] <= whole["p99"] <= whole["greatest"]
    assert len({len(overall[name]) for name in overall if name != "scenario"}) == 1


async def test_a_run_passes_with_the_figures_of_k6(server: PlogServer, site: Site) -> None:
    test = await load_test(
        server, await target(server, site.address + "/openapi.json"), scenario(responseTime=5000, errorRate=0), targetTps=1
    )
    run = await reaches(server, await start(server, test), *VERDICTS)
    assert (run["status"], run["message"]) == ("PASSED", "All thresholds were met."), run
    check_figures(run)
    assert run["figures"][0]["mostVus"] == 2 and run["figures"][0]["requests"] > 50
    assert {each["metric"] for each in run["thresholds"]} == {"http_req_duration", "http_req_failed", "http_reqs"}
    assert all(each["isMet"] for each in run["thresholds"])
    assert {each["scenario"] for each in run["thresholds"]} == {"größe", None}
    beside = {each["figure"]: each for each in run["k6Figures"]}
    assert beside["requests"]["difference"] == 0 == beside["failed"]["difference"] and beside["mean"]["stored"] > 0
    assert abs(beside["mean"]["difference"]) < 0.01 * beside["mean"]["k6"] and set(beside) >= {"p50", "p90", "p95", "p99"}
    assert beside["tpsMean"]["stored"] == pytest.approx(beside["tpsMean"]["k6"]) and beside["mostVus"]["difference"] == 0
    assert run["figures"][0]["seconds"] == pytest.approx(run["k6Requests"] / beside["tpsMean"]["k6"])
    assert run["figures"][0]["errorRateLeast"] == run["figures"][0]["errorRateMost"] == 0
    assert run["k6CpuSeconds"] > 0 and 0 < run["k6CpuBusiest"] < 1
    assert run["version"] == 4 and run["startedAt"] < run["endedAt"] and run["placeInQueue"] is None
    assert run["k6Version"] and site.address + "/fast" in run["script"] and run["log"]["isLast"]


async def measured(server: PlogServer, run: str) -> list[float]:
    """The millicores of the windows in which they were measured."""
    found = (await read(server, run))["resources"]
    if not found:
        return []
    columns = zip(found[0]["actualUsage"]["cpuMillicores"], found[0]["usage"]["cpuPredicted"], strict=True)
    return [millicores for millicores, is_predicted in columns if not is_predicted]


async def test_what_listens_on_the_targets_port_is_measured_through_a_restart(server: PlogServer, site: Site) -> None:
    test = await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=300))
    run = await start(server, test)
    await eventually(lambda: measured(server, run), deadline=30)
    before = len(await measured(server, run))
    await server.kill()
    asked = len(site.asked)
    await eventually(lambda: len(site.asked) > asked + 100)
    await server.start()

    async def is_measured_again() -> bool:
        return len(await measured(server, run)) > before + 1

    await eventually(is_measured_again, deadline=30)
    await server.client.command("loadTestStop", STOP, id=run)
    found = await reaches(server, run, *VERDICTS)
    (pod,) = found["resources"]
    assert found["status"] == "ABORTED" and pod["pod"] == site.address.removeprefix("http://"), found
    assert max(await measured(server, run)) > 20 and min(pod["actualUsage"]["memoryMb"]) > 10
    assert any(pod["usage"]["cpuPredicted"]), "nothing is measured without a server, and it is said"


async def test_missed_thresholds_fail_a_run(server: PlogServer, site: Site) -> None:
    test = await load_test(server, await target(server, site.address + "/openapi.json"), scenario("/bad", errorRate=0.5))
    run = await reaches(server, await start(server, test), *VERDICTS)
    assert (run["status"], run["message"]) == ("FAILED", "1 of 1 thresholds were missed."), run
    check_figures(run)
    assert run["figures"][0]["errorRate"] == 1


async def test_a_threshold_of_all_together_that_is_missed_fails_a_run_and_says_what_was_measured(
    server: PlogServer, site: Site
) -> None:
    of = await target(server, site.address + "/openapi.json")
    id = await start(server, await load_test(server, of, responseTime=0, percentile=99, errorRate=0, targetTps=1))
    limits = (("http_req_duration", "p(99.0)<=0.0"), ("http_req_failed", "rate<=0.0"), ("http_reqs", "rate>=1.0"))
    before = [{"scenario": None, "metric": name, "condition": limit, "value": None, "isMet": None} for name, limit in limits]
    assert (await read(server, id))["thresholds"] == before
    run = await reaches(server, id, *VERDICTS)
    assert (run["status"], run["message"]) == ("FAILED", "1 of 3 thresholds were missed."), run
    time, failed, tps = run["thresholds"]
    assert time == before[0] | {"value": run["figures"][0]["p99"], "isMet": False}
    assert failed == before[1] | {"value": 0.0, "isMet": True}
    assert tps["isMet"] and tps["value"] == pytest.approx(run["figures"][0]["tpsMean"], rel=0.1), "there is no login"


async def test_checks_are_counted_by_themselves_and_values_go_from_one_answer_to_the_next(server: PlogServer, site: Site) -> None:
    site.pages["/bad"] = (200, {"X-Next": "a b"}, b'{"n": 1}')
    requests = [
        {
            "endpoint": "GET /bad",
            "checks": [{"kind": "JSON_EQUALS", "pointer": "/n", "value": 1}, {"kind": "BODY_CONTAINS", "text": "none"}],
            "extract": [
                {"name": "next", "source": "HEADER", "key": "x-next"},
                {"name": "no", "source": "JSON", "pointer": "/no"},
            ],
        },
        {"endpoint": "GET /fast", "headers": [{"name": "X-Was", "value": "${next}"}]},
        {"endpoint": "GET /fast", "headers": [{"name": "X-Was", "value": "${no}"}]},
    ]
    executor = {"kind": "SHARED_ITERATIONS", "vus": 2, "iterations": 40, "maxDuration": 20}
    test = await load_test(
        server,
        await target(server, site.address + "/openapi.json"),
        scenario(requests=requests, executor=executor, thinkTime=None, errorRate=0),
    )
    run = await reaches(server, await start(server, test), *VERDICTS)
    assert run["status"] == "PASSED", run
    whole = run["figures"][0]
    assert (whole["requests"], whole["failed"]) == (80, 0), "the third request lacks its value and is not sent"
    assert (whole["checksPassed"], whole["checksFailed"]) == (40 * 3, 40 * 3)
    assert {each.headers["x-was"] for each in site.requests if each.path == "/fast"} == {"a b"}
    assert "s1 request 3 was sent" in run["log"]["text"]


SET = f"""mutation ($id: ID!, $input: SecretInput!) {{ targetSecretSet(id: $id, input: $input) {{
  ... on TargetPayload {{ target {{ id }} }} {ERROR} }} }}"""
DELETE = f"""mutation ($id: ID!, $name: String!) {{ targetSecretDelete(id: $id, name: $name) {{
  ... on TargetPayload {{ target {{ id }} }} {ERROR} }} }}"""


async def test_a_secret_reaches_the_target_and_stands_in_no_file(server: PlogServer, site: Site) -> None:
    of = await target(server, site.address + "/openapi.json")
    await server.client.command("targetSecretSet", SET, id=of, input={"name": "key", "value": "s3cr3t-value"})
    requests = [{"endpoint": "GET /fast", "headers": [{"name": "X-Key", "value": "Key ${secret:key}"}]}]
    run = await start(server, await load_test(server, of, scenario(requests=requests, seconds=4)))
    await eventually(lambda: _has_windows(server, run), deadline=30)
    assert not any(b"s3cr3t-value" in each for each in contents_of(server.home)), "also while it runs"
    found = await reaches(server, run, *VERDICTS)
    assert found["status"] == "PASSED", found
    assert {each.headers["x-key"] for each in site.requests if each.path == "/fast"} == {"Key s3cr3t-value"}
    assert not any(b"s3cr3t-value" in each for each in contents_of(server.home))


async def test_a_secret_that_is_deleted_while_its_run_waits_ends_it(server: PlogServer, site: Site) -> None:
    of = await target(server, site.address + "/openapi.json")
    await server.client.command("targetSecretSet", SET, id=of, input={"name": "key", "value": "s3cr3t-value"})
    first = await start(server, await load_test(server, of, scenario(seconds=300), title="first"))
    requests = [{"endpoint": "GET /fast", "headers": [{"name": "X-Key", "value": "${secret:key}"}]}]
    second = await start(server, await load_test(server, of, scenario(requests=requests), title="second"))
    await server.client.command("targetSecretDelete", DELETE, id=of, name="key")
    await server.client.command("loadTestStop", STOP, id=first)
    found = await reaches(server, second, *VERDICTS)
    assert (found["status"], found["message"]) == ("ERROR", "The secret `key` does not exist: it was deleted or never set.")


LOGIN = {"kind": "OAUTH2_PASSWORD", "username": "ada", "secret": "password", "clientId": "plog"}


async def test_a_load_test_logs_in_and_its_credentials_stand_in_no_file(server: PlogServer, site: Site) -> None:
    site.pages["/token"] = b'{"access_token": "t0k3n-of-plog", "expires_in": 3600}'
    of = await target(server, site.address + "/openapi.json")
    await server.client.command("targetSecretSet", SET, id=of, input={"name": "password", "value": "s3cr3t-value"})
    login = {**LOGIN, "tokenUrl": site.address + "/token"}
    run = await start(server, await load_test(server, of, scenario(), login=login))
    found = await reaches(server, run, *VERDICTS)
    assert found["status"] == "PASSED", found
    fast = [each for each in site.requests if each.path == "/fast"]
    assert {each.headers["authorization"] for each in fast} == {"Bearer t0k3n-of-plog"}
    assert found["figures"][0]["requests"] == len(fast) == found["k6Requests"] - 1, "the login is in k6's count alone"
    assert not any(secret in each for each in contents_of(server.home) for secret in (b"s3cr3t-value", b"t0k3n-of-plog"))


async def test_a_login_that_fails_is_an_error_with_its_cause(server: PlogServer, site: Site) -> None:
    site.pages["/token"] = (400, {}, b'{"error": "invalid_grant", "error_description": "s3cr3t-value is wrong"}')
    of = await target(server, site.address + "/openapi.json")
    await server.client.command("targetSecretSet", SET, id=of, input={"name": "password", "value": "s3cr3t-value"})
    login = {**LOGIN, "tokenUrl": site.address + "/token"}
    found = await reaches(server, await start(server, await load_test(server, of, scenario(), login=login)), *VERDICTS)
    cause = f"The login failed: {site.address}/token answered 400 without a token, invalid_grant."
    assert (found["status"], found["message"]) == ("ERROR", cause) and "/fast" not in site.asked
    assert not any(b"s3cr3t-value" in each for each in contents_of(server.home))


async def test_a_saturated_generator_makes_a_run_invalid(server: PlogServer, site: Site) -> None:
    executor = {"kind": "CONSTANT_ARRIVAL_RATE", "rate": 50, "duration": 3, "preAllocatedVUs": 1, "gracefulStop": 1}
    test = await load_test(
        server, await target(server, site.address + "/openapi.json"), scenario(executor=executor, thinkTime={"shortest": 1})
    )
    run = await reaches(server, await start(server, test), *VERDICTS)
    assert run["status"] == "INVALID" and "saturated" in run["message"] and run["figures"][0]["dropped"] > 50


async def test_a_stop_takes_effect_within_five_seconds_and_keeps_the_figures(server: PlogServer, site: Site) -> None:
    test = await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=300))
    run = await start(server, test)
    await reaches(server, run, "RUNNING")
    await eventually(lambda: _has_windows(server, run), deadline=20)
    began = asyncio.get_running_loop().time()
    await server.client.command("loadTestStop", STOP, id=run)
    found = await reaches(server, run, *VERDICTS)
    assert asyncio.get_running_loop().time() - began < 5
    assert (found["status"], found["message"]) == ("ABORTED", "Stopped by demo:ada.")
    assert found["k6Requests"] == found["figures"][0]["requests"] > 0, "k6 had the time for its summary"
    check_figures(found)
    again = await server.client.run(STOP, id=run)
    assert again["loadTestStop"]["code"] == "ILLEGAL_TRANSITION"


async def _has_windows(server: PlogServer, run: str) -> bool:
    return bool((await read(server, run))["metrics"])


async def test_a_server_is_under_one_load_at_a_time_by_any_name_and_the_rest_wait_in_order(
    server: PlogServer, site: Site
) -> None:
    with serving({"/openapi.json": json.dumps(API), "/fast": b"{}"}) as elsewhere:
        project = (await server.client.command("projectCreate", PROJECT))["project"]["id"]
        mine = await target_of(server, project, site.address + "/openapi.json")
        same = await target_of(server, project, site.address.replace("localhost", "127.0.0.1") + "/openapi.json")
        other = await target_of(server, project, elsewhere.address + "/openapi.json")
        tests = [await load_test(server, each, scenario(seconds=4), title=str(each)) for each in (mine, same)]
        runs = [
            await start(server, test) for test in (*tests, await load_test(server, other, scenario(seconds=4), title="other"))
        ]
        await reaches(server, runs[2], "RUNNING", *VERDICTS)
        first, second, third = [await read(server, run) for run in runs]
        assert (first["placeInQueue"], second["placeInQueue"], third["placeInQueue"]) == (None, 1, None)
        assert second["status"] == "QUEUED"
        assert second["waitsFor"] == {"reason": "TARGET", "behind": [{"number": first["number"]}]} and third["waitsFor"] is None
        found = [await reaches(server, run, *VERDICTS, deadline=90) for run in runs]
        assert [run["status"] for run in found] == ["PASSED"] * 3, found
        assert found[1]["startedAt"] >= found[0]["endedAt"]


async def test_what_waits_is_stopped_at_once(server: PlogServer, site: Site) -> None:
    of = await target(server, site.address + "/openapi.json")
    first = await start(server, await load_test(server, of, scenario(seconds=300)))
    second = await start(server, await load_test(server, of, title="second"))
    await reaches(server, first, "RUNNING")
    stopped = await server.client.command("loadTestStop", STOP, id=second)
    assert stopped["run"]["status"] == "ABORTED"
    await server.client.command("loadTestStop", STOP, id=first)
    await reaches(server, first, "ABORTED")


async def test_kill_9_of_the_server_in_mid_run_loses_no_window(server: PlogServer, site: Site) -> None:
    test = await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=8))
    run = await start(server, test)
    await eventually(lambda: _has_windows(server, run), deadline=30)
    await server.kill()
    before = len(site.asked)
    await eventually(lambda: len(site.asked) > before + 100)  # the load goes on, and its windows wait
    await server.start()
    found = await reaches(server, run, *VERDICTS)
    assert found["status"] == "PASSED", found
    check_figures(found)


async def test_kill_9_of_k6_is_an_error_with_its_cause(server: PlogServer, site: Site) -> None:
    test = await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=300))
    run = await start(server, test)
    await eventually(lambda: _has_windows(server, run), deadline=30)
    (k6,) = server.attempt_processes("k6")
    os.kill(k6.pid, signal.SIGKILL)
    found = await reaches(server, run, *VERDICTS)
    assert found["status"] == "ERROR" and "SIGKILL" in found["message"] and found["figures"][0]["requests"] > 0, found


async def test_ctrl_c_ends_load_tests_within_five_seconds(server: PlogServer, site: Site) -> None:
    test = await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=300))
    run = await start(server, test)
    await eventually(lambda: _has_windows(server, run), deadline=30)
    began = asyncio.get_running_loop().time()
    server.signal(signal.SIGINT)
    await server.wait(10)
    assert asyncio.get_running_loop().time() - began < 5
    assert [each for each in server.attempt_processes() if psutil.pid_exists(each.pid)] == []
    await server.start()
    found = await reaches(server, run, *VERDICTS)
    assert found["status"] == "ABORTED" and found["message"] == "The server was stopped by hand."


async def test_a_run_is_warned_before_it_is_ended_for_taking_too_long(tmp_path: Path, site: Site) -> None:
    server = PlogServer(tmp_path / "plog", {"K6__WINDOW_SECONDS": "1", "K6__WARNING_SECONDS": "122"})
    await server.start()
    try:
        run = await start(
            server, await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=5))
        )
        query = "query ($id: ID!) { loadTestRun(id: $id) { status startedAt deadline warnedAt log { text } } }"

        async def is_warned() -> bool:
            return (await server.client.run(query, id=run))["loadTestRun"]["warnedAt"] is not None

        await eventually(is_warned, deadline=60)
        assert (await reaches(server, run, *VERDICTS))["status"] == "PASSED", "a warning changes nothing else"
        found = (await server.client.run(query, id=run))["loadTestRun"]
        started, deadline, warned = (datetime.fromisoformat(found[name]) for name in ("startedAt", "deadline", "warnedAt"))
        assert timedelta(seconds=126) <= deadline - started < timedelta(seconds=140)
        assert timedelta(seconds=120) < deadline - warned <= timedelta(seconds=122)
        assert "The time limit of 126 s is near: in 122 s this is ended." in found["log"]["text"]
    finally:
        await server.stop()

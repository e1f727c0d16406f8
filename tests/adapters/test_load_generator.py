"""The load generator against a real API, with the real k6: its figures are k6's own, and a stop keeps them."""

import base64
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

import psutil
import pytest

from domain.endpoint import Method
from domain.executor import Executor, ExecutorKind, Stage
from domain.histogram import Histogram
from domain.k6_script import ScriptScenario, write_script
from domain.login import Login, LoginKind, identified, token_request
from domain.remote_address import refused_networks
from domain.request import Request
from domain.template import Encoding, Reference, ReferenceKind
from steps import load_generator
from tests.generator import Generator
from tests.k6 import K6
from tests.sites import Asked, serving
from tests.waiting import eventually_sync

CONSTANT = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=3, duration=3, graceful_stop=1)
FIXED = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=2, iterations=40, duration=20, graceful_stop=1)


def script(address: str, executor: Executor = CONSTANT, path: str = "/", **judged: Any) -> str:
    request = Request(name=f"GET {path}", method=Method.GET, url=address + path)
    return write_script([ScriptScenario(title="t", executor=executor, requests=(request,), **judged)])


@pytest.fixture
def address() -> Iterator[str]:
    with serving({"/": b"{}", "/bad": 500}) as site:
        yield site.address


def test_the_figures_are_those_of_k6(tmp_path: Path, address: str) -> None:
    generator = Generator(tmp_path, script(address))
    code, output = generator.end()
    assert code == 0, output
    windows, metrics = generator.windows, generator.summary["metrics"]
    scenario = [window for (_, name), window in windows.items() if name == "s1"]
    whole = Histogram.merged(window.times for window in scenario)
    assert whole.count == metrics["http_reqs"]["count"] > 100
    assert sum(window.failed for window in scenario) == metrics["http_req_failed"]["passes"] == 0
    assert sum(window.iterations for window in scenario) == metrics["iterations"]["count"]
    assert sum(window.checks_passed for window in scenario) == metrics["checks"]["passes"]
    assert whole.greatest == pytest.approx(metrics["http_req_duration"]["max"], rel=1e-6)
    assert whole.mean == pytest.approx(metrics["http_req_duration"]["avg"], rel=1e-6)
    assert 3 in {window.vus for (_, name), window in windows.items() if name == ""}
    assert generator.summary["clockBack"] < 1
    assert generator.summary["exitCode"] == 0 and generator.summary["unread"] == 0 and generator.summary["k6"]
    starts = sorted({window.start for window in scenario})
    assert 3 <= len(starts) <= 5 and starts == list(range(starts[0], starts[-1] + 1))
    assert (generator.output / "script.js").read_text() == script(address)


def program(folder: Path, text: str) -> Path:
    """A program in shell."""
    made = folder / "k6"
    made.write_text(f"#!/bin/sh\n{text}\n")
    made.chmod(0o700)
    return made


def test_a_k6_that_is_gone_before_its_end_costs_no_summary(tmp_path: Path, address: str) -> None:
    k6 = program(tmp_path, f'[ "$1" = version ] || rm "$0"\nexec {K6} "$@"')
    generator = Generator(tmp_path / "run", script(address, FIXED), k6=k6)
    code, output = generator.end()
    assert code == 0 and not k6.exists(), output
    assert generator.summary["metrics"]["http_reqs"]["count"] == 40 and generator.summary["k6"]


@pytest.mark.parametrize("text", ["exec sleep 60", "echo k6", "exit 1", None])
def test_a_k6_that_does_not_say_its_version_has_none(tmp_path: Path, text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_generator, "VERSION_SECONDS", 0.5)
    k6 = tmp_path / "none" if text is None else program(tmp_path, text)
    assert load_generator.version_of(str(k6)) is None


def hanging(asked: Asked) -> bytes:
    """An answer that comes too late for every test here."""
    time.sleep(4)
    return b"{}"


@pytest.mark.parametrize(("timeout", "failed", "interrupted"), [(0.5, True, 0), (30.0, False, 3)])
def test_what_never_answers_has_failed_after_its_timeout_or_is_told_as_interrupted(
    tmp_path: Path, timeout: float, failed: bool, interrupted: int
) -> None:
    with serving({"/": hanging}) as site:
        generator = Generator(tmp_path, script(site.address, timeout=timeout))
        code, output = generator.end()
    assert code == 0 and "TOTAL RESULTS" in output and "running (" not in output
    assert generator.summary["interrupted"] == interrupted
    windows = generator.windows.values()
    assert (sum(window.failed for window in windows) >= 3) == failed
    assert all(window.times.least > 400 for window in windows if window.requests)


BROKEN = {
    "closes at once": b"",
    "no HTTP": b"\x00\xff garbage\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: of a line\r\n" * 200_000,
    "a page": b"HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\r\n<html>no</html>",
}


@pytest.mark.parametrize("answer", BROKEN)
def test_a_server_that_breaks_off_or_speaks_no_http_has_failed_each_time(tmp_path: Path, answer: str) -> None:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            with suppress(OSError):  # k6 has hung up
                self.wfile.write(BROKEN[answer])

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        generator = Generator(tmp_path, script(f"http://127.0.0.1:{server.server_address[1]}", FIXED))
        code, output = generator.end()
        server.shutdown()
    assert code == 0, output
    windows, metrics = generator.windows.values(), generator.summary["metrics"]
    assert metrics["http_reqs"]["count"] == sum(each.requests for each in windows) == sum(each.failed for each in windows) == 40


def test_redirects_without_end_are_an_answer_each(tmp_path: Path) -> None:
    with serving({"/": (302, {"Location": "/"}, b"")}) as site:
        generator = Generator(tmp_path, script(site.address, FIXED))
        code, output = generator.end()
    assert (code, len(site.asked)) == (0, 40), output
    assert [
        sum(each.requests for each in generator.windows.values()),
        sum(each.failed for each in generator.windows.values()),
    ] == [40, 0]


def test_a_window_knows_the_most_the_least_and_the_mean_of_its_virtual_users(tmp_path: Path, address: str) -> None:
    stages = (Stage(duration=2, target=8), Stage(duration=2, target=0))
    ramp = Executor(kind=ExecutorKind.RAMPING_VUS, start=0, stages=stages, graceful_stop=1, graceful_ramp_down=1)
    generator = Generator(tmp_path, script(address, ramp), 60)
    assert generator.end()[0] == 0
    gauges = [each for (_, name), each in generator.windows.items() if name == "" and each.vus is not None]
    metrics, mean = generator.summary["metrics"], sum(each.vus_total for each in gauges) / sum(each.vus_count for each in gauges)
    assert max(each.vus or 0 for each in gauges) == metrics["vus"]["max"] > 4
    assert min(each.vus_least or 0 for each in gauges) == metrics["vus"]["min"] < mean < metrics["vus"]["max"]


@pytest.mark.parametrize("ahead", [86_400, -3_600])
def test_windows_have_the_servers_time_whatever_the_clock_of_this_machine_says(tmp_path: Path, address: str, ahead: int) -> None:
    began = time.time() + ahead
    generator = Generator(tmp_path, script(address), clock_offset=ahead + 0.4)
    eventually_sync(lambda: generator.windows, deadline=20)
    assert generator.process.poll() is None, "windows are told when they are over"
    code, output = generator.end()
    assert code == 0, output
    assert all(began - 1 <= start <= time.time() + ahead for start, _ in generator.windows)
    counted = sum(window.requests for window in generator.windows.values())
    assert counted == generator.summary["metrics"]["http_reqs"]["count"]


def test_failed_requests_and_missed_thresholds_are_told_and_are_no_failure_of_the_run(tmp_path: Path, address: str) -> None:
    generator = Generator(tmp_path, script(address, FIXED, "/bad", error_rate=0.1))
    code, output = generator.end()
    assert code == 0, output
    assert generator.summary["exitCode"] == 99
    assert sum(window.failed for window in generator.windows.values()) == 40


def test_a_stop_keeps_what_was_measured(tmp_path: Path, address: str) -> None:
    long = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=2, duration=300, graceful_stop=30)
    generator = Generator(tmp_path, script(address, long))
    eventually_sync(lambda: len(generator.windows) > 1, deadline=20)
    sockets = psutil.Process(generator.k6()).net_connections()
    assert not any(each.status == psutil.CONN_LISTEN for each in sockets), "nobody can ask it for tokens or stop it"
    generator.process.send_signal(signal.SIGTERM)
    code, output = generator.end()
    assert code == 0, output
    summary = generator.summary
    assert summary["stopped"] is True and summary["exitCode"] == 105
    counted = sum(window.requests for window in generator.windows.values())
    assert counted == summary["metrics"]["http_reqs"]["count"]


def test_a_generator_that_was_held_up_tells_few_revisions_and_all_figures(tmp_path: Path) -> None:
    """What it has to make up for comes in many parts, each of which is late."""
    many = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=8, duration=10, graceful_stop=1)
    with serving({"/": b"{}"}) as site:
        generator = Generator(tmp_path, script(site.address, many))
        eventually_sync(lambda: generator.windows, deadline=20)
        generator.process.send_signal(signal.SIGSTOP)
        asked = len(site.asked)
        try:
            eventually_sync(lambda: len(site.asked) > asked + 2500, deadline=30)
        finally:
            generator.process.send_signal(signal.SIGCONT)
        code, output = generator.end()
    assert code == 0, output
    counted = sum(window.requests for window in generator.windows.values())
    assert counted == generator.summary["metrics"]["http_reqs"]["count"]
    revisions = Counter((window.start, window.scenario) for window in generator.told)
    assert max(revisions.values()) <= 8, revisions


def test_a_k6_that_was_killed_is_a_failure_with_its_cause_and_the_figures_so_far(tmp_path: Path, address: str) -> None:
    long = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=2, duration=300, graceful_stop=30)
    generator = Generator(tmp_path, script(address, long))
    eventually_sync(lambda: len(generator.windows) > 1, deadline=20)
    os.kill(generator.k6(), signal.SIGKILL)
    code, output = generator.end()
    assert code == 1 and "SIGKILL" in output.splitlines()[-1]
    assert generator.summary["exitCode"] == -9 and "metrics" not in generator.summary
    assert sum(window.requests for window in generator.windows.values()) > 0


def test_a_script_that_k6_can_t_read_is_a_failure(tmp_path: Path) -> None:
    generator = Generator(tmp_path, "this is no script")
    code, output = generator.end()
    assert code == 1 and "k6 ended with exit code" in output.splitlines()[-1]
    assert generator.summary["exitCode"] not in (0, 99)


SECRET = 's3cr3t "välue" \\ /+?&=\x1b'


def test_secrets_reach_the_target_and_no_log_or_file(tmp_path: Path) -> None:
    secret = Reference(ReferenceKind.SECRET, "key")
    as_url, as_json = (Reference(ReferenceKind.SECRET, "key", (each,)) for each in (Encoding.URL, Encoding.JSON))
    with serving({"*": b"{}"}) as site:
        refused = "http://127.0.0.1:1"  # nobody listens there, so that k6 tells the address that it could not reach
        requests = (
            Request(
                name="POST /",
                method=Method.POST,
                url=(f"{site.address}/", as_url, "?key=", as_url),
                headers=(("X-Key", ("Token ", Reference(ReferenceKind.SECRET, "plain"))),),
                body=('{"key":"', as_json, '"}'),
            ),
            Request(name="GET /", method=Method.GET, url=(f"{refused}/", as_url, "?key=", as_url)),
            Request(name="GET /", method=Method.GET, url=f"{refused}/", headers=(("X-Key", (secret,)),)),
        )
        text = write_script([ScriptScenario(title="t", executor=FIXED, requests=requests)])
        shouting = "console.error(__ENV.PLOG_SECRET_key, encodeURIComponent(__ENV.PLOG_SECRET_key), JSON.stringify(__ENV)); "
        text = text.replace("function send(request, values) {", f"function send(request, values) {{ {shouting}")
        generator = Generator(tmp_path, text, secrets={"key": SECRET, "plain": "plain-secret"})
        code, output = generator.end()
        arrived = site.requests[0]
    assert code == 0, output
    assert unquote(arrived.path) == f"/{SECRET}?key={SECRET}" and json.loads(arrived.body) == {"key": SECRET}
    assert arrived.headers["x-key"] == "Token plain-secret"
    assert "connection refused" in output and "source=console" in output and "***" in output
    files = [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 2 and not (generator.output / "k6-summary.json").exists()
    for form in ("s3cr3t", "plain-secret", "älue"):
        assert not any(form in each for each in [output, *files])


CLIENT = Login(kind=LoginKind.OAUTH2_CLIENT_CREDENTIALS, client_id="plog", secret="client")


def logged_in(address: str, login: Login, executor: Executor = FIXED) -> str:
    """A script that logs in at `/token` and sends what that gives it."""
    login = replace(login, token_url=login.token_url or f"{address}/token")
    request = identified(Request(name="GET /", method=Method.GET, url=f"{address}/"), login, ())
    scenarios = [ScriptScenario(title="t", executor=executor, requests=(request,))]
    return write_script(scenarios, login=token_request(login))


def test_a_token_is_fetched_before_the_load_and_counts_for_no_scenario(tmp_path: Path) -> None:
    granted = b'{"access_token": "t0k3n-of-plog", "token_type": "Bearer", "expires_in": 3600}'
    with serving({"/token": granted, "*": b"{}"}) as site:
        generator = Generator(tmp_path, logged_in(site.address, CLIENT), secrets={"client": "s3cr3t/+"})
        code, output = generator.end()
        (login, *others) = site.requests
    assert code == 0, output
    assert (login.method, login.path, login.body) == ("POST", "/token", "grant_type=client_credentials")
    assert base64.b64decode(login.headers["authorization"].removeprefix("Basic ")) == b"plog:s3cr3t%2F%2B"
    assert {each.headers["authorization"] for each in others} == {"Bearer t0k3n-of-plog"} and len(others) == 40
    counted = {name: sum(each.requests for (_, of), each in generator.windows.items() if of == name) for name in ("", "s1")}
    assert counted == {"": 1, "s1": 40} and generator.summary["metrics"]["http_reqs"]["count"] == 41
    texts = [output, *(path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())]
    assert not any(secret in each for each in texts for secret in ("t0k3n", "s3cr3t"))


def test_a_token_that_runs_out_is_fetched_again_by_each_virtual_user(tmp_path: Path) -> None:
    granted = iter(range(1000))
    page = {"/token": lambda _: json.dumps({"access_token": f"t{next(granted)}", "expires_in": 1}), "*": b"{}"}
    with serving(page) as site:
        generator = Generator(tmp_path, logged_in(site.address, CLIENT, CONSTANT), secrets={"client": "s3cr3t"})
        code, output = generator.end()
        sent = [each.headers["authorization"] for each in site.requests if each.path == "/"]
        asked = sum(each.path == "/token" for each in site.requests)
    assert code == 0, output
    assert len(set(sent)) == asked and 7 <= asked <= 1 + 3 * 4
    counted = {name: sum(each.requests for (_, of), each in generator.windows.items() if of == name) for name in ("", "s1")}
    assert counted == {"": asked, "s1": len(sent)}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (
            (401, {}, b'{"error": "invalid_client", "error_description": "s3cr3t is wrong"}'),
            " answered 401 without a token, invalid_client.",
        ),
        ((200, {}, b'{"error": "s3cr3t", "access_token": ""}'), " answered 200 without a token."),
        ((302, {"Location": "/elsewhere"}, b""), " answered 302 without a token."),
        ((200, {}, b"s3cr3t"), " answered 200 without a token."),
    ],
)
def test_a_login_that_fails_is_the_cause_and_nothing_else_is_told_of_it(tmp_path: Path, answer: Any, cause: str) -> None:
    with serving({"/token": answer, "*": b"{}"}) as site:
        generator = Generator(tmp_path, logged_in(site.address, CLIENT), secrets={"client": "s3cr3t"})
        code, output = generator.end()
        assert site.asked == ["/token"], "no load without a login"
    assert code == 1 and output.splitlines()[-1] == f"The login failed: {site.address}/token{cause}"
    assert "s3cr3t" not in output


def test_a_login_without_an_answer_and_one_that_fails_later_end_the_run(tmp_path: Path) -> None:
    login = replace(CLIENT, token_url="http://127.0.0.1:1/token")
    code, output = Generator(tmp_path / "a", logged_in("http://127.0.0.1:1", login), secrets={"client": "s3cr3t"}).end()
    assert code == 1 and output.splitlines()[-1] == (
        "The login failed: http://127.0.0.1:1/token did not answer (dial: connection refused)."
    )
    first = iter([b'{"access_token": "t", "expires_in": 1}'])
    with serving({"/token": lambda _: next(first, 500), "*": b"{}"}) as site:
        code, output = Generator(tmp_path / "b", logged_in(site.address, CLIENT, CONSTANT), secrets={"client": "s3cr3t"}).end()
    assert code == 1 and output.splitlines()[-1] == f"The login failed: {site.address}/token answered 500 without a token."


def test_without_secrets_the_log_is_copied_as_it_is(tmp_path: Path) -> None:
    refused = Request(name="GET /", method=Method.GET, url="http://127.0.0.1:1/x%20y")
    code, output = Generator(tmp_path, write_script([ScriptScenario(title="t", executor=FIXED, requests=(refused,))])).end()
    assert code == 0 and output.count('error="Get \\"http://127.0.0.1:1/x%20y\\": dial tcp') == 40


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_nothing_is_sent_to_a_refused_network_whatever_name_leads_there(tmp_path: Path, host: str) -> None:
    with serving({"/": b"{}", "/token": b'{"access_token": "t"}'}) as site:
        there = f"http://{host}:{site.address.rpartition(':')[2]}"
        once = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=1, iterations=3, duration=20, graceful_stop=1)
        refused = refused_networks(allows_private=False)
        generator = Generator(tmp_path / "load", script(there, once), refused=refused)
        code, output = generator.end()
        assert (code, site.requests) == (0, []) and "blacklisted" in output, output
        assert sum(window.failed for window in generator.windows.values()) == 3
        login = Login(kind=LoginKind.OAUTH2_CLIENT_CREDENTIALS, client_id="c", secret="s", token_url=there + "/token")
        request = Request(name="GET /", method=Method.GET, url=there + "/")
        scenario = ScriptScenario(title="t", executor=once, requests=(identified(request, login, ()),))
        generator = Generator(
            tmp_path / "login", write_script([scenario], login=token_request(login)), secrets={"s": "secret"}, refused=refused
        )
        code, output = generator.end()
        assert (code, site.requests) == (1, []) and "blacklisted" in output, output

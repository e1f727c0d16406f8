"""What a real k6 says of iterations that its end interrupts, in their pause or waiting for an answer, and of its set-up."""

import time
from pathlib import Path

from domain.endpoint import Method
from domain.executor import Executor, ExecutorKind
from domain.k6_script import PAUSES, SET_UP_END, ScriptScenario, write_script
from domain.login import TokenRequest
from domain.request import Request
from tests.sites import Asked, serving
from tests.unit.test_k6_script import run_k6


def test_iterations_in_their_pause_are_counted_and_others_are_not(tmp_path: Path) -> None:
    executor = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=3, duration=2, graceful_stop=0)
    with serving({"*": b"{}"}) as site:
        sent = Request(name="GET /", method=Method.GET, url=site.address)
        scenarios = [
            ScriptScenario(title=title, executor=executor, requests=(sent,), think_time=pause)
            for title, pause in (("asleep", (60.0, 60.0)), ("brief", (0.1, 0.1)), ("busy", (0.0, 0.0)))
        ]
        alone, _ = run_k6(tmp_path, write_script(scenarios[:1]))
        both, _ = run_k6(tmp_path, write_script(scenarios[:2]))
        none, _ = run_k6(tmp_path, write_script(scenarios[2:]))
    assert alone[PAUSES]["count"] == 3 and alone.get("iterations", {}).get("count", 0) == 0
    assert both[PAUSES]["count"] - both["iterations"]["count"] in range(3, 7), "the others end in a pause or between two"
    assert PAUSES not in none and none["iterations"]["count"] > 0


def test_the_end_of_the_set_up_is_told_and_thresholds_of_all_together_are_not_k6s(tmp_path: Path) -> None:
    def slow(_asked: Asked) -> bytes:
        time.sleep(0.5)
        return b'{"access_token": "t"}'

    executor = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=1, iterations=4, duration=10)
    with serving({"/token": slow, "*": b"{}"}) as site:
        sent = Request(name="GET /", method=Method.GET, url=site.address)
        parts = [ScriptScenario(title="t", executor=executor, requests=(sent,))]
        with_login, _ = run_k6(tmp_path, write_script(parts, login=TokenRequest(url=f"{site.address}/token")))
        without, _ = run_k6(tmp_path, write_script(parts))
    assert 500 <= with_login[SET_UP_END]["value"] <= 1000 * with_login["iterations"]["count"] / with_login["iterations"]["rate"]
    assert 0 <= without[SET_UP_END]["value"] < 500

"""Scripts for k6: readable, the same each time, and no text gets out of its string."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.endpoint import Method
from domain.executor import Executor, ExecutorKind
from domain.k6_script import ScriptScenario, write_script
from domain.request import Request
from tests.k6 import K6
from tests.sites import serving

EXECUTOR = Executor(kind=ExecutorKind.SHARED_ITERATIONS, vus=1, iterations=2, duration=10, graceful_stop=0)
HOSTILE = [
    "\u2028\u2029",
    "`${process.exit(1)}`",
    '"; throw 1; //',
    "*/ throw 1 /*",
    "</script>",
    "\\",
    "\\u0022",
    "%(plan)s",
    "__proto__",
    "\r\n",
    "尺寸🐈",
]
# Stand-ins for k6's modules, found by Node as a package beside the scripts; they keep what is sent.
PACKAGE = {
    "package.json": """{"name": "k6", "type": "module",
        "exports": {".": "./k6.js", "./http": "./http.js", "./execution": "./execution.js"}}""",
    "k6.js": """export const check = (answer, tests) => Object.values(tests).forEach((test) => test(answer));
        export const sleep = () => {};""",
    "http.js": """const request = (...given) => (globalThis.sent.push(given), { status: 200 });
        export default { request, expectedStatuses: (...given) => given };""",
    "execution.js": "export default { get scenario() { return { name: globalThis.scenario }; } };",
}
READER = """const found = [];
for (let number = 0; number < Number(process.argv[2]); number += 1) {
  globalThis.sent = [];
  const script = await import(`./script${number}.mjs`);
  for (globalThis.scenario of Object.keys(script.options.scenarios)) script.run();
  found.push(globalThis.sent);
}
console.log(JSON.stringify(found));
"""


def request(text: str = "a", body: str | None = None) -> Request:
    return Request(
        name=f"GET /{text}", method=Method.POST, url=f"http://x.test/{text}", headers=((text or "a", text),), body=body
    )


def scenario(*requests: Request, **more: Any) -> ScriptScenario:
    return ScriptScenario(title="t", executor=EXECUTOR, requests=requests, **more)


def sent_by(scripts: Sequence[str]) -> list[list[Any]]:
    """What the scenarios of each script send, by running it in Node."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = folder / "node_modules" / "k6"
        package.mkdir(parents=True)
        for file, text in PACKAGE.items():
            (package / file).write_text(text)
        for number, script in enumerate(scripts):
            (folder / f"script{number}.mjs").write_bytes(script.encode())
        (folder / "reader.mjs").write_text(READER)
        command = ["node", str(folder / "reader.mjs"), str(len(scripts))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found: list[list[Any]] = json.loads(done.stdout)
    return found


def expected_of(scenarios: Sequence[ScriptScenario]) -> list[Any]:
    requests = [each for scenario in scenarios for each in scenario.requests]
    good = [{"min": 200, "max": 399}]
    return [
        [
            each.method,
            each.url,
            each.body,
            {"headers": dict(each.headers), "tags": {"name": each.name}, "responseCallback": good},
        ]
        for each in requests
    ]


def test_the_same_input_gives_the_same_bytes_and_they_can_be_read() -> None:
    script = write_script([scenario(request("größe"), response_time=500, error_rate=0.01)], target_tps=1e-7)
    assert script == write_script([scenario(request("größe"), response_time=500, error_rate=0.01)], target_tps=1e-7)
    assert '"url": "http://x.test/größe"' in script
    assert '"http_req_duration{scenario:s1}": [\n        "p(95.0)<=500"\n      ]' in script
    assert '"rate<=0.01"' in script and '"rate>=0.0000001"' in script


TEXT = (
    st.text(max_size=8).filter(lambda text: text.isprintable() or True).map(lambda text: text.encode("utf-8", "ignore").decode())
)
TEXTS = st.one_of(TEXT, st.sampled_from(HOSTILE), st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join))
REQUESTS = st.builds(
    lambda name, url, header, body: Request(
        name=name, method=Method.PUT, url=url, headers=((header, name), ("__proto__", "x")), body=body
    ),
    TEXTS,
    TEXTS,
    TEXTS,
    st.none() | TEXTS,
)
PLANS = st.lists(
    st.builds(
        lambda title, requests, think: ScriptScenario(title=title, executor=EXECUTOR, requests=tuple(requests), think_time=think),
        TEXTS,
        st.lists(REQUESTS, max_size=3),
        st.sampled_from([(0.0, 0.0), (0.5, 1.5)]),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(PLANS, min_size=1, max_size=20))
def test_no_text_gets_out_of_its_string(plans: list[list[ScriptScenario]]) -> None:
    assert sent_by([write_script(plan) for plan in plans]) == [expected_of(plan) for plan in plans]


def test_k6_runs_the_script_and_every_text_arrives(tmp_path: Path) -> None:
    body = "".join(HOSTILE)
    with serving({"*": b"{}"}) as site:
        sent = Request(
            name="GET /größe",
            method=Method.GET,
            url=f"{site.address}/gr%C3%B6%C3%9Fe?q=1",
            headers=(("X-Test", "a~b"),),
            body=None,
        )
        posted = Request(name="POST /x", method=Method.GET, url=f"{site.address}/x", headers=(), body=body)
        script = tmp_path / "script.js"
        script.write_text(write_script([scenario(sent, posted, response_time=10_000, error_rate=0.0)], target_tps=0.1))
        summary = tmp_path / "summary.json"
        command: list[str | Path] = [K6, "run", "--no-usage-report", "--quiet", "--summary-export", summary, script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(site.asked) == ["/gr%C3%B6%C3%9Fe?q=1"] * 2 + ["/x"] * 2
    metrics = json.loads(summary.read_text())["metrics"]
    assert metrics["http_reqs"]["count"] == 4
    assert metrics["http_req_failed{scenario:s1}"]["thresholds"] == {"rate<=0.0": False}, "false: not crossed"


def test_k6_ends_with_99_where_a_threshold_is_missed(tmp_path: Path) -> None:
    with serving({"*": 500}) as site:
        sent = Request(name="GET /", method=Method.GET, url=site.address)
        script = tmp_path / "script.js"
        script.write_text(write_script([scenario(sent, error_rate=0.5)]))
        command: list[str | Path] = [K6, "run", "--no-usage-report", "--quiet", script]
        assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 99


@pytest.mark.parametrize(("expected", "status", "code"), [((500, 503), 500, 0), ((201,), 200, 99), ((), 302, 0), ((), 404, 99)])
def test_what_is_a_good_answer_can_be_said(tmp_path: Path, expected: tuple[int, ...], status: int, code: int) -> None:
    with serving({"*": status}) as site:
        sent = Request(name="GET /", method=Method.GET, url=site.address, expected_statuses=expected)
        script = tmp_path / "script.js"
        script.write_text(write_script([scenario(sent, error_rate=0.5)]))
        summary = tmp_path / "summary.json"
        command: list[str | Path] = [K6, "run", "--no-usage-report", "--quiet", "--summary-export", summary, script]
        assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == code
    checks = json.loads(summary.read_text())["metrics"]["checks"]
    assert (checks["passes"] > 0, checks["fails"] > 0) == (code == 0, code != 0)

"""Scripts for k6: readable, the same each time, and no text gets out of its string."""

import base64
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.answer import Check, CheckKind, Extraction, ExtractionSource
from domain.endpoint import Method
from domain.executor import Executor, ExecutorKind
from domain.k6_script import ScriptScenario, write_script
from domain.login import TokenRequest
from domain.request import Request
from domain.template import Base64, Encoding, Reference, ReferenceKind, Text, joined
from tests.k6 import K6
from tests.services import require_program
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
        "exports": {".": "./k6.js", "./http": "./http.js", "./execution": "./execution.js",
                    "./encoding": "./encoding.js", "./metrics": "./metrics.js"}}""",
    "k6.js": """export const check = (answer, tests) =>
          Object.entries(tests).forEach(([name, test]) => globalThis.checked.push([name, test(answer)]));
        export const sleep = () => {};""",
    "http.js": """const request = (...given) => {
          globalThis.sent.push(given);
          return { status: 200, ...globalThis.answer };
        };
        export default { request, expectedStatuses: (...given) => given };""",
    "encoding.js": "export default { b64encode: (text) => Buffer.from(text).toString('base64') };",
    "metrics.js": "export class Counter { add() {} }\nexport class Gauge { add() {} }",
    "execution.js": """const instance = { currentTestRunDuration: 0 };
        export default { instance, get scenario() { return { name: globalThis.scenario }; } };""",
}
READER = """const found = [];
for (let number = 0; number < Number(process.argv[2]); number += 1) {
  globalThis.sent = [];
  globalThis.checked = [];
  globalThis.answer = JSON.parse(process.argv[3]);
  globalThis.__ENV = { PLOG_SECRET_key: JSON.parse(process.argv[4]) };
  const script = await import(`./script${number}.mjs`);
  const login = script.setup();
  for (globalThis.scenario of Object.keys(script.options.scenarios)) script.run(login);
  found.push([globalThis.sent, globalThis.checked]);
}
console.log(JSON.stringify(found));
"""


def request(text: str = "a", body: str | None = None) -> Request:
    return Request(
        name=f"GET /{text}", method=Method.POST, url=f"http://x.test/{text}", headers=((text or "a", text),), body=body
    )


def scenario(*requests: Request, **more: Any) -> ScriptScenario:
    return ScriptScenario(title="t", executor=EXECUTOR, requests=requests, **more)


SECRET = "s3 ä\"'`${x}"
ANSWER = {"body": "{}", "headers": {}, "cookies": {}, "timings": {"duration": 5}}


def told_by(scripts: Sequence[str], answer: dict[str, Any] | None = None) -> list[list[Any]]:
    """What the scenarios of each script send, and how their checks end, by running it in Node; `answer` is each answer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = folder / "node_modules" / "k6"
        package.mkdir(parents=True)
        for file, text in PACKAGE.items():
            (package / file).write_text(text)
        for number, script in enumerate(scripts):
            (folder / f"script{number}.mjs").write_bytes(script.encode())
        (folder / "reader.mjs").write_text(READER)
        command = [
            require_program("node"),
            str(folder / "reader.mjs"),
            str(len(scripts)),
            json.dumps(ANSWER | (answer or {})),
            json.dumps(SECRET),
        ]
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
            arrives(each.url),
            None if each.body is None else arrives(each.body),
            {"headers": dict(each.headers), "tags": {"name": each.name}, "responseCallback": good, "timeout": "30000ms"}
            | ({"responseType": "text"} if each.keeps_body else {}),
        ]
        for each in requests
    ]


def login_of(login: TokenRequest) -> list[Any]:
    headers = {name: arrives(text) for name, text in login.headers}
    return ["POST", login.url, arrives(login.body), {"headers": headers, "tags": {"name": "login", "scenario": ""}}]


def arrives(text: Text) -> str:
    return text if isinstance(text, str) else "".join(map(filled, text))


def filled(part: str | Reference | Base64) -> str:
    if isinstance(part, Base64):
        return base64.b64encode("".join(map(filled, part.parts)).encode()).decode()
    if not isinstance(part, Reference):
        return part
    if part.kind is ReferenceKind.JSON:
        return json.dumps(GOT, ensure_ascii=False)
    text = {ReferenceKind.VALUE: GOT, ReferenceKind.SECRET: SECRET, ReferenceKind.TOKEN: TOKEN}[part.kind]
    if Encoding.JSON in part.encodings:
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return quote(text, safe="!'()*") if Encoding.URL in part.encodings else text


def test_the_same_input_gives_the_same_bytes_and_they_can_be_read() -> None:
    script = write_script([scenario(request("größe"), response_time=500, error_rate=1e-7)])
    assert script == write_script([scenario(request("größe"), response_time=500, error_rate=1e-7)])
    assert '"url": "http://x.test/größe"' in script
    assert '"http_req_duration{scenario:s1}": [\n        "p(95.0)<=500"\n      ]' in script
    assert '"rate<=0.0000001"' in script and '"http_reqs"' not in script


TEXT = (
    st.text(max_size=8).filter(lambda text: text.isprintable() or True).map(lambda text: text.encode("utf-8", "ignore").decode())
)
TEXTS = st.one_of(TEXT, st.sampled_from(HOSTILE), st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join))
PARTS: st.SearchStrategy[Reference | Base64] = st.sampled_from(
    [
        Reference(ReferenceKind.VALUE, "got", (Encoding.URL,)),
        Reference(ReferenceKind.JSON, "got"),
        Reference(ReferenceKind.SECRET, "key", (Encoding.JSON, Encoding.URL)),
        Reference(ReferenceKind.TOKEN, "login"),
        Base64(("`${x}:", Reference(ReferenceKind.SECRET, "key"))),
    ]
)
PIECES = st.builds(lambda *parts: joined(parts), TEXTS, PARTS, TEXTS)
CHECKS = st.builds(
    lambda kind, text, value: Check(kind=kind, text=text, pointer=f"/{text}", header=text, value=value),
    st.sampled_from(CheckKind),
    TEXTS,
    st.one_of(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2)),
)
REQUESTS = st.builds(
    lambda name, url, header, body, checks: Request(
        name=name, method=Method.PUT, url=url, headers=((header, name), ("__proto__", "x")), body=body, checks=tuple(checks)
    ),
    TEXTS,
    TEXTS | PIECES,
    TEXTS,
    st.none() | TEXTS | PIECES,
    st.lists(CHECKS, max_size=2),
)
FIRST = Request(
    name="",
    method=Method.GET,
    url="",
    extractions=(Extraction(name="got", source=ExtractionSource.JSON, pointer="/__proto__/0"),),
)
TOKEN = "tok${en}"
GOT = "ä 🐈`${x}"
PLANS = st.lists(
    st.builds(
        lambda title, requests, think: ScriptScenario(
            title=title, executor=EXECUTOR, requests=(FIRST, *requests), think_time=think
        ),
        TEXTS,
        st.lists(REQUESTS, max_size=3),
        st.sampled_from([(0.0, 0.0), (0.5, 1.5)]),
    ),
    min_size=1,
    max_size=3,
)
SECRET_PIECES = st.builds(
    lambda *parts: joined(parts), TEXTS, st.just(Reference(ReferenceKind.SECRET, "key", (Encoding.URL,))), TEXTS
)
LOGINS = st.builds(
    lambda url, name, header, body: TokenRequest(url=url, headers=((name, header), ("__proto__", header)), body=body),
    TEXTS,
    TEXTS,
    SECRET_PIECES,
    TEXTS | SECRET_PIECES,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.tuples(PLANS, LOGINS), min_size=1, max_size=20))
def test_no_text_gets_out_of_its_string(plans: list[tuple[list[ScriptScenario], TokenRequest]]) -> None:
    answer = {"body": json.dumps({"__proto__": [GOT], "access_token": TOKEN})}
    told = told_by([write_script(plan, login=login) for plan, login in plans], answer)
    for (sent, checked), (plan, login) in zip(told, plans, strict=True):
        first, *others = sent
        assert [*first[:3], {name: first[3][name] for name in ("headers", "tags")}] == login_of(login)
        assert others == expected_of(plan)
        assert len(checked) == sum(1 + len(request.checks) for scenario in plan for request in scenario.requests)


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
        script.write_text(write_script([scenario(sent, posted, response_time=10_000, error_rate=0.0)]))
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


ANSWERED = {"items": [{"id": 7, "a/b": "x"}], "none": None, "length": 1, "odd": {"__proto__": 1}}
JSON_EQUALS, JSON_EXISTS = CheckKind.JSON_EQUALS, CheckKind.JSON_EXISTS


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        (Check(kind=CheckKind.BODY_CONTAINS, text='"id": 7'), True),
        (Check(kind=CheckKind.BODY_CONTAINS, text='"id":.7'), False),
        (Check(kind=JSON_EXISTS, pointer="/items/0/a~1b"), True),
        (Check(kind=JSON_EXISTS, pointer="/none"), True),
        (Check(kind=JSON_EXISTS, pointer="/items/1"), False),
        (Check(kind=JSON_EXISTS, pointer="/items/length"), False),
        (Check(kind=JSON_EXISTS, pointer="/items/00"), False),
        (Check(kind=JSON_EXISTS, pointer="/toString"), False),
        (Check(kind=JSON_EXISTS, pointer="/none/a"), False),
        (Check(kind=JSON_EQUALS, pointer="/items/0/id", value=7), True),
        (Check(kind=JSON_EQUALS, pointer="/items/0/id", value="7"), False),
        (Check(kind=JSON_EQUALS, pointer="/none", value=None), True),
        (Check(kind=JSON_EQUALS, pointer="/missing", value=None), False),
        (Check(kind=JSON_EQUALS, pointer="", value=None), False),
        (Check(kind=JSON_EQUALS, pointer="", value=ANSWERED), True),
        (Check(kind=JSON_EQUALS, pointer="/odd", value={"__proto__": 1}), True),
        (Check(kind=JSON_EQUALS, pointer="/odd", value={"__proto__": 2}), False),
        (Check(kind=JSON_EQUALS, pointer="/odd", value={}), False),
        (Check(kind=JSON_EQUALS, pointer="/items", value=[{"id": 7, "a/b": "x", "more": 1}]), False),
        (Check(kind=JSON_EQUALS, pointer="/items", value={"0": {"id": 7, "a/b": "x"}}), False),
        (Check(kind=CheckKind.HEADER_EQUALS, header="content-TYPE", text="application/json"), True),
        (Check(kind=CheckKind.HEADER_EQUALS, header="Content-Type", text="json"), False),
        (Check(kind=CheckKind.HEADER_CONTAINS, header="Content-Type", text="json"), True),
        (Check(kind=CheckKind.HEADER_CONTAINS, header="X-None", text="json"), False),
        (Check(kind=CheckKind.RESPONSE_TIME_BELOW, milliseconds=5.1), True),
        (Check(kind=CheckKind.RESPONSE_TIME_BELOW, milliseconds=5), False),
    ],
)
def test_what_a_check_says(check: Check, holds: bool) -> None:
    script = write_script([scenario(Request(name="", method=Method.GET, url="", checks=(check,)))])
    answer = {"body": json.dumps(ANSWERED), "headers": {"Content-Type": "application/json"}}
    ((_, checked),) = told_by([script], answer)
    assert checked == [["answered as expected", True], ["s1 request 1 check 1", holds]]
    ((_, checked),) = told_by([script], {"status": 0, "body": None})
    assert [passed for _, passed in checked] == [False, False], "no answer passes no check"


def run_k6(tmp_path: Path, text: str) -> tuple[dict[str, Any], str]:
    """What k6 says at the end of a script, and its log."""
    script, summary = tmp_path / "script.js", tmp_path / "summary.json"
    script.write_text(text)
    command: list[str | Path] = [K6, "run", "--no-usage-report", "--quiet", "--summary-export", summary, script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(summary.read_text())["metrics"], done.stderr


def test_no_redirect_leads_the_load_elsewhere(tmp_path: Path) -> None:
    with serving({"*": b"{}"}) as elsewhere, serving({"*": (302, {"Location": elsewhere.address}, b"")}) as site:
        run_k6(tmp_path, write_script([scenario(Request(name="GET /", method=Method.GET, url=site.address))]))
        assert len(site.asked) == 2 and elsewhere.asked == []

"""Scripts in which a request sends what an earlier one was answered, run by k6."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.answer import Check, CheckKind, Extraction, ExtractionSource
from domain.endpoint import Method
from domain.k6_script import write_script
from domain.request import Request
from domain.template import Encoding, Reference, ReferenceKind, joined
from tests.sites import serving
from tests.unit.test_k6_script import run_k6, scenario, told_by

TAKEN = (
    Extraction(name="id", source=ExtractionSource.JSON, pointer="/items/0/id"),
    Extraction(name="place", source=ExtractionSource.HEADER, key="location"),
    Extraction(name="session", source=ExtractionSource.COOKIE, key="sid"),
)


def chained(address: str, *taken: Extraction) -> str:
    """A script whose second request sends what it takes from the answer to the first, and whose third sends nothing of it."""
    value, as_json = ReferenceKind.VALUE, ReferenceKind.JSON
    first = Request(name="GET /first", method=Method.GET, url=f"{address}/first", extractions=taken)
    second = Request(
        name="POST /next/{id}",
        method=Method.POST,
        url=(f"{address}/next/", Reference(value, "id", (Encoding.URL,)), "?a=1"),
        headers=(("X-Place", (Reference(value, "place"), "!")), ("X-Session", (Reference(value, "session"),))),
        body=('{"n":', Reference(as_json, "id"), ',"t":"', Reference(value, "place", (Encoding.JSON,)), '"}'),
    )
    return write_script([scenario(first, second, Request(name="GET /last", method=Method.GET, url=f"{address}/last"))])


def test_k6_sends_what_was_answered(tmp_path: Path) -> None:
    headers = {"Location": '/a "b"', "Set-Cookie": "sid=s%20id; Path=/"}
    with serving({"/first": (200, headers, b'{"items": [{"id": 7}]}'), "*": b"{}"}) as site:
        metrics, log = run_k6(tmp_path, chained(site.address, *TAKEN))
        posts = [each for each in site.requests if each.method == "POST"]
    assert metrics["http_reqs"]["count"] == 6 and metrics["checks"]["fails"] == 0 and "Not so" not in log
    assert [each.path for each in posts] == ["/next/7?a=1"] * 2
    assert json.loads(posts[0].body) == {"n": 7, "t": '/a "b"'}
    assert posts[0].headers["x-place"] == '/a "b"!' and posts[0].headers["x-session"] == "s%20id"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-(10**24), 10**24), st.sampled_from(["%d", '"%d"', '[%d, "%d"]', '{"\\u0000": %d}', "1.5"]))
@example(9007199254740993, "%d")
@example(12345678901234567890, "%d")
def test_numbers_of_any_length_stay_as_they_are_written(number: int, shape: str) -> None:
    text = shape.replace("%d", str(number))
    value = json.loads(text)
    checks = tuple(Check(kind=CheckKind.JSON_EQUALS, pointer="/v", value=each) for each in (value, number + 1))
    taken = (Extraction(name="v", source=ExtractionSource.JSON, pointer="/v"),)
    first = Request(name="", method=Method.GET, url="", checks=checks, extractions=taken)
    body = joined(('{"v": ', Reference(ReferenceKind.JSON, "v"), "}"))
    url = joined(("/", Reference(ReferenceKind.VALUE, "v")))
    script = write_script([scenario(first, Request(name="", method=Method.POST, url=url, body=body))])
    ((sent, checked),) = told_by([script], {"body": f'{{"v": {text}}}'})
    assert [holds for _, holds in checked[1:3]] == [True, False]
    assert json.loads(sent[1][2]) == {"v": value}
    as_text = value if isinstance(value, str) else re.sub(r"\s", "", text)
    assert sent[1][1] == f"/{as_text}"


@pytest.mark.parametrize(
    "answer",
    [b"no json", b"[]", b'{"items": []}', b'{"items": [{"id": null}]}', 404, (200, {"Location": "/"}, b'{"items": [{"id": 7}]}')],
)
def test_without_its_value_a_request_is_not_sent_and_that_is_seen(tmp_path: Path, answer: Any) -> None:
    with serving({"/first": answer, "*": b"{}"}) as site:
        metrics, log = run_k6(tmp_path, chained(site.address, *TAKEN))
        assert sorted(site.asked) == ["/first", "/first", "/last", "/last"]
    missing = 3 - 2 * (answer[1:2] == ({"Location": "/"},) if isinstance(answer, tuple) else 0)
    failed = 2 * (missing + 1) + 2 * (answer == 404)
    assert (metrics["http_reqs"]["count"], metrics["checks"]["fails"]) == (4, failed)
    assert log.count("Not so: s1 request 2 was sent. A value that it needs is missing.") == 1, "each virtual user tells it once"
    assert "Not so: s1 request 1 extracted session. The answer does not have the value." in log


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_would_lead_to_another_path_is_not_sent(tmp_path: Path, value: str) -> None:
    answer = (200, {"Location": "/", "Set-Cookie": "sid=1"}, json.dumps({"items": [{"id": value}]}).encode())
    with serving({"/first": answer, "*": b"{}"}) as site:
        metrics, log = run_k6(tmp_path, chained(site.address, *TAKEN))
        assert sorted(site.asked) == ["/first", "/first", "/last", "/last"] and metrics["checks"]["fails"] == 2
    assert "Not so: s1 request 2 was sent. A value would lead it to another path." in log

"""What arrives at a server is what the preview says: address, headers and body, letter by letter, by k6 and on the wire."""

import json
import random
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import pytest

from domain.errors import ValidationFailed
from domain.executor import LoadLimits
from domain.load_plan import LoadPlan, plan_load
from domain.load_test import MAX_REQUESTS, load_test_definition
from domain.openapi import read_openapi
from domain.request import Request
from domain.template import shown
from tests.api.node_programs import github_document
from tests.k6 import run
from tests.receiver import Received, receiving

EXECUTOR = {"kind": "PER_VU_ITERATIONS", "vus": 1, "iterations": 1, "maxDuration": 30}
OF_K6 = {"host", "user-agent", "content-length", "accept-encoding"}  # as long as the user says nothing else
DOTS, SIGNS = ["..", ".", "/", "", "//", "%2e%2e", "%", "%41"], ["a;b", "+", "a b", "[x]", "\\\"'", "{x}", "?x=1", "#f", "a&b=c"]
WORDS = [*DOTS, *SIGNS, "ä\U0001f600", "a\tb"]
OF_QUERIES = ("form", "spaceDelimited", "pipeDelimited", "deepObject")
STYLES = [
    *(("path", style, explode) for style in ("simple", "label", "matrix") for explode in (False, True)),
    *(("query", style, explode) for style in OF_QUERIES for explode in (False, True)),
    ("cookie", "form", False),
]


def planned(raw: Mapping[str, Any], address: str, requests: Sequence[Mapping[str, Any]]) -> LoadPlan:
    """The plan of these requests in one scenario, all optional parameters filled in."""
    api = read_openapi(raw, address)
    scenario = {"name": "s", "allowUnsafe": True, "requests": requests, "executor": EXECUTOR}
    wanted = {"title": "t", "server": api.servers[0], "fillOptional": True, "scenarios": [scenario]}
    return plan_load(load_test_definition(wanted, LoadLimits()), {each.key: each for each in api.endpoints}, raw)


async def difference(raw: Mapping[str, Any], requests: Sequence[Mapping[str, Any]]) -> list[Any]:
    """How what arrives differs from what was planned; nothing where all of it is the same."""
    found: list[Any] = []
    async with receiving() as receiver:
        raw, address = {**raw, "servers": [{"url": f"{receiver.address}/ba%20se/"}]}, receiver.address
        for start in range(0, len(requests), MAX_REQUESTS):
            receiver.received.clear()
            plan = planned(raw, address, requests[start : start + MAX_REQUESTS])
            await run(plan.script)
            pairs = zip_longest(plan.scenarios[0].requests, receiver.received)
            found += [each for sent, received in pairs for each in _differences(address, sent, received)]
    return found


def _differences(address: str, sent: Request | None, found: Received | None) -> list[Any]:
    if sent is None or found is None:
        return [(sent, found)]
    headers: dict[str, list[str]] = {}
    for name, text in found.headers:
        headers.setdefault(name.lower(), []).append(text)
    wanted = {name.lower(): [shown(text)] for name, text in sent.headers}
    pairs: list[tuple[Any, Any]] = [
        (sent.method, found.method),
        (shown(sent.url), address + found.target),
        (wanted, {name: texts for name, texts in headers.items() if name in wanted or name not in OF_K6}),
        (shown(sent.body or ""), found.body.decode()),
    ]
    return [pair for pair in pairs if pair[0] != pair[1]]


def document(operations: Mapping[str, Mapping[str, Any]], method: str = "get") -> dict[str, Any]:
    paths = {path: {method: {"responses": {}, **operation}} for path, operation in operations.items()}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}


@pytest.mark.parametrize(("place", "style", "explode"), STYLES)
async def test_values_of_parameters(place: str, style: str, explode: bool) -> None:
    path = "/x/{p}/y" if place == "path" else "/x"
    parameter = {"name": "p", "in": place, "required": True, "schema": {}, "style": style, "explode": explode}
    raw = document({path: {"parameters": [parameter]}})
    words = [each for each in WORDS if place != "path" or each not in ("", ".", "..")]  # which lead to other paths
    values = [*words, WORDS, {"a b": "c&d", "e": [1, "é/"]}]
    given = [[{"location": place.upper(), "name": "p", "value": each}] for each in values]
    assert await difference(raw, [{"endpoint": f"GET {path}", "parameters": each} for each in given]) == []


async def test_reserved_characters_that_a_query_allows() -> None:
    raw = document({"/x": {"parameters": [{"name": "p", "in": "query", "schema": {}, "allowReserved": True}]}})
    given = [*WORDS, "/a:b@c!$'()*,;=?"]
    requests = [{"endpoint": "GET /x", "parameters": [{"location": "QUERY", "name": "p", "value": each}]} for each in given]
    assert await difference(raw, requests) == []
    plan = planned({**raw, "servers": []}, "http://x.test", requests[-1:])
    assert shown(plan.scenarios[0].requests[0].url) == "http://x.test/x?p=/a:b@c!$'()*,;=?"


async def test_paths_as_documents_have_them() -> None:
    paths = ["/", "/a b", "/ä", "/a%2Fb", "/a//b", "//c", "/../x", "/a/./b", "/a;b", "/a?x=1", "/a#b", "/a%", "/a%zz%4", "/{q"]
    assert await difference(document({path: {} for path in paths}), [{"endpoint": f"GET {path}"} for path in paths]) == []


async def test_methods_with_and_without_a_body() -> None:
    for method in ("get", "head", "options", "trace", "post", "put", "patch", "delete"):
        body = {"requestBody": {"required": True, "content": {"application/json": {"example": {"a": "é\x00\r\n"}}}}}
        requests = [{"endpoint": f"{method.upper()} {path}"} for path in ("/m", "/n")]
        assert await difference(document({"/m": body, "/n": {}}, method), requests) == [], method


async def test_headers() -> None:
    """Blanks around a value are none of it; how long a body is and how it is cut is said by HTTP itself, not by a document."""
    blank = [("X", " \ta b\t "), ("X", ""), ("Content-Type", "")]
    own = [("Host", "other.test"), ("Connection", "close"), ("User-Agent", "me"), ("Accept-Encoding", "br"), ("Cookie", "a=b")]
    names = ["Content-Length", "transfer-encoding", "Trailer", "X-Own"]
    parameters = [{"name": name, "in": "header", "schema": {"type": "integer"}, "required": True} for name in names]
    raw = document({"/x": {"parameters": parameters}})
    given = [[{"name": name, "value": text}] for name, text in (*blank, *own, ("Date", "z"), ("x_y", "z"))]
    assert await difference(raw, [{"endpoint": "GET /x", "headers": each} for each in given]) == []
    (request,) = planned(raw, "http://x.test", [{"endpoint": "GET /x"}]).scenarios[0].requests
    assert [name for name, _ in request.headers] == ["X-Own"]
    for name in names[:3]:
        with pytest.raises(ValidationFailed, match=r"headers\.0\.name: is said by HTTP itself"):
            planned(raw, "http://x.test", [{"endpoint": "GET /x", "headers": [{"name": name, "value": "1"}]}])


async def test_endpoints_of_githubs_document() -> None:
    raw = json.loads(github_document().read_text("utf-8"))
    keys = [f"{method.upper()} {path}" for path, item in raw["paths"].items() for method in item if method != "parameters"]
    assert await difference(raw, [{"endpoint": each} for each in random.Random(1).sample(keys, 100)]) == []

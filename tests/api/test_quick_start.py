"""From an address to a queued load test in one command, and again."""

import asyncio
import copy
import json
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_load_test import API
from tests.sites import serving

QUICK_START = f"""mutation ($url: String!, $server: String, $key: String) {{
  loadTestQuickStart(url: $url, server: $server, idempotencyKey: $key) {{ __typename ... on LoadTestRunPayload {{
    run {{ number status title server loadTestVersion scenarios {{ name requests {{ endpoint }} }} script
      loadTest {{ id description project {{ name }} target {{ url analysis {{ number }} }} }} }} }} {ERROR} }} }}"""
TARGETS = "query { targets { nodes { name } } }"
OPEN = {
    **API,
    "security": [{"key": []}],
    "paths": {
        **API["paths"],
        "/health": {"get": {"security": []}},
        "/items": {"get": {"security": [{"key": []}, {}]}, "post": {"security": []}},
        "/old": {"get": {"security": [], "deprecated": True}},
    },
}


def endpoints(run: dict[str, Any]) -> list[str]:
    return [request["endpoint"] for scenario in run["scenarios"] for request in scenario["requests"]]


@BOTH_DATABASES
async def test_safe_endpoints_that_can_be_called_are_called(plog: Plog) -> None:
    with serving({"/openapi.json": json.dumps(API)}) as site:
        run = (await plog.answer(QUICK_START, url=site.address))["run"]
        assert (run["status"], run["server"], run["loadTestVersion"]) == ("QUEUED", site.address + "/v1", 1)
        assert endpoints(run) == ["GET /pets/{id}", "GET /pets"], "with examples before made values; none that can't be made"
        assert run["loadTest"]["project"]["name"] == "Quick start" and "/v1/pets/7" in run["script"]
        again = (await plog.answer(QUICK_START, url=site.address))["run"]
    assert (again["number"], again["loadTestVersion"], again["loadTest"]["id"]) == (2, 1, run["loadTest"]["id"])
    assert again["loadTest"]["target"]["analysis"]["number"] == 2


async def test_what_wants_a_sign_in_is_left_alone(plog: Plog) -> None:
    with serving({"/openapi.json": json.dumps(OPEN)}) as site:
        run = (await plog.answer(QUICK_START, url=site.address))["run"]
    assert endpoints(run) == ["GET /health", "GET /items"]


async def test_an_api_that_wants_a_login_is_told_what_to_do(plog: Plog) -> None:
    paths = {"/me": {"get": {}}, "/items": {"get": {"security": [{"token": []}]}}, "/orders": {"post": {"security": []}}}
    with serving({"/openapi.json": json.dumps({**OPEN, "paths": paths})}) as site:
        refused = await plog.answer(QUICK_START, url=site.address)
    assert [each["field"] for each in refused["problems"]] == ["url"]
    assert "2 of them need one (key, token)" in refused["message"] and "`login`" in refused["message"], refused
    assert (await plog.answer(TARGETS))["nodes"] == []


PATH = {"in": "path", "required": True}
BY_NAME = {"get": {"parameters": [{**PATH, "name": "name", "schema": {"type": "string"}}]}}
BY_KIND = {"get": {"parameters": [{**PATH, "name": "kind", "schema": {"$ref": "#/components/schemas/Kind"}}]}}
KINDS = {"schemas": {"Kind": {"type": "string", "enum": ["cat", "dog"]}}}


async def test_made_up_ids_are_sent_only_where_nothing_else_can_be_called(plog: Plog) -> None:
    paths: dict[str, Any] = {"/people/{name}": BY_NAME, "/logout": {"get": {}}, "/kinds/{kind}": BY_KIND, "/kinds": {"get": {}}}
    with serving({"/openapi.json": json.dumps({**API, "paths": paths, "components": KINDS})}) as site:
        run = (await plog.answer(QUICK_START, url=site.address))["run"]
        assert endpoints(run) == ["GET /kinds", "GET /kinds/{kind}"]
        assert run["loadTest"]["description"] == "Made by loadTestQuickStart."
        del paths["/kinds"], paths["/kinds/{kind}"]
        site.pages["/openapi.json"] = json.dumps({**API, "paths": paths})
        run = (await plog.answer(QUICK_START, url=site.address))["run"]
    assert endpoints(run) == ["GET /people/{name}"]
    assert "made up" in run["loadTest"]["description"] and "GET /people/{name}" in run["loadTest"]["description"]


async def test_an_api_that_has_changed_makes_a_new_version(plog: Plog) -> None:
    api = copy.deepcopy(OPEN)
    with serving({"/openapi.json": json.dumps(api)}) as site:
        await plog.answer(QUICK_START, url=site.address)
        del api["paths"]["/health"]
        site.pages["/openapi.json"] = json.dumps(api)
        run = (await plog.answer(QUICK_START, url=site.address))["run"]
    assert (endpoints(run), run["loadTestVersion"]) == (["GET /items"], 2)


@BOTH_DATABASES
async def test_a_repeat_with_its_key_starts_nothing_more(plog: Plog) -> None:
    with serving({"/openapi.json": json.dumps(API)}) as site:
        first = await plog.answer(QUICK_START, url=site.address, key="k")
        assert await plog.answer(QUICK_START, url=site.address, key="k") == first
    assert await plog.answer(QUICK_START, url=site.address, key="k") == first, "also when the API is gone"
    assert (await plog.answer(QUICK_START, url=site.address, server="x", key="k"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert first["run"]["loadTest"]["target"]["analysis"]["number"] == 1


async def test_what_can_t_be_started_is_said(plog: Plog) -> None:
    nothing = {**API, "paths": {"/never": API["paths"]["/never"]}}
    foreign = {**API, "servers": [{"url": "http://elsewhere.example/v1"}]}
    pages = {"/openapi.json": json.dumps(nothing), "/foreign.json": json.dumps(foreign)}
    with serving(pages) as site:
        refused = await plog.answer(QUICK_START, url=site.address + "/openapi.json")
        assert [each["field"] for each in refused["problems"]] == ["url"] and "no endpoint" in refused["message"]
        refused = await plog.answer(QUICK_START, url=site.address + "/foreign.json")
        assert [each["field"] for each in refused["problems"]] == ["server"] and "elsewhere.example" in refused["message"]
        refused = await plog.answer(QUICK_START, url=site.address + "/foreign.json", server="http://169.254.169.254")
        assert [each["field"] for each in refused["problems"]] == ["server"]
        assert (await plog.answer(TARGETS))["nodes"] == [], "nothing is left behind"
        chosen = await plog.answer(QUICK_START, url=site.address + "/foreign.json", server=site.address)
        assert chosen["run"]["server"] == site.address
    for url in ("javascript:alert(1)", "", "http://nobody.invalid/x", "http://169.254.169.254/latest", site.address):
        refused = await plog.answer(QUICK_START, url=url)
        assert [each["field"] for each in refused["problems"]] == ["url"], refused
    assert len((await plog.answer(TARGETS))["nodes"]) == 1


@BOTH_DATABASES
async def test_starts_at_the_same_time_share_what_is_there(plog: Plog) -> None:
    with serving({"/openapi.json": json.dumps(API)}) as site:
        answers = await asyncio.gather(*(plog.answer(QUICK_START, url=site.address) for _ in range(4)))
        assert [each["__typename"] for each in answers] == ["LoadTestRunPayload"] * 4, answers
        assert len({each["run"]["loadTest"]["id"] for each in answers}) == 1
        assert sorted(each["run"]["number"] for each in answers) == [1, 2, 3, 4]
        url = site.address + "/openapi.json"
        answers = await asyncio.gather(*(plog.answer(QUICK_START, url=url, key="k") for _ in range(3)))
        assert [each["run"]["number"] for each in answers] == [5] * 3, answers
    assert len((await plog.answer(TARGETS))["nodes"]) == 2


async def test_long_addresses_are_told_apart(plog: Plog) -> None:
    with serving({"/openapi.json": json.dumps(API)}) as site:
        urls = [f"{site.address}/openapi.json?{'x' * 300}{number}" for number in range(2)]
        runs = [(await plog.answer(QUICK_START, url=url))["run"] for url in (*urls, *urls)]
    assert [each["loadTest"]["target"]["url"] for each in runs] == [*urls, *urls]
    assert [each["loadTestVersion"] for each in runs] == [1] * 4 and len({each["title"] for each in runs}) == 2


def taking_long(paths: dict[str, Any], slow_paths: int) -> dict[str, Any]:
    """An API with endpoints whose values take long before those of the paths."""
    slow = {"type": "string", "pattern": "^(a|aa|aaa|a*)*$", "example": "a" * 900_000}
    wanted = {
        "name": "q",
        "in": "query",
        "required": True,
        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/S"}},
    }
    paths = {f"/slow/{number}": {"get": {"parameters": [wanted]}} for number in range(slow_paths)} | paths
    info = {"title": "t", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": {"S": slow}}}


@pytest.mark.timeout(40)
async def test_many_endpoints_whose_values_take_long_share_the_time(plog: Plog) -> None:
    with serving({"/openapi.json": json.dumps(taking_long({}, 40))}) as site:
        refused = await plog.answer(QUICK_START, url=site.address + "/openapi.json")
    assert "no endpoint" in refused["message"]


@pytest.mark.timeout(40)
async def test_endpoints_whose_values_take_long_leave_time_for_others(plog: Plog) -> None:
    wanted = {"name": "q", "in": "query", "required": True, "schema": {"type": "integer"}}
    with serving({"/openapi.json": json.dumps(taking_long({"/light": {"get": {"parameters": [wanted]}}}, 5))}) as site:
        run = (await plog.answer(QUICK_START, url=site.address + "/openapi.json"))["run"]
    assert endpoints(run) == ["GET /light"]

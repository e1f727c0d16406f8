"""Load goes only where it may: when a load test is made, when it is started, when its turn comes."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, Plog, serving
from tests.api.test_load_test import API, CREATE, LIST, PREVIEW, READ, UPDATE, analysed, created, load_test, scenario
from tests.api.test_load_test_report import RUNS, START
from tests.api.test_secret import DELETE, put, using
from tests.api.test_target import ARCHIVE as ARCHIVE_TARGET
from tests.waiting import eventually

RUN = "query ($id: ID!) { loadTestRun(id: $id) { status message } }"


def fields(answer: dict[str, Any]) -> list[str]:
    return [each["field"] for each in answer["problems"]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where names lead that are looked up, besides those that there are."""
    resolve, known = socket.getaddrinfo, dict[str, str]()
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: resolve(known.get(host, host), *more, **named))
    return known


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "2852039166"])
async def test_no_load_goes_to_a_metadata_service(plog: Plog, host: str) -> None:
    target = await analysed(plog, {**API, "servers": [{"url": "/"}, {"url": f"http://{host}/latest"}]})
    document = load_test(server=f"http://{host}/latest")
    made = await created(plog, target, load_test())
    for answer in (
        await plog.answer(CREATE, target=target["id"], input={**document, "title": "other"}),
        await plog.answer(PREVIEW, target=target["id"], input=document),
        await plog.answer(UPDATE, id=made["id"], input=document),
    ):
        assert fields(answer) == ["input.server"] and "metadata address" in answer["problems"][0]["message"]
    assert (await plog.answer(LIST))["nodes"] == [{"title": "nightly"}]


async def test_no_secret_and_no_login_goes_to_a_metadata_service(plog: Plog, names: dict[str, str]) -> None:
    target = await analysed(plog)
    refused = await put(plog, target, name="client", server="http://169.254.169.254/t")
    assert fields(refused) == ["input.server"] and "metadata address" in refused["message"]
    await put(plog, target, name="client", server="http://login.test")
    login = {"kind": "OAUTH2_CLIENT_CREDENTIALS", "clientId": "c", "secret": "client", "tokenUrl": "http://login.test/t"}
    made = await created(plog, target, load_test(login=login))
    names["login.test"] = "169.254.169.254"
    assert fields(await plog.answer(UPDATE, id=made["id"], input=load_test(login=login))) == ["input.login.tokenUrl"]
    refused = await plog.answer(START, id=made["id"])
    assert fields(refused) == ["input.login.tokenUrl"] and "metadata address" in refused["message"]


@pytest.mark.parametrize(
    ("settings", "field", "reason"),
    [
        ({"targets": {"allow_private_addresses": False}}, "input.server", "is a private address"),
        ({"k6": {"capacity": 1, "max_vus": 1}}, "input.scenarios.0.executor.vus", "must be from 1 to 1"),
    ],
)
async def test_a_setting_holds_for_what_was_made_and_queued_before(
    tmp_path: Path, settings: dict[str, Any], field: str, reason: str
) -> None:
    async with serving(tmp_path / "plog") as plog:
        made = await created(plog, await analysed(plog), load_test())
        waiting = (await plog.answer(START, id=made["id"]))["run"]
    async with serving(tmp_path / "plog", {"k6": {"capacity": 1}, **settings}) as plog:
        refused = await plog.answer(START, id=made["id"])
        assert fields(refused) == [field] and reason in refused["message"]

        async def ended() -> Any:
            run = await plog.answer(RUN, id=waiting["id"])
            return run if run["status"] not in ("QUEUED", "STARTING") else None

        run = await eventually(ended)
        assert run["status"] == "ERROR" and f"{field}: " in run["message"] and reason in run["message"], run


async def test_nothing_is_made_for_or_sent_to_an_archived_target(plog: Plog) -> None:
    target = await analysed(plog)
    made = await created(plog, target, load_test())
    await plog.answer(ARCHIVE_TARGET, id=target["id"])
    for answer in (
        await plog.answer(CREATE, target=target["id"], input=load_test(title="other")),
        await plog.answer(UPDATE, id=made["id"], input=load_test(title="other")),
        await plog.answer(START, id=made["id"]),
    ):
        assert answer["code"] == "ILLEGAL_TRANSITION" and "is archived" in answer["message"], answer
    assert await plog.codes(PREVIEW, target=target["id"], input=load_test()) == ["ILLEGAL_TRANSITION"]
    assert (await plog.answer(RUNS))["totalCount"] == 0


ENDLESS = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Endless"}}}
UNPLANNED = {
    **API,
    "paths": {**API["paths"], "/endless": {"post": {"requestBody": {"required": True, "content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/Endless"}}}}}}},
    "components": {"schemas": {**API["components"]["schemas"], "Endless": ENDLESS}},
}  # fmt: skip


@pytest.mark.parametrize(
    "request_",
    [
        {"endpoint": "GET /pets", "headers": [{"name": "X-A", "value": "a\r\nb: c"}]},
        {"endpoint": "POST /endless"},
        {"endpoint": "GET /never"},
    ],
)
async def test_what_can_t_be_planned_is_not_stored(plog: Plog, request_: dict[str, Any]) -> None:
    target = await analysed(plog, UNPLANNED)
    made = await created(plog, target, load_test())
    document = load_test(scenario(requests=[request_], allowUnsafe=True), title="other")
    preview = await plog.answer(PREVIEW, target=target["id"], input=document)
    for answer in (
        await plog.answer(CREATE, target=target["id"], input=document),
        await plog.answer(UPDATE, id=made["id"], input=document),
    ):
        assert answer["__typename"] == "ValidationFailed" and answer["problems"] == preview["problems"] != []
    assert (await plog.answer(LIST))["totalCount"] == 1 and await plog.answer(READ, id=made["id"]) == made


@BOTH_DATABASES
async def test_repeats_are_answered_from_memory_whatever_has_become_of_what_they_need(plog: Plog) -> None:
    target = await analysed(plog)
    await put(plog, target)
    made = (await plog.answer(CREATE, target=target["id"], input=using(), key="k"))["loadTest"]
    changed = (await plog.answer(UPDATE, id=made["id"], input=using(seed=2), key="k"))["loadTest"]
    first = await plog.answer(START, id=made["id"], key="k")
    await plog.answer(DELETE, id=target["id"], name="api_key")
    assert (await plog.answer(START, id=made["id"]))["code"] == "SECRET_UNAVAILABLE"
    assert await plog.answer(START, id=made["id"], key="k") == first
    assert (await plog.answer(CREATE, target=target["id"], input=using(), key="k"))["loadTest"] == changed
    assert (await plog.answer(UPDATE, id=made["id"], input=using(seed=2), key="k"))["loadTest"] == changed
    assert (await plog.answer(RUNS))["totalCount"] == 1


async def test_a_server_is_an_address_to_which_paths_can_be_added(plog: Plog) -> None:
    target = await analysed(plog, {**API, "servers": [{"url": "/api?key=1"}, {"url": "/größe x"}]})
    here = target["url"].removesuffix("/openapi.json")
    assert target["analysis"]["servers"] == [here + "/gr%C3%B6%C3%9Fe%20x"]
    assert "'/api?key=1' is no http address to which paths can be added" in target["analysis"]["problems"][0]
    for path in ("?a=1", "/x#f", "/a\nb", "/a\tb", "/%zz", "/x y", "/${secret:x}", "/größe", "/a\x7f", "|/x"):
        refused = await plog.answer(CREATE, target=target["id"], input=load_test(server=here + path))
        assert fields(refused) == ["input.server"], path
    await created(plog, target, load_test(server=here + "/a/b;c=d,e/~f/%C3%A9/(g)"))

"""Secrets of targets: set and deleted, listed by name, and nowhere to be read again."""

import json
import logging
from typing import Any

import pytest

from domain.visibility import EVERY_PROJECT
from resolvers.load_generator import input_document
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_load_test import CREATE, PREVIEW, UPDATE, analysed, created, load_test, scenario
from tests.api.test_load_test_report import Run
from tests.api.test_target import ARCHIVE
from tests.files import contents_of

SECRETS = "secrets { name server actor updatedAt isReadable }"
ANSWER = f"{{ __typename ... on TargetPayload {{ target {{ id version {SECRETS} }} }} {ERROR} }}"
SET = f"""mutation ($id: ID!, $input: SecretInput!, $key: String) {{
  targetSecretSet(id: $id, input: $input, idempotencyKey: $key) {ANSWER} }}"""
DELETE = f"""mutation ($id: ID!, $name: String!, $key: String) {{
  targetSecretDelete(id: $id, name: $name, idempotencyKey: $key) {ANSWER} }}"""
READ = f"query ($id: ID!) {{ target(id: $id) {{ {SECRETS} }} }}"
START = f"""mutation ($id: ID!) {{ loadTestStart(id: $id) {{ __typename ... on LoadTestRunPayload {{ run {{ id number }} }}
  {ERROR} ... on SecretUnavailable {{ names }} }} }}"""
VALUE = "s3cr3t-välue/+"
HEADER = {"name": "X-Key", "value": "key ${secret:api_key}"}


async def put(plog: Plog, target: dict[str, Any], value: str = VALUE, name: str = "api_key", **more: Any) -> dict[str, Any]:
    key = more.pop("key", None)
    return dict(await plog.answer(SET, id=target["id"], input={"name": name, "value": value, **more}, key=key))


def using(*names: str, **values: Any) -> dict[str, Any]:
    headers = [{"name": f"X-{name}", "value": f"${{secret:{name}}}"} for name in names] or [HEADER]
    return load_test(scenario(requests=[{"endpoint": "GET /pets", "headers": headers}]), **values)


async def run_of(plog: Plog, answer: dict[str, Any]) -> Run:
    assert answer["__typename"] == "LoadTestRunPayload", answer
    async with plog.container.services.database.snapshot() as work:
        number = answer["run"]["number"]
        return Run(plog, answer["run"]["id"], (await work.load_test_runs.get_many([number], EVERY_PROJECT))[number])


@BOTH_DATABASES
async def test_a_secret_is_set_replaced_listed_and_deleted(plog: Plog) -> None:
    target = await analysed(plog)
    first = await put(plog, target, key="once")
    (listed,) = first["target"]["secrets"]
    assert (listed["name"], listed["actor"], listed["isReadable"]) == ("api_key", "demo:ada", True)
    assert listed["server"].startswith("http://localhost:") and first["target"]["version"] == target["version"]
    assert await put(plog, target, key="once") == first, "a repeat changes nothing"
    assert (await put(plog, target, "another", key="once"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    second = await put(plog, target, "another", server="https://login.example/x")
    assert [each["server"] for each in second["target"]["secrets"]] == ["https://login.example:443"]
    await put(plog, target, name="A_1")
    assert [each["name"] for each in (await plog.answer(READ, id=target["id"]))["secrets"]] == ["A_1", "api_key"]
    deleted = await plog.answer(DELETE, id=target["id"], name="api_key", key="gone")
    assert [each["name"] for each in deleted["target"]["secrets"]] == ["A_1"]
    assert (await plog.answer(DELETE, id=target["id"], name="api_key", key="gone"))["__typename"] == "TargetPayload"
    assert (await plog.answer(DELETE, id=target["id"], name="api_key"))["code"] == "NOT_FOUND"
    await plog.answer(ARCHIVE, id=target["id"])
    assert (await put(plog, target))["code"] == "ILLEGAL_TRANSITION"
    assert (await plog.answer(DELETE, id=target["id"], name="A_1"))["target"]["secrets"] == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"value": VALUE}, "name"),
        ({"name": "a b", "value": VALUE}, "name"),
        ({"name": "a" * 65, "value": VALUE}, "name"),
        ({"name": "a"}, "value"),
        ({"name": "a", "value": "abc"}, "value"),
        ({"name": "a", "value": "secret\n1"}, "value"),
        ({"name": "a", "value": "sec\x7fret"}, "value"),
        ({"name": "a", "value": "x" * 8001}, "value"),
        ({"name": "a", "value": "ä" * 4001}, "value"),
        ({"name": "a", "value": "abc\x00def"}, "value"),
        ({"name": "a", "value": VALUE, "server": "ftp://x"}, "server"),
    ],
)
async def test_what_is_wrong_is_named_without_the_value(plog: Plog, given: dict[str, Any], field: str) -> None:
    target = await analysed(plog)
    answer = await plog.answer(SET, id=target["id"], input=given)
    assert [each["field"] for each in answer["problems"]] == [f"input.{field}"], answer
    assert given.get("value", "no") not in json.dumps(answer, ensure_ascii=False)
    assert (await plog.answer(READ, id=target["id"]))["secrets"] == []


async def test_a_target_has_a_hundred_secrets_at_most(plog: Plog) -> None:
    target = await analysed(plog)
    for number in range(100):
        await put(plog, target, name=f"s{number}")
    assert [each["field"] for each in (await put(plog, target, name="more"))["problems"]] == ["input.name"]
    assert len((await put(plog, target, name="s7"))["target"]["secrets"]) == 100


async def test_a_load_test_refers_to_secrets_that_are_there_and_for_its_server(plog: Plog) -> None:
    target = await analysed(plog)
    field = "input.scenarios.0.requests.0.headers.0.value"
    for ask in (CREATE, PREVIEW):
        problems = (await plog.answer(ask, target=target["id"], input=using()))["problems"]
        assert [each["field"] for each in problems] == [field] and "`api_key`" in problems[0]["message"]
    await put(plog, target, server="https://login.example")
    answer = await plog.answer(CREATE, target=target["id"], input=using())
    assert [each["field"] for each in answer["problems"]] == [field] and "https://login.example:443 alone" in answer["message"]
    await put(plog, target)
    preview = await plog.answer(PREVIEW, target=target["id"], input=using())
    assert preview["problems"] == [] and "X-Key: key ${secret:api_key}" in preview["scenarios"][0]["requests"][0]["headers"]
    made = await created(plog, target, using())
    assert (await plog.answer(UPDATE, id=made["id"], input=using("api_key", "other")))["problems"][0]["field"].endswith("1.value")


@BOTH_DATABASES
async def test_a_start_needs_its_secrets(plog: Plog) -> None:
    target = await analysed(plog)
    await put(plog, target)
    await put(plog, target, name="b")
    made = await created(plog, target, using("api_key", "b"))
    run = await run_of(plog, await plog.answer(START, id=made["id"]))
    document = await input_document(plog.container.services, run.generator)
    assert document["secretEnvironment"] == {"PLOG_SECRET_api_key": VALUE, "PLOG_SECRET_b": VALUE}
    assert VALUE not in document["script"] and "api_key" in document["script"]
    await plog.answer(DELETE, id=target["id"], name="b")
    refused = await plog.answer(START, id=made["id"])
    assert (refused["code"], refused["names"]) == ("SECRET_UNAVAILABLE", ["b"]) and "`b`" in refused["message"]
    await put(plog, target, name="b", server="https://login.example")
    refused = await plog.answer(START, id=made["id"])
    assert (refused["code"], refused["names"]) == ("SECRET_UNAVAILABLE", ["b"]) and "alone" in refused["message"]


async def test_a_lost_key_is_a_typed_error(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    target = await analysed(plog)
    await put(plog, target)
    made = await created(plog, target, using())
    cipher = plog.container.services.secrets
    monkeypatch.setattr(cipher, "_ciphers", {"other": next(iter(vars(cipher)["_ciphers"].values()))})
    assert [each["isReadable"] for each in (await plog.answer(READ, id=target["id"]))["secrets"]] == [False]
    refused = await plog.answer(START, id=made["id"])
    assert (refused["code"], refused["names"]) == ("SECRET_UNAVAILABLE", ["api_key"]) and "set it again" in refused["message"]


async def test_a_value_is_in_no_file_log_or_answer(plog: Plog, caplog: pytest.LogCaptureFixture) -> None:
    target = await analysed(plog)
    with caplog.at_level(logging.DEBUG):
        answer = await put(plog, target, key="k")
        made = await created(plog, target, using())
        started = await plog.answer(START, id=made["id"])
    told = [json.dumps(each, ensure_ascii=False) for each in (answer, made, started)]
    assert not any(VALUE in text for text in [*told, caplog.text])
    contents = contents_of(plog.container.settings.home)
    assert any(b"api_key" in each for each in contents)
    assert not any(form in each for each in contents for form in (VALUE.encode(), json.dumps(VALUE).encode()))

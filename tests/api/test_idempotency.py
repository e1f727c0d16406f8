"""A repeated mutation: the same key with the same input gives the first result, whoever is slow and however often it comes."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, CREATE, Plog, job_command, kit_command, table_document

COUNT = "{ kits { totalCount nodes { number version } } }"
NOTES = """query ($id: ID!) { kit(id: $id) { ... on Kit { events(filter: {kinds: [NOTE]}) { nodes { sequence } } } } }"""
REPORT = """mutation ($reports: [TaskReportInput!]!, $key: String) {
  taskReport(input: {reports: $reports}, idempotencyKey: $key) {
    __typename ... on TaskReportPayload { results { sequence state version } } ... on UserError { code message } } }"""


async def create(plog: Plog, name: str, key: str | None, user: str = "ada") -> dict[str, Any]:
    return await plog.answer(CREATE, plog.signed_in(user), input=table_document(name=name), key=key)


async def count(plog: Plog) -> int:
    return int((await plog.ask(COUNT))["kits"]["totalCount"])


@BOTH_DATABASES
async def test_twenty_at_once_create_one_kit(plog: Plog) -> None:
    answers = await asyncio.gather(*(create(plog, "one", "key") for _ in range(20)))
    assert {answer["__typename"] for answer in answers} == {"KitCreatePayload"}
    assert len({answer["kit"]["id"] for answer in answers}) == 1
    assert await count(plog) == 1
    assert (await create(plog, "one", "key"))["kit"] == answers[0]["kit"]


@BOTH_DATABASES
async def test_the_same_key_with_other_input_is_refused(plog: Plog) -> None:
    first = await create(plog, "one", "key")
    refused = await create(plog, "two", "key")
    assert refused["__typename"] == "IdempotencyKeyReused" and refused["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert "'key'" in refused["message"]
    assert await count(plog) == 1
    assert (await create(plog, "one", "key"))["kit"] == first["kit"], "the refusal has not taken the key"


@BOTH_DATABASES
async def test_twenty_at_once_with_different_input_create_one_kit(plog: Plog) -> None:
    answers = await asyncio.gather(*(create(plog, f"kit {number}", "key") for number in range(20)))
    assert Counter(answer["__typename"] for answer in answers) == {"KitCreatePayload": 1, "IdempotencyKeyReused": 19}
    assert await count(plog) == 1


async def test_a_key_belongs_to_a_person(plog: Plog) -> None:
    ada, bela = await create(plog, "one", "key"), await create(plog, "two", "key", "bela")
    assert ada["kit"]["number"] != bela["kit"]["number"]
    assert (ada["kit"]["owner"], bela["kit"]["owner"]) == ("demo:ada", "demo:bela")
    assert (await create(plog, "two", "key", "bela"))["kit"] == bela["kit"]


async def test_a_key_belongs_to_a_mutation(plog: Plog) -> None:
    kit = (await create(plog, "one", "key"))["kit"]
    started = await plog.command("kitStart", kit, key="key")
    assert started["__typename"] == "KitCommandPayload" and started["kit"]["isStarted"]
    cancelled = await plog.command("kitCancel", kit, key="key")
    assert cancelled["__typename"] == "KitCommandPayload"
    job = kit["jobs"][0]
    assert (await plog.answer(job_command("jobCancel"), id=job["id"], key="key"))["__typename"] == "IllegalTransition"


@BOTH_DATABASES
@pytest.mark.parametrize("name", ["kitStart", "kitCancel", "kitArchive"])
async def test_twenty_commands_at_once_are_given_once(plog: Plog, name: str) -> None:
    """Without the key nineteen would be refused: a kit is started, cancelled or archived once."""
    kit = await plog.create()
    answers = await asyncio.gather(*(plog.command(name, kit, key="key") for _ in range(20)))
    assert {answer["__typename"] for answer in answers} == {"KitCommandPayload"}
    assert len({answer["kit"]["version"] for answer in answers}) == 1
    other = await plog.command(name, kit, key="key", expected=kit["version"])
    assert other["__typename"] == "IdempotencyKeyReused"
    again = await plog.command(name, kit, key="other")
    assert again["__typename"] == "IllegalTransition"


async def test_commands_on_jobs_are_given_once(plog: Plog) -> None:
    kit = await plog.create()
    job, other = kit["jobs"][:2]
    first = await plog.answer(job_command("jobStart"), id=job["id"], key="key")
    again = await plog.answer(job_command("jobStart"), id=job["id"], key="key")
    assert first == again and first["job"]["status"] == "QUEUED"
    refused = await plog.answer(job_command("jobStart"), id=other["id"], key="key")
    assert refused["__typename"] == "IdempotencyKeyReused"


@BOTH_DATABASES
async def test_a_failed_first_use_frees_the_key(plog: Plog) -> None:
    document = table_document(name="")
    failed = await plog.answer(CREATE, input=document, key="key")
    assert failed["__typename"] == "ValidationFailed"
    kit = (await create(plog, "one", "key"))["kit"]
    job = kit["jobs"][1]
    too_soon = await plog.answer(job_command("jobStart"), id=job["id"], key="job")
    assert too_soon["__typename"] == "IllegalTransition"
    refused = await plog.command("kitStart", kit, key="start", expected=kit["version"] + 1)
    assert refused["__typename"] == "ValidationFailed"
    unknown = await plog.answer(kit_command("kitStart"), id="S2l0Ojk5OQ", key="start")
    assert unknown["__typename"] == "NotFound"
    assert (await plog.command("kitStart", kit, key="start"))["__typename"] == "KitCommandPayload"
    first = await plog.answer(job_command("jobCancel"), id=kit["jobs"][0]["id"], key="job")
    assert first["__typename"] == "JobCommandPayload"


async def test_the_first_result_is_shown_as_it_is_now_and_as_it_is_asked_for(plog: Plog) -> None:
    """Stored is which kit it was; what is selected may differ and what it says is current."""
    kit = (await create(plog, "one", "key"))["kit"]
    await plog.command("kitStart", kit)
    query = """mutation ($input: KitInput!, $key: String) { again: kitCreate(input: $input, idempotencyKey: $key) {
      ... on KitCreatePayload { kit { number isStarted events(first: 1) { nodes { kind } } } } } }"""
    answer = await plog.answer(query, input=table_document(name="one"), key="key")
    assert answer["kit"] == {"number": kit["number"], "isStarted": True, "events": {"nodes": [{"kind": "CREATED"}]}}


async def test_keys_may_be_any_text(plog: Plog) -> None:
    for place, key in enumerate(("0", " ", "ключ", "🔑" * 200, "a'; DROP TABLE kit; --", "%", "\u202eabc", "e\u0301", "é")):
        await create(plog, f"kit {place}", key)
        assert (await create(plog, f"kit {place}", key))["__typename"] == "KitCreatePayload", key
        assert await count(plog) == place + 1


@BOTH_DATABASES
async def test_reports_under_a_key(plog: Plog) -> None:
    kit = await plog.run()
    notes = [{"sequence": number, "kind": "NOTE", "metadata": {"n": number}} for number in (1, 2, 3)]
    answers = await asyncio.gather(*(plog.answer(REPORT, plog.worker(kit), reports=notes, key="key") for _ in range(20)))
    assert all(answer == answers[0] for answer in answers), answers
    assert [result["state"] for result in answers[0]["results"]] == ["RECORDED"] * 3
    other = await plog.answer(REPORT, plog.worker(kit), reports=notes[:2], key="key")
    assert other["__typename"] == "IdempotencyKeyReused"
    page = await plog.answer(NOTES, id=kit["id"])
    assert [event["sequence"] for event in page["events"]["nodes"]] == [1, 2, 3]


async def test_input_that_is_nested_too_deeply_is_refused_with_a_key_as_without(plog: Plog) -> None:
    for key in (None, "k"):
        variables = {"input": table_document(metadata={"deep": 1}), "key": key}
        text = json.dumps({"query": CREATE, "variables": variables})
        body = text.replace('{"deep": 1}', '{"a":' * 980 + "1" + "}" * 980)
        headers = {**plog.signed_in(), "content-type": "application/json"}
        answer = (await plog.http.post("/graphql", content=body, headers=headers)).json()
        assert answer["data"]["kitCreate"]["code"] == "VALIDATION_FAILED", answer

"""Kits through the API: commands and their refusals, repeats, lists, times, history, and finding things again."""

import asyncio
from typing import Any

import pytest

from tests.api.in_process import CREATE, KIT, Plog, job_command, kit_command, table_document
from tests.waiting import eventually

BOTH = pytest.mark.parametrize("plog", ["sqlite", "postgresql"], indirect=True)
KITS = """query ($filter: KitFilter, $order: KitOrder! = NUMBER, $descending: Boolean! = true,
                                $first: Int! = 50, $after: String) {
  kits(filter: $filter, orderBy: $order, descending: $descending, first: $first, after: $after) {
    totalCount nodes { number } edges { cursor node { number } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
READ = (
    KIT
    + """query ($id: ID!, $at: DateTime, $known: Int) { kit(id: $id, asOf: $at, ifVersionNot: $known) {
  __typename ... on Unchanged { version } ... on Kit { ...KitParts } } }"""
)
HISTORY = """query ($id: ID!, $first: Int!, $after: String, $version: Int, $filter: KitEventFilter) { kit(id: $id) { ... on Kit {
  events(first: $first, after: $after, afterVersion: $version, filter: $filter) {
    nodes { id version kind actor recordedAt jobType task status metadata } pageInfo { hasNextPage endCursor } } } } }"""
REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) {
  ... on TaskReportPayload { results { state version } } ... on UserError { code message } } }"""


async def kit_of(plog: Plog, kit: dict[str, Any], **variables: Any) -> dict[str, Any]:
    return await plog.answer(READ, id=kit["id"], **variables)


async def test_a_kit_is_created_started_cancelled_and_archived(plog: Plog) -> None:
    kit = await plog.create("first", metadata={"project": "N5"})
    assert (kit["number"], kit["name"], kit["owner"], kit["productLine"]) == (1, "first", "demo:ada", "LOGIC")
    assert [job["type"] for job in kit["jobs"]] == ["DECK_COLLECTION", "DOE", "ML", "OPTIMIZE"]
    assert {job["status"] for job in kit["jobs"]} | {kit["status"]} == {"PENDING"} and kit["metadata"] == {"project": "N5"}
    started = (await plog.command("kitStart", kit))["kit"]
    assert (started["jobs"][0]["status"], started["status"]) == ("QUEUED", "RUNNING") and started["isStarted"]
    assert (await plog.command("kitArchive", kit))["__typename"] == "IllegalTransition"
    cancelled = (await plog.command("kitCancel", kit))["kit"]
    assert cancelled["jobs"][0]["cancelRequested"] or cancelled["status"] == "CANCELLED"

    async def is_over() -> bool:
        return bool((await kit_of(plog, kit))["endedAt"])

    await eventually(is_over)
    archived = (await plog.command("kitArchive", kit))["kit"]
    assert archived["archivedAt"] and archived["status"] == "CANCELLED"
    for name in ("kitStart", "kitCancel", "kitArchive"):
        refused = await plog.command(name, kit)
        assert refused["__typename"] == "IllegalTransition", (name, refused)
    assert (await plog.answer(KITS))["nodes"] == []
    assert (await plog.answer(KITS, filter={"isArchived": True}))["nodes"] == [{"number": 1}]
    assert (await plog.answer(KITS, filter={"isArchived": None}))["totalCount"] == 1


async def test_jobs_are_started_in_order_and_only_from_fitting_states(plog: Plog) -> None:
    kit = await plog.create()
    first, second = kit["jobs"][0]["id"], kit["jobs"][1]["id"]
    assert (await plog.answer(job_command("jobStart"), id=second))["__typename"] == "IllegalTransition"
    assert (await plog.answer(job_command("jobRetry"), id=first))["__typename"] == "IllegalTransition"
    started = await plog.answer(job_command("jobStart"), id=first)
    assert started["job"]["status"] == "QUEUED"
    assert (await plog.answer(job_command("jobStart"), id=first))["__typename"] == "IllegalTransition"
    assert (await plog.answer(job_command("jobCancel"), id=second))["job"]["status"] == "CANCELLED"
    assert not (await kit_of(plog, kit))["isStarted"]


@BOTH
async def test_the_same_key_twenty_times_at_once_makes_one_kit(plog: Plog) -> None:
    document = table_document(name="once")
    answers = await asyncio.gather(*(plog.answer(CREATE, input=document, key="k") for _ in range(20)))
    assert {answer["kit"]["id"] for answer in answers if "kit" in answer} == {answers[0]["kit"]["id"]}, answers
    assert all(answer["__typename"] == "KitCreatePayload" for answer in answers)
    assert (await plog.answer(KITS))["totalCount"] == 1


async def test_keys_belong_to_a_person_a_mutation_and_an_input(plog: Plog) -> None:
    grace = plog.container.issuer.users[1].username if plog.container.issuer else ""
    first = await plog.answer(CREATE, input=table_document(name="a"), key="k")
    other_input = await plog.answer(CREATE, input=table_document(name="b"), key="k")
    assert other_input["__typename"] == "IdempotencyKeyReused" and other_input["code"] == "IDEMPOTENCY_KEY_REUSED"
    other_person = await plog.answer(CREATE, plog.signed_in(grace), input=table_document(name="b"), key="k")
    assert other_person["kit"]["id"] != first["kit"]["id"]
    started = await plog.command("kitStart", first["kit"], key="k")
    again = await plog.command("kitStart", first["kit"], key="k")
    assert started["kit"]["version"] == again["kit"]["version"] and again["__typename"] == "KitCommandPayload"
    assert (await plog.command("kitStart", other_person["kit"], key="k"))["__typename"] == "IdempotencyKeyReused"
    assert (await plog.answer(KITS))["totalCount"] == 2


async def test_a_refused_mutation_uses_up_no_key(plog: Plog) -> None:
    refused = await plog.answer(CREATE, input=table_document(name=""), key="k")
    assert refused["__typename"] == "ValidationFailed" and refused["problems"][0]["field"] == "name"
    assert (await plog.answer(CREATE, input=table_document(name="fine"), key="k"))["__typename"] == "KitCreatePayload"


@BOTH
async def test_the_version_that_was_seen_guards_the_status_and_not_the_progress(plog: Plog) -> None:
    kit = await plog.create()
    running = await plog.run("other")
    seen = (await kit_of(plog, running))["version"]
    report = {"sequence": 1, "kind": "NOTE", "metadata": {"a": 1}}
    assert (await plog.answer(REPORT, plog.worker(running), reports=[report]))["results"][0]["state"] == "RECORDED"
    after = await kit_of(plog, running)
    assert after["version"] == seen + 1 and after["statusVersion"] <= seen
    assert (await plog.command("kitCancel", running, expected=seen))["__typename"] == "KitCommandPayload"
    assert (await plog.command("kitStart", kit))["__typename"] == "KitCommandPayload"
    stale = await plog.command("kitCancel", kit, expected=1)
    assert stale["__typename"] == "VersionConflict"
    future = await plog.command("kitCancel", kit, expected=10_000)
    assert future["__typename"] == "ValidationFailed" and future["problems"][0]["field"] == "expectedVersion"


async def test_a_kit_that_has_not_changed_is_not_sent_again(plog: Plog) -> None:
    kit = await plog.create()
    assert await kit_of(plog, kit, known=kit["version"]) == {"__typename": "Unchanged", "version": kit["version"]}
    assert (await kit_of(plog, kit, known=kit["version"] - 1))["__typename"] == "Kit"


@BOTH
async def test_a_kit_as_it_was_at_every_time_of_its_history(plog: Plog) -> None:
    kit = await plog.create()
    shown = [await kit_of(plog, kit)]
    for name in ("kitStart", "kitCancel"):
        await plog.command(name, kit)
        shown.append(await kit_of(plog, kit))
    for then in shown:
        was = await kit_of(plog, kit, at=then["updatedAt"])
        assert was["version"] >= then["version"]
        assert was == then or was["version"] > then["version"]
    assert await plog.ask(READ, id=kit["id"], at="2000-01-01T00:00:00Z") == {"kit": None}


async def events_of(plog: Plog, kit: dict[str, Any], first: int, **variables: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await plog.answer(HISTORY, id=kit["id"], first=first, after=after, **variables))["events"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def test_the_history_is_dense_and_pages_neither_skip_nor_repeat(plog: Plog) -> None:
    kit = await plog.start()
    version = (await kit_of(plog, kit))["version"]
    for first in (1, 7, 100):
        assert [event["version"] for event in await events_of(plog, kit, first)] == list(range(1, version + 1))
    rest = (await plog.answer(HISTORY, id=kit["id"], first=100, version=3))["events"]["nodes"]
    assert [event["version"] for event in rest] == list(range(4, version + 1))
    started = await events_of(plog, kit, 100, filter={"kinds": ["STARTED"]})
    assert [(event["kind"], event["actor"]) for event in started] == [("STARTED", "demo:ada")]
    assert all(event["jobType"] == "ML" for event in await events_of(plog, kit, 5, filter={"jobType": "ML"}))


@BOTH
async def test_lists_are_filtered_sorted_and_paged(plog: Plog) -> None:
    names = ["b", "a", "B", "a%", "a_", "é", "ab", "a"]
    kits = [await plog.create(name, productLine="DRAM" if name == "b" else "LOGIC") for name in names]
    await plog.command("kitStart", kits[2])

    async def numbers(**variables: Any) -> list[int]:
        found: list[int] = []
        after = None
        while True:
            page = await plog.answer(KITS, first=3, after=after, **variables)
            assert [edge["node"] for edge in page["edges"]] == page["nodes"]
            assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
            found += [node["number"] for node in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                assert page["totalCount"] == len(found)
                return found
            after = page["pageInfo"]["endCursor"]

    assert await numbers() == list(range(8, 0, -1))
    assert await numbers(descending=False) == list(range(1, 9))
    by_name = await numbers(order="NAME", descending=False)
    assert by_name == [n for _, n in sorted((name, number) for number, name in enumerate(names, 1))]
    assert await numbers(order="NAME") == by_name[::-1]
    assert (await numbers(order="STATUS_CHANGED_AT"))[0] == 3
    assert await numbers(filter={"namePrefix": "a%"}) == [4]
    assert await numbers(filter={"namePrefix": "a_"}) == [5]
    assert await numbers(filter={"namePrefix": "a"}) == [8, 7, 5, 4, 2]
    assert await numbers(filter={"productLine": "DRAM"}) == [1]
    assert await numbers(filter={"status": ["RUNNING"]}) == [3]
    assert await numbers(filter={"status": ["RUNNING", "PENDING"], "namePrefix": "B"}) == [3]
    assert await numbers(filter={"owner": "nobody"}) == [] and len(await numbers(filter={"owner": "demo:ada"})) == 8
    at = kits[4]["createdAt"]
    assert await numbers(filter={"createdFrom": at}) == [8, 7, 6, 5] and await numbers(filter={"createdTo": at}) == [4, 3, 2, 1]


async def test_everything_is_found_again_by_its_id(plog: Plog) -> None:
    kit = await plog.run()
    query = """query ($id: ID!) { kit(id: $id) { ... on Kit { id events(first: 2) { nodes { id } }
      jobs { id attempt { id } deckRequest { id } tasks { id } } } } stepTemplates { id } }"""
    data = await plog.ask(query, id=kit["id"])
    jobs = data["kit"]["jobs"]
    ids = [data["kit"]["id"], *(event["id"] for event in data["kit"]["events"]["nodes"]), jobs[0]["deckRequest"]["id"]]
    ids += (
        [job["id"] for job in jobs]
        + [job["attempt"]["id"] for job in jobs]
        + [task["id"] for job in jobs for task in job["tasks"]]
    )
    ids += [template["id"] for template in data["stepTemplates"]]
    assert len(set(ids)) == len(ids)
    found = (await plog.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids))["nodes"]
    assert [node["id"] for node in found] == ids
    kinds = {"Kit", "KitEvent", "DeckRequest", "Job", "Attempt", "Task", "StepTemplate"}
    assert {node["__typename"] for node in found} == kinds
    for each in ids[:3]:
        assert (await plog.ask("query ($id: ID!) { node(id: $id) { id } }", id=each))["node"] == {"id": each}
    assert (await plog.codes(kit_command("kitStart"), id=kit["id"], expected="x")) == ["GRAPHQL_VALIDATION_FAILED"]

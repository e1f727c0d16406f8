"""Jobs through the API: started in order, retried as new attempts, cancelled, and found across kits."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from domain import commands
from domain.attempt import AttemptKey, Cause, Ending
from domain.change import Change
from domain.runner import LogChunk
from tests.api.in_process import BOTH_DATABASES, KIT, Plog, job_command
from tests.waiting import eventually

READ = f"{KIT} query ($id: ID!) {{ kit(id: $id) {{ ...KitParts }} }}"
JOB = """query ($id: ID!, $first: Int! = 50, $after: String) { job(id: $id) {
  id status startedAt endedAt createdAt updatedAt kit { number status }
  attempt { number status cause message exitCode startedAt endedAt }
  attempts(first: $first, after: $after) { nodes { number status cause exitCode version } edges { cursor }
    pageInfo { hasNextPage hasPreviousPage endCursor } } } }"""
JOBS = """query ($filter: JobFilter, $first: Int! = 50, $after: String) { jobs(filter: $filter, first: $first, after: $after) {
  nodes { id type status order kit { number } } edges { cursor } pageInfo { hasNextPage endCursor } } }"""
LOG = """query ($id: ID!, $attempt: Int, $after: Int! = 0) { job(id: $id) { log(attempt: $attempt, after: $after) {
  attempt offset end text isLast } } }"""


async def read(plog: Plog, kit: dict[str, Any]) -> dict[str, Any]:
    return dict((await plog.ask(READ, id=kit["id"]))["kit"])


async def command(plog: Plog, name: str, kit: dict[str, Any], place: int = 0, **variables: Any) -> dict[str, Any]:
    return await plog.answer(job_command(name), id=kit["jobs"][place]["id"], **variables)


async def run(plog: Plog, kit: dict[str, Any], place: int, number: int = 1, **ending: Any) -> None:
    """Take an attempt that is queued through its life, as a runner does."""
    job_id = UUID(kit["jobs"][place]["uuid"])

    def begin(change: Change) -> None:
        commands.begin_attempt(change, job_id, number, "runner")

    def settle(change: Change) -> None:
        commands.settle_attempt(change, job_id, number, Ending(**{"exit_code": 0, "reports": 0, **ending}))

    await plog.change(kit, begin)
    await plog.change(kit, settle)


def statuses(kit: dict[str, Any]) -> list[str]:
    return [job["status"] for job in kit["jobs"]]


@BOTH_DATABASES
async def test_single_jobs_run_in_order_without_starting_the_kit(plog: Plog) -> None:
    kit = await plog.create()
    for place in range(4):
        for later in range(place + 1, 4):
            refused = await command(plog, "jobStart", kit, later)
            assert refused["__typename"] == "IllegalTransition" and "predecessor" in refused["message"]
        started = await command(plog, "jobStart", kit, place)
        assert started["job"]["status"] == "QUEUED"
        again = await command(plog, "jobStart", kit, place)
        assert again["__typename"] == "IllegalTransition"
        await run(plog, kit, place)
        now = await read(plog, kit)
        assert statuses(now) == ["SUCCEEDED"] * (place + 1) + ["PENDING"] * (3 - place), "the next job waits to be started"
    assert (now["status"], now["isStarted"], now["percent"]) == ("SUCCEEDED", False, 100)


@BOTH_DATABASES
async def test_a_retry_is_a_new_attempt_and_sets_later_jobs_back(plog: Plog) -> None:
    kit = await plog.start()
    await run(plog, kit, 0)
    await run(plog, kit, 1)
    await run(plog, kit, 2, exit_code=7, message="out of memory")
    failed = await read(plog, kit)
    assert (statuses(failed), failed["status"]) == (["SUCCEEDED", "SUCCEEDED", "FAILED", "PENDING"], "FAILED")
    assert (await command(plog, "jobRetry", kit, 3))["__typename"] == "IllegalTransition"
    retried = await command(plog, "jobRetry", kit, 1)
    assert retried["job"]["attempt"] == {"number": 2, "status": "QUEUED"}
    now = await read(plog, kit)
    assert statuses(now) == ["SUCCEEDED", "QUEUED", "PENDING", "PENDING"]
    assert [job["attempt"]["number"] for job in now["jobs"]] == [1, 2, 2, 1]
    for place, number in ((1, 2), (2, 2), (3, 1)):
        await run(plog, kit, place, number)
    ended = await read(plog, kit)
    assert (ended["status"], ended["percent"]) == ("SUCCEEDED", 100), "the kit was started and goes on by itself"
    job = (await plog.ask(JOB, id=kit["jobs"][2]["id"]))["job"]
    assert [(each["number"], each["status"], each["cause"], each["exitCode"]) for each in job["attempts"]["nodes"]] == [
        (1, "FAILED", "EXIT_CODE", 7),
        (2, "SUCCEEDED", None, 0),
    ]


async def test_attempts_are_paged(plog: Plog) -> None:
    kit = await plog.start()
    for number in range(1, 6):
        await run(plog, kit, 0, number, exit_code=1)
        await command(plog, "jobRetry", kit)
    found: list[int] = []
    after = None
    while True:
        page = (await plog.ask(JOB, id=kit["jobs"][0]["id"], first=4, after=after))["job"]["attempts"]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        found += [attempt["number"] for attempt in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == [1, 2, 3, 4, 5, 6]


@BOTH_DATABASES
async def test_a_job_shows_how_its_attempt_ended(plog: Plog) -> None:
    kit = await plog.start()
    before = (await plog.ask(JOB, id=kit["jobs"][0]["id"]))["job"]
    assert (before["startedAt"], before["endedAt"], before["attempt"]["cause"]) == (None, None, None)
    await run(plog, kit, 0, exit_code=None, cause=Cause.TIME_LIMIT, message="The time limit of 5 s was reached.")
    job = (await plog.ask(JOB, id=kit["jobs"][0]["id"]))["job"]
    assert job["status"] == "FAILED" and job["kit"] == {"number": kit["number"], "status": "FAILED"}
    assert job["createdAt"] <= job["startedAt"] <= job["endedAt"] == job["updatedAt"]
    attempt = job["attempt"]
    assert (attempt["cause"], attempt["exitCode"]) == ("TIME_LIMIT", None)
    assert attempt["message"] == "The time limit of 5 s was reached."


async def test_what_waits_is_cancelled_at_once_and_what_runs_through_its_runner(plog: Plog) -> None:
    kit = await plog.run()
    waiting = await command(plog, "jobCancel", kit, 2)
    assert waiting["job"]["status"] == "CANCELLED"
    running = await command(plog, "jobCancel", kit, 0)
    assert running["job"]["status"] == "RUNNING" and (await read(plog, kit))["jobs"][0]["cancelRequested"]
    twice = await command(plog, "jobCancel", kit, 0)
    assert twice["__typename"] == "IllegalTransition" and "being cancelled already" in twice["message"]
    job_id = UUID(kit["jobs"][0]["uuid"])
    ending = Ending(exit_code=None, reports=0, cause=Cause.CANCELLED)
    await plog.change(kit, lambda change: commands.settle_attempt(change, job_id, 1, ending))
    ended = await read(plog, kit)
    assert statuses(ended) == ["CANCELLED", "PENDING", "CANCELLED", "PENDING"] and ended["status"] == "CANCELLED"
    assert not ended["jobs"][0]["cancelRequested"]
    assert (await command(plog, "jobCancel", kit, 0))["__typename"] == "IllegalTransition"


async def test_a_queued_job_that_no_runner_has_is_cancelled_without_one(plog: Plog) -> None:
    kit = await plog.start()
    assert (await command(plog, "jobCancel", kit))["__typename"] == "JobCommandPayload"

    async def is_cancelled() -> bool:
        return bool((await read(plog, kit))["jobs"][0]["status"] == "CANCELLED")

    await eventually(is_cancelled)
    assert (await read(plog, kit))["jobs"][0]["attempt"]["cause"] == "CANCELLED"


@BOTH_DATABASES
@pytest.mark.parametrize("name", ["jobStart", "jobCancel"])
async def test_of_twenty_commands_at_once_one_is_taken(plog: Plog, name: str) -> None:
    kit = await plog.create()
    answers = await asyncio.gather(*(command(plog, name, kit) for _ in range(20)))
    kinds = sorted(answer["__typename"] for answer in answers)
    assert kinds == ["IllegalTransition"] * 19 + ["JobCommandPayload"]
    now = await read(plog, kit)
    assert now["jobs"][0]["attempt"]["number"] == 1


@BOTH_DATABASES
async def test_jobs_are_found_across_kits(plog: Plog) -> None:
    kits = [await plog.create("a"), await plog.run("b"), await plog.run("c")]
    await plog.command("kitCancel", kits[0])
    after = (await read(plog, kits[1]))["updatedAt"]
    chosen = {
        "all": ({}, [(3, "1234"), (2, "1234"), (1, "1234")]),
        "by type": ({"type": ["ML", "DOE"]}, [(3, "23"), (2, "23"), (1, "23")]),
        "by status": ({"status": ["RUNNING"]}, [(3, "1"), (2, "1")]),
        "by both": ({"status": ["CANCELLED"], "type": ["OPTIMIZE"]}, [(1, "4")]),
        "of a kit": ({"kitId": kits[1]["id"]}, [(2, "1234")]),
        "since": ({"updatedFrom": after, "status": ["RUNNING"]}, [(3, "1"), (2, "1")]),
        "until": ({"updatedTo": after, "kitId": kits[1]["id"]}, [(2, "234")]),
        "none": ({"status": ["SUCCEEDED"]}, []),
    }
    for name, (given, expected) in chosen.items():
        wanted = [(number, int(order)) for number, orders in expected for order in orders]
        for first in (3, 100):
            assert await pages(plog, given, first) == wanted, (name, first)


async def test_jobs_of_archived_kits_are_listed_on_demand(plog: Plog) -> None:
    kits = [await plog.create("kept"), await plog.create("archived")]
    await plog.command("kitArchive", kits[1])
    for given, expected in (({}, {1}), ({"isArchived": True}, {2}), ({"isArchived": None}, {1, 2})):
        assert {number for number, _ in await pages(plog, given, 100)} == expected
    query = "query ($after: String) { jobs(orderBy: UPDATED_AT, descending: false, first: 3, after: $after) { nodes { id }"
    query += " pageInfo { endCursor } } }"
    first = (await plog.ask(query))["jobs"]
    rest = (await plog.ask(query, after=first["pageInfo"]["endCursor"]))["jobs"]
    assert {job["id"] for job in first["nodes"] + rest["nodes"]} == {job["id"] for job in kits[0]["jobs"]}
    other_order = (await plog.ask(JOBS, first=1))["jobs"]["pageInfo"]["endCursor"]
    assert await plog.codes(query, after=other_order) == ["VALIDATION_FAILED"]


async def pages(plog: Plog, given: dict[str, Any], first: int) -> list[tuple[int, int]]:
    """(kit, place) of the jobs of all pages of a list."""
    found: list[tuple[int, int]] = []
    after = None
    while True:
        page = (await plog.ask(JOBS, filter=given, first=first, after=after))["jobs"]
        found += [(job["kit"]["number"], job["order"]) for job in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        assert len(page["nodes"]) == first
        after = page["pageInfo"]["endCursor"]


@BOTH_DATABASES
async def test_a_log_is_read_later_in_pieces(plog: Plog) -> None:
    kit = await plog.run()
    job = kit["jobs"][0]
    assert (await plog.ask(LOG, id=job["id"]))["job"]["log"] is None, "nothing yet"
    written = "".join(f"{number}: grüße €\n" for number in range(300)).encode()
    async with plog.container.services.database.transaction() as work:
        for start in range(0, len(written), 101):  # most pieces end in the middle of a character or line
            chunk = LogChunk(start, written[start : start + 101])
            await work.logs.add(AttemptKey(UUID(job["uuid"]), 1), chunk, await work.kits.now())
    text, after, is_last = "", 0, False
    for _ in range(20):
        piece = (await plog.ask(LOG, id=job["id"], after=int(after)))["job"]["log"]
        if piece is None:
            await run_to_end(plog, kit)
            continue
        assert piece["offset"] == after and len(piece["text"].encode()) == piece["end"] - piece["offset"]
        text, after, is_last = text + piece["text"], piece["end"], piece["isLast"]
        if is_last:
            break
    assert is_last and text.encode() == written
    assert await plog.codes(LOG, id=job["id"], after=-1) == ["VALIDATION_FAILED"]
    beyond = (await plog.ask(LOG, id=job["id"], after=int(after) + 5))["job"]["log"]
    assert (beyond["text"], beyond["isLast"]) == ("", True)


async def run_to_end(plog: Plog, kit: dict[str, Any]) -> None:
    job_id = UUID(kit["jobs"][0]["uuid"])
    await plog.change(kit, lambda change: commands.settle_attempt(change, job_id, 1, Ending(exit_code=0, reports=0)))


async def test_a_deck_request_is_found_by_its_number(plog: Plog) -> None:
    kits = [await plog.create(f"kit {number}") for number in range(3)]
    query = "query ($n: Int!) { deckRequest(requestId: $n) { id requestId jobId status deck createdAt } }"
    of_job = "query ($id: ID!) { job(id: $id) { deckRequest { id requestId jobId status deck createdAt } } }"
    for kit in kits:
        shown = (await plog.ask(of_job, id=kit["jobs"][0]["id"]))["job"]["deckRequest"]
        assert (await plog.ask(query, n=shown["requestId"]))["deckRequest"] == shown
        assert (shown["jobId"], shown["status"]) == (kit["jobs"][0]["id"], "PENDING")
        assert shown["deck"]["source"] == {"folder": "demo/decks/table"}
    assert await plog.ask(query, n=99) == {"deckRequest": None}
    assert (await plog.ask(of_job, id=kits[0]["jobs"][1]["id"]))["job"] == {"deckRequest": None}

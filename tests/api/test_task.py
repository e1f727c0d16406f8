"""`taskReport` as a worker uses it: many reports in one call, each with its own result, safe to repeat as they are."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from domain import commands
from domain.attempt import Cause, Ending
from domain.change import Change
from tests.api.in_process import BOTH_DATABASES, KIT, Plog, job_command

REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) { __typename
  ... on TaskReportPayload { results { sequence state version code message consumed } }
  ... on UserError { code message } ... on ValidationFailed { problems { field } } } }"""
READ = f"{KIT} query ($id: ID!) {{ kit(id: $id) {{ ...KitParts }} }}"
EVENTS = """query ($id: ID!, $after: Int!) { kit(id: $id) { ... on Kit { events(first: 100, afterVersion: $after) { nodes {
  version kind task status percent sequence reportedAt recordedAt metadata actor attempt } } } } }"""


def status(task: str, value: str, **more: Any) -> dict[str, Any]:
    return {"kind": "STATUS", "task": task, "status": value, **more}


def progress(value: float, task: str = "fetch", **more: Any) -> dict[str, Any]:
    return {"kind": "PROGRESS", "task": task, "progress": value, **more}


def note(**metadata: Any) -> dict[str, Any]:
    return {"kind": "NOTE", "metadata": metadata}


def numbered(*reports: dict[str, Any], first: int = 1) -> list[dict[str, Any]]:
    return [{"sequence": number, **each} for number, each in enumerate(reports, start=first)]


async def send(plog: Plog, kit: dict[str, Any], reports: list[dict[str, Any]], attempt: int = 1) -> list[dict[str, Any]]:
    """The results of reports of an attempt of the kit's first job."""
    answer = await plog.answer(REPORT, plog.worker(kit, attempt=attempt), reports=reports)
    assert answer["__typename"] == "TaskReportPayload", answer
    results: list[dict[str, Any]] = answer["results"]
    return results


async def read(plog: Plog, kit: dict[str, Any]) -> dict[str, Any]:
    return dict((await plog.ask(READ, id=kit["id"]))["kit"])


async def events(plog: Plog, kit: dict[str, Any], after: int) -> list[dict[str, Any]]:
    return list((await plog.ask(EVENTS, id=kit["id"], after=after))["kit"]["events"]["nodes"])


@BOTH_DATABASES
async def test_what_is_reported_is_shown(plog: Plog) -> None:
    kit = await read(plog, await plog.run())
    results = await send(
        plog,
        kit,
        numbered(
            status("fetch", "RUNNING", reportedAt="2026-01-02T03:04:05.678901+02:00"),
            progress(0.25),
            note(dataInfo={"rows": 5, "größe": [1.5, None, True]}),
            {"kind": "POINT", "task": "fetch", "metadata": {"inputs": {"a": 1}}, "progress": 0.5},
            status("fetch", "SUCCEEDED", metadata={"files": 3}),
            status("parse", "RUNNING"),
            {"kind": "TRIAL", "task": "parse", "metadata": {"value": 1e-9}},
        ),
    )
    assert [result["state"] for result in results] == ["RECORDED"] * 7
    assert [result["version"] for result in results] == list(range(kit["version"] + 1, kit["version"] + 8))
    assert all(result["consumed"] and result["code"] is None for result in results)
    found = await events(plog, kit, kit["version"])
    assert [(event["kind"], event["task"], event["sequence"]) for event in found] == [
        ("STATUS", "fetch", 1),
        ("PROGRESS", "fetch", 2),
        ("NOTE", None, 3),
        ("POINT", "fetch", 4),
        ("STATUS", "fetch", 5),
        ("STATUS", "parse", 6),
        ("TRIAL", "parse", 7),
    ]
    assert found[0]["reportedAt"] == "2026-01-02T01:04:05.678901+00:00"
    assert {event["actor"] for event in found} == {"worker"}
    job = (await read(plog, kit))["jobs"][0]
    assert job["metadata"] == {"dataInfo": {"rows": 5, "größe": [1.5, None, True]}}
    fetch, parse, check = job["tasks"]
    assert (fetch["status"], fetch["percent"], fetch["metadata"]) == ("SUCCEEDED", 100, {"files": 3})
    assert (parse["status"], check["status"]) == ("RUNNING", "PENDING")
    assert job["percent"] == pytest.approx(100 / 3, abs=0.01)


@BOTH_DATABASES
async def test_a_repeat_gets_the_first_result(plog: Plog) -> None:
    kit = await plog.run()
    reports = numbered(
        status("fetch", "RUNNING"),
        progress(0.1),
        progress(0.2),
        progress(7),
        status("check", "QUEUED"),
        {**note(a=1), "task": "fetch"},
    )
    first = await send(plog, kit, reports)
    assert [result["state"] for result in first] == ["RECORDED", "RECORDED", "COALESCED", "REFUSED", "REFUSED", "RECORDED"]
    assert [result["code"] for result in first] == [None, None, None, "VALIDATION_FAILED", "VALIDATION_FAILED", None]
    version = (await read(plog, kit))["version"]
    assert await send(plog, kit, reports) == first
    assert await send(plog, kit, reports[2:4] + numbered(note(b=2), first=7)) == [
        *first[2:4],
        {**first[-1], "sequence": 7, "version": version + 1},
    ]
    answers = await asyncio.gather(*(send(plog, kit, reports) for _ in range(20)))
    assert all(answer == first for answer in answers)
    assert (await read(plog, kit))["version"] == version + 1


@BOTH_DATABASES
async def test_numbers_come_without_gaps(plog: Plog) -> None:
    kit = await plog.run()
    gap = await send(plog, kit, numbered(note(a=2), first=2))
    assert (gap[0]["state"], gap[0]["code"], gap[0]["consumed"]) == ("REFUSED", "SEQUENCE_GAP", False)
    assert "send 1 first" in gap[0]["message"]
    both = await send(plog, kit, [*numbered(note(a=1)), *numbered(note(a=3), first=3)])
    assert [result["state"] for result in both] == ["RECORDED", "REFUSED"]
    rest = await send(plog, kit, numbered(note(a=2), note(a=3), first=2))
    assert [result["state"] for result in rest] == ["RECORDED", "RECORDED"]
    for sequence in (0, -1):
        (result,) = await send(plog, kit, numbered(note(), first=sequence))
        assert (result["code"], result["consumed"]) == ("VALIDATION_FAILED", False)


async def test_progress_is_recorded_once_a_second_and_nothing_else_is_dropped(plog: Plog) -> None:
    kit = await plog.run()
    points = [{"kind": "POINT", "task": "fetch", "metadata": {"n": n}} for n in range(50)]
    mixed = [each for point, n in zip(points, range(50), strict=True) for each in (point, progress(n / 50))]
    results = await send(plog, kit, numbered(status("fetch", "RUNNING"), *mixed))
    assert [result["state"] for result in results[1::2]] == ["RECORDED"] * 50
    assert [result["state"] for result in results[2::2]] == ["RECORDED"] + ["COALESCED"] * 49


@BOTH_DATABASES
async def test_reports_of_an_attempt_that_is_over_are_refused(plog: Plog) -> None:
    kit = await plog.run()
    job = kit["jobs"][0]
    assert (await send(plog, kit, numbered(note(a=1))))[0]["state"] == "RECORDED"
    await plog.change(kit, fail)
    late = await send(plog, kit, numbered(note(a=2), first=2))
    assert (late[0]["state"], late[0]["code"], late[0]["consumed"]) == ("REFUSED", "ATTEMPT_SUPERSEDED", False)
    assert (await plog.answer(job_command("jobRetry"), id=job["id"]))["__typename"] == "JobCommandPayload"
    version = (await read(plog, kit))["version"]
    assert (await send(plog, kit, numbered(note(a=2), first=2)))[0]["code"] == "ATTEMPT_SUPERSEDED"
    assert (await read(plog, kit))["version"] == version
    await plog.change(kit, lambda change: commands.begin_attempt(change, UUID(job["uuid"]), 2, "runner"))
    assert (await send(plog, kit, numbered(note(a=1)), attempt=2))[0]["state"] == "RECORDED"


def fail(change: Change) -> None:
    ending = Ending(exit_code=3, reports=1, cause=Cause.EXIT_CODE, message="no space left")
    commands.settle_attempt(change, change.kit.jobs[0].id, 1, ending)


async def test_what_a_report_may_not_say(plog: Plog) -> None:
    """Each is refused by itself, uses up its number and changes nothing; the next is taken."""
    kit = await plog.run()
    version = (await read(plog, kit))["version"]
    file = {"name": "a", "mediaType": "text/plain", "sha256": "x", "size": 1}
    wrong = {
        "task": [status("nope", "RUNNING"), {"kind": "POINT", "metadata": {}}, {"kind": "STATUS", "status": "RUNNING"}],
        "status": [status("fetch", "CANCELLED"), {"kind": "STATUS", "task": "fetch"}],
        "progress": [progress(1.5), progress(-0.1)],
        "kind": [{"kind": "CREATED"}, {"kind": "CANCEL_REQUESTED"}],
        "artifact": [{"kind": "ARTIFACT"}, {**note(), "artifact": file}],
        "artifact.sha256": [{"kind": "ARTIFACT", "artifact": file}],
        "metadata": [note(text="x" * 70_000)],
        "FURTHER": [progress(0.5)],
    }
    reports = [each for some in wrong.values() for each in some]
    results = await send(plog, kit, numbered(*reports))
    for report, result, field in zip(reports, results, [name for name, some in wrong.items() for _ in some], strict=True):
        expected = "ILLEGAL_TRANSITION" if field == "FURTHER" else "VALIDATION_FAILED"
        assert (result["state"], result["code"], result["consumed"]) == ("REFUSED", expected, True), report
        assert field == "FURTHER" or f"{field}: " in result["message"], result
    assert (await read(plog, kit))["version"] == version
    assert (await send(plog, kit, numbered(note(), first=len(reports) + 1)))[0]["state"] == "RECORDED"


@pytest.mark.parametrize(("count", "is_taken"), [(0, False), (1000, True), (1001, False)])
async def test_a_call_brings_up_to_a_thousand(plog: Plog, count: int, is_taken: bool) -> None:
    kit = await plog.run()
    answer = await plog.answer(REPORT, plog.worker(kit), reports=numbered(*(note(n=n) for n in range(count))))
    if is_taken:
        assert [result["state"] for result in answer["results"]] == ["RECORDED"] * count
    else:
        assert answer["__typename"] == "ValidationFailed" and [each["field"] for each in answer["problems"]] == ["reports"]


async def test_nobody_else_reports(plog: Plog) -> None:
    kit = await plog.run()
    person = await plog.answer(REPORT, reports=numbered(note()))
    assert person["__typename"] == "PermissionDenied" and "the attempt's own token" in person["message"]
    foreign = await plog.answer(REPORT, plog.worker(kit), reports=numbered(note(), {**note(), "attempt": 2}))
    assert foreign["__typename"] == "PermissionDenied"
    other = {**kit, "number": kit["number"] + 1}  # a token for this job in a kit that is not its own is no token that PLOG made
    refused = (await plog.answer(REPORT, plog.worker(other), reports=numbered(note())))["results"][0]
    assert (refused["code"], refused["consumed"]) == ("NOT_FOUND", False)


@BOTH_DATABASES
async def test_many_workers_at_once_lose_and_double_nothing(plog: Plog) -> None:
    """Ten kits, each with its worker, beside ten people who cancel and read."""
    kits = [await plog.run(f"kit {number}") for number in range(10)]

    async def work(kit: dict[str, Any]) -> None:
        for first in range(1, 100, 10):
            results = await send(plog, kit, numbered(*(note(n=n) for n in range(first, first + 10)), first=first))
            assert [result["state"] for result in results] == ["RECORDED"] * 10, results

    async def cancel(kit: dict[str, Any]) -> None:
        assert (await plog.command("kitCancel", kit))["__typename"] == "KitCommandPayload"

    await asyncio.gather(*map(work, kits), *map(cancel, kits), *(read(plog, kit) for kit in kits))
    for kit in kits:
        now = await read(plog, kit)
        history = await events(plog, kit, 0) + await events(plog, kit, 100)
        assert [event["version"] for event in history] == list(range(1, now["version"] + 1))
        assert [event["sequence"] for event in history if event["sequence"]] == list(range(1, 101))
        assert now["jobs"][0]["cancelRequested"] and now["jobs"][0]["metadata"] == {"n": 100}

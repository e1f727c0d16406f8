"""Taking in reports on both databases: each is judged once, whoever sends it again, to whichever server."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from adapters.bus.memory import MemoryBus
from domain import commands
from domain.actor import Worker
from domain.artifact import blob_location
from domain.attempt import AttemptKey, Ending
from domain.change import Change
from domain.event import EventKind
from domain.live import Gap, Notice, Topic
from domain.projection import fold
from domain.report import Report, ReportedArtifact, ReportResult, ReportState
from domain.status import Status
from domain.visibility import EVERYTHING
from persistence.unit_of_work import Database
from resolvers.change import change_kit
from resolvers.report_intake import ReportIntake
from tests.contract.intake_bench import FOREVER, MIXED, Bench, begin, mixed, new_bench, shown
from tests.factories import change, store_kit
from tests.fakes import FailingDatabase, FakeArtifacts, fake_services

CHECKSUM = "ab" * 32


@pytest.fixture
async def bench(database: Database) -> Bench:
    return await new_bench(database)


async def test_reports_become_state_and_history(bench: Bench) -> None:
    reports = [
        bench.report(1, EventKind.STATUS, task="parse", status=Status.RUNNING, metadata={"files": 3}),
        bench.report(2, EventKind.POINT, task="parse", metadata={"x": 0.1, "text": "한글 𝛼"}, progress=0.25),
        bench.report(3, EventKind.TRIAL, task="parse", metadata={"loss": 1e22}),
        bench.report(4, EventKind.PROGRESS, task="parse", progress=1 / 3, reported_at=datetime(2026, 1, 1, tzinfo=UTC)),
        bench.report(5, metadata={"rows": 12}),
    ]
    results = await bench.server().submit(bench.worker, reports)
    first = bench.kit.version + 1
    assert results == [
        ReportResult(sequence=n, state=ReportState.RECORDED, version=first + n - 1) for n in range(1, 6)
    ]  # fmt: skip
    kit = await bench.state()
    task = kit.jobs[0].tasks[1]
    assert (task.status, task.metadata, task.progress) == (Status.RUNNING, {"files": 3}, 0.333333)
    assert kit.jobs[0].metadata == {"rows": 12} and kit.jobs[0].last_sequence == 5
    events = (await bench.history())[-5:]
    assert [event.metadata for event in events] == [report.metadata for report in reports]
    assert [event.reported_at for event in events] == [report.reported_at for report in reports]
    assert {event.actor for event in events} == {"worker"} and await bench.sequences() == [1, 2, 3, 4, 5]
    await bench.check()


@pytest.mark.parametrize("where", ["the same server", "another server", "a restarted server"])
async def test_a_repeat_gets_the_first_result(bench: Bench, where: str) -> None:
    server, other = bench.server(), bench.server()
    first = await server.submit(bench.worker, mixed(bench))
    assert shown(first) == MIXED
    state = await bench.state()
    again = {"the same server": server, "another server": other, "a restarted server": bench.server()}[where]
    assert await again.submit(bench.worker, mixed(bench)) == first
    assert await again.submit(bench.worker, mixed(bench)[1:4]) == first[1:4]
    assert await again.submit(bench.worker, [*mixed(bench)[3:], bench.report(7)]) == [
        *first[3:],
        ReportResult(sequence=7, state=ReportState.RECORDED, version=state.version + 1),
    ]
    assert await bench.sequences() == [1, 3, 6, 7]
    await bench.check()


async def test_a_repeat_within_one_call_gets_the_first_result(bench: Bench) -> None:
    reports = [bench.report(1), bench.report(1), bench.report(2, task="none"), bench.report(2, task="none"), bench.report(3)]
    results = await bench.server().submit(bench.worker, reports)
    assert results[0] == results[1] and results[2] == results[3]
    assert shown(results) == ["RECORDED", "RECORDED", "VALIDATION_FAILED", "VALIDATION_FAILED", "RECORDED"]
    assert await bench.sequences() == [1, 3]


async def test_repeats_that_meet_in_one_batch_are_judged_once(bench: Bench) -> None:
    server = bench.server()
    answers = await asyncio.gather(*(server.submit(bench.worker, mixed(bench)) for _ in range(5)))
    assert all(answer == answers[0] for answer in answers) and shown(answers[0]) == MIXED
    assert await bench.sequences() == [1, 3, 6]


async def test_a_gap_uses_up_nothing(bench: Bench) -> None:
    server = bench.server()
    results = await server.submit(bench.worker, [bench.report(1), bench.report(3), bench.report(2), bench.report(4)])
    assert shown(results) == ["RECORDED", "SEQUENCE_GAP", "RECORDED", "SEQUENCE_GAP"]
    assert [result.consumed for result in results] == [True, False, True, False]
    assert shown(await server.submit(bench.worker, [bench.report(3), bench.report(4)])) == ["RECORDED", "RECORDED"]
    assert await bench.sequences() == [1, 2, 3, 4]


async def test_two_servers_with_stale_memories_take_turns(bench: Bench) -> None:
    servers = [bench.server(), bench.server()]
    for number in range(1, 21):
        progress: dict[str, Any] = {"task": "fetch", "progress": number / 20, "kind": EventKind.PROGRESS}
        values = progress if number % 3 == 0 else {}
        (result,) = await servers[number % 2].submit(bench.worker, [bench.report(number, **values)])
        assert result.consumed and result.state is not ReportState.REFUSED, result
    assert (await bench.state()).jobs[0].last_sequence == 20
    await bench.check()


async def test_a_server_that_fell_behind_by_coalesced_reports_takes_no_number_back(bench: Bench) -> None:
    """They make no event, so the kit's version does not tell the other server of them."""
    ahead, behind = bench.server(), bench.server()
    await behind.submit(bench.worker, [bench.report(1, EventKind.PROGRESS, task="fetch", progress=0.1)])
    await ahead.submit(bench.worker, [bench.report(n, EventKind.PROGRESS, task="fetch", progress=0.2) for n in (2, 3, 4)])
    await behind.submit(bench.worker, [bench.report(2, EventKind.PROGRESS, task="fetch", progress=0.2)])
    assert (await bench.state()).jobs[0].last_sequence == 4
    assert shown(await ahead.submit(bench.worker, [bench.report(5)])) == ["RECORDED"]
    await bench.check()


async def test_a_command_decided_before_a_coalesced_report_takes_no_number_back(bench: Bench) -> None:
    server = bench.server()
    await server.submit(bench.worker, [bench.report(1, EventKind.PROGRESS, task="fetch", progress=0.1)])
    cancel = Change.of(await bench.state(), "ada")
    commands.cancel_job(cancel, bench.worker.attempt.job_id)
    assert shown(await server.submit(bench.worker, [bench.report(2, task="none")])) == ["VALIDATION_FAILED"]
    async with bench.database.transaction() as work:
        assert await work.kits.append([cancel])
    job = (await bench.state()).jobs[0]
    assert job.cancel_requested and job.last_sequence == 2
    assert shown(await server.submit(bench.worker, [bench.report(2, task="none"), bench.report(3)])) == [
        "VALIDATION_FAILED",
        "RECORDED",
    ]


async def test_a_new_attempt_begins_to_count_at_one(bench: Bench) -> None:
    server = bench.server()
    await server.submit(bench.worker, bench.notes(1, 5))
    kit = await bench.state()
    key = bench.worker.attempt
    kit = await change(
        bench.database,
        kit,
        lambda c: commands.settle_attempt(c, *key, Ending(exit_code=1, reports=5)),
        lambda c: commands.retry_job(c, key.job_id),
    )
    assert shown(await server.submit(bench.worker, bench.notes(5, 6))) == ["ATTEMPT_SUPERSEDED"] * 2
    newer = replace(bench.worker, attempt=AttemptKey(key.job_id, 2))
    results = await server.submit(newer, [replace(bench.report(1), attempt=newer.attempt)])
    assert shown(results) == ["RECORDED"] and kit.jobs[0].last_sequence == 0
    await bench.check()


async def test_reports_of_a_kit_that_does_not_exist(bench: Bench) -> None:
    stranger = Worker(attempt=AttemptKey(uuid4(), 1), kit_id=999_999, expires_at=FOREVER)
    server = bench.server()
    (lost,), (kept,) = await asyncio.gather(
        server.submit(stranger, [replace(bench.report(1), attempt=stranger.attempt)]),
        server.submit(bench.worker, [bench.report(1)]),
    )
    assert (lost.code, lost.consumed, kept.state) == ("NOT_FOUND", False, ReportState.RECORDED)


async def test_ten_servers_and_ten_people_on_one_kit(bench: Bench) -> None:
    """Nobody loses or doubles a version, and everybody gets through."""
    services = fake_services(bench.database, bus=bench.bus)
    servers = [bench.server() for _ in range(10)]

    def note(number: int) -> Callable[[Change], None]:
        return lambda made: made.emit_for_job(made.kit.jobs[1], EventKind.NOTE, metadata={f"p{number}": number})

    async def work() -> None:
        for number in range(1, 41):
            (result,) = await servers[number % 10].submit(bench.worker, bench.notes(number, number))
            assert result.state is ReportState.RECORDED

    people = [change_kit(services, f"person {number}", bench.kit.id, note(number)) for number in range(10)]
    async with asyncio.timeout(60):
        await asyncio.gather(work(), *people)
    kit = await bench.state()
    assert kit.version == bench.kit.version + 50
    assert kit.jobs[0].metadata == {f"n{number}": number for number in range(1, 41)}
    assert kit.jobs[1].metadata == {f"p{number}": number for number in range(10)}
    await bench.check()


async def test_ten_kits_at_once_share_batches(database: Database) -> None:
    kits = [await begin(database, await store_kit(database)) for _ in range(10)]
    counted = FailingDatabase(database)
    server = ReportIntake(counted, MemoryBus(), FakeArtifacts())

    async def write(worker: Worker) -> None:
        for number in range(1, 21):
            report = Report(attempt=worker.attempt, sequence=number, kind=EventKind.NOTE, metadata={f"n{number}": number})
            assert shown(await server.submit(worker, [report])) == ["RECORDED"]

    await asyncio.gather(*(write(worker) for _, worker in kits))
    assert counted.transactions < 100, "200 calls of ten writers were stored one by one"
    async with database.snapshot() as work:
        found = await work.kits.get_many([kit.id for kit, _ in kits], EVERYTHING)
        for kit, _ in kits:
            identity = await work.kits.identity(kit.id)
            assert identity is not None
            assert fold(await work.events.history(kit.id), identity=identity) == found[kit.id]
            assert found[kit.id].version == kit.version + 20


def artifact(name: str = "data.csv", sha256: str = CHECKSUM, size: int = 3, inputs: tuple[str, ...] = ()) -> ReportedArtifact:
    return ReportedArtifact(name=name, media_type="text/csv", sha256=sha256, size=size, inputs=inputs)


def upload(bench: Bench, sha256: str = CHECKSUM, size: int = 3) -> None:
    bench.artifacts.sizes[blob_location(bench.worker.attempt, sha256)] = size


async def test_an_artifact_is_reported_after_its_upload(bench: Bench) -> None:
    server = bench.server()
    reports = [bench.report(1), bench.report(2, EventKind.ARTIFACT, artifact=artifact()), bench.report(3)]
    early = await server.submit(bench.worker, reports)
    assert shown(early) == ["RECORDED", "NOT_UPLOADED", "NOT_UPLOADED"]
    assert [each.consumed for each in early] == [True, False, False]
    upload(bench, size=2)
    assert shown(await server.submit(bench.worker, reports[1:])) == ["NOT_UPLOADED"] * 2
    upload(bench)
    assert shown(await server.submit(bench.worker, reports)) == ["RECORDED"] * 3
    async with bench.database.snapshot() as work:
        (found,) = await work.artifacts.of_jobs([bench.worker.attempt.job_id])
    assert (found.name, found.sha256, found.size, found.attempt) == ("data.csv", CHECKSUM, 3, bench.worker.attempt)
    assert await bench.sequences() == [1, 2, 3]


@pytest.mark.parametrize("sha256", ["", "x", "../../etc/passwd", "AB" * 32, "\x00", "\ud800", "/"])
async def test_an_artifact_whose_checksum_is_none_is_refused_at_once(bench: Bench, sha256: str) -> None:
    """Nothing could ever be uploaded under it: to wait for that would stop the worker for good."""
    reports = [bench.report(1, EventKind.ARTIFACT, artifact=artifact(sha256=sha256)), bench.report(2)]
    results = await bench.server().submit(bench.worker, reports)
    assert shown(results) == ["VALIDATION_FAILED", "RECORDED"] and results[0].consumed


async def test_a_note_that_brings_an_artifact_along_leaves_none(bench: Bench) -> None:
    results = await bench.server().submit(bench.worker, [bench.report(1, artifact=artifact())])
    assert shown(results) == ["VALIDATION_FAILED"]
    async with bench.database.snapshot() as work:
        assert await work.artifacts.of_jobs([bench.worker.attempt.job_id]) == []


async def test_artifacts_know_what_they_were_made_from(bench: Bench) -> None:
    upload(bench)
    upload(bench, "cd" * 32)
    reports = [
        bench.report(1, EventKind.ARTIFACT, artifact=artifact("raw.csv")),
        bench.report(2, EventKind.ARTIFACT, artifact=artifact("clean.csv", "cd" * 32, inputs=("raw.csv", "unknown"))),
    ]
    await bench.server().submit(bench.worker, reports)
    async with bench.database.snapshot() as work:
        clean, raw = await work.artifacts.of_jobs([bench.worker.attempt.job_id])
    assert (raw.inputs, clean.inputs) == ((), (raw.id,))


async def test_a_repeated_artifact_report_does_not_bring_an_old_version_back(bench: Bench) -> None:
    upload(bench)
    upload(bench, "cd" * 32)
    server = bench.server()
    old = bench.report(1, EventKind.ARTIFACT, artifact=artifact())
    await server.submit(bench.worker, [old, bench.report(2, EventKind.ARTIFACT, artifact=artifact(sha256="cd" * 32))])
    assert shown(await server.submit(bench.worker, [old, bench.report(3)])) == ["RECORDED", "RECORDED"]
    async with bench.database.snapshot() as work:
        (found,) = await work.artifacts.of_jobs([bench.worker.attempt.job_id])
    assert found.sha256 == "cd" * 32


async def test_others_are_told_of_events_and_of_nothing_else(bench: Bench) -> None:
    server = bench.server()
    async with bench.bus.subscribe(Topic.KIT, str(bench.kit.id)) as notices:
        await server.submit(bench.worker, [bench.report(1, task="none")])
        await server.submit(bench.worker, bench.notes(2, 3))
        async with asyncio.timeout(5):
            notice: Notice | Gap = await anext(notices)
    assert notice == Notice(Topic.KIT, str(bench.kit.id), bench.kit.version + 2)


async def test_progress_is_limited_by_the_databases_clock_across_servers(bench: Bench) -> None:
    async def send(server: ReportIntake, number: int) -> ReportState:
        report = bench.report(number, EventKind.PROGRESS, task="fetch", progress=number / 100)
        return (await server.submit(bench.worker, [report]))[0].state

    servers = [bench.server(), bench.server()]
    states = [await send(servers[number % 2], number) for number in range(1, 11)]
    times = [event.recorded_at for event in await bench.history() if event.kind is EventKind.PROGRESS]
    assert states[0] is ReportState.RECORDED and ReportState.COALESCED in states
    assert all(later - earlier >= timedelta(seconds=0.99) for earlier, later in pairwise(times))

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
from domain.attempt import AttemptKey, Ending
from domain.change import Change
from domain.event import EventKind
from domain.live import Gap, Notice, Topic
from domain.report import Report, ReportResult, ReportState
from domain.status import Status
from domain.visibility import EVERYTHING
from persistence.unit_of_work import Database
from resolvers.change import change_kit
from resolvers.report_intake import ReportIntake
from tests.contract.intake_bench import FOREVER, Bench, begin, new_bench, shown
from tests.factories import change, store_kit
from tests.fakes import FailingDatabase, FakeArtifacts, fake_services
from tests.history import fold, history_of

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
            assert fold(await history_of(work, kit.id), identity=identity) == found[kit.id]
            assert found[kit.id].version == kit.version + 20


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

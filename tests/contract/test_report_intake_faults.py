"""Reports under bad input and bad luck: poison, a database that goes away, a caller that gives up. Nothing is lost or doubled."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.change import Change
from domain.errors import IdempotencyKeyReused, Unavailable
from domain.event import EventKind
from domain.report import Report
from persistence.repositories.kit import KitRepository
from persistence.unit_of_work import Database
from resolvers.task import report_tasks
from tests.contract.intake_bench import MIXED, Bench, begin, mixed, new_bench, shown
from tests.factories import store_kit
from tests.fakes import FailingDatabase, fake_services
from tests.services import PostgresServer
from tests.waiting import eventually


@pytest.fixture
async def bench(database: Database) -> Bench:
    return await new_bench(database)


POISON: list[tuple[str, dict[str, Any], str]] = [
    ("NUL", {"metadata": {"a": "\x00"}}, "metadata"),
    ("NUL in a key", {"metadata": {"\x00": 1}}, "metadata"),
    ("lone surrogate", {"metadata": {"a": ["\ud800"]}}, "metadata"),
    ("NaN", {"metadata": {"a": float("nan")}}, "metadata"),
    ("65 bits", {"metadata": {"a": 2**64}}, "metadata"),
    ("10 MB", {"metadata": {"a": "x" * 10_000_000}}, "metadata"),
    ("no task", {"task": "\ud800\x00"}, "task"),
    ("a time without offset", {"reported_at": datetime(2026, 1, 1)}, "reportedAt"),
    ("a time before time", {"reported_at": datetime.min.replace(tzinfo=UTC)}, "reportedAt"),
]


@pytest.mark.parametrize(("values", "field"), [each[1:] for each in POISON], ids=[each[0] for each in POISON])
async def test_a_poisoned_report_is_refused_by_field_and_hurts_no_other(bench: Bench, values: dict[str, Any], field: str) -> None:
    other_kit, other = await begin(bench.database, await store_kit(bench.database))
    server = bench.server()
    reports = [bench.report(1), bench.report(2, **values), bench.report(3)]
    results, others = await asyncio.gather(
        server.submit(bench.worker, reports),
        server.submit(other, [Report(attempt=other.attempt, sequence=1, kind=EventKind.NOTE)]),
    )
    assert shown(results) == ["RECORDED", "VALIDATION_FAILED", "RECORDED"] and results[1].consumed
    assert results[1].message is not None and results[1].message.startswith(field)
    assert shown(others) == ["RECORDED"] and others[0].version == other_kit.version + 1
    assert await bench.server().submit(bench.worker, reports) == results


async def test_what_is_stored_reads_back_and_can_be_stored_again(bench: Bench) -> None:
    """A number that PostgreSQL gives back in digits (1e22), deep nesting, an escape that only looks like NUL."""
    deep: Any = 1
    for _ in range(95):
        deep = [deep]
    hostile = {"big": 1e22, "huge": 1e308, "small": 5e-324, "int": 2**63 - 1, "deep": deep, "text": "\\u0000", "𝛼": "\U0010ffff"}
    await bench.server().submit(bench.worker, [bench.report(1, metadata=hostile)])
    assert (await bench.state()).jobs[0].metadata == hostile
    assert shown(await bench.server().submit(bench.worker, [bench.report(2, metadata={"more": 1})])) == ["RECORDED"]
    assert (await bench.state()).jobs[0].metadata == {**hostile, "more": 1}
    await bench.check()


async def test_reports_that_the_database_chokes_on_take_no_others_with_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_kit, other = await begin(bench.database, await store_kit(bench.database))
    append = KitRepository.append

    async def choking(self: KitRepository, changes: Sequence[Change]) -> dict[int, datetime]:
        if any(each.kit.id == bench.kit.id for each in changes):
            raise ZeroDivisionError("a fault")
        return await append(self, changes)

    monkeypatch.setattr(KitRepository, "append", choking)
    server = bench.server()
    bad, good = await asyncio.gather(
        server.submit(bench.worker, [bench.report(1)]),
        server.submit(other, [Report(attempt=other.attempt, sequence=1, kind=EventKind.NOTE)]),
        return_exceptions=True,
    )
    assert isinstance(bad, ZeroDivisionError) and isinstance(good, list) and shown(good) == ["RECORDED"]
    monkeypatch.undo()
    assert shown(await server.submit(bench.worker, [bench.report(1)])) == ["RECORDED"]
    assert other_kit.id != bench.kit.id


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
async def test_a_database_that_goes_away_loses_and_doubles_nothing(bench: Bench, when: str) -> None:
    failing = FailingDatabase(bench.database)
    server = bench.server(failing)
    await server.submit(bench.worker, [bench.report(1, metadata={"first": 1})])
    setattr(failing, when, 1)
    reports = [replace(report, sequence=report.sequence + 1) for report in mixed(bench)]
    with pytest.raises(Unavailable):
        await server.submit(bench.worker, reports)
    results = await server.submit(bench.worker, reports)
    assert shown(results) == MIXED
    assert await bench.sequences() == [1, 2, 4, 7]
    assert await bench.server().submit(bench.worker, reports) == results
    await bench.check()


async def test_an_outage_reaches_every_caller_of_the_batch_and_the_next_is_fine(bench: Bench) -> None:
    failing = FailingDatabase(bench.database)
    failing.before_commit = 1
    server = bench.server(failing)
    answers = await asyncio.gather(
        *(server.submit(bench.worker, bench.notes(1, 3)) for _ in range(3)), return_exceptions=True
    )  # fmt: skip
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert shown(await server.submit(bench.worker, bench.notes(1, 3))) == ["RECORDED"] * 3


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_postgresql_is_killed_while_reports_come_in(bench: Bench, postgres_server: PostgresServer) -> None:
    server, sent, outages = bench.server(), 0, 0
    is_back = asyncio.Event()

    async def work() -> None:
        nonlocal sent, outages
        while not is_back.is_set() or sent % 30:
            try:
                results = await server.submit(bench.worker, bench.notes(sent + 1, sent + 3))
            except Unavailable:
                outages += 1
                await asyncio.sleep(0.05)  # the worker's own backoff
                continue
            assert shown(results) == ["RECORDED"] * 3
            sent += 3

    async def kill() -> None:
        await eventually(lambda: sent > 15)
        await asyncio.to_thread(postgres_server.kill)
        await eventually(lambda: outages > 0)
        postgres_server.start()
        is_back.set()

    async with asyncio.timeout(60):
        await asyncio.gather(work(), kill())
    assert await bench.sequences() == list(range(1, sent + 1))
    await bench.check()


async def test_a_caller_that_gave_up_has_its_reports_stored_all_the_same(bench: Bench) -> None:
    server = bench.server()
    call = asyncio.create_task(server.submit(bench.worker, bench.notes(1, 3)))
    await asyncio.sleep(0)  # the call has handed its reports over when it first waits
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await server.close()
    assert await bench.sequences() == [1, 2, 3]


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
async def test_a_key_is_taken_together_with_the_reports_that_came_with_it(bench: Bench, when: str) -> None:
    failing = FailingDatabase(bench.database)
    services = fake_services(failing, reports=bench.server(failing))
    setattr(failing, when, 1)
    with pytest.raises(Unavailable):
        await report_tasks(services, bench.worker, bench.notes(1, 2), "key")
    others = [bench.report(1, metadata={"other": 1})]
    if when == "before_commit":
        assert shown(await report_tasks(services, bench.worker, others, "key")) == ["RECORDED"]
        assert await bench.sequences() == [1]
    else:
        with pytest.raises(IdempotencyKeyReused):
            await report_tasks(services, bench.worker, others, "key")
        assert shown(await report_tasks(services, bench.worker, bench.notes(1, 2), "key")) == ["RECORDED"] * 2
        assert await bench.sequences() == [1, 2]


async def test_a_key_that_came_with_other_reports_hurts_no_other_call(bench: Bench) -> None:
    """Calls of one kit stay in their order, also beside calls with keys."""
    services = fake_services(bench.database, reports=bench.server())
    await report_tasks(services, bench.worker, bench.notes(1, 1), "key")
    one, refused, other, last = await asyncio.gather(
        report_tasks(services, bench.worker, bench.notes(2, 2)),
        report_tasks(services, bench.worker, bench.notes(3, 3), "key"),
        report_tasks(services, bench.worker, bench.notes(3, 3), "another key"),
        report_tasks(services, bench.worker, bench.notes(4, 4)),
        return_exceptions=True,
    )
    assert isinstance(refused, IdempotencyKeyReused)
    assert [shown(each) for each in (one, other, last) if not isinstance(each, BaseException)] == [["RECORDED"]] * 3
    assert await bench.sequences() == [1, 2, 3, 4]


async def test_a_call_with_a_key_that_was_overtaken_is_judged_again(bench: Bench) -> None:
    services = fake_services(bench.database, reports=bench.server())
    await report_tasks(services, bench.worker, bench.notes(1, 1), "first")
    await bench.server().submit(bench.worker, bench.notes(2, 2))
    assert shown(await report_tasks(services, bench.worker, bench.notes(3, 3), "second")) == ["RECORDED"]
    assert await bench.sequences() == [1, 2, 3]

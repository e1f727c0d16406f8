"""Reports that come again: each gets its first answer, from whichever server, at the cost of what lies between."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from domain import commands
from domain.change import Change
from domain.event import EventKind
from domain.report import ReportResult, ReportState
from persistence.unit_of_work import Database
from tests.contract.intake_bench import MIXED, Bench, mixed, new_bench, shown
from tests.statements import instructions, statements

HISTORY = 20_000
LONG_HISTORY = """
INSERT INTO kit_event (kit_id, version, recorded_at, sequence, actor, kind, job_type, attempt, event_order, job_id)
SELECT e.kit_id, e.version + n.i, e.recorded_at, n.i, e.actor, 10, e.job_type, e.attempt, 1, e.job_id
FROM kit_event e, (WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {count}) SELECT i FROM s) n
WHERE e.kit_id = {kit} AND e.version = {version}
"""


@pytest.fixture
async def bench(database: Database) -> Bench:
    return await new_bench(database)


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
        assert await work.kits.append([cancel]) == {}, "what it was decided on has moved on"
    assert (await bench.state()).jobs[0].last_sequence == 2
    assert shown(await server.submit(bench.worker, [bench.report(2, task="none"), bench.report(3)])) == [
        "VALIDATION_FAILED",
        "RECORDED",
    ]


async def test_what_one_server_merged_another_with_a_stale_memory_does_not_record(bench: Bench) -> None:
    def progress(number: int) -> list[Any]:
        return [bench.report(number, EventKind.PROGRESS, task="fetch", progress=number / 10)]

    merging, stale = bench.server(), bench.server()
    await merging.submit(bench.worker, progress(1))
    await stale.submit(bench.worker, progress(1))
    first = await merging.submit(bench.worker, progress(2))
    await merging.close()
    assert shown(first) == ["COALESCED"]
    await asyncio.sleep(1.05)  # by now it would be recorded, were it new
    assert await stale.submit(bench.worker, progress(2)) == first


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_repeats_do_not_cost_the_kits_whole_history(bench: Bench) -> None:
    """The statement is the same on PostgreSQL, which does not count its work so."""
    kit = bench.kit
    async with bench.database.transaction() as work:
        values = {"count": HISTORY, "kit": kit.id, "version": kit.version}
        await work.connection.execute(text(LONG_HISTORY.format(**values)))
        for statement in (
            "UPDATE kit_state SET version = version + {count} WHERE kit_id = {kit}",
            "UPDATE job_state SET last_sequence = {count} WHERE kit_id = {kit} AND type = 1",
        ):
            await work.connection.execute(text(statement.format(**values)))
    server = bench.server()
    await server.submit(bench.worker, bench.notes(HISTORY + 1, HISTORY + 1))

    async def cost(first: int) -> int:
        """Of the 200 reports from `first` on, when they are repeated."""
        with instructions() as counted:
            results = await server.submit(bench.worker, [bench.report(first + place) for place in range(200)])
        assert [result.version for result in results] == [kit.version + first + place for place in range(200)]
        return counted[0]

    await cost(1)  # what a connection prepares once is not counted
    with statements() as seen:
        latest, earliest = await cost(HISTORY - 198), await cost(1)
    assert len(seen) == 4, "numbers and versions are read, and what was refused"
    assert latest < earliest / 5, "the walk back does not end at the lowest number wanted"

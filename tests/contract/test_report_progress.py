"""Progress that comes too soon is merged: recorded when its second is over, with the task's next event, or with its end."""

import pytest

from domain import commands
from domain.attempt import Ending
from domain.event import EventKind
from domain.report import Report
from persistence.unit_of_work import Database
from tests.contract.intake_bench import Bench, new_bench, shown
from tests.factories import change
from tests.waiting import eventually


@pytest.fixture
async def bench(database: Database) -> Bench:
    return await new_bench(database)


def burst(bench: Bench) -> list[Report]:
    return [
        bench.report(number, EventKind.PROGRESS, task="fetch", progress=progress)
        for number, progress in enumerate((0.1, 0.5, 0.9), start=1)
    ]


async def progress(bench: Bench) -> float:
    return (await bench.state()).jobs[0].tasks[0].progress


async def test_the_last_of_a_burst_is_recorded_though_nothing_follows(bench: Bench) -> None:
    server = bench.server()
    assert shown(await server.submit(bench.worker, burst(bench))) == ["RECORDED", "COALESCED", "COALESCED"]
    assert await progress(bench) == 0.1

    async def is_recorded() -> bool:
        return await progress(bench) == 0.9

    await eventually(is_recorded, deadline=10)
    one, other = [event for event in await bench.history() if event.kind is EventKind.PROGRESS]
    assert (one.sequence, other.sequence) == (1, None), "numbers belong to reports that are events themselves"
    assert (other.recorded_at - one.recorded_at).total_seconds() >= 0.99
    assert shown(await bench.server().submit(bench.worker, burst(bench))) == ["RECORDED", "COALESCED", "COALESCED"]
    await bench.check()


async def test_another_server_takes_it_along_with_the_tasks_next_event(bench: Bench) -> None:
    server = bench.server()
    await server.submit(bench.worker, burst(bench))
    await server.close()
    await bench.check()
    await bench.server().submit(bench.worker, [bench.report(4), bench.report(5, task="fetch", metadata={"n": 1})])
    last = (await bench.history())[-1]
    assert (last.kind, last.progress, await progress(bench)) == (EventKind.NOTE, 0.9, 0.9)
    await bench.check()


async def test_an_attempt_that_fails_takes_it_along(bench: Bench) -> None:
    server = bench.server()
    await server.submit(bench.worker, burst(bench))
    await server.close()
    key = bench.worker.attempt
    ending = Ending(exit_code=1, reports=3)
    kit = await change(bench.database, await bench.state(), lambda c: commands.settle_attempt(c, *key, ending))
    assert kit.jobs[0].tasks[0].progress == 0.9
    await bench.check()

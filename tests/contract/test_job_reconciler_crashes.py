"""A reconciler that dies, or loses its database, at any step: the next one finds what it left and starts nothing twice."""

import asyncio
from functools import partial

import pytest

from domain import commands
from domain.attempt import AttemptKey, Ending
from domain.errors import Unavailable
from domain.kit import Kit
from domain.status import Status
from persistence.rebuild import rebuild
from persistence.unit_of_work import Database
from tests.contract.reconciler_house import House, finish_all
from tests.factories import change, store_kit
from tests.fakes import Crash, Fuse
from tests.waiting import eventually


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


async def live(house: House, kit: Kit) -> None:
    """Rounds until the kit's first job has succeeded and nothing is left of it; its program ends as soon as it is seen to run."""
    for _ in range(20):
        await house.rounds()
        job = (await house.kit(kit.id)).jobs[0]
        attempt = house.runner.attempts.get(job.attempt.key)
        if job.status is Status.RUNNING and attempt is not None and attempt.ending is None:
            await house.report(job.attempt.key, kit.id, 2)
            house.runner.finish(job.attempt.key, reports=2)
        if job.is_ended and not house.runner.attempts:
            return
    raise AssertionError(f"the job did not end: {await house.kit(kit.id)}")


async def test_death_at_every_step(database: Database) -> None:
    """One life for each step that could be the last of a process; the next process finds what it left and goes on."""
    deaths: list[str] = []
    for steps in range(200):
        house, fuse = House(database), Fuse(steps)
        kit = await store_kit(database)
        kit = await change(database, kit, partial(commands.start_job, job_id=kit.jobs[0].id))
        house.runner.fuse = house.database.fuse = fuse
        try:
            await live(house, kit)
        except Crash as crash:
            deaths.append(str(crash))
            house.restart()
            await live(house, kit)
        job = (await house.kit(kit.id)).jobs[0]
        assert job.status is Status.SUCCEEDED and job.last_sequence == 2, f"died at step {steps}: {fuse.names}"
        assert house.runner.launches == [AttemptKey(job.id, 1)], f"died at step {steps}: {fuse.names}"
        assert not house.runner.attempts and not await house.claims()
        if fuse.steps is not None:
            break
    assert len(deaths) > 15 and {"launch", "observe", "forget", "before commit", "after commit"} == set(deaths)
    assert (await rebuild(database)).differences == []


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
async def test_a_database_that_goes_away_in_every_other_round(house: House, when: str, caplog: pytest.LogCaptureFixture) -> None:
    kit = await house.new_kit()
    for number in range(60):
        setattr(house.database, when, 1 + number // 2 % 4)
        await house.rounds()
        setattr(house.database, when, 0)
        await house.rounds()
        finish_all(house.runner)
        if (await house.kit(kit.id)).ended_at is not None:
            break
    kit = await house.kit(kit.id)
    assert kit.status is Status.SUCCEEDED and all(job.attempt.number == 1 for job in kit.jobs)
    assert house.runner.launches == [job.attempt.key for job in kit.jobs]
    assert "has to wait" in caplog.text


async def test_claimed_but_not_started(house: House) -> None:
    kit = await house.new_kit()
    house.runner.fuse = Fuse(0)
    with pytest.raises(Crash, match="observe"):
        await house.rounds()
    assert await house.claims() == [kit.jobs[0].attempt.key] and not house.runner.attempts
    house.restart()
    await house.rounds()
    assert house.runner.launches == [kit.jobs[0].attempt.key]
    assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING


async def test_started_but_not_recorded_as_running(house: House) -> None:
    kit = await house.new_kit()
    house.runner.fuse = Fuse(1)
    with pytest.raises(Crash, match="launch"):
        await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.QUEUED
    house.restart()
    await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING
    assert house.runner.launches == [kit.jobs[0].attempt.key]


async def test_ended_before_anybody_saw_it_run(house: House) -> None:
    kit = await house.new_kit()
    house.runner.fuse = Fuse(1)
    with pytest.raises(Crash):
        await house.rounds()
    finish_all(house.runner)
    house.restart()
    await house.rounds()
    kit = await house.kit(kit.id)
    assert [job.status for job in kit.jobs[:2]] == [Status.SUCCEEDED, Status.RUNNING]
    assert kit.jobs[0].started_at is not None


async def test_ended_but_reports_are_missing(house: House) -> None:
    kit = await house.new_kit()
    await house.rounds()
    key = kit.jobs[0].attempt.key
    house.runner.finish(key, reports=3)
    for arrived in (0, 2):
        if arrived:
            await house.report(key, kit.id, arrived)
        await house.quiet(kit.id)
        assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING
    await house.report(key, kit.id, 3)
    await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.SUCCEEDED


async def test_settled_but_not_forgotten(house: House) -> None:
    kit = await house.new_kit()
    await house.rounds()
    key = kit.jobs[0].attempt.key
    finish_all(house.runner)
    await house.decide(
        kit.id, partial(commands.settle_attempt, job_id=key.job_id, number=1, ending=Ending(exit_code=0, reports=0))
    )
    assert key in house.runner.attempts
    house.restart()
    await house.rounds(2)
    assert key not in house.runner.attempts and key not in await house.claims()
    assert (await house.kit(kit.id)).jobs[0].attempt.number == 1


async def test_the_loop_survives_a_database_that_is_away(house: House) -> None:
    house.database.before_commit = 5
    loop = asyncio.create_task(house.reconciler.run())
    try:
        await eventually(lambda: house.database.before_commit == 0)
        kit = await house.new_kit()
        await eventually(lambda: house.runner.launches == [kit.jobs[0].attempt.key])
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    with pytest.raises(Unavailable):
        house.database.before_commit = 1
        await house.decide(kit.id, commands.cancel_kit)

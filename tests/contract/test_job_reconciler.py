"""The loop that makes what runs be what should run: cancelling, interrupting, lost runners, several servers."""

import asyncio
import logging
from datetime import timedelta
from functools import partial

import pytest

from domain import commands
from domain.attempt import AttemptKey, Cause, Ending
from domain.runner import EndReason
from domain.status import Status
from persistence.rebuild import rebuild
from persistence.unit_of_work import Database
from resolvers.change import change_kit
from tests.contract.reconciler_house import House, finish_all
from tests.factories import store_kit
from tests.fakes import Crash, FakeRunner, Fuse, fake_services
from tests.waiting import eventually


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


async def test_a_started_kit_runs_to_its_end(house: House) -> None:
    kit = await house.new_kit()
    for place in range(4):
        await house.rounds()
        job = (await house.kit(kit.id)).jobs[place]
        assert job.status is Status.RUNNING and list(house.runner.attempts) == [job.attempt.key]
        order = house.runner.attempts[job.attempt.key].order
        assert order.token == f"token of {job.attempt.key}" and order.server_url == "http://plog.test"
        assert order.command[-1] == f"steps.{job.type.lower()}"
        await house.quiet(kit.id)
        finish_all(house.runner)
        await house.rounds()
        assert (await house.kit(kit.id)).jobs[place].status is Status.SUCCEEDED
        await house.rounds()
    assert (await house.kit(kit.id)).status is Status.SUCCEEDED
    assert house.runner.launches == [job.attempt.key for job in kit.jobs] and not house.runner.attempts
    await house.quiet(kit.id)


@pytest.mark.parametrize("is_obedient", [True, False])
async def test_an_attempt_that_was_superseded_is_ended_where_it_still_runs(database: Database, is_obedient: bool) -> None:
    house = House(database, FakeRunner(is_obedient=is_obedient))
    kit = await house.new_kit()
    await house.rounds()
    old = kit.jobs[0].attempt.key
    lost = Ending(exit_code=None, reports=0, cause=Cause.RUNNER_LOST)
    await house.decide(
        kit.id,
        partial(commands.settle_attempt, job_id=old.job_id, number=1, ending=lost),
        partial(commands.retry_job, job_id=old.job_id),
    )
    await house.rounds(3)
    new = AttemptKey(old.job_id, 2)
    assert house.runner.launches == [old, new] and new in await house.claims()
    if is_obedient:
        assert list(house.runner.attempts) == [new]
    else:
        assert set(house.runner.attempts[old].ended_for) == {EndReason.CANCELLED}
        house.runner.finish(old)
        await house.rounds()
        assert list(house.runner.attempts) == [new]
    attempts = await house.attempts(kit)
    assert [(each.status, each.cause) for each in attempts] == [
        (Status.FAILED, Cause.RUNNER_LOST),
        (Status.RUNNING, None),
    ]  # fmt: skip


async def silence(house: House, runner_id: str, seconds: float) -> None:
    """The runner was heard of that long ago."""
    async with house.database.transaction() as work:
        at = await work.kits.now() - timedelta(seconds=seconds)
        await work.attempts.heartbeat(runner_id, "process", "host", at)


async def test_the_attempts_of_a_lost_runner_are_settled_by_another(database: Database) -> None:
    lost, other = House(database), House(database, FakeRunner("runner-2"))
    kit = await lost.new_kit()
    await lost.rounds()
    key = kit.jobs[0].attempt.key
    await silence(lost, "runner-1", 29)
    await other.rounds()
    assert (await other.kit(kit.id)).jobs[0].status is Status.RUNNING, "it was not silent for long enough"
    await silence(lost, "runner-1", 31)
    await asyncio.gather(other.rounds(), House(database, FakeRunner("runner-3")).rounds())
    job = (await other.kit(kit.id)).jobs[0]
    assert (job.status, job.attempt.cause) == (Status.FAILED, Cause.RUNNER_LOST)
    assert "runner-1" in job.attempt.message and "30 s" in job.attempt.message
    assert await lost.claims() == [] and not other.runner.launches
    await other.decide(kit.id, partial(commands.retry_job, job_id=key.job_id))
    await other.rounds()
    assert other.runner.launches == [AttemptKey(key.job_id, 2)]
    lost.runner.finish(key)
    await lost.rounds(2)
    assert not lost.runner.attempts, "the lost runner came back and cleared away what it had"
    assert (await lost.kit(kit.id)).jobs[0].attempt.key == AttemptKey(key.job_id, 2)


@pytest.mark.parametrize("is_restarted", [True, False])
async def test_a_runner_does_not_give_up_its_own_attempts_after_a_long_absence(database: Database, is_restarted: bool) -> None:
    house = House(database, heartbeat_seconds=1000.0)
    kit = await house.new_kit()
    await house.rounds()
    await silence(house, "runner-1", 3600)
    if is_restarted:
        house.restart()
    await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING


async def test_a_template_that_was_taken_out_of_the_settings(house: House) -> None:
    kit = await house.new_kit()
    steps = house.services.steps
    house.services = fake_services(house.database, steps=type(steps)(
        templates={}, folders=(), functions={}, allow_private_addresses=False
    ))  # fmt: skip
    house.restart()
    await house.rounds()
    attempt = (await house.kit(kit.id)).jobs[0].attempt
    assert (attempt.status, attempt.cause) == (Status.FAILED, Cause.NOT_STARTED) and "builtin" in attempt.message
    assert not house.runner.launches and not await house.claims()
    await house.quiet(kit.id)


@pytest.mark.parametrize("state", ["queued", "claimed", "running"])
async def test_cancelling(house: House, state: str) -> None:
    kit = await house.new_kit()
    key = kit.jobs[0].attempt.key
    if state == "claimed":
        house.runner.fuse = Fuse(0)
        with pytest.raises(Crash):
            await house.rounds()
        house.restart()
    if state == "running":
        await house.rounds()
    await house.decide(kit.id, commands.cancel_kit)
    await house.rounds(3)
    kit = await house.kit(kit.id)
    assert kit.status is Status.CANCELLED and kit.ended_at is not None
    assert all(job.status is Status.CANCELLED for job in kit.jobs)
    assert kit.jobs[0].attempt.cause is Cause.CANCELLED and kit.jobs[0].attempt.key == key
    assert house.runner.launches == ([key] if state == "running" else [])
    assert not house.runner.attempts and not await house.claims()
    await house.quiet(kit.id)


async def test_cancelling_what_does_not_obey_goes_on_until_it_does(database: Database) -> None:
    house = House(database, FakeRunner(is_obedient=False))
    kit = await house.new_kit()
    await house.rounds()
    key = kit.jobs[0].attempt.key
    await house.decide(kit.id, partial(commands.cancel_job, job_id=key.job_id))
    await house.rounds(3)
    assert set(house.runner.attempts[key].ended_for) == {EndReason.CANCELLED}
    assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING
    house.runner.finish(key, exit_code=-9, cause=Cause.CANCELLED)
    await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.CANCELLED


@pytest.mark.parametrize("is_of_kit", [True, False])
async def test_a_job_that_succeeds_before_its_cancellation_reaches_it_starts_no_other(
    database: Database, is_of_kit: bool
) -> None:
    house = House(database, FakeRunner(is_obedient=False))
    kit = await house.new_kit()
    await house.rounds()
    job_id = kit.jobs[0].id
    await house.decide(kit.id, commands.cancel_kit if is_of_kit else lambda change: commands.cancel_job(change, job_id))
    finish_all(house.runner)
    await house.rounds(3)
    kit = await house.kit(kit.id)
    later = Status.CANCELLED if is_of_kit else Status.PENDING
    assert [job.status for job in kit.jobs] == [Status.CANCELLED, *[later] * 3] and kit.status is Status.CANCELLED
    assert len(house.runner.launches) == 1


async def test_an_interrupt_ends_attempts_and_queues_them_again(house: House) -> None:
    kit = await house.new_kit()
    await house.rounds()
    await house.reconciler.interrupt(5)
    job = (await house.kit(kit.id)).jobs[0]
    assert (job.status, job.attempt.number) == (Status.QUEUED, 2)
    attempts = await house.attempts(kit)
    assert (attempts[0].status, attempts[0].cause) == (Status.CANCELLED, Cause.INTERRUPTED)
    await house.rounds(2)
    assert len(house.runner.launches) == 1, "nothing is begun by a process that is about to end"
    house.restart()
    await house.rounds()
    assert house.runner.launches[-1] == AttemptKey(job.id, 2)


async def test_an_interrupt_does_not_wait_for_what_was_never_started(house: House) -> None:
    kit = await house.new_kit()
    house.runner.fuse = Fuse(0)
    with pytest.raises(Crash):
        await house.rounds()
    async with asyncio.timeout(5):
        await house.reconciler.interrupt(60)
    assert not house.runner.launches
    house.restart()
    await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING and len(house.runner.launches) == 1


async def test_an_interrupt_does_not_wait_longer_than_it_may(database: Database) -> None:
    house = House(database, FakeRunner(is_obedient=False))
    kit = await house.new_kit()
    await house.rounds()
    async with asyncio.timeout(10):
        await house.reconciler.interrupt(0.3)
    assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING
    house.restart()
    finish_all(house.runner)
    await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.SUCCEEDED


async def test_an_interrupt_in_the_middle_of_rounds(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The loop goes on while Ctrl-C is handled: neither of them gets in the other's way, and nothing new is left running."""
    kits = [await house.new_kit() for _ in range(4)]
    loop = asyncio.create_task(house.reconciler.run())
    await eventually(lambda: house.runner.launches)
    for attempt in house.runner.attempts.values():
        attempt.log = b"line\n" * 50_000
    async with asyncio.timeout(20):
        await house.reconciler.interrupt(10)
    assert not [key for key, attempt in house.runner.attempts.items() if attempt.ending is None]
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    for kit in kits:
        assert (await house.kit(kit.id)).jobs[0].status is Status.QUEUED
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_an_interrupt_ends_what_a_round_is_just_starting(house: House) -> None:
    await house.new_kit()
    house.runner.may_launch.clear()
    turn = asyncio.create_task(house.rounds())
    await house.runner.launching.wait()
    interrupt = asyncio.create_task(house.reconciler.interrupt(30))
    done, _ = await asyncio.wait({interrupt}, timeout=0.2)
    assert not done
    house.runner.may_launch.set()
    async with asyncio.timeout(10):
        await asyncio.gather(turn, interrupt)
    assert len(house.runner.launches) == 1
    assert all(attempt.ending is not None for attempt in house.runner.attempts.values()) and not await house.claims()


async def test_a_runner_takes_no_more_than_it_has_room_for(database: Database) -> None:
    house = House(database, capacity=2)
    kits = [await house.new_kit() for _ in range(3)]
    await house.rounds(2)
    assert house.runner.launches == [kit.jobs[0].attempt.key for kit in kits[:2]]
    house.runner.finish(house.runner.launches[0], exit_code=1)
    await house.rounds(2)
    assert house.runner.launches[2:] == [kits[2].jobs[0].attempt.key]


async def test_two_servers_start_each_attempt_once(database: Database) -> None:
    houses = [House(database, FakeRunner(f"runner-{number}"), capacity=4) for number in range(3)]
    kits = [await houses[0].new_kit() for _ in range(6)]
    for _ in range(12):
        await asyncio.gather(*(house.rounds() for house in houses))
        for house in houses:
            finish_all(house.runner)
    launches = [key for house in houses for key in house.runner.launches]
    ended = [await houses[0].kit(kit.id) for kit in kits]
    assert all(kit.status is Status.SUCCEEDED for kit in ended)
    assert sorted(launches) == sorted(job.attempt.key for kit in ended for job in kit.jobs)
    assert (await rebuild(database)).differences == []


@pytest.mark.parametrize("where", ["launch", "forget"])
async def test_a_fault_of_one_attempt_keeps_no_other_waiting(house: House, where: str, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = await house.new_kit(), await house.new_kit()
    if where == "forget":
        await house.rounds()
        house.runner.finish(bad.jobs[0].attempt.key, exit_code=1)
        await house.rounds()
    house.runner.errors[where] = OSError(28, "No space left on device")
    await house.rounds(2)
    if where == "launch":
        assert (await house.kit(bad.id)).jobs[0].status is Status.QUEUED
        house.runner.errors.clear()
        await house.rounds()
    else:
        house.runner.finish(good.jobs[0].attempt.key)
        await house.rounds(2)
        assert (await house.kit(good.id)).jobs[0].status is Status.SUCCEEDED
    assert (await house.kit(good.id)).jobs[0].status in (Status.RUNNING, Status.SUCCEEDED)
    assert "No space left" in caplog.text


async def test_the_output_is_kept_whole_before_it_is_forgotten(house: House) -> None:
    kit = await house.new_kit()
    await house.rounds()
    key = kit.jobs[0].attempt.key
    house.runner.attempts[key].log = b"first\n"
    await house.rounds()
    house.runner.attempts[key].log += b"x" * 600_000 + b"\nlast \xff\n"
    whole = house.runner.attempts[key].log
    house.runner.finish(key, exit_code=1)
    await house.rounds(2)
    assert key not in house.runner.attempts
    async with house.database.snapshot() as work:
        (chunks,) = await work.logs.read_many([(key, 0)], 100)
    assert b"".join(chunk.data for chunk in chunks) == whole


async def test_output_that_never_ends_keeps_nobody_waiting(database: Database) -> None:
    house = House(database, FakeRunner(is_obedient=False), interval_seconds=3600.0)
    flooding = await house.new_kit()
    key = flooding.jobs[0].attempt.key
    await house.rounds()
    house.runner.attempts[key].is_flooding = True
    await house.decide(flooding.id, commands.cancel_kit)
    other = await house.new_kit()
    async with asyncio.timeout(20):
        await house.rounds()
    assert house.runner.attempts[key].ended_for == [EndReason.CANCELLED]
    assert house.runner.launches == [key, other.jobs[0].attempt.key]
    house.runner.attempts[key].is_flooding = False
    house.runner.attempts[key].log += b"y" * 5_000_000
    whole = house.runner.attempts[key].log
    house.runner.finish(key, cause=Cause.CANCELLED)

    async def is_settled() -> bool:
        return (await house.kit(flooding.id)).jobs[0].is_ended

    loop = asyncio.create_task(house.reconciler.run())  # goes round again at once while there is more
    try:
        await eventually(is_settled, deadline=20)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    async with house.database.snapshot() as work:
        assert await work.logs.end(key) == len(whole)
    assert (await house.kit(flooding.id)).jobs[0].status is Status.CANCELLED


async def test_an_attempt_that_does_not_come_up_keeps_nobody_waiting(database: Database) -> None:
    house = House(database, patience_seconds=0.2, capacity=3)
    running = await house.new_kit()
    key = running.jobs[0].attempt.key
    await house.rounds()
    house.runner.may_launch.clear()
    await house.new_kit()
    async with asyncio.timeout(20):
        await house.rounds()
        await silence(house, "runner-1", 3600)
        await house.decide(running.id, partial(commands.cancel_job, job_id=key.job_id))
        await house.rounds(2)
    async with house.database.snapshot() as work:
        assert not await work.attempts.claims_of_lost_runners(timedelta(seconds=60), await work.kits.now())
    assert (await house.kit(running.id)).jobs[0].status is Status.CANCELLED
    house.runner.may_launch.set()
    await eventually(lambda: len(house.runner.launches) == 2)
    await house.rounds()
    assert house.runner.launches.count(house.runner.launches[-1]) == 1


async def test_a_command_wakes_the_loop(database: Database) -> None:
    house = House(database, interval_seconds=3600.0)
    loop = asyncio.create_task(house.reconciler.run())
    try:
        await eventually(lambda: house.database.transactions > 0)
        kit = await store_kit(house.database)
        await change_kit(house.services, "ada", kit.id, commands.start_kit)
        await eventually(lambda: house.runner.launches)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

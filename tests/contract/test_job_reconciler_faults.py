"""What goes wrong around single attempts: they can't be launched, disappear, outlive their server's address, end unheard."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial

import pytest

from domain import commands
from domain.attempt import AttemptKey, Cause, Ending
from domain.errors import Unavailable
from domain.runner import EndReason, Observation
from domain.status import Status
from persistence.unit_of_work import Database
from tests.contract.reconciler_house import House, finish_all
from tests.fakes import Crash, FakeRunner, Fuse, fake_services
from tests.waiting import eventually


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


async def test_what_cannot_be_launched_keeps_no_other_waiting_and_is_tried_again(house: House) -> None:
    bad, good = await house.new_kit(), await house.new_kit()
    house.runner.unlaunchable = {bad.jobs[0].attempt.key}
    await house.rounds(3)
    assert house.runner.launches == [good.jobs[0].attempt.key]
    assert (await house.kit(bad.id)).jobs[0].status is Status.QUEUED
    house.runner.unlaunchable.clear()
    await house.rounds()
    assert (await house.kit(bad.id)).jobs[0].status is Status.RUNNING


async def test_what_still_cannot_be_launched_after_a_while_has_failed(database: Database) -> None:
    house = House(database, launch_patience_seconds=0.0)
    kit = await house.new_kit()
    house.runner.unlaunchable = {kit.jobs[0].attempt.key}
    await house.rounds(2)
    attempt = (await house.kit(kit.id)).jobs[0].attempt
    assert (attempt.status, attempt.cause) == (Status.FAILED, Cause.NOT_STARTED)
    assert attempt.message == "No shim can be started: out of everything"
    assert not house.runner.attempts and not await house.claims()


@pytest.mark.parametrize("is_interrupted", [False, True])
async def test_what_ran_and_is_gone_is_never_begun_again(house: House, is_interrupted: bool) -> None:
    kit = await house.new_kit()
    await house.rounds()
    key = kit.jobs[0].attempt.key
    await house.report(key, kit.id, 5)
    del house.runner.attempts[key]
    if is_interrupted:
        await house.reconciler.interrupt(5)
    else:
        await house.rounds(2)
    attempt = (await house.kit(kit.id)).jobs[0].attempt
    assert (attempt.key, attempt.status, attempt.cause) == (key, Status.FAILED, Cause.RUNNER_LOST)
    assert house.runner.launches == [key] and not await house.claims()


async def test_a_new_process_tells_adopted_attempts_where_it_is(house: House) -> None:
    kit = await house.new_kit()
    await house.rounds(2)
    key = kit.jobs[0].attempt.key
    attempt = house.runner.attempts[key]
    assert attempt.access == [], "its order is fresh"
    house.services = fake_services(house.database, reports=house.services.reports, public_url="http://elsewhere.test")
    for _ in range(2):
        house.restart()
        await house.rounds(3)
    assert attempt.access == [("http://elsewhere.test", f"token of {key}")] * 2
    assert house.runner.launches == [key]
    house.restart()
    house.runner.finish(key, reports=2)
    await house.rounds()
    assert len(attempt.access) == 3, "also one that has ended and still has to report"


async def test_a_process_that_dies_while_it_adopts_is_followed_by_one_that_adopts(house: House) -> None:
    kit = await house.new_kit()
    await house.rounds()
    house.restart()
    house.runner.fuse = Fuse(1)
    with pytest.raises(Crash, match="renew access"):
        await house.rounds()
    house.restart()
    await house.rounds()
    assert len(house.runner.attempts[kit.jobs[0].attempt.key].access) == 2


async def test_a_cancelled_attempt_that_ended_is_settled_without_reports_that_do_not_come(database: Database) -> None:
    house = House(database, FakeRunner(is_obedient=False), reports_patience_seconds=0.3)
    kit = await house.new_kit()
    await house.rounds()
    key = kit.jobs[0].attempt.key
    house.runner.finish(key, reports=3)
    await house.rounds()
    await house.decide(kit.id, partial(commands.cancel_job, job_id=key.job_id))
    await house.rounds()
    assert (await house.kit(kit.id)).jobs[0].status is Status.RUNNING, "they may still come"
    await house.report(key, kit.id, 1)
    await house.rounds()

    async def is_over() -> bool:
        await house.rounds()
        return (await house.kit(kit.id)).jobs[0].is_ended

    await eventually(is_over)
    attempt = (await house.kit(kit.id)).jobs[0].attempt
    assert (attempt.status, attempt.cause) == (Status.CANCELLED, Cause.CANCELLED)
    assert "2 of its 3 reports" in attempt.message


class SendingRunner(FakeRunner):
    """As soon as it is asked for an attempt that has ended, it tries once more to send the reports, and is busy with that."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: set[AttemptKey] = set()

    async def observe(self, keys: Sequence[AttemptKey]) -> Mapping[AttemptKey, Observation]:
        self.busy = {key for key in keys if key in self.attempts and self.attempts[key].ending is not None}
        return await super().observe(keys)

    async def forget(self, key: AttemptKey) -> None:
        if key not in self.busy:
            await super().forget(key)


async def test_reports_that_nobody_wants_any_more_keep_nothing_here(database: Database) -> None:
    runner = SendingRunner()
    house = House(database, runner)
    kit = await house.new_kit()
    await house.rounds()
    key = kit.jobs[0].attempt.key
    house.runner.finish(key, reports=3)
    await house.decide(
        kit.id, partial(commands.settle_attempt, job_id=key.job_id, number=1, ending=Ending(exit_code=1, reports=0))
    )
    await house.rounds()
    runner.busy.clear()
    await house.rounds()
    assert not runner.attempts


async def test_an_interrupt_does_not_wait_for_a_round_to_ask_attempts_to_end(database: Database) -> None:
    house = House(database, FakeRunner(is_obedient=False), capacity=2)
    running = await house.new_kit()
    await house.rounds()
    await house.new_kit()
    house.runner.may_launch.clear()
    house.runner.launching.clear()
    turn = asyncio.create_task(house.rounds())
    await house.runner.launching.wait()
    interrupt = asyncio.create_task(house.reconciler.interrupt(30))
    attempt = house.runner.attempts[running.jobs[0].attempt.key]
    await eventually(lambda: attempt.ended_for == [EndReason.INTERRUPTED])
    house.runner.may_launch.set()
    finish_all(house.runner)
    house.runner.is_obedient = True
    await asyncio.gather(turn, interrupt)


async def test_an_interrupt_ends_attempts_without_the_database(house: House, caplog: pytest.LogCaptureFixture) -> None:
    kit = await house.new_kit()
    await house.rounds()
    house.database.outage = Unavailable("the database went away")
    await house.reconciler.interrupt(5)
    assert house.runner.attempts[kit.jobs[0].attempt.key].ended_for == [EndReason.INTERRUPTED]
    assert "the database went away" in caplog.text


async def test_an_interrupt_that_runs_out_of_time_says_so(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    house = House(database, FakeRunner(is_obedient=False))
    await house.new_kit()
    await house.rounds()
    with caplog.at_level(logging.WARNING):
        await house.reconciler.interrupt(0.1)
    assert "within 0.1 s" in caplog.text

"""The loop that makes what runs be what should run: every crash point, every race, every round without a surprise."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from adapters.bus.memory import MemoryBus
from controllers.job_reconciler import JobReconciler, ReconcilerSettings
from domain import commands
from domain.actor import Worker
from domain.attempt import Attempt, AttemptKey, Cause, Ending
from domain.errors import Unavailable
from domain.event import EventKind
from domain.kit import Kit
from domain.report import Report
from domain.runner import EndReason
from domain.status import Status
from domain.visibility import EVERYTHING
from persistence.rebuild import rebuild
from persistence.unit_of_work import Database
from resolvers.change import change_kit
from resolvers.report_intake import ReportIntake
from resolvers.services import Services
from tests.factories import change, store_kit
from tests.fakes import Crash, FailingDatabase, FakeArtifacts, FakeRunner, Fuse, fake_services
from tests.waiting import eventually

FOREVER = datetime(2100, 1, 1, tzinfo=UTC)
SETTINGS = ReconcilerSettings(interval_seconds=0.05, heartbeat_seconds=0.0, cancel_grace_seconds=0.0, interrupt_grace_seconds=0.0)


class House:
    """A database, a runner, and the reconciler between them, which can be restarted."""

    def __init__(self, database: Database, runner: FakeRunner | None = None, **settings: Any) -> None:
        self.database = FailingDatabase(database)
        self.runner = runner or FakeRunner()
        intake = ReportIntake(database, MemoryBus(), FakeArtifacts())
        self.services: Services = fake_services(self.database, reports=intake)
        self.settings = ReconcilerSettings(**{**{name: getattr(SETTINGS, name) for name in SETTINGS.__slots__}, **settings})
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is remembered."""
        self.reconciler = JobReconciler(self.services, self.runner, "process", "host", self.settings)

    async def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            await self.reconciler.run_once()

    async def kit(self, kit_id: int) -> Kit:
        async with self.database.snapshot() as work:
            kit = await work.kits.get(kit_id, EVERYTHING)
        assert kit is not None
        return kit

    async def new_kit(self, *decisions: Any) -> Kit:
        """A kit that was started, and whatever is decided on top."""
        kit = await change(self.database, await store_kit(self.database), commands.start_kit)
        return await change(self.database, kit, *decisions) if decisions else kit

    async def decide(self, kit_id: int, *decisions: Any) -> Kit:
        return await change(self.database, await self.kit(kit_id), *decisions)

    async def attempts(self, kit: Kit) -> list[Attempt]:
        """All attempts of the first job."""
        async with self.database.snapshot() as work:
            return await work.attempts.of_jobs([kit.jobs[0].id])

    async def claims(self, runner_id: str = "runner-1") -> list[AttemptKey]:
        async with self.database.snapshot() as work:
            return [claim.key for claim in await work.attempts.claims_of(runner_id)]

    async def report(self, key: AttemptKey, kit_id: int, last: int) -> None:
        """Let the worker's reports up to `last` arrive."""
        worker = Worker(attempt=key, kit_id=kit_id, expires_at=FOREVER)
        reports = [Report(attempt=key, sequence=number, kind=EventKind.NOTE) for number in range(1, last + 1)]
        assert all(result.consumed for result in await self.services.reports.submit(worker, reports))

    async def quiet(self, kit_id: int) -> None:
        """Rounds in which nothing is to be done change nothing."""
        before = await self.kit(kit_id)
        state = (dict(self.runner.attempts), list(self.runner.launches), await self.claims())
        await self.rounds(2)
        assert await self.kit(kit_id) == before
        assert (self.runner.attempts, self.runner.launches, await self.claims()) == state


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def finish_all(runner: FakeRunner) -> None:
    for key, attempt in runner.attempts.items():
        if attempt.ending is None:
            runner.finish(key)


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


async def test_a_runner_does_not_give_up_its_own_attempts_after_a_long_absence(house: House) -> None:
    kit = await house.new_kit()
    await house.rounds()
    await silence(house, "runner-1", 3600)
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


async def test_a_job_that_succeeds_before_its_cancellation_reaches_it_has_succeeded(database: Database) -> None:
    house = House(database, FakeRunner(is_obedient=False))
    kit = await house.new_kit()
    await house.rounds()
    await house.decide(kit.id, commands.cancel_kit)
    finish_all(house.runner)
    await house.rounds()
    kit = await house.kit(kit.id)
    assert [job.status for job in kit.jobs] == [Status.SUCCEEDED, *[Status.CANCELLED] * 3]


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
        chunks = await work.logs.read(key, 0, 100)
    assert b"".join(chunk.data for chunk in chunks) == whole


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

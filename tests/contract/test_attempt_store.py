"""Who runs an attempt: claimed by one runner whatever races, and given up only on purpose."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from domain import commands
from domain.attempt import AttemptKey, Cause, Ending
from domain.change import Change
from domain.kit import Kit
from domain.report import ReportResult, ReportState
from domain.status import Status
from domain.visibility import EVERYTHING
from persistence.unit_of_work import Database
from tests.factories import change, store_kit

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def queued(database: Database) -> Kit:
    return await change(database, await store_kit(database), commands.start_kit)


async def see(database: Database, *runners: str, at: datetime = NOW) -> None:
    async with database.transaction() as work:
        for runner in runners:
            await work.attempts.heartbeat(runner, "process", "host", at)


async def claim(database: Database, key: AttemptKey, runner: str) -> bool:
    async with database.transaction() as work:
        return await work.attempts.claim(key, runner, NOW)


async def claimable(database: Database, limit: int = 10) -> Sequence[tuple[AttemptKey, int]]:
    async with database.snapshot() as work:
        return await work.attempts.claimable(limit)


async def claimed_by(database: Database, runner: str) -> list[AttemptKey]:
    async with database.snapshot() as work:
        return [each.key for each in await work.attempts.claims_of(runner)]


async def test_queued_attempts_can_be_claimed_oldest_kit_first(database: Database) -> None:
    await store_kit(database)
    kits = [await queued(database) for _ in range(3)]
    expected = [(kit.jobs[0].attempt.key, kit.id) for kit in kits]
    assert await claimable(database) == expected
    assert await claimable(database, 2) == expected[:2]
    await see(database, "r1")
    assert await claim(database, expected[0][0], "r1")
    assert await claimable(database) == expected[1:]


async def test_a_claim_is_had_once_until_it_is_given_up_for_good(database: Database) -> None:
    kit = await queued(database)
    key = kit.jobs[0].attempt.key
    await see(database, "r1", "r2")
    assert await claim(database, key, "r1")
    assert not await claim(database, key, "r2") and not await claim(database, key, "r1")
    assert await claimed_by(database, "r1") == [key] and await claimed_by(database, "r2") == []
    async with database.transaction() as work:
        await work.attempts.release([key], NOW)
    assert await claimed_by(database, "r1") == []
    assert await claimable(database) == [] and not await claim(database, key, "r2"), "an attempt is never run a second time"


@pytest.mark.parametrize("state", ["pending", "running", "ended", "cancelled", "superseded", "unknown"])
async def test_what_is_not_to_run_is_not_claimed(database: Database, state: str) -> None:
    kit = await store_kit(database)
    key = kit.jobs[0].attempt.key
    if state != "pending":
        kit = await change(database, kit, commands.start_kit)
    if state in ("running", "ended", "superseded"):
        kit = await change(database, kit, lambda c: commands.begin_attempt(c, *key, "r"))
    if state in ("ended", "superseded"):
        kit = await change(database, kit, lambda c: commands.settle_attempt(c, *key, Ending(exit_code=1, reports=0)))
    if state == "superseded":
        await change(database, kit, lambda c: commands.retry_job(c, key.job_id))
    if state == "cancelled":
        await change(database, kit, commands.cancel_kit)
    await see(database, "r1")
    assert not await claim(database, AttemptKey(uuid4(), 1) if state == "unknown" else key, "r1")
    assert await claimed_by(database, "r1") == []


async def test_many_runners_race_for_the_same_attempts(database: Database) -> None:
    kits = [await queued(database) for _ in range(5)]
    runners = [f"r{number}" for number in range(6)]
    await see(database, *runners)
    keys = [kit.jobs[0].attempt.key for kit in kits]
    won = await asyncio.gather(*(claim(database, key, runner) for key in keys for runner in runners))
    assert sum(won) == len(keys)
    found = [key for runner in runners for key in await claimed_by(database, runner)]
    assert sorted(found) == sorted(keys)


async def test_a_cancellation_and_a_claim_see_each_other(database: Database) -> None:
    """Twenty races: the attempt is either cancelled before anybody had it, or claimed and to be ended by who has it."""
    await see(database, "r1")
    outcomes = set()
    for number in range(20):
        kit = await queued(database)
        key = kit.jobs[0].attempt.key
        cancel = change(database, kit, partial(commands.cancel_job, job_id=key.job_id))
        race = [claim(database, key, "r1"), cancel]
        results = await asyncio.gather(*(race if number % 2 else reversed(race)))
        is_claimed = next(each for each in results if isinstance(each, bool))
        async with database.snapshot() as work:
            unclaimed = {key for key, _ in await work.attempts.cancelled_unclaimed()}
            after = await work.kits.get(kit.id, EVERYTHING)
        assert after is not None and after.jobs[0].cancel_requested
        assert (key in unclaimed) is not is_claimed
        outcomes.add(is_claimed)
    assert outcomes, "both ways are right; which of them happens is up to the database"


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_claim_waits_for_a_cancellation_that_is_under_way(database: Database) -> None:
    kit = await queued(database)
    key = kit.jobs[0].attempt.key
    await see(database, "r1")
    cancel = Change.of(kit, "ada")
    commands.cancel_job(cancel, key.job_id)
    async with database.transaction() as work:
        await work.kits.append([cancel])
        claiming = asyncio.create_task(claim(database, key, "r1"))
        done, _ = await asyncio.wait({claiming}, timeout=0.3)
        assert not done, "the claim was decided before the cancellation was"
    assert await claiming is False


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_cancellation_waits_for_a_claim_that_is_under_way(database: Database) -> None:
    kit = await queued(database)
    key = kit.jobs[0].attempt.key
    await see(database, "r1")
    async with database.transaction() as work:
        assert await work.attempts.claim(key, "r1", NOW)
        cancelling = asyncio.create_task(change(database, kit, lambda c: commands.cancel_job(c, key.job_id)))
        done, _ = await asyncio.wait({cancelling}, timeout=0.3)
        assert not done, "the cancellation did not meet the claim"
    assert (await cancelling).jobs[0].cancel_requested
    async with database.snapshot() as reading:
        assert await reading.attempts.cancelled_unclaimed() == []


async def test_a_claim_that_is_rolled_back_is_free(database: Database) -> None:
    kit = await queued(database)
    key = kit.jobs[0].attempt.key
    await see(database, "r1", "r2")
    with pytest.raises(RuntimeError):
        async with database.transaction() as work:
            assert await work.attempts.claim(key, "r1", NOW)
            raise RuntimeError
    assert await claim(database, key, "r2")


async def test_cancelled_attempts_that_nobody_has(database: Database) -> None:
    mine, nobodys = await queued(database), await queued(database)
    await see(database, "r1")
    assert await claim(database, mine.jobs[0].attempt.key, "r1")
    for kit in (mine, nobodys):
        await change(database, kit, commands.cancel_kit)
    async with database.snapshot() as work:
        assert await work.attempts.cancelled_unclaimed() == [(nobodys.jobs[0].attempt.key, nobodys.id)]
        assert await work.attempts.claimable(10) == []


async def test_a_runner_that_is_silent_for_long_enough_is_lost(database: Database) -> None:
    kits = [await queued(database) for _ in range(3)]
    keys = [kit.jobs[0].attempt.key for kit in kits]
    await see(database, "loud", "silent")
    for key, runner in zip(keys, ("loud", "silent", "silent"), strict=True):
        assert await claim(database, key, runner)
    later = NOW + timedelta(seconds=30)
    await see(database, "loud", at=later)

    async def lost(silence: float) -> list[tuple[AttemptKey, int, str]]:
        async with database.snapshot() as work:
            found = await work.attempts.claims_of_lost_runners(timedelta(seconds=silence), later)
            return sorted((each.key, each.kit_id, each.runner_id) for each in found)

    assert await lost(30) == []
    assert await lost(29.999) == sorted((key, kit.id, "silent") for key, kit in zip(keys[1:], kits[1:], strict=True))
    async with database.transaction() as work:
        await work.attempts.release(keys[1:2], later)
    assert await lost(29.999) == [(keys[2], kits[2].id, "silent")]
    await see(database, "silent", at=later)
    assert await lost(29.999) == []


async def test_a_runner_is_known_before_it_claims(database: Database) -> None:
    kit = await queued(database)
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await claim(database, kit.jobs[0].attempt.key, "nobody has heard of it")


async def test_all_attempts_of_jobs_oldest_first(database: Database) -> None:
    kit = await queued(database)
    job = kit.jobs[0]
    for number in (1, 2):
        ending = Ending(exit_code=None, reports=0, cause=Cause.MEMORY_LIMIT, message="한글 \U0001f600")
        kit = await change(database, kit, lambda c, n=number, e=ending: commands.settle_attempt(c, job.id, n, e))
        kit = await change(database, kit, lambda c: commands.retry_job(c, job.id))
    async with database.snapshot() as work:
        attempts = await work.attempts.of_jobs([kit.jobs[1].id, job.id])
        assert await work.attempts.of_jobs([uuid4()]) == []
    own = [each for each in attempts if each.job_id == job.id]
    assert [(each.number, each.status) for each in own] == [(1, Status.FAILED), (2, Status.FAILED), (3, Status.QUEUED)]
    assert (own[0].cause, own[0].message, own[0].exit_code) == (Cause.MEMORY_LIMIT, "한글 \U0001f600", None)
    assert own[0].ended_at is not None and own[2] == kit.jobs[0].attempt


async def test_the_first_refusal_stays(database: Database) -> None:
    key, other = AttemptKey(uuid4(), 1), AttemptKey(uuid4(), 1)

    def refused(sequence: int, message: str) -> ReportResult:
        return ReportResult(sequence=sequence, state=ReportState.REFUSED, code="VALIDATION_FAILED", message=message)

    async with database.transaction() as work:
        await work.attempts.add_refusals(key, [refused(1, "first"), refused(3, "한글")])
        await work.attempts.add_refusals(key, [refused(1, "second")])
        await work.attempts.add_refusals(key, [])
    async with database.snapshot() as work:
        both = {1: refused(1, "first"), 3: refused(3, "한글")}
        assert await work.attempts.refusals(key, range(10)) == both
        assert await work.attempts.refusals(key, {3}) == {3: both[3]}
        for absent in (AttemptKey(key.job_id, 2), other):
            assert await work.attempts.refusals(absent, range(10)) == {}

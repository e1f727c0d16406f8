"""The state of kits in the database: append-only, dense versions, one moment per read, the same on both databases."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import commands
from domain.attempt import Ending
from domain.change import Change
from domain.event import EventKind
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit, KitIdentity
from domain.query import EventQuery, KitQuery
from domain.status import Status
from domain.visibility import EVERYTHING
from persistence import tables
from persistence.unit_of_work import Database
from tests.factories import change, created, identity, store, store_kit
from tests.history import fold, history_of


async def read(database: Database, kit_id: int) -> Kit:
    async with database.snapshot() as work:
        kit = await work.kits.get(kit_id, EVERYTHING)
        assert kit is not None
        return kit


async def test_a_new_kit_reads_as_it_was_stored(database: Database) -> None:
    stored = await store_kit(database, "inverter")
    assert await read(database, stored.id) == stored
    assert [job.type for job in stored.jobs] == list(JobType)
    assert stored.version == 18 and stored.status is Status.PENDING


async def test_the_state_equals_the_folded_history(database: Database) -> None:
    kit = await store_kit(database)
    kit = await change(database, kit, commands.start_kit)
    job = kit.jobs[0]
    kit = await change(database, kit, lambda c: commands.begin_attempt(c, job.id, 1, "r"))
    kit = await change(database, kit, lambda c: commands.settle_attempt(c, job.id, 1, Ending(exit_code=3, reports=0)))
    kit = await change(database, kit, lambda c: commands.retry_job(c, job.id))
    async with database.snapshot() as work:
        found = await work.kits.identity(kit.id)
        assert found is not None
        history = await history_of(work, kit.id)
        assert fold(history, identity=found) == await work.kits.get(kit.id, EVERYTHING) == kit
        assert [event.version for event in history] == list(range(1, kit.version + 1))
        assert [each.recorded_at for each in history] == sorted(each.recorded_at for each in history)
        attempts = await work.attempts.of_jobs([job.id])
    assert [(each.number, each.status) for each in attempts] == [(1, Status.FAILED), (2, Status.QUEUED)]
    assert attempts[0].exit_code == 3


async def test_an_overtaken_change_stores_nothing(database: Database) -> None:
    kit = await store_kit(database)
    other = await store_kit(database)
    newer = await change(database, kit, commands.start_kit)
    late, fresh = Change.of(kit, "bela"), Change.of(other, "bela")
    commands.cancel_kit(late)
    commands.start_kit(fresh)
    async with database.transaction() as work:
        assert set(await work.kits.append([late, fresh])) == {other.id}
    assert await read(database, kit.id) == newer
    assert (await read(database, other.id)).version == other.version + 2


async def test_a_rolled_back_unit_of_work_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="away"):
        async with database.transaction() as work:
            await store(work, created(await work.kits.add(identity("lost", owner="new-actor")), actor="new-actor"))
            raise RuntimeError("away")
    async with database.snapshot() as work:
        assert not (await work.kits.page(KitQuery(), EVERYTHING)).items
    assert (await store_kit(database, owner="new-actor")).owner == "new-actor"


async def test_writers_of_one_kit_lose_and_double_nothing(database: Database) -> None:
    kit = await store_kit(database)

    async def note(number: int) -> None:
        while True:
            async with database.transaction() as work:
                current = await work.kits.get(kit.id, EVERYTHING)
                assert current is not None
                made = Change.of(current, f"writer {number}")
                made.emit_for_job(current.jobs[0], EventKind.NOTE, metadata={f"k{number}": number})
                if await work.kits.append([made]):
                    return

    await asyncio.gather(*(note(number) for number in range(20)))
    after = await read(database, kit.id)
    assert after.version == kit.version + 20
    assert after.jobs[0].metadata == {f"k{number}": number for number in range(20)}


@pytest.mark.parametrize("statement", ["UPDATE kit_event SET status = 1", "DELETE FROM kit_event", "TRUNCATE kit_event"])
async def test_the_database_refuses_to_change_events(database: Database, statement: str) -> None:
    kit = await store_kit(database)
    with pytest.raises(DBAPIError):
        async with database.transaction() as work:
            await work.kits._connection.exec_driver_sql(statement)
    async with database.snapshot() as work:
        assert len(await history_of(work, kit.id)) == kit.version


async def test_ids_that_do_not_exist(database: Database) -> None:
    async with database.snapshot() as work:
        assert await work.kits.get(7, EVERYTHING) is None
        assert await work.kits.of_jobs([uuid4()], EVERYTHING) == {}
        assert await work.kits.versions([7]) == {}
        assert [page.items for page in await work.events.pages([EventQuery(kit_id=7)])] == [[]]
        assert await work.events.pages([]) == []
        assert await work.attempts.of_jobs([]) == []


async def test_batches_of_the_same_kits_in_any_order_get_through(database: Database) -> None:
    """None waits for another in a circle: a kit that somebody else has in hand is left out, and tried again."""
    kits = [await store_kit(database) for _ in range(6)]
    chance = random.Random(5)

    async def write(writer: int) -> None:
        for _ in range(5):
            waiting = [kit.id for kit in kits]
            while waiting:
                chance.shuffle(waiting)
                async with database.transaction() as work:
                    current = await work.kits.get_many(waiting, EVERYTHING)
                    changes = [Change.of(current[kit_id], f"writer {writer}") for kit_id in waiting]
                    for made in changes:
                        made.emit_for_job(made.kit.jobs[0], EventKind.NOTE)
                    recorded = await work.kits.append(changes)
                waiting = [kit_id for kit_id in waiting if kit_id not in recorded]

    async with asyncio.timeout(60):
        await asyncio.gather(*(write(number) for number in range(6)))
    async with database.snapshot() as work:
        versions = await work.kits.versions([kit.id for kit in kits])
    assert versions == {kit.id: kit.version + 6 * 5 for kit in kits}


async def test_a_kit_is_read_from_one_moment_while_it_changes(database: Database) -> None:
    """Every part is of the version that the kit has, however many writers there are meanwhile."""
    kit = await store_kit(database)
    is_over = False

    async def write() -> None:
        nonlocal is_over
        current = kit
        for number in range(60):
            job = current.jobs[number % 4]

            def note(made: Change, job: Job = job, number: int = number) -> None:
                for task in job.tasks:
                    made.emit_for_task(made.job(job.id), task, EventKind.NOTE, metadata={"n": number})

            current = await change(database, current, note)
        is_over = True

    async def check() -> int:
        count = 0
        while not is_over:
            found = await read(database, kit.id)
            assert found.version == max(task.version for job in found.jobs for task in job.tasks)
            assert found.updated_at == max(job.updated_at for job in found.jobs)
            count += 1
        return count

    _, *counts = await asyncio.gather(write(), check(), check())
    assert sum(count or 0 for count in counts) > 10


async def test_only_one_of_two_changes_of_the_same_version_is_stored(database: Database) -> None:
    for _ in range(10):
        kit = await store_kit(database)

        async def attempt(decide: Callable[[Change], None], kit: Kit = kit) -> bool:
            made = Change.of(kit, "ada")
            decide(made)
            async with database.transaction() as work:
                return bool(await work.kits.append([made]))

        assert sorted(await asyncio.gather(attempt(commands.start_kit), attempt(commands.cancel_kit))) == [False, True]
        after = await read(database, kit.id)
        async with database.snapshot() as work:
            assert fold(await history_of(work, kit.id), identity=await identity_of(work, kit.id)) == after


async def identity_of(work: Any, kit_id: int) -> KitIdentity:
    found: KitIdentity | None = await work.kits.identity(kit_id)
    assert found is not None
    return found


async def test_times_of_a_kit_never_run_backwards(database: Database) -> None:
    """Also when the database's clock does: the kit's own last time is the earliest that there can be."""
    kit = await store_kit(database)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    async with database.transaction() as work:
        connection: AsyncConnection = work.connection
        await connection.execute(tables.kit_state.update().values(updated_at=ahead))
    current = await read(database, kit.id)
    later = await change(database, current, commands.start_kit)
    assert later.updated_at == ahead
    async with database.snapshot() as work:
        assert [each.recorded_at for each in await history_of(work, kit.id)][-2:] == [ahead, ahead]

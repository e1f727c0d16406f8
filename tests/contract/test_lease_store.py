"""Leases: one holder at a time, and a fencing number that only ever grows from holder to holder."""

import asyncio
from datetime import UTC, datetime, timedelta

from persistence.unit_of_work import Database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def acquire(database: Database, holder: str, at: datetime = NOW, name: str = "clock") -> int | None:
    async with database.transaction() as work:
        return await work.leases.acquire(name, holder, MINUTE, at)


async def release(database: Database, holder: str) -> None:
    async with database.transaction() as work:
        await work.leases.release("clock", holder)


async def test_one_holder_at_a_time(database: Database) -> None:
    assert await acquire(database, "a") == 1
    assert await acquire(database, "b") is None
    assert await acquire(database, "b", name="other") == 1


async def test_a_holder_that_prolongs_keeps_its_number(database: Database) -> None:
    """What it began under that number is still its own."""
    fence = await acquire(database, "a")
    assert await acquire(database, "a", NOW + MINUTE / 2) == fence
    assert await acquire(database, "b", NOW + MINUTE * 5 / 4) is None, "the lease was prolonged"
    assert await acquire(database, "b", NOW + MINUTE * 7 / 4) == 2


async def test_an_expired_lease_goes_to_the_next_with_a_higher_number(database: Database) -> None:
    await acquire(database, "a")
    assert await acquire(database, "b", NOW + MINUTE - timedelta(microseconds=1)) is None
    assert await acquire(database, "b", NOW + MINUTE) == 2
    assert await acquire(database, "a", NOW + MINUTE) is None
    assert await acquire(database, "a", NOW + 3 * MINUTE) == 3


async def test_a_holder_that_let_it_expire_begins_anew(database: Database) -> None:
    await acquire(database, "a")
    assert await acquire(database, "a", NOW + 2 * MINUTE) == 2


async def test_a_released_lease_can_be_had_at_once_and_its_number_is_not_used_again(database: Database) -> None:
    assert await acquire(database, "a") == 1
    await release(database, "b")
    assert await acquire(database, "b") is None, "only its holder releases a lease"
    await release(database, "a")
    assert await acquire(database, "b") == 2
    await release(database, "b")
    assert await acquire(database, "b") == 3


async def test_many_servers_at_once(database: Database) -> None:
    fences = await asyncio.gather(*(acquire(database, f"server {number}") for number in range(10)))
    assert sorted(fence for fence in fences if fence is not None) == [1]

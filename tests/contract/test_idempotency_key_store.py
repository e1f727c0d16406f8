"""Idempotency keys: the first use decides, a twin under way is waited for, a rolled-back one never was."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from domain.idempotency_key import KeyRecord
from persistence.unit_of_work import Database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def use(
    database: Database, key: str = "k", input_hash: str = "h", outcome: int = 1, at: datetime = NOW
) -> KeyRecord | None:
    """Take the key and, where it was free, do something under it; what an earlier use left."""
    async with database.transaction() as work:
        record = await work.idempotency_keys.claim("ada", "kitStart", key, input_hash, at)
        if record is None:
            await work.idempotency_keys.complete("ada", "kitStart", key, {"kit": outcome})
        return record


async def test_the_first_use_decides(database: Database) -> None:
    assert await use(database) is None
    assert await use(database, outcome=2) == KeyRecord("h", {"kit": 1})
    assert await use(database, input_hash="other") == KeyRecord("h", {"kit": 1})


async def test_a_use_is_found_without_taking_the_key(database: Database) -> None:
    async with database.snapshot() as work:
        assert await work.idempotency_keys.find("ada", "kitStart", "k") is None
    assert await use(database) is None
    async with database.snapshot() as work:
        assert await work.idempotency_keys.find("ada", "kitStart", "k") == KeyRecord("h", {"kit": 1})
        assert await work.idempotency_keys.find("bela", "kitStart", "k") is None


@pytest.mark.parametrize(
    "scope", [("bela", "kitStart", "k"), ("ada", "kitCancel", "k"), ("ada", "kitStart", "K"), ("ada", "kitStart", "k ")]
)
async def test_a_key_is_of_one_person_and_one_mutation(database: Database, scope: tuple[str, str, str]) -> None:
    await use(database)
    async with database.transaction() as work:
        assert await work.idempotency_keys.claim(*scope, "other", NOW) is None
        await work.idempotency_keys.complete(*scope, {"kit": 2})
    async with database.transaction() as work:
        assert await work.idempotency_keys.claim(*scope, "h", NOW) == KeyRecord("other", {"kit": 2})
    assert await use(database) == KeyRecord("h", {"kit": 1})


async def test_a_use_that_is_rolled_back_never_was(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as work:
            assert await work.idempotency_keys.claim("ada", "kitStart", "k", "h", NOW) is None
            raise RuntimeError
    assert await use(database, outcome=2) is None
    assert await use(database) == KeyRecord("h", {"kit": 2})


async def test_ten_twins_at_once_are_one_use(database: Database) -> None:
    results = await asyncio.gather(*(use(database, outcome=number) for number in range(10)))
    (first,) = [number for number, result in enumerate(results) if result is None]
    assert [result for result in results if result is not None] == [KeyRecord("h", {"kit": first})] * 9


@pytest.mark.parametrize("is_rolled_back", [True, False])
async def test_a_twin_that_is_under_way_is_waited_for(database: Database, is_rolled_back: bool) -> None:
    """If it rolls back the key is free, else its outcome is the answer: never something in between."""

    async def first(taken: asyncio.Event, go_on: asyncio.Event) -> None:
        async with database.transaction() as work:
            assert await work.idempotency_keys.claim("ada", "kitStart", "k", "h", NOW) is None
            taken.set()
            await go_on.wait()
            if is_rolled_back:
                raise RuntimeError
            await work.idempotency_keys.complete("ada", "kitStart", "k", {"kit": 7})

    taken, go_on = asyncio.Event(), asyncio.Event()
    one = asyncio.create_task(first(taken, go_on))
    await taken.wait()
    twin = asyncio.create_task(use(database, outcome=8))
    done, _ = await asyncio.wait({twin}, timeout=0.3)
    assert not done, "the twin did not wait"
    go_on.set()
    await asyncio.gather(one, return_exceptions=True)
    async with asyncio.timeout(10):
        assert await twin == (None if is_rolled_back else KeyRecord("h", {"kit": 7}))


async def test_keys_are_forgotten_by_age(database: Database) -> None:
    await use(database, "old", at=NOW - timedelta(days=7, microseconds=1))
    await use(database, "new", at=NOW - timedelta(days=7))
    async with database.transaction() as work:
        assert await work.idempotency_keys.forget(NOW - timedelta(days=7)) == 1
        assert await work.idempotency_keys.forget(NOW - timedelta(days=7)) == 0
    assert await use(database, "new") is not None
    assert await use(database, "old") is None

"""Preparing the event table for the coming months while everybody works: nobody waits for it, and it waits for nobody long."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from controllers.housekeeping import Housekeeping
from domain import commands
from persistence.engine import open_engines
from persistence.unit_of_work import Database
from tests.factories import change, store_kit
from tests.fakes import fake_services
from tests.history import history_of

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
NEXT_YEAR = datetime.now(UTC) + timedelta(days=366)


@pytest.fixture
async def owner(migrated_url: str) -> AsyncIterator[AsyncEngine]:
    """The database as the role that owns the tables."""
    writer, _ = open_engines(migrated_url)
    yield writer
    await writer.dispose()


async def prepare(database: Database) -> bool:
    async with database.transaction() as work:
        return await work.events.prepare_partitions(NEXT_YEAR)


async def test_a_long_reader_holds_up_neither_the_preparation_nor_the_others(database: Database) -> None:
    kit = await store_kit(database)
    async with database.snapshot() as reader:
        before = await history_of(reader, kit.id)
        async with database.transaction() as work:
            assert await work.events.prepare_partitions(NEXT_YEAR)
            async with asyncio.timeout(1.5):  # well before the preparation would give up
                kit = await change(database, kit, commands.start_kit)
                async with database.snapshot() as other:
                    assert len(await history_of(other, kit.id)) == kit.version
        assert await history_of(reader, kit.id) == before


async def test_a_lock_that_is_not_to_be_had_is_no_fault_and_the_next_round_has_it(database: Database, owner: AsyncEngine) -> None:
    kit = await store_kit(database)
    names = count()
    async with owner.begin() as busy:
        await busy.execute(text("LOCK TABLE kit_event IN SHARE UPDATE EXCLUSIVE MODE"))
        preparing = asyncio.create_task(prepare(database))
        while not preparing.done():
            await change(database, await store_kit(database, f"kit {next(names)}"), commands.start_kit)
        assert not preparing.result()
    assert next(names) > 3, "writers waited for the preparation"
    assert await prepare(database) and await prepare(database)
    async with database.snapshot() as work:
        assert len(await history_of(work, kit.id)) == kit.version


async def test_housekeeping_says_that_it_tries_again(
    database: Database, owner: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    housekeeping = Housekeeping(fake_services(database), interval_seconds=60)
    async with owner.begin() as busy:
        await busy.execute(text("DROP TABLE kit_event_" + f"{datetime.now(UTC) + timedelta(days=64):%Y%m}"))
    async with owner.begin() as busy:
        await busy.execute(text("LOCK TABLE kit_event IN SHARE UPDATE EXCLUSIVE MODE"))
        await housekeeping.run_once()
    assert "the next round tries again" in caplog.text
    caplog.clear()
    await housekeeping.run_once()
    assert not caplog.records

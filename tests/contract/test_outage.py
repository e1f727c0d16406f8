"""A database that can't be had: whoever asks is told so in one way, whatever the reason, and no loop ends of it."""

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import event

from adapters.bus.memory import MemoryBus
from controllers.housekeeping import Housekeeping
from domain.errors import Unavailable
from persistence.engine import open_engines
from persistence.unit_of_work import Database
from resolvers import live_list
from resolvers.live import LiveKits
from tests.fakes import FailingDatabase, fake_services
from tests.waiting import eventually

FAULTS = [Unavailable("gone"), RuntimeError("nobody knows")]


@pytest.mark.parametrize(
    "error", [socket.gaierror(-3, "no name"), OSError(113, "no route"), TimeoutError(), ConnectionRefusedError()], ids=repr
)
async def test_a_server_out_of_reach_is_unavailable(empty_url: str, error: Exception) -> None:
    writer, reader = open_engines(empty_url)

    for engine in {writer, reader}:

        @event.listens_for(engine.sync_engine, "do_connect")
        def fail(*_: object) -> None:
            raise error

    database = Database(writer, reader)
    for unit_of_work in (database.snapshot, database.transaction):
        with pytest.raises(Unavailable):
            async with unit_of_work():
                pass
    await database.close()


async def test_a_pool_without_a_free_connection_is_unavailable(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = open_engines(migrated_url, pool_size=2)
    monkeypatch.setattr(reader.pool, "_timeout", 0.05)
    database = Database(writer, reader)
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable):
            while True:
                await stack.enter_async_context(database.snapshot())
    await database.close()


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_a_failed_look_at_what_is_watched_is_followed_by_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(live_list, "POLL_SECONDS", 0.01)
    failing = FailingDatabase(database)
    failing.outage = fault
    kits = LiveKits(failing, MemoryBus())
    running = asyncio.create_task(kits.run())
    with kits.watching(1):
        await eventually(lambda: failing.reads >= 3)
    assert not running.done()
    running.cancel()


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_a_failed_round_of_housekeeping_is_followed_by_the_next(database: Database, fault: Exception) -> None:
    failing = FailingDatabase(database)
    failing.outage = fault
    running = asyncio.create_task(Housekeeping(fake_services(failing), interval_seconds=0.01).run())
    await eventually(lambda: failing.transactions >= 3)
    assert not running.done()
    running.cancel()

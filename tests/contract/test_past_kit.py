"""A kit as it was at a time: its whole history is read, and others are served meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from domain.change import Change
from domain.event import EventKind
from domain.storage import UnitOfWork
from persistence.unit_of_work import Database
from resolvers.kit import find_past_kit
from tests.factories import ADA, change, store_kit
from tests.fakes import fake_services

EVENTS = 5_000


def notes(made: Change) -> None:
    for number in range(EVENTS):
        made.emit_for_job(made.kit.jobs[0], EventKind.NOTE, metadata={"n": number})


@asynccontextmanager
async def longest_pause() -> AsyncIterator[Callable[[], float]]:
    """For how many seconds at most nobody else was served."""
    pauses = [0.0]

    async def tick() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            pauses.append(now - before)
            before = now

    ticking = asyncio.create_task(tick())
    yield lambda: max(pauses)
    ticking.cancel()


async def test_a_long_history_is_read_while_others_are_served(database: Database) -> None:
    kit = await change(database, await store_kit(database), notes)
    services = fake_services(database)
    began = time.perf_counter()
    async with longest_pause() as longest:
        past = await find_past_kit(services, ADA, kit.id, kit.updated_at)
    taken = time.perf_counter() - began
    assert past is not None and past.version == kit.version and past.jobs[0].metadata == {"n": EVENTS - 1}
    assert longest() < taken / 4, "it was folded in one go"


class CountingDatabase:
    """A database that knows how many snapshots were open at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.open, self.most = 0, 0

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[UnitOfWork]:
        async with self._database.snapshot() as work:
            self.open += 1
            self.most = max(self.most, self.open)
            yield work
            self.open -= 1


async def test_histories_are_read_two_at_a_time(database: Database) -> None:
    kit = await store_kit(database)
    counting = CountingDatabase(database)
    services = replace(fake_services(database), database=cast("Any", counting))
    kits = await asyncio.gather(*(find_past_kit(services, ADA, kit.id, kit.updated_at) for _ in range(8)))
    assert kits == [kit] * 8 and counting.most == 2

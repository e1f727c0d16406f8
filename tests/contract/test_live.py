"""Watching kits, lists and logs on each database: what it costs, and what an outage does to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from domain import commands
from domain.actor import Person
from domain.errors import Unavailable
from domain.kit import Kit
from domain.live import Notice, Topic
from domain.query import KitQuery
from domain.runner import LogChunk
from persistence.unit_of_work import Database
from resolvers import job_log, live
from resolvers.job_log import watch_log
from resolvers.live import LiveKits, Watcher, watch_kit, watch_kits
from tests.factories import change, store_kit
from tests.fakes import FailingDatabase, fake_services
from tests.statements import statements
from tests.waiting import eventually

Next = Callable[[], Coroutine[Any, Any, Any]]
ADA = Person(subject="ada", name="Ada", expires_at=datetime(2100, 1, 1, tzinfo=UTC))


class Watched:
    """A database with watchers and their loops."""

    def __init__(self, database: Database, stack: AsyncExitStack) -> None:
        self.database = FailingDatabase(database)
        self.services = fake_services(self.database)
        self.live = LiveKits(self.database, self.services.bus)
        self._stack = stack

    async def follow(self, frames: AsyncIterator[Any]) -> Next:
        """What gives the next frame, after the first."""
        await self._stack.enter_async_context(aclosing(frames))  # type: ignore[type-var]
        await anext(frames)

        async def following() -> Any:
            async with asyncio.timeout(10):
                return await anext(frames)

        return following

    async def tell(self, kit: Kit) -> None:
        await self.services.bus.publish([Notice(Topic.KIT, str(kit.id), kit.version)])

    async def start(self, kit: Kit) -> Kit:
        """The kit with its first job queued."""
        started = await change(self.database, kit, commands.start_kit)
        await self.tell(started)
        return started


@pytest.fixture
async def watched(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(live, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(job_log, "POLL_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        made = Watched(database, stack)
        running = asyncio.create_task(made.live.run())
        stack.callback(running.cancel)
        yield made


@pytest.mark.parametrize("of_list", [False, True])
async def test_an_outage_ends_no_stream_and_hides_nothing(watched: Watched, of_list: bool) -> None:
    kit = await store_kit(watched.database)
    stream = watch_kits(watched.live, ADA, KitQuery()) if of_list else watch_kit(watched.live, ADA, kit.id)
    following = await watched.follow(stream)
    waiting = asyncio.create_task(following())
    started = await change(watched.database, kit, commands.start_kit)
    watched.database.outage, before = Unavailable("gone"), watched.database.reads
    await watched.tell(started)
    await eventually(lambda: watched.database.reads >= before + 3)
    assert not waiting.done()
    watched.database.outage = None
    frame = await waiting
    (found,) = frame.changed if of_list else [frame]
    assert (found.kit, found.from_version, found.is_snapshot) == (started, kit.version + 1, False)


async def test_an_outage_does_not_end_a_log(watched: Watched) -> None:
    kit = await watched.start(await store_kit(watched.database))
    key = kit.jobs[0].attempt.key

    async def write(offset: int, data: bytes) -> None:
        async with watched.database.transaction() as work:
            await work.logs.add(key, LogChunk(offset, data), await work.kits.now())

    await write(0, b"one")
    following = await watched.follow(watch_log(watched.services, watched.live, ADA, key.job_id, None, 0))
    waiting = asyncio.create_task(following())
    await write(3, b"two")
    watched.database.outage, before = Unavailable("gone"), watched.database.reads
    await eventually(lambda: watched.database.reads >= before + 3)
    watched.database.outage = None
    frame = await waiting
    assert (frame.offset, frame.text) == (3, "two")


async def test_a_list_that_nothing_happens_to_costs_a_statement_a_look(watched: Watched) -> None:
    for number in range(5):
        await store_kit(watched.database, f"kit {number}")
    following = [await watched.follow(watch_kits(watched.live, ADA, KitQuery())) for _ in range(4)]
    waiting = [asyncio.create_task(each()) for each in following]
    with statements() as seen:
        before = watched.database.reads
        await eventually(lambda: watched.database.reads >= before + 3)
    assert not any(each.done() for each in waiting)
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    assert len(seen) <= 5 and all("job_state" not in each for each in seen), seen


async def test_many_who_watch_a_list_read_it_once_for_many_changes(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 60)
    kits = [await store_kit(watched.database, f"kit {number}") for number in range(10)]
    following = [await watched.follow(watch_kits(watched.live, ADA, KitQuery())) for _ in range(8)]
    before = watched.database.reads
    started = {kit.id: await watched.start(kit) for kit in kits}

    async def until_all_seen(following: Next) -> None:
        seen: dict[int, int] = {}
        while any(seen.get(kit.id) != kit.version for kit in started.values()):
            seen |= {frame.kit.id: frame.kit.version for frame in (await following()).changed}

    await asyncio.gather(*map(until_all_seen, following))
    assert watched.database.reads - before <= 3


async def test_a_body_read_for_one_list_serves_the_others(watched: Watched) -> None:
    kit = await store_kit(watched.database)
    queries = [KitQuery(first=first) for first in range(1, 6)]
    following = [await watched.follow(watch_kits(watched.live, ADA, query)) for query in queries]
    with statements() as seen:
        await watched.start(kit)
        for each in following:
            await each()
    assert 1 <= sum("FROM task_state" in each for each in seen) <= 2, seen


async def test_a_watcher_that_is_cancelled_while_it_waits_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(Watcher().news_or(never, 60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before

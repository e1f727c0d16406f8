"""Watching kits, lists and logs on each database: what it costs, and what an outage does to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from domain import commands
from domain.errors import Unavailable
from domain.kit import Kit
from domain.live import Notice, Topic
from domain.load_test_run import RunStatus
from domain.query import KitQuery, LoadTestQuery, NamedOrder
from domain.runner import LogChunk
from domain.visibility import EVERY_PROJECT
from persistence.unit_of_work import Database
from resolvers import job_log, live_list
from resolvers.job_log import watch_log, watch_run_log
from resolvers.live import LiveKits, watch_kit, watch_kits
from resolvers.live_list import Watcher
from resolvers.live_load_test import LiveLoadTests, watch_load_tests
from tests.factories import ADA, change, store_kit, store_load_tests, store_run
from tests.fakes import FailingDatabase, fake_services
from tests.statements import statements
from tests.waiting import eventually

Next = Callable[[], Coroutine[Any, Any, Any]]


class Watched:
    """A database with watchers and their loops."""

    def __init__(self, database: Database, stack: AsyncExitStack) -> None:
        self.database = FailingDatabase(database)
        self.services = fake_services(self.database)
        self.live = LiveKits(self.database, self.services.bus)
        self.load_tests = LiveLoadTests(self.database, self.services.bus)
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
    monkeypatch.setattr(live_list, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(job_log, "POLL_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        made = Watched(database, stack)
        for each in (made.live, made.load_tests):
            stack.callback(asyncio.create_task(each.run()).cancel)
        yield made


@pytest.mark.parametrize("of_list", [False, True])
async def test_an_outage_ends_no_stream_and_hides_nothing(watched: Watched, database: Database, of_list: bool) -> None:
    kit = await store_kit(watched.database)
    stream = watch_kits(watched.live, ADA, KitQuery()) if of_list else watch_kit(watched.live, ADA, kit.id)
    following = await watched.follow(stream)
    waiting = asyncio.create_task(following())
    watched.database.outage, before = Unavailable("gone"), watched.database.reads
    started = await change(database, kit, commands.start_kit)
    await watched.tell(started)
    await eventually(lambda: watched.database.reads >= before + 3)
    assert not waiting.done()
    watched.database.outage = None
    frame = await waiting
    (found,) = frame.changed if of_list else [frame]
    assert (found.body, found.from_version, found.is_snapshot) == (started, kit.version + 1, False)


@pytest.mark.parametrize("of_run", [False, True])
async def test_an_outage_does_not_end_a_log(watched: Watched, database: Database, of_run: bool) -> None:
    if of_run:
        (test,) = await store_load_tests(watched.database, 1)
        run = await store_run(watched.database, test)
        key, stream = run.key, watch_run_log(watched.services, ADA, run.id, 0)
    else:
        kit = await watched.start(await store_kit(watched.database))
        key = kit.jobs[0].attempt.key
        stream = watch_log(watched.services, watched.live, ADA, key.job_id, None, 0)

    async def write(offset: int, data: bytes) -> None:
        async with database.transaction() as work:
            await work.logs.add(key, LogChunk(offset, data), await work.kits.now())

    await write(0, b"one")
    following = await watched.follow(stream)
    waiting = asyncio.create_task(following())
    watched.database.outage, before = Unavailable("gone"), watched.database.reads
    await write(3, b"two")
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
    monkeypatch.setattr(live_list, "POLL_SECONDS", 60)
    kits = [await store_kit(watched.database, f"kit {number}") for number in range(10)]
    following = [await watched.follow(watch_kits(watched.live, ADA, KitQuery())) for _ in range(8)]
    before = watched.database.reads
    started = {kit.id: await watched.start(kit) for kit in kits}

    async def until_all_seen(following: Next) -> None:
        seen: dict[int, int] = {}
        while any(seen.get(kit.id) != kit.version for kit in started.values()):
            seen |= {frame.body.id: frame.body.version for frame in (await following()).changed}

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


async def test_a_list_of_load_tests_costs_a_statement_a_look_and_bodies_only_where_they_have_changed(watched: Watched) -> None:
    """Whatever runs, definitions are not read again; a new version of one is read once for all lists that show it."""
    tests = await store_load_tests(watched.database, 10)
    queries = [LoadTestQuery(first=first) for first in (10, 10, 10, 5)]
    following = [await watched.follow(watch_load_tests(watched.load_tests, ADA, query)) for query in queries]
    waiting = [asyncio.create_task(each()) for each in following]
    with statements(()) as seen:
        before = watched.database.reads
        await eventually(lambda: watched.database.reads >= before + 4)
        run = await store_run(watched.database, tests[-1])
        changes = [(await each).changed for each in waiting]
    assert [[(each.body, each.versions) for each in found] for found in changes] == [[(tests[-1], (1, 1, 1, run.id, 1))]] * 4
    assert all("load_test.definition" not in each for each in seen), seen
    assert len(seen) <= watched.database.reads - before + 1, seen
    with statements(()) as seen:
        async with watched.database.transaction() as work:
            changed = await work.load_tests.change(tests[-1], tests[-1].definition, "ada")
        frames = [await each() for each in following]
    assert {(each.body, each.from_version) for frame in frames for each in frame.changed} == {(changed, 2)}
    assert 1 <= sum("load_test.definition" in each for each in seen) <= 2, seen


@pytest.mark.parametrize("order", list(NamedOrder))
async def test_the_versions_on_a_page_are_those_of_its_load_tests_in_its_order(database: Database, order: NamedOrder) -> None:
    tests = await store_load_tests(database, 7)
    runs = [await store_run(database, tests[place]) for place in (2, 3, 2)]
    query = LoadTestQuery(order=order, first=5, title_prefix="t")
    async with database.transaction() as work:
        assert await work.load_test_runs.change(runs[2], RunStatus.ABORTED, "ada") is not None
        page = (await work.load_tests.page(query, EVERY_PROJECT)).items
        with statements(()) as seen:
            versions = await work.load_tests.versions_on_page(query, EVERY_PROJECT)
        assert len(seen) == 1 and list(versions) == [each.id for each in page]
        last = {tests[2].id: (runs[2].id, 2), tests[3].id: (runs[1].id, 1)}
        assert versions == {each.id: (1, 1, 1, *last.get(each.id, (0, 0))) for each in page}
        assert set(await work.load_test_runs.last_of([each.id for each in tests])) == set(last)


async def test_an_outage_ends_no_list_of_load_tests(watched: Watched) -> None:
    (test,) = await store_load_tests(watched.database, 1)
    waiting = asyncio.create_task((await watched.follow(watch_load_tests(watched.load_tests, ADA, LoadTestQuery())))())
    await store_run(watched.database, test)
    watched.database.outage, before = Unavailable("gone"), watched.database.reads
    await eventually(lambda: watched.database.reads >= before + 3)
    assert not waiting.done()
    watched.database.outage = None
    assert [each.body for each in (await waiting).changed] == [test]


async def test_a_watcher_that_is_cancelled_while_it_waits_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(Watcher().news_or(never, 60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before

"""What every bus promises, on memory and on Redis, inside one process and between two."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bus.memory import MemoryBus
from adapters.bus.queue import NoticeQueue
from adapters.bus.redis import RedisBus
from domain.live import Gap, Notice, Topic
from domain.ports import Bus
from tests.services import RedisServer
from tests.waiting import eventually

QUEUE_LIMIT = 16
UNHURRIED = 10.0  # a heartbeat that a busy machine can't miss: the counts below are exact
MARKER = "the last one"


@dataclass
class Side:
    """A publisher and a subscriber; one and the same bus, or two as in two servers."""

    here: MemoryBus | RedisBus
    there: MemoryBus | RedisBus


@pytest.fixture(params=["memory", "redis, one server", "redis, two servers"])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    if request.param == "memory":
        async with MemoryBus(queue_limit=QUEUE_LIMIT) as memory:
            yield Side(memory, memory)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    prefix = uuid.uuid4().hex
    async with AsyncExitStack() as stack:
        buses = [RedisBus(server.url, prefix, heartbeat=UNHURRIED, queue_limit=QUEUE_LIMIT) for _ in range(2)]
        for bus in buses:
            await stack.enter_async_context(bus)
        yield Side(buses[0], buses[0] if "one" in request.param else buses[1])


def kit(key: str, version: int) -> Notice:
    return Notice(Topic.KIT, key, version)


async def take(events: AsyncIterator[Notice | Gap], count: int) -> list[Notice | Gap]:
    async with asyncio.timeout(10):
        return [await anext(events) for _ in range(count)]


async def settle(side: Side) -> None:
    """Return once everything published so far has reached the queues of the other side."""
    async with side.there.subscribe(Topic.RUNNER, MARKER) as marker:
        await side.here.publish([Notice(Topic.RUNNER, MARKER, 1)])
        await take(marker, 1)


async def test_both_are_buses(side: Side) -> None:
    bus: Bus = side.here
    await bus.publish([])
    assert side.here.is_linked
    assert side.there.is_linked


@pytest.mark.parametrize("key", ["k1", "", "Ünï 漢字 \x00", "\ud800 lone", "x" * 100_000])
async def test_notice_arrives_as_given(side: Side, key: str) -> None:
    sent = Notice(Topic.LOG, key, 2**63)
    async with side.there.subscribe(Topic.LOG, key) as events:
        await side.here.publish([sent])
        assert await take(events, 1) == [sent]


async def test_subscription_is_in_force_when_entered(side: Side) -> None:
    for version in range(1, 101):
        async with side.there.subscribe(Topic.KIT, "k1") as events:
            await side.here.publish([kit("k1", version)])
            assert await take(events, 1) == [kit("k1", version)]


async def test_versions_of_one_thing_rise_and_end_with_the_last(side: Side) -> None:
    seen: list[int] = []
    async with side.there.subscribe(Topic.KIT, "k1") as events:

        async def publish() -> None:
            for version in range(1, 501):
                await side.here.publish([kit("k1", version)])
                await asyncio.sleep(0)

        publisher = asyncio.create_task(publish())
        async with asyncio.timeout(10):
            while not seen or seen[-1] < 500:
                event = await anext(events)
                assert isinstance(event, Notice)
                seen.append(event.version)
        await publisher
    assert seen == sorted(set(seen))


async def test_things_come_in_the_order_of_their_first_notice(side: Side) -> None:
    sent = [kit(f"k{number}", 1) for number in range(QUEUE_LIMIT)]
    async with side.there.subscribe(Topic.KIT) as events:
        await side.here.publish(sent[:5])
        await side.here.publish([*sent[5:], kit("k3", 1)])
        await settle(side)
        assert await take(events, QUEUE_LIMIT) == sent


async def test_waiting_notices_of_one_thing_merge_to_the_highest_version(side: Side) -> None:
    async with side.there.subscribe(Topic.KIT) as events:
        for version in [*range(1, 1001), 7]:
            await side.here.publish([kit("k1", version), kit("k2", 2000 - version)])
        await settle(side)
        await side.here.publish([kit("k3", 1)])
        assert await take(events, 3) == [kit("k1", 1000), kit("k2", 1999), kit("k3", 1)]


async def test_overflow_is_one_gap_and_then_goes_on(side: Side) -> None:
    async with side.there.subscribe(Topic.KIT) as events:
        for number in range(QUEUE_LIMIT * 50):
            await side.here.publish([kit(f"k{number}", 1)])
        await settle(side)
        assert await take(events, 1) == [Gap()]
        await side.here.publish([kit("after", 1)])
        assert await take(events, 1) == [kit("after", 1)]


async def test_a_full_queue_is_not_yet_a_gap(side: Side) -> None:
    sent = [kit(f"k{number}", 1) for number in range(QUEUE_LIMIT)]
    async with side.there.subscribe(Topic.KIT) as events:
        await side.here.publish(sent)
        await side.here.publish(sent)
        await settle(side)
        assert await take(events, QUEUE_LIMIT) == sent


async def test_slow_reader_costs_the_others_nothing(side: Side) -> None:
    async with side.there.subscribe(Topic.KIT) as slow, side.there.subscribe(Topic.KIT) as fast:
        for number in range(QUEUE_LIMIT * 3):
            await side.here.publish([kit(f"k{number}", 1)])
            assert await take(fast, 1) == [kit(f"k{number}", 1)]
        assert await take(slow, 1) == [Gap()]


async def test_each_of_many_subscribers_gets_what_it_asked_for_and_nothing_else(side: Side) -> None:
    async with AsyncExitStack() as stack:
        ones = [await stack.enter_async_context(side.there.subscribe(Topic.KIT, f"k{number}")) for number in range(200)]
        twins = [await stack.enter_async_context(side.there.subscribe(Topic.KIT, "k7")) for _ in range(50)]
        every = await stack.enter_async_context(side.there.subscribe(Topic.KIT))
        other = await stack.enter_async_context(side.there.subscribe(Topic.LOG))
        assert side.there.subscriber_count == 252
        for number in range(200):
            await side.here.publish([kit(f"k{number}", number)])
            assert await take(every, 1) == [kit(f"k{number}", number)]
        for number, events in enumerate(ones):
            assert await take(events, 1) == [kit(f"k{number}", number)]
        for events in twins:
            assert await take(events, 1) == [kit("k7", 7)]
        last = Notice(Topic.LOG, "k7", 1)
        await side.here.publish([last])
        assert await take(other, 1) == [last]
    assert side.there.subscriber_count == 0


async def test_nothing_arrives_that_was_published_before(side: Side) -> None:
    await side.here.publish([kit("k1", 1)])
    await settle(side)
    async with side.there.subscribe(Topic.KIT) as events:
        await side.here.publish([kit("k2", 1)])
        assert await take(events, 1) == [kit("k2", 1)]


async def test_cancelling_a_waiting_reader_unsubscribes_it_and_loses_nothing_for_others(side: Side) -> None:
    async def listen() -> None:
        async with side.there.subscribe(Topic.KIT, "k1") as events:
            async for _ in events:
                pass

    reader = asyncio.create_task(listen())
    await eventually(lambda: side.there.subscriber_count == 1)
    async with side.there.subscribe(Topic.KIT, "k1") as events:
        reader.cancel()
        await asyncio.wait([reader])
        assert reader.cancelled()
        assert side.there.subscriber_count == 1
        await side.here.publish([kit("k1", 1)])
        assert await take(events, 1) == [kit("k1", 1)]


async def test_cancelled_wait_can_be_repeated(side: Side) -> None:
    async with side.there.subscribe(Topic.KIT, "k1") as events:
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await side.here.publish([kit("k1", 1)])
        assert await take(events, 1) == [kit("k1", 1)]


async def test_closing_the_bus_ends_every_iteration(side: Side) -> None:
    async def drain() -> list[Notice | Gap]:
        async with side.there.subscribe(Topic.KIT) as events:
            return [event async for event in events]

    readers = [asyncio.create_task(drain()) for _ in range(3)]
    await eventually(lambda: side.there.subscriber_count == 3)
    await side.there.__aexit__(None, None, None)
    async with asyncio.timeout(10):
        assert await asyncio.gather(*readers) == [[], [], []]
        assert await drain() == []
    await side.there.publish([kit("k1", 1)])


keys = st.sampled_from("abcde")
steps = st.one_of(st.tuples(keys, st.integers(0, 9)), st.just("take"), st.just("gap"))


@given(st.integers(1, 4), st.lists(steps))
async def test_queue_never_holds_more_than_its_limit_and_never_hides_a_loss(
    limit: int, script: list[tuple[str, int] | str]
) -> None:
    """Whatever happens, a reader that re-reads on a gap knows the highest version of every key at the end."""
    queue = NoticeQueue(limit)
    truth: dict[str, int] = {}
    known: dict[str, int] = {}

    def note(event: Notice | Gap) -> None:
        known.update(truth if isinstance(event, Gap) else {event.key: max(event.version, known.get(event.key, -1))})

    for step in script:
        if step == "gap":
            queue.put_gap()
        elif step == "take" and len(queue):
            note(await anext(queue))
        elif isinstance(step, tuple):
            truth[step[0]] = max(step[1], truth.get(step[0], -1))
            queue.put([kit(*step)])
        assert len(queue) <= limit
    for event in queue.take():
        note(event)
    assert known == truth
    assert len(queue) == 0


def test_queue_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        NoticeQueue(0)

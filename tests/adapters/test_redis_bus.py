"""The Redis bus when things break: nothing raises, nothing waits, and every loss shows as a gap."""

import asyncio
import logging
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from adapters.bus import redis as redis_bus
from adapters.bus.redis import Message, RedisBus
from domain.live import Gap, Notice, Topic
from tests.adapters.bus_probes import HEARTBEAT, UNHURRIED, DeafProxy, hears_again, kit, linked, next_gap, one, rest, until
from tests.endurance import SHARE
from tests.services import HOST, RedisServer
from tests.waiting import eventually


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test alone, to be ill-treated."""
    one = RedisServer(tmp_path)
    one.start()
    yield one
    one.stop()


@pytest.fixture
async def pair(server: RedisServer) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    async with linked(server, 2) as (here, there):
        yield here, there


async def test_killed_redis_is_a_gap_and_its_return_another(
    server: RedisServer, pair: tuple[RedisBus, RedisBus], caplog: pytest.LogCaptureFixture
) -> None:
    here, there = pair
    async with there.subscribe(Topic.KIT) as events:
        with caplog.at_level(logging.WARNING):
            server.kill()
            await next_gap(events)
            await eventually(lambda: not here.is_linked and not there.is_linked)
            server.start()
            await next_gap(events)
            await hears_again(here, there, events)
            await eventually(lambda: caplog.text.count("arrive again") == 2)
    assert caplog.text.count("No live events from other servers") == 2, "one warning for each bus, however many retries"


async def test_local_listeners_don_t_notice_a_dead_redis(server: RedisServer, pair: tuple[RedisBus, RedisBus]) -> None:
    here, _ = pair
    server.kill()
    async with here.subscribe(Topic.KIT, "k1") as events:
        await next_gap(events)
        await eventually(lambda: not here.is_linked)
        for version in range(1, 1001):
            began = time.perf_counter()
            await here.publish([kit("k1", version)])
            async with asyncio.timeout(1):
                assert await anext(events) == kit("k1", version)
            assert time.perf_counter() - began < 0.25


@pytest.mark.parametrize("frozen_first", [False, True])
async def test_frozen_redis_is_noticed_by_the_heartbeat(
    server: RedisServer, pair: tuple[RedisBus, RedisBus], caplog: pytest.LogCaptureFixture, frozen_first: bool
) -> None:
    here, there = pair
    async with there.subscribe(Topic.KIT) as events:
        server.pause()
        began = time.monotonic()
        if frozen_first:
            await next_gap(events)
        for number in range(10_000):  # more than the sockets' buffers and the outgoing queue take
            await here.publish([kit(f"{number:0200}", 1)])
        assert time.monotonic() - began < HEARTBEAT + 4
        await eventually(lambda: not here.is_linked and not there.is_linked)
        assert "No live events from other servers" in caplog.text
        server.resume()
        await next_gap(events)
        await hears_again(here, there, events)


async def test_link_that_carries_in_one_direction_only_is_noticed(server: RedisServer) -> None:
    proxy = DeafProxy(server.port)
    front = await asyncio.start_server(proxy, HOST, 0)
    url = f"redis://{HOST}:{front.sockets[0].getsockname()[1]}"
    async with (
        front,
        linked(server, 1) as (there,),
        RedisBus(url, "test", heartbeat=HEARTBEAT) as here,
        here.subscribe(Topic.KIT) as events,
    ):
        await there.publish([kit("k1", 1)])
        await until(events, kit("k1", 1))
        proxy.deaf = True
        await next_gap(events)
        await eventually(lambda: not here.is_linked)
        proxy.deaf = False
        await hears_again(there, here, events)


async def test_own_notice_is_not_heard_a_second_time(server: RedisServer) -> None:
    async with (
        linked(server, 2, UNHURRIED) as (here, there),
        here.subscribe(Topic.KIT) as local,
        there.subscribe(Topic.KIT) as events,
    ):
        await here.publish([kit("k1", 1)])
        assert await one(local) == kit("k1", 1)
        assert await one(events) == kit("k1", 1)
        await there.publish([kit("answer", 1)])
        assert await one(local) == kit("answer", 1)


async def test_leaving_while_redis_is_frozen_is_quick(server: RedisServer) -> None:
    async with asyncio.timeout(HEARTBEAT * 4 + 2):
        async with linked(server, 1) as (bus,):
            server.pause()
            await bus.publish([kit("k1", 1)])


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_cut_connection_is_a_gap_and_nothing_published_later_is_missing(
    server: RedisServer, pair: tuple[RedisBus, RedisBus], kind: str
) -> None:
    here, there = pair
    async with there.subscribe(Topic.KIT) as events:
        await hears_again(here, there, events)
        with redis.Redis.from_url(server.url) as admin:
            assert admin.client_kill_filter(_type=kind, skipme=True) >= 1
        await here.publish([kit("k1", 1)])
        await next_gap(events)
        await hears_again(here, there, events)


async def test_reader_that_redis_cuts_off_gets_a_gap(server: RedisServer, pair: tuple[RedisBus, RedisBus]) -> None:
    here, there = pair
    async with there.subscribe(Topic.KIT, "k1") as events:
        with redis.Redis.from_url(server.url) as admin:
            admin.config_set("client-output-buffer-limit", "pubsub 65536 65536 0")
            flood = Message("a third server", 1, False, (Notice(Topic.LOG, "x" * 500_000, 1),)).encode()
            # These calls block the event loop: nothing is read meanwhile, as in a process that is busy computing.
            while admin.client_list(_type="pubsub"):
                admin.publish("test:notices", flood)
            admin.config_set("client-output-buffer-limit", "pubsub 33554432 8388608 60")
        await next_gap(events)
        await eventually(lambda: there.is_linked)
        await here.publish([kit("k1", 5)])
        await until(events, kit("k1", 5))


async def test_missing_message_of_another_server_is_a_gap(server: RedisServer) -> None:
    async with linked(server, 1, UNHURRIED) as (bus,), bus.subscribe(Topic.KIT) as events:
        with redis.Redis.from_url(server.url) as peer:
            for sequence in (7, 8, 10, 11):
                peer.publish("test:notices", Message("peer", sequence, False, (kit("k", sequence),)).encode())
                await one(events)
            peer.publish("test:notices", Message("peer", 12, True, ()).encode())
            await next_gap(events)
        assert await rest(bus, events) == []


async def test_gap_stands_in_for_the_message_it_hides(server: RedisServer) -> None:
    async with linked(server, 1, UNHURRIED) as (bus,), bus.subscribe(Topic.KIT) as events:
        with redis.Redis.from_url(server.url) as peer:
            peer.publish("test:notices", Message("peer", 1, False, (kit("k", 1),)).encode())
            assert await one(events) == kit("k", 1)
            peer.publish("test:notices", Message("peer", 3, False, (kit("k", 3),)).encode())
            assert await one(events) == Gap()


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"null", b"[1]", b"{}", b'{"sender": 1, "sequence": 1, "gap": false, "notices": []}']
    + [b'{"sender": "s", "sequence": 1, "gap": false, "notices": [%s]}' % row for row in (b"1", b"[]", b'["kit"]', b"[[]]")],
)
async def test_unreadable_message_is_a_gap_and_the_next_one_is_heard(
    server: RedisServer, pair: tuple[RedisBus, RedisBus], caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    here, there = pair
    async with there.subscribe(Topic.KIT) as events:
        with redis.Redis.from_url(server.url) as stranger:
            stranger.publish("test:notices", data)
        await next_gap(events)
        await here.publish([kit("k1", 1)])
        await until(events, kit("k1", 1))
    assert "could not be read" in caplog.text


async def test_topics_of_a_newer_server_are_passed_over(server: RedisServer) -> None:
    newer = b'{"sender": "s", "sequence": 1, "gap": false, "notices": [["tea", "k", 1], ["kit", "k", 2]], "more": 1}'
    async with linked(server, 1, UNHURRIED) as (bus,), bus.subscribe(Topic.KIT) as events:
        with redis.Redis.from_url(server.url) as peer:
            peer.publish("test:notices", newer)
        assert await one(events) == kit("k", 2)


async def test_server_starts_without_redis_and_joins_when_it_comes(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    server.stop()
    async with asyncio.timeout(10), linked(server, 2) as (here, there):
        assert not here.is_linked
        async with here.subscribe(Topic.KIT) as local, there.subscribe(Topic.KIT) as events:
            await here.publish([kit("k1", 1)])
            assert await one(local) == kit("k1", 1)
            server.start()
            await next_gap(events)
            await hears_again(here, there, events)


async def test_what_the_outgoing_queue_had_to_drop_is_one_gap_elsewhere(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "OUTGOING_LIMIT", 4)
    async with (
        linked(server, 2, UNHURRIED) as (here, there),
        here.subscribe(Topic.KIT) as local,
        there.subscribe(Topic.KIT) as events,
    ):
        sent = [kit(f"k{number}", 1) for number in range(10)]
        await here.publish(sent)
        assert [await one(local) for _ in sent] == sent, "nothing was dropped for those in the same process"
        assert await one(events) == Gap()
        await here.publish([kit("after", 1)])
        assert await one(events) == kit("after", 1)
        assert await one(local) == kit("after", 1)


async def test_last_words_are_sent(server: RedisServer) -> None:
    async with linked(server, 1, UNHURRIED) as (bus,), bus.subscribe(Topic.KIT) as events:
        for version in range(1, 21):
            async with linked(server, 1, UNHURRIED) as (short_lived,):
                await short_lived.publish([kit("k1", version)])
            assert await one(events) == kit("k1", version)


async def test_leaving_never_hangs_whatever_is_on_its_way(server: RedisServer) -> None:
    """`asyncio.wait_for` can swallow the cancellation of a write that ends at the same moment."""
    for turns in range(40):
        async with asyncio.timeout(5), linked(server, 1, UNHURRIED) as (bus,):
            await bus.publish([kit("k1", turns)])
            for _ in range(turns % 10):
                await asyncio.sleep(0)
            bus._linked.clear()  # leave as one whose link was just lost: without sending the last words


async def test_installations_with_other_prefixes_don_t_hear_each_other(server: RedisServer) -> None:
    async with RedisBus(server.url, "other") as other, linked(server, 1, UNHURRIED) as (bus,), bus.subscribe(Topic.KIT) as events:
        await other.publish([kit("k1", 1)])
        await other.__aexit__(None, None, None)
        assert await rest(bus, events) == []


async def test_other_process_is_heard(server: RedisServer) -> None:
    program = """
import asyncio, sys
from adapters.bus.redis import RedisBus
from domain.live import Notice, Topic
async def main():
    async with RedisBus(sys.argv[1], "test") as bus:
        await bus.publish([Notice(Topic.LOG, "from afar", 3)])
asyncio.run(main())
"""
    async with linked(server, 1, UNHURRIED) as (bus,), bus.subscribe(Topic.LOG, "from afar") as events:
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, server.url], check=True, timeout=30)
        assert done.returncode == 0
        assert await one(events) == Notice(Topic.LOG, "from afar", 3)


@pytest.mark.parametrize("url", ["", "nonsense", "http://localhost", "redis://localhost:port"])
def test_wrong_url_is_refused_before_anything_starts(url: str) -> None:
    with pytest.raises(ValueError):
        RedisBus(url)


@pytest.mark.endurance
@pytest.mark.timeout(600)
async def test_many_faults_later_everyone_knows_the_newest_versions(server: RedisServer) -> None:
    """100 faults in full. Readers that read again on a gap end with the truth, whatever happened to Redis in between."""
    truth: dict[str, int] = {}
    stop = asyncio.Event()

    async def write(bus: RedisBus, name: str) -> None:
        while not stop.is_set():
            key = f"{name}{random.randrange(20)}"
            truth[key] = truth.get(key, 0) + 1
            await bus.publish([kit(key, truth[key])])
            await asyncio.sleep(0.001)

    async def watch(bus: RedisBus, known: dict[str, int]) -> None:
        async with bus.subscribe(Topic.KIT) as events:
            async for event in events:
                known.update(truth if isinstance(event, Gap) else {event.key: max(event.version, known.get(event.key, 0))})

    async with linked(server, 3) as buses, asyncio.TaskGroup() as group:
        views: list[dict[str, int]] = [{} for _ in buses]
        readers = [group.create_task(watch(bus, view)) for bus, view in zip(buses, views, strict=True)]
        writers = [group.create_task(write(bus, name)) for bus, name in zip(buses, "abc", strict=True)]
        for _ in range(max(4, round(100 * SHARE))):
            await inflict(server, random.choice(["crash", "freeze", "cut readers", "cut writers"]))
            await eventually(lambda: all(bus.is_linked for bus in buses))
        stop.set()
        await asyncio.wait(writers)
        await eventually(lambda: views == [truth] * 3)
        assert len(truth) > 20
        for reader in readers:
            reader.cancel()


async def inflict(server: RedisServer, fault: str) -> None:
    match fault:
        case "crash":
            server.kill()
            await asyncio.sleep(random.uniform(0, HEARTBEAT))
            server.start()
        case "freeze":
            server.pause()
            await asyncio.sleep(random.uniform(0, 2 * HEARTBEAT))
            server.resume()
        case _:
            with redis.Redis.from_url(server.url) as admin:
                admin.client_kill_filter(_type="pubsub" if fault == "cut readers" else "normal", skipme=True)

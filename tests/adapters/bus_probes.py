"""What the tests of the Redis bus watch it with: linked buses, waiting for events, a connection that loses one direction."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.bus.redis import RedisBus
from domain.live import Gap, Notice, Topic
from tests.services import HOST, RedisServer
from tests.waiting import eventually

HEARTBEAT = 0.5
UNHURRIED = 10.0  # for tests that expect exactly what was sent: a busy machine must not miss a beat


@asynccontextmanager
async def linked(server: RedisServer, count: int, heartbeat: float = HEARTBEAT) -> AsyncIterator[list[RedisBus]]:
    async with AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(RedisBus(server.url, "test", heartbeat=heartbeat)) for _ in range(count)]
        yield buses


def kit(key: str, version: int) -> Notice:
    return Notice(Topic.KIT, key, version)


async def one(events: AsyncIterator[Notice | Gap]) -> Notice | Gap:
    async with asyncio.timeout(10):
        return await anext(events)


async def rest(bus: RedisBus, events: AsyncIterator[Notice | Gap]) -> list[Notice | Gap]:
    """What still waits."""
    await bus.publish([kit("marker", 1)])
    return (await until(events, kit("marker", 1)))[:-1]


async def next_gap(events: AsyncIterator[Notice | Gap], deadline: float = 10) -> None:
    async with asyncio.timeout(deadline):
        while not isinstance(await anext(events), Gap):
            pass


async def until(events: AsyncIterator[Notice | Gap], wanted: Notice) -> list[Notice | Gap]:
    """What comes up to and including `wanted`."""
    seen: list[Notice | Gap] = []
    async with asyncio.timeout(10):
        while wanted not in seen:
            seen.append(await anext(events))
    return seen


async def hears_again(here: RedisBus, there: RedisBus, events: AsyncIterator[Notice | Gap]) -> None:
    """Notices go from one server to the other."""
    await eventually(lambda: here.is_linked and there.is_linked)
    fresh = kit(uuid.uuid4().hex, 1)

    async def repeat() -> None:
        while True:
            await here.publish([fresh])
            await asyncio.sleep(HEARTBEAT / 10)

    publisher = asyncio.create_task(repeat())
    try:
        await until(events, fresh)
    finally:
        publisher.cancel()


class DeafProxy:
    """Passes connections on to Redis; once `deaf`, what Redis says to subscribers is lost on the way, and nothing else."""

    def __init__(self, port: int) -> None:
        self._redis_port = port
        self.deaf = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_connection(HOST, self._redis_port)
        subscribed = False

        async def questions() -> None:
            nonlocal subscribed
            while data := await reader.read(65536):
                subscribed = subscribed or b"SUBSCRIBE" in data
                redis_writer.write(data)
            redis_writer.close()

        async def answers() -> None:
            while data := await redis_reader.read(65536):
                if not (self.deaf and subscribed):
                    writer.write(data)
            writer.close()

        await asyncio.gather(questions(), answers(), return_exceptions=True)

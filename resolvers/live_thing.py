"""Watching one thing that some server works on in the background: imports of lot rows, runs of the daily batch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from domain.errors import NotFound, Unavailable
from domain.live import Topic
from resolvers.live_list import POLL_SECONDS, Body, StateFrame, woken_by
from resolvers.services import Services

LEAST_SECONDS = 0.25  # between two frames: such things change with each batch of their rows


async def watch_thing(
    services: Services, topic: Topic, kind: str, number: int, read: Callable[[], Awaitable[Body | None]]
) -> AsyncIterator[StateFrame[Body]]:
    """What `read` finds now, then whenever it has changed; what came in between is merged into one frame.

    The thing is the one of that kind and number, of which notices of the topic tell; `NotFound` where it does not exist.
    """
    async with woken_by(services.bus, topic, str(number)) as watcher:
        found = await read()
        if found is None:
            raise NotFound(kind, number)
        yield StateFrame.after(None, found)
        known = found.version
        while True:
            await asyncio.sleep(LEAST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS - LEAST_SECONDS):
                    await watcher.news()
            with suppress(Unavailable):
                found = await read()
            if found is not None and found.version > known:
                yield StateFrame.after(known, found)
                known = found.version

"""One read for all who want to know the same at the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class SharedRead(Generic[Value]):
    """Answers whoever calls it with what was read after the call; all who call before a read begins share it.

    Reads follow one another, so that no answer is older than an earlier one, and begin at least `interval_seconds` apart. What a
    read raises is raised to all who share it; who is cancelled takes it from nobody else.
    """

    def __init__(self, read: Callable[[], Awaitable[Value]], interval_seconds: float = 0.0) -> None:
        self._read = read
        self._interval_seconds = interval_seconds
        self._began_at = -interval_seconds
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[Value] | None = None

    async def __call__(self) -> Value:
        """What is there now or a little later."""
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._run())
            self._next.add_done_callback(_retrieve)
        return await asyncio.shield(self._next)

    async def _run(self) -> Value:
        async with self._one_at_a_time:
            await asyncio.sleep(max(0.0, self._began_at + self._interval_seconds - time.monotonic()))
            self._next, self._began_at = None, time.monotonic()
            return await self._read()


def _retrieve(task: "asyncio.Task[Value]") -> None:
    """Take notice of an exception even where all who waited for it have gone."""
    if not task.cancelled():
        task.exception()

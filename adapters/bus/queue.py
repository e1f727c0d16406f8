"""What a slow listener may cost: bounded queues that merge notices of one key, and the fan-out to them.

Both buses share this, so that a subscriber can't tell them apart. Everything here belongs to one event loop; adding never
waits, so that a listener can't hold up a publisher.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager

from domain.live import Gap, Notice, Topic

DEFAULT_QUEUE_LIMIT = 1024


class NoticeQueue(AsyncIterator[Notice | Gap]):
    """At most `limit` keys, each with the highest version that came in, first come, first served.

    One key too many turns all of it into a single `Gap`. Until that is taken further notices add nothing: whoever takes a gap
    reads everything again. Made for one consumer; the iteration ends once the queue is closed.
    """

    def __init__(self, limit: int = DEFAULT_QUEUE_LIMIT) -> None:
        if limit < 1:
            raise ValueError(f"a queue must hold at least one notice, not {limit}")
        self._limit = limit
        self._pending: dict[tuple[Topic, str], Notice] = {}
        self._gap = False
        self._closed = False
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        """How many things wait to be taken, a gap counting as one."""
        return len(self._pending) + self._gap

    def put(self, notices: Iterable[Notice]) -> None:
        """Add notices, merging those of one key."""
        for notice in notices:
            if self._gap:
                return
            key = (notice.topic, notice.key)
            known = self._pending.get(key)
            if known is None and len(self._pending) >= self._limit:
                self.put_gap()
            elif known is None or known.version < notice.version:
                self._pending[key] = notice
                self._ready.set()

    def put_gap(self) -> None:
        """Replace whatever waits by a gap."""
        self._pending.clear()
        self._gap = True
        self._ready.set()

    def close(self) -> None:
        """End the iteration, whatever still waits."""
        self._closed = True
        self._ready.set()

    def take(self) -> Iterator[Notice | Gap]:
        """Everything that waits now, taken one by one and possibly nothing."""
        while self._gap or self._pending:
            yield self._pop()

    async def wait(self) -> None:
        """Return once there is something to take, or the queue is closed."""
        await self._ready.wait()

    async def __anext__(self) -> Notice | Gap:
        await self._ready.wait()
        if self._closed:
            raise StopAsyncIteration
        return self._pop()

    def _pop(self) -> Notice | Gap:
        if self._gap:
            self._gap = False
            found: Notice | Gap = Gap()
        else:
            found = self._pending.pop(next(iter(self._pending)))
        if not (self._pending or self._closed):
            self._ready.clear()
        return found


class Subscribers:
    """The listeners inside this process, by what they listen to."""

    def __init__(self, queue_limit: int = DEFAULT_QUEUE_LIMIT) -> None:
        self._queue_limit = queue_limit
        self._queues: defaultdict[tuple[Topic, str | None], set[NoticeQueue]] = defaultdict(set)
        self._closed = False

    def __len__(self) -> int:
        """How many listen now."""
        return sum(len(queues) for queues in self._queues.values())

    @asynccontextmanager
    async def join(self, topic: Topic, key: str | None) -> AsyncIterator[AsyncIterator[Notice | Gap]]:
        """Listen to one thing, or to a whole topic where `key` is None, from the moment of entering to that of leaving."""
        queue = NoticeQueue(self._queue_limit)
        if self._closed:
            queue.close()
        place = (topic, key)
        self._queues[place].add(queue)
        try:
            yield queue
        finally:
            self._queues[place].discard(queue)
            if not self._queues[place]:
                del self._queues[place]

    def deliver(self, notices: Sequence[Notice]) -> None:
        """Hand each notice to those who listen to its key or its topic."""
        for notice in notices:
            for key in (notice.key, None):
                for queue in self._queues.get((notice.topic, key), ()):
                    queue.put((notice,))

    def gap(self) -> None:
        """Tell everyone that notices may have been missed."""
        for queues in self._queues.values():
            for queue in queues:
                queue.put_gap()

    def close(self) -> None:
        """End every iteration, now and for those who still come."""
        self._closed = True
        for queues in self._queues.values():
            for queue in queues:
                queue.close()

"""The bus between several servers: one Redis channel that every process publishes to and listens on.

Redis pub/sub forgets whatever it can't deliver at once, and its client hides that by reconnecting silently. So nothing here
trusts the connection: each process hears its own heartbeat through Redis or takes the link for dead, every message carries a
number that shows a missing one, and each new subscription starts with a `Gap`. The decisions stand in docs/adr/0005-bus.md.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import EqualJitterBackoff, NoBackoff
from redis.exceptions import RedisError

from adapters.bus.queue import DEFAULT_QUEUE_LIMIT, NoticeQueue, Subscribers
from domain.live import Gap, Notice, Topic

logger = logging.getLogger(__name__)

OUTGOING_LIMIT = 8192
HEARTBEATS_PER_SILENCE = 4
MOST_SENDERS = 1024
MOST_DOUBLINGS = 10
KNOWN_TOPICS = frozenset(Topic)


@dataclass(frozen=True, slots=True)
class Message:
    """What travels: `sequence` counts the messages of `sender`; `gap` says that it had to drop notices before this one."""

    sender: str
    sequence: int
    gap: bool
    notices: tuple[Notice, ...]

    def encode(self) -> bytes:
        """ASCII JSON, which also carries what UTF-8 refuses, so that no key can stop the stream."""
        notices = [(notice.topic, notice.key, notice.version) for notice in self.notices]
        return json.dumps({"sender": self.sender, "sequence": self.sequence, "gap": self.gap, "notices": notices}).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Message":
        """The inverse; `ValueError` for anything else. Topics of a newer PLOG are left out: nobody here listens to them."""
        match json.loads(data):
            case {"sender": str(sender), "sequence": int(sequence), "gap": bool(gap), "notices": list(rows)}:
                return cls(sender, sequence, gap, tuple(_notice(*row) for row in rows if row[0] in KNOWN_TOPICS))
        raise ValueError("not a message of this bus")


def _heed_cancellation() -> None:
    """End this task if it was asked to, also where a library took the request and dropped it.

    `asyncio.wait_for` of Python 3.11, which redis-py writes with, does so when the write ends at the same moment.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _notice(topic: str, key: str, version: int) -> Notice:
    return Notice(Topic(topic), key, version)


class RedisBus:
    """Implements `domain.ports.Bus` over Redis at `url`, apart from other installations by `prefix`.

    Inside its own process it is as fast as memory, Redis up or down. `heartbeat` (seconds) is the longest silence of Redis
    that goes unnoticed and the longest that anything here waits for it; `queue_limit` is as in `MemoryBus`. `ValueError` for a
    URL that is none. Entering the context works while Redis is down; leaving it ends all subscriptions.
    """

    def __init__(self, url: str, prefix: str = "plog", *, heartbeat: float = 2.0, queue_limit: int = DEFAULT_QUEUE_LIMIT) -> None:
        self._client = Redis.from_url(
            url, socket_timeout=heartbeat, socket_connect_timeout=heartbeat, retry=Retry(NoBackoff(), 0)
        )
        self._channel = f"{prefix}:notices"
        self._heartbeat = heartbeat
        self._subscribers = Subscribers(queue_limit)
        self._outgoing = NoticeQueue(OUTGOING_LIMIT)
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._tried = asyncio.Event()
        self._linked = asyncio.Event()
        self._sender = uuid.uuid4().hex
        self._sequence = 0
        self._expected: dict[str, int] = {}
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def is_linked(self) -> bool:
        """Whether notices of other processes arrive now."""
        return self._linked.is_set()

    @property
    def subscriber_count(self) -> int:
        """How many listen in this process now."""
        return len(self._subscribers)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="redis-bus")
        await self._tried.wait()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self.is_linked:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._heartbeat):
                        await self._flushed.wait()
        finally:
            self._closing = True
            self._subscribers.close()
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait((self._task,))
            self._linked.clear()
            try:
                await self._client.aclose()
            except (RedisError, OSError) as trouble:
                logger.debug("Redis did not take leave: %s", trouble)

    async def publish(self, notices: Sequence[Notice]) -> None:
        """See `domain.ports.Bus.publish`; it never waits for Redis."""
        self._subscribers.deliver(notices)
        if notices:
            self._outgoing.put(notices)
            self._flushed.clear()

    def subscribe(self, topic: Topic, key: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Notice | Gap]]:
        """See `domain.ports.Bus.subscribe`."""
        return self._subscribers.join(topic, key)

    async def _run(self) -> None:
        """Keep a link up; both directions live and die together, so that a loss on either is one thing to handle."""
        backoff = EqualJitterBackoff(cap=1.0, base=0.05)
        while not self._closing:  # a cancellation that meets a failing link would otherwise be lost in the group
            try:
                await self._client.connection_pool.disconnect()  # an idle connection may still lead to a frozen or former Redis
                async with asyncio.TaskGroup() as link:
                    link.create_task(self._receive())
                    link.create_task(self._send())
            except* Exception as group:
                self._lose(group.exceptions[0])
            await asyncio.sleep(backoff.compute(min(self._failures, MOST_DOUBLINGS)))

    def _lose(self, error: Exception) -> None:
        foreseen = isinstance(error, RedisError | OSError | TimeoutError)
        level = logging.DEBUG if foreseen and self._failures else logging.WARNING
        reason = str(error) or f"no heartbeat came back within {self._heartbeat} s"
        logger.log(level, "No live events from other servers: Redis: %s", reason, exc_info=None if foreseen else error)
        self._failures += 1
        self._linked.clear()
        self._tried.set()
        self._subscribers.gap()

    async def _send(self) -> None:
        """Publish what waits as one message, merged with all that came while the last one was on its way."""
        while True:
            _heed_cancellation()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat / HEARTBEATS_PER_SILENCE):
                    await self._outgoing.wait()
            batch = list(self._outgoing.take())
            notices = tuple(item for item in batch if isinstance(item, Notice))
            gap = len(notices) < len(batch)
            self._sequence += 1
            try:
                await self._client.publish(self._channel, Message(self._sender, self._sequence, gap, notices).encode())
            except BaseException:
                self._outgoing.put(notices)
                if gap:
                    self._outgoing.put_gap()
                raise
            if not len(self._outgoing):
                self._flushed.set()

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._client.pubsub() as pubsub, asyncio.timeout(self._heartbeat) as silence:
            await pubsub.subscribe(self._channel)
            while True:
                _heed_cancellation()
                received = await pubsub.get_message(timeout=None)
                if received["type"] == "subscribe":
                    self._join()
                elif received["type"] == "message" and self._accept(received["data"]):
                    silence.reschedule(loop.time() + self._heartbeat)

    def _join(self) -> None:
        """A subscription is in force; whatever was said before it is unknown."""
        self._expected.clear()
        self._linked.set()
        self._tried.set()
        self._subscribers.gap()

    def _accept(self, data: bytes) -> bool:
        """Hand on one message; True for one of our own, which proves that the link carries in both directions."""
        try:
            message = Message.decode(data)
        except (ValueError, TypeError, LookupError) as error:
            logger.warning("A message on %s could not be read: %s", self._channel, error)
            self._subscribers.gap()
            return False
        own = message.sender == self._sender
        if len(self._expected) >= MOST_SENDERS:
            self._expected.clear()
        complete = self._expected.get(message.sender, message.sequence) == message.sequence
        self._expected[message.sender] = message.sequence + 1
        if not complete or (message.gap and not own):
            self._subscribers.gap()
        if own:
            self._recover()
        else:
            self._subscribers.deliver(message.notices)
        return own

    def _recover(self) -> None:
        if self._failures:
            logger.warning("Live events from other servers arrive again")
            self._failures = 0

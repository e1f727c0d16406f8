"""The bus of a PLOG that is a single process: notices go straight from publisher to subscriber."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

from adapters.bus.queue import DEFAULT_QUEUE_LIMIT, Subscribers
from domain.live import Gap, Notice, Topic


class MemoryBus:
    """Implements `domain.ports.Bus`; leaving the context ends all subscriptions.

    `queue_limit` is the number of keys that may wait for one subscriber before it gets a `Gap` instead.
    """

    def __init__(self, *, queue_limit: int = DEFAULT_QUEUE_LIMIT) -> None:
        self._subscribers = Subscribers(queue_limit)

    @property
    def is_linked(self) -> bool:
        """Always: there are no other processes to hear from."""
        return True

    @property
    def subscriber_count(self) -> int:
        """How many listen now."""
        return len(self._subscribers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._subscribers.close()

    async def publish(self, notices: Sequence[Notice]) -> None:
        """See `domain.ports.Bus.publish`."""
        self._subscribers.deliver(notices)

    def subscribe(self, topic: Topic, key: str | None = None) -> AbstractAsyncContextManager[AsyncIterator[Notice | Gap]]:
        """See `domain.ports.Bus.subscribe`."""
        return self._subscribers.join(topic, key)

"""Watching lists: their first page as it is, then whenever it has changed, merged where the watcher is slow.

One process listens to the bus once for each kind of list, for all of its watchers. The bus only makes it fast: every two seconds
the versions of everything watched are read, so that a notice that never came (a crash between commit and publish, a dead Redis)
only costs time. While the database does not answer nothing is sent; watchers go on with what it says afterwards.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from domain.errors import Unavailable
from domain.live import Gap, Notice, Topic
from domain.ports import Bus
from domain.storage import Database, UnitOfWork
from resolvers.shared_read import SharedRead

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
LIST_INTERVAL_SECONDS = 0.25
KEPT_BODIES = 1_000


class Versioned(Protocol):
    """What has a number and grows by versions."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def version(self) -> int:
        """Grows by one with each change."""
        ...


Query = TypeVar("Query", bound=Hashable)
Scope = TypeVar("Scope", bound=Hashable)
Body = TypeVar("Body", bound=Versioned)
Versions = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StateFrame(Generic[Body]):
    """A thing's state; its versions from `from_version` on are new to the watcher.

    `versions` are those of all that is shown of it, its own first. `from_version` is the version itself where only what is shown
    with it has changed, and when `is_snapshot`: the watcher is shown it for the first time.
    """

    body: Body
    versions: Versions
    from_version: int
    is_snapshot: bool

    @classmethod
    def after(cls, known: int | None, body: Body, versions: Versions | None = None) -> "StateFrame[Body]":
        """The frame for a watcher who knows the thing at that version, or not at all."""
        first = body.version if known is None else min(known + 1, body.version)
        return cls(body, versions or (body.version,), first, is_snapshot=known is None)


@dataclass(frozen=True, slots=True)
class ListFrame(Generic[Body]):
    """A page as it now is in `order` (ids), with what is new on it or has changed since the last frame."""

    order: tuple[int, ...]
    changed: tuple[StateFrame[Body], ...]
    is_snapshot: bool


@dataclass(eq=False, slots=True)
class Watcher:
    """One who waits for news; of a single thing it hears if there is a version above `known`."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    known: int = 0

    async def news(self) -> None:
        """Wait until there may be something new."""
        await self.woken.wait()
        self.woken.clear()

    def take_news(self) -> bool:
        """Whether there may be something new since this was last asked."""
        is_woken = self.woken.is_set()
        self.woken.clear()
        return is_woken

    async def news_or(self, other: "asyncio.Future[Any]", timeout_seconds: float) -> None:
        """Wait until there may be something new, the other event has come, or time is up."""
        news = asyncio.ensure_future(self.woken.wait())
        try:
            await asyncio.wait({news, other}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()


def wake(watchers: Iterable[Watcher]) -> None:
    """Let them look for news."""
    for watcher in watchers:
        watcher.woken.set()


@asynccontextmanager
async def woken_by(bus: Bus, topic: Topic, key: str) -> AsyncIterator[Watcher]:
    """A watcher that each notice of that key wakes."""
    watcher = Watcher()

    async def listen() -> None:
        async for _ in notices:
            watcher.woken.set()

    async with bus.subscribe(topic, key) as notices:
        listening = asyncio.create_task(listen())
        try:
            yield watcher
        finally:
            listening.cancel()


Page = Sequence[tuple[Body, Versions]]


class LiveList(ABC, Generic[Query, Scope, Body]):
    """The watchers of one kind of list in one process, the two loops that wake them, and what was read for all of them.

    A scope is what exists for a watcher: those of the same scope share what is read.
    """

    topic: ClassVar[Topic]

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._of_lists: set[Watcher] = set()
        self._bodies: OrderedDict[int, Body] = OrderedDict()
        self._page_reads: WeakValueDictionary[tuple[Query, Scope], SharedRead[Page[Body]]] = WeakValueDictionary()

    @abstractmethod
    async def read_versions(self, work: UnitOfWork, query: Query, scope: Scope) -> Mapping[int, Versions]:
        """The ids of what is on the page, in its order, with the versions of all that is shown of each, its own first."""

    @abstractmethod
    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], scope: Scope) -> Mapping[int, Body]:
        """The things of these ids."""

    async def run(self) -> None:
        """Wake watchers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._poll())

    @contextmanager
    def watching_lists(self) -> Iterator[Watcher]:
        """A watcher of lists."""
        watcher = Watcher()
        self._of_lists.add(watcher)
        try:
            yield watcher
        finally:
            self._of_lists.discard(watcher)

    def reader_of_page(self, query: Query, scope: Scope) -> SharedRead[Page[Body]]:
        """Reads a page: of what is kept at its version only that; one for all who hold it."""

        async def read() -> Page[Body]:
            async with self._database.snapshot() as work:
                versions = await self.read_versions(work, query, scope)
                found = {each: body for each, (own, *_) in versions.items() if (body := self.body(each, own)) is not None}
                wanted = [each for each in versions if each not in found]
                missing = await self.read_bodies(work, wanted, scope) if wanted else {}
            self.keep(missing.values())
            return [(found.get(each) or missing[each], shown) for each, shown in versions.items()]

        return self._page_reads.setdefault((query, scope), SharedRead(read, LIST_INTERVAL_SECONDS))

    def body(self, number: int, version: int) -> Body | None:
        """The thing at that version, if it was read before; for those to whom the database has told that it is there."""
        body = self._bodies.get(number)
        return body if body is not None and body.version == version else None

    def newer_body(self, number: int, known: int) -> Body | None:
        """The thing at a version above `known`, if it was read before; for those who were shown it."""
        body = self._bodies.get(number)
        return body if body is not None and body.version > known else None

    def keep(self, bodies: Iterable[Body]) -> None:
        """Remember what was read for those who come to the same version."""
        for body in bodies:
            known = self._bodies.get(body.id)
            if known is None or known.version < body.version:
                self._bodies[body.id] = body
            self._bodies.move_to_end(body.id)
        while len(self._bodies) > KEPT_BODIES:
            self._bodies.popitem(last=False)

    def take(self, notice: Notice | Gap) -> None:
        """Wake those whom a notice may concern."""
        wake(self._of_lists)

    async def look(self) -> None:
        """Wake those who may have missed a notice."""
        wake(self._of_lists)

    async def _listen(self) -> None:
        async with self._bus.subscribe(self.topic) as notices:
            async for notice in notices:
                try:
                    self.take(notice)
                except Exception:
                    log.exception("%s can't be taken in; the next one follows", notice)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.look()
            except Unavailable as error:
                log.warning("the versions of what is watched (%s) can't be read: %s", self.topic, error)
            except Exception:
                log.exception("the versions of what is watched (%s) can't be read; the next round begins anew", self.topic)


async def watch_list(live: LiveList[Query, Scope, Body], query: Query, scope: Scope) -> AsyncIterator[ListFrame[Body]]:
    """The first page of a list now, then whenever something on it, or the page itself, has changed."""
    read = live.reader_of_page(query, scope)
    with live.watching_lists() as watcher:
        page = await read()
        yield _list_frame(page, {}, is_snapshot=True)
        while True:
            sent = {body.id: versions for body, versions in page}
            await watcher.news()
            with suppress(Unavailable):
                page = await read()
            if list(sent.items()) != [(body.id, versions) for body, versions in page]:
                yield _list_frame(page, sent, is_snapshot=False)


def _list_frame(page: Page[Body], sent: Mapping[int, Versions], *, is_snapshot: bool) -> ListFrame[Body]:
    changed = tuple(
        StateFrame.after(sent[body.id][0] if body.id in sent else None, body, versions)
        for body, versions in page
        if sent.get(body.id) != versions
    )
    return ListFrame(tuple(body.id for body, _ in page), changed, is_snapshot)

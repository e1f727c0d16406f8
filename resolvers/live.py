"""Watching kits: first what is there, then every newer version, merged where the watcher is slow.

One process listens to the bus once, for all of its watchers. The bus only makes it fast: every two seconds the versions of
everything watched are read, so that a notice that never came (a crash between commit and publish, a dead Redis) only costs time.
While the database does not answer nothing is sent; watchers go on with what it says afterwards.
"""

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from domain.actor import Actor
from domain.errors import NotFound, Unavailable
from domain.kit import Kit
from domain.live import Gap, Notice, Topic
from domain.ports import Bus
from domain.query import KitQuery
from domain.storage import Database
from domain.visibility import Visibility
from resolvers.authorisation import visibility_of
from resolvers.shared_read import SharedRead

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
LIST_INTERVAL_SECONDS = 0.25
KEPT_BODIES = 1_000


@dataclass(frozen=True, slots=True)
class KitFrame:
    """A kit's state; its versions from `from_version` on are new to the watcher.

    `is_snapshot`: the watcher is shown the kit for the first time; `from_version` is its version then.
    """

    kit: Kit
    from_version: int
    is_snapshot: bool

    @classmethod
    def after(cls, known: int | None, kit: Kit) -> "KitFrame":
        """The frame for a watcher who knows the kit at that version, or not at all."""
        return cls(kit, kit.version if known is None else known + 1, is_snapshot=known is None)


@dataclass(frozen=True, slots=True)
class KitListFrame:
    """A page of kits as it now is in `order` (ids), with those that are new or changed since the last frame."""

    order: tuple[int, ...]
    changed: tuple[KitFrame, ...]
    is_snapshot: bool


@dataclass(eq=False, slots=True)
class Watcher:
    """One who waits for news; of a kit it hears if there is a version above `known`."""

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


class LiveKits:
    """The watchers of one process, the two loops that wake them, and what was read for all of them."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._of_kit: dict[int, set[Watcher]] = defaultdict(set)
        self._of_lists: set[Watcher] = set()
        self._bodies: OrderedDict[int, Kit] = OrderedDict()
        self._kit_reads: WeakValueDictionary[tuple[int, Visibility], SharedRead[Kit | None]] = WeakValueDictionary()
        self._page_reads: WeakValueDictionary[tuple[KitQuery, Visibility], SharedRead[Sequence[Kit]]] = WeakValueDictionary()

    async def run(self) -> None:
        """Wake watchers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._poll())

    @contextmanager
    def watching(self, kit_id: int | None) -> Iterator[Watcher]:
        """A watcher of one kit, or of lists where `kit_id` is None."""
        watcher = Watcher()
        watchers = self._of_lists if kit_id is None else self._of_kit[kit_id]
        watchers.add(watcher)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if kit_id is not None and not watchers:
                self._of_kit.pop(kit_id, None)

    def reader_of_kit(self, kit_id: int, visibility: Visibility) -> SharedRead[Kit | None]:
        """Reads the kit, None where it does not exist for the viewer; one for all who hold it."""

        async def read() -> Kit | None:
            async with self._database.snapshot() as work:
                kit = await work.kits.get(kit_id, visibility)
            self._keep([kit] if kit is not None else [])
            return kit

        return self._kit_reads.setdefault((kit_id, visibility), SharedRead(read))

    def reader_of_page(self, query: KitQuery, visibility: Visibility) -> SharedRead[Sequence[Kit]]:
        """Reads a page of kits: of those whose version is known only that; one for all who hold it."""

        async def read() -> Sequence[Kit]:
            async with self._database.snapshot() as work:
                versions = await work.kits.versions_on_page(query, visibility)
                found = {kit_id: kit for kit_id, version in versions.items() if (kit := self.body(kit_id, version)) is not None}
                missing = await work.kits.get_many([kit_id for kit_id in versions if kit_id not in found], visibility)
            self._keep(missing.values())
            return [found.get(kit_id) or missing[kit_id] for kit_id in versions]

        return self._page_reads.setdefault((query, visibility), SharedRead(read, LIST_INTERVAL_SECONDS))

    def body(self, kit_id: int, version: int) -> Kit | None:
        """The kit at that version, if it was read before; for those to whom the database has told that it is there."""
        kit = self._bodies.get(kit_id)
        return kit if kit is not None and kit.version == version else None

    def newer_body(self, kit_id: int, known: int) -> Kit | None:
        """The kit at a version above `known`, if it was read before; for those who were shown the kit."""
        kit = self._bodies.get(kit_id)
        return kit if kit is not None and kit.version > known else None

    def _keep(self, kits: Iterable[Kit]) -> None:
        for kit in kits:
            known = self._bodies.get(kit.id)
            if known is None or known.version < kit.version:
                self._bodies[kit.id] = kit
            self._bodies.move_to_end(kit.id)
        while len(self._bodies) > KEPT_BODIES:
            self._bodies.popitem(last=False)

    async def _listen(self) -> None:
        async with self._bus.subscribe(Topic.KIT) as notices:
            async for notice in notices:
                try:
                    self._take(notice)
                except Exception:
                    log.exception("%s can't be taken in; the next one follows", notice)

    def _take(self, notice: Notice | Gap) -> None:
        if isinstance(notice, Notice):
            self._wake_kit(int(notice.key), notice.version)
        else:
            _wake(watcher for watchers in self._of_kit.values() for watcher in watchers)
        _wake(self._of_lists)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._look()
            except Unavailable as error:
                log.warning("versions of watched kits can't be read: %s", error)
            except Exception:
                log.exception("versions of watched kits can't be read; the next round begins anew")

    async def _look(self) -> None:
        _wake(self._of_lists)
        if not self._of_kit:
            return
        async with self._database.snapshot() as work:
            versions = await work.kits.versions(list(self._of_kit))
        for kit_id, version in versions.items():
            self._wake_kit(kit_id, version)

    def _wake_kit(self, kit_id: int, version: int) -> None:
        _wake(watcher for watcher in self._of_kit.get(kit_id, ()) if version > watcher.known)


def _wake(watchers: Iterable[Watcher]) -> None:
    for watcher in watchers:
        watcher.woken.set()


async def watch_kit(live: LiveKits, actor: Actor, kit_id: int) -> AsyncIterator[KitFrame]:
    """The kit now, then whenever it has a newer version; what came in between is merged into one frame."""
    read = live.reader_of_kit(kit_id, visibility_of(actor))
    with live.watching(kit_id) as watcher:
        kit = await read()
        if kit is None:
            raise NotFound("kit", kit_id)
        yield KitFrame.after(None, kit)
        watcher.known = kit.version
        while True:
            await watcher.news()
            with suppress(Unavailable):
                kit = live.newer_body(kit_id, watcher.known) or await read()
            if kit is not None and kit.version > watcher.known:
                yield KitFrame.after(watcher.known, kit)
                watcher.known = kit.version


async def watch_kits(live: LiveKits, actor: Actor, query: KitQuery) -> AsyncIterator[KitListFrame]:
    """The first page of a list now, then whenever a kit on it, or the page itself, has changed."""
    read = live.reader_of_page(query, visibility_of(actor))
    with live.watching(None) as watcher:
        page = await read()
        yield _list_frame(page, {}, is_snapshot=True)
        while True:
            sent = {kit.id: kit.version for kit in page}
            await watcher.news()
            with suppress(Unavailable):
                page = await read()
            if list(sent.items()) != [(kit.id, kit.version) for kit in page]:
                yield _list_frame(page, sent, is_snapshot=False)


def _list_frame(page: Sequence[Kit], sent: Mapping[int, int], *, is_snapshot: bool) -> KitListFrame:
    changed = tuple(KitFrame.after(sent.get(kit.id), kit) for kit in page if sent.get(kit.id) != kit.version)
    return KitListFrame(tuple(kit.id for kit in page), changed, is_snapshot)

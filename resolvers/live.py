"""Watching kits and logs: first what is there, then every newer version, merged where the watcher is slow.

One process listens to the bus once, for all of its watchers. The bus only makes it fast: every two seconds the versions of
everything watched are read in one statement, so that a notice that never came (a crash between commit and publish, a dead
Redis) only costs time. A body is read once per version and kind of viewer, however many watch it.
"""

import asyncio
import codecs
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from domain.actor import Actor
from domain.attempt import AttemptKey
from domain.errors import NotFound, Unavailable
from domain.kit import Kit
from domain.live import Notice, Topic
from domain.ports import Bus
from domain.query import KitQuery, Page
from domain.runner import LogChunk
from domain.storage import Database
from domain.visibility import Visibility
from resolvers.authorisation import visibility_of
from resolvers.services import Services

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
LIST_INTERVAL_SECONDS = 0.25
LOG_CHUNKS = 16


@dataclass(frozen=True, slots=True)
class KitFrame:
    """A kit's state. Versions `from_version` to `to_version` are new in it; more than one means that frames were merged."""

    kit: Kit
    from_version: int
    to_version: int
    is_snapshot: bool


@dataclass(frozen=True, slots=True)
class KitListFrame:
    """A page of kits as it now is in `order` (ids), with the bodies of those that are new or changed since the last frame."""

    order: tuple[int, ...]
    changed: tuple[Kit, ...]
    is_snapshot: bool


@dataclass(frozen=True, slots=True)
class LogFrame:
    """Output of an attempt from byte `offset` to before byte `end`; `is_last` when the attempt has ended and this is all."""

    attempt: int
    offset: int
    end: int
    text: str
    is_last: bool


class LogPlace(NamedTuple):
    """Where to read on in an attempt's output; `is_over` where the attempt had ended before, so that nothing can follow."""

    key: AttemptKey
    after: int
    is_over: bool


@dataclass(eq=False, slots=True)
class Watcher:
    """One who waits for news of a kit."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    known: int = 0

    async def news(self) -> None:
        """Wait until there is something newer than `known`."""
        await self.woken.wait()
        self.woken.clear()


class LiveKits:
    """The watchers of one process and the two loops that wake them."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._of_kit: dict[int, set[Watcher]] = defaultdict(set)
        self._of_all: set[Watcher] = set()
        self._bodies: dict[tuple[int, Visibility], Kit] = {}
        self._reads: dict[tuple[int, Visibility], asyncio.Task[Kit | None]] = {}
        self._news = 0
        self._pages: dict[tuple[int, KitQuery, Visibility], asyncio.Task[Page[Kit]]] = {}

    async def run(self) -> None:
        """Wake watchers until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._poll())

    @contextmanager
    def watching(self, kit_id: int | None) -> Iterator[Watcher]:
        """A watcher of one kit, or of all where `kit_id` is None."""
        watcher = Watcher()
        watchers = self._of_all if kit_id is None else self._of_kit[kit_id]
        watchers.add(watcher)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if kit_id is not None and not watchers:
                self._of_kit.pop(kit_id, None)
                for key in [key for key in self._bodies if key[0] == kit_id]:
                    del self._bodies[key]

    async def read(self, kit_id: int, visibility: Visibility, newer_than: int | None) -> Kit | None:
        """The kit at a version above `newer_than` if it has one, else as it is; None where it does not exist for the viewer.

        Without `newer_than` the kit is read now. Otherwise a read that is under way is shared; it may have begun too early, and
        is then followed by one of our own.
        """
        key = (kit_id, visibility)
        if newer_than is None:
            return await self._fetch(key)
        body = self._bodies.get(key)
        if body is not None and body.version > newer_than:
            return body
        task = self._reads.get(key)
        if task is not None:
            kit = await asyncio.shield(task)
            if kit is not None and kit.version > newer_than:
                return kit
        task = self._reads[key] = asyncio.create_task(self._fetch(key))
        task.add_done_callback(lambda done: self._reads.pop(key) if self._reads.get(key) is done else None)
        return await asyncio.shield(task)

    async def _fetch(self, key: tuple[int, Visibility]) -> Kit | None:
        async with self._database.snapshot() as work:
            kit = await work.kits.get(*key)
        known = self._bodies.get(key)
        if kit is not None and kit.id in self._of_kit and (known is None or kit.version > known.version):
            self._bodies[key] = kit
        return kit

    async def page(self, query: KitQuery, visibility: Visibility) -> Page[Kit]:
        """The page as it is after the latest news; read once for all who watch the same list."""
        key = (self._news, query, visibility)
        task = self._pages.get(key)
        if task is None:
            for outdated in [each for each in self._pages if each[0] != self._news]:
                del self._pages[outdated]
            task = self._pages[key] = asyncio.create_task(self._fetch_page(query, visibility))
            task.add_done_callback(lambda done: self._pages.pop(key, None) if done.cancelled() or done.exception() else None)
        return await asyncio.shield(task)

    async def _fetch_page(self, query: KitQuery, visibility: Visibility) -> Page[Kit]:
        async with self._database.snapshot() as work:
            return await work.kits.page(query, visibility)

    async def _listen(self) -> None:
        async with self._bus.subscribe(Topic.KIT) as notices:
            async for notice in notices:
                if isinstance(notice, Notice):
                    self._wake_kit(int(notice.key), notice.version)
                    self._wake_lists()
                else:
                    self._wake_all()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self._wake_lists()
            if not self._of_kit:
                continue
            try:
                async with self._database.snapshot() as work:
                    versions = await work.kits.versions(list(self._of_kit))
            except Unavailable as error:
                log.warning("versions of watched kits can't be read: %s", error)
                continue
            for kit_id, version in versions.items():
                self._wake_kit(kit_id, version)

    def _wake_kit(self, kit_id: int, version: int) -> None:
        for watcher in self._of_kit.get(kit_id, ()):
            if version > watcher.known:
                watcher.woken.set()

    def _wake_all(self) -> None:
        for watchers in self._of_kit.values():
            for watcher in watchers:
                watcher.woken.set()
        self._wake_lists()

    def _wake_lists(self) -> None:
        self._news += 1
        for watcher in self._of_all:
            watcher.woken.set()


async def watch_kit(services: Services, live: LiveKits, actor: Actor, kit_id: int) -> AsyncIterator[KitFrame]:
    """The kit now, then whenever it has a newer version; what came in between is merged into one frame."""
    visibility = visibility_of(actor)
    with live.watching(kit_id) as watcher:
        kit = await live.read(kit_id, visibility, newer_than=None)
        if kit is None:
            raise NotFound("kit", kit_id)
        yield KitFrame(kit, kit.version, kit.version, is_snapshot=True)
        watcher.known = kit.version
        while True:
            await watcher.news()
            kit = await live.read(kit_id, visibility, newer_than=watcher.known)
            if kit is not None and kit.version > watcher.known:
                yield KitFrame(kit, watcher.known + 1, kit.version, is_snapshot=False)
                watcher.known = kit.version


async def watch_kits(services: Services, live: LiveKits, actor: Actor, query: KitQuery) -> AsyncIterator[KitListFrame]:
    """The first page of a list now, then whenever a kit on it, or the page itself, has changed."""
    visibility = visibility_of(actor)
    sent: dict[int, int] = {}
    order: tuple[int, ...] | None = None
    with live.watching(None) as watcher:
        async with services.database.snapshot() as work:
            page = await work.kits.page(query, visibility)  # the watcher's own: it sees what was stored before it came
        while True:
            changed = tuple(kit for kit in page.items if sent.get(kit.id) != kit.version)
            now = tuple(kit.id for kit in page.items)
            if changed or now != order:
                yield KitListFrame(now, changed, is_snapshot=order is None)
            order, sent = now, {kit.id: kit.version for kit in page.items}
            await watcher.news()
            await asyncio.sleep(LIST_INTERVAL_SECONDS)
            page = await live.page(query, visibility)


async def watch_log(
    services: Services, live: LiveKits, actor: Actor, job_id: UUID, attempt: int | None, after: int
) -> AsyncIterator[LogFrame]:
    """The output of an attempt (the latest unless named) from byte `after` on, as it is written, until the attempt has ended."""
    visibility = visibility_of(actor)
    kit_id = await _kit_id(services, job_id)
    kit = None if kit_id is None else await live.read(kit_id, visibility, newer_than=None)
    job = None if kit is None else kit.job(job_id)
    if kit_id is None or job is None:
        raise NotFound("job", job_id)
    key = AttemptKey(job_id, job.attempt.number if attempt is None else attempt)
    if not 1 <= key.number <= job.attempt.number:
        raise NotFound("attempt", key)
    with live.watching(kit_id) as watcher:
        async with services.bus.subscribe(Topic.LOG, str(key)) as notices:
            woken = asyncio.ensure_future(anext(notices))
            try:
                while True:
                    kit = await live.read(kit_id, visibility, newer_than=watcher.known)
                    is_over = kit is None or _is_over(kit, key)
                    watcher.known = kit.version if kit is not None else watcher.known
                    while (frame := (await read_logs(services, [LogPlace(key, after, is_over)]))[0]) is not None:
                        after = frame.end
                        if frame.text or frame.is_last:
                            yield frame
                        if frame.is_last:
                            return
                    news = asyncio.ensure_future(watcher.news())
                    await asyncio.wait({woken, news}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                    news.cancel()
                    if woken.done():
                        woken = asyncio.ensure_future(anext(notices))
            finally:
                woken.cancel()


async def read_logs(services: Services, places: Sequence[LogPlace]) -> list[LogFrame | None]:
    """The next piece of output at each place; None where there is none yet. Bytes that are no UTF-8 become U+FFFD.

    The more places, the shorter the pieces, so that a page of jobs does not carry all their output at once.
    """
    limit = max(1, LOG_CHUNKS // len(places))
    async with services.database.snapshot() as work:
        found = await work.logs.read_many([(place.key, place.after) for place in places], limit)
    return [_log_frame(place, chunks, may_follow=len(chunks) == limit) for place, chunks in zip(places, found, strict=True)]


def _log_frame(place: LogPlace, chunks: Sequence[LogChunk], *, may_follow: bool) -> LogFrame | None:
    data = b"".join(chunk.data for chunk in chunks)
    is_last = place.is_over and not may_follow
    if not data and not is_last:
        return None
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(data, final=is_last)
    held_back = len(decoder.getstate()[0])
    if not text and not is_last:
        return None
    return LogFrame(place.key.number, place.after, place.after + len(data) - held_back, text, is_last)


async def _kit_id(services: Services, job_id: UUID) -> int | None:
    async with services.database.snapshot() as work:
        return (await work.kits.of_jobs([job_id])).get(job_id)


def _is_over(kit: Kit, key: AttemptKey) -> bool:
    job = kit.job(key.job_id)
    return job is None or job.attempt.number > key.number or job.is_ended

"""Watching kits and lists of them: first what is there, then every newer version, merged where the watcher is slow."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from weakref import WeakValueDictionary

from domain.actor import Actor
from domain.errors import NotFound, Unavailable
from domain.kit import Kit
from domain.live import Gap, Notice, Topic
from domain.ports import Bus
from domain.query import KitQuery
from domain.storage import Database, UnitOfWork
from domain.visibility import Visibility
from resolvers.authorisation import visibility_of
from resolvers.live_list import ListFrame, LiveList, StateFrame, Versions, Watcher, wake, watch_list
from resolvers.shared_read import SharedRead


class LiveKits(LiveList[KitQuery, Visibility, Kit]):
    """The watchers of kits and of their lists."""

    topic = Topic.KIT

    def __init__(self, database: Database, bus: Bus) -> None:
        super().__init__(database, bus)
        self._of_kit: dict[int, set[Watcher]] = defaultdict(set)
        self._kit_reads: WeakValueDictionary[tuple[int, Visibility], SharedRead[Kit | None]] = WeakValueDictionary()

    async def read_versions(self, work: UnitOfWork, query: KitQuery, scope: Visibility) -> Mapping[int, Versions]:
        """See `LiveList.read_versions`."""
        found = await work.kits.versions_on_page(query, scope)
        return {kit_id: (version,) for kit_id, version in found.items()}

    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], scope: Visibility) -> Mapping[int, Kit]:
        """See `LiveList.read_bodies`."""
        return await work.kits.get_many(ids, scope)

    @contextmanager
    def watching(self, kit_id: int) -> Iterator[Watcher]:
        """A watcher of one kit."""
        watcher = Watcher()
        watchers = self._of_kit[kit_id]
        watchers.add(watcher)
        try:
            yield watcher
        finally:
            watchers.discard(watcher)
            if not watchers:
                self._of_kit.pop(kit_id, None)

    def reader_of_kit(self, kit_id: int, visibility: Visibility) -> SharedRead[Kit | None]:
        """Reads the kit, None where it does not exist for the viewer; one for all who hold it."""

        async def read() -> Kit | None:
            async with self._database.snapshot() as work:
                kit = await work.kits.get(kit_id, visibility)
            self.keep([kit] if kit is not None else [])
            return kit

        return self._kit_reads.setdefault((kit_id, visibility), SharedRead(read))

    def take(self, notice: Notice | Gap) -> None:
        """See `LiveList.take`."""
        if isinstance(notice, Notice):
            self._wake_kit(int(notice.key), notice.version)
        else:
            wake(watcher for watchers in self._of_kit.values() for watcher in watchers)
        super().take(notice)

    async def look(self) -> None:
        """See `LiveList.look`."""
        await super().look()
        if not self._of_kit:
            return
        async with self._database.snapshot() as work:
            versions = await work.kits.versions(list(self._of_kit))
        for kit_id, version in versions.items():
            self._wake_kit(kit_id, version)

    def _wake_kit(self, kit_id: int, version: int) -> None:
        wake(watcher for watcher in self._of_kit.get(kit_id, ()) if version > watcher.known)


async def watch_kit(live: LiveKits, actor: Actor, kit_id: int) -> AsyncIterator[StateFrame[Kit]]:
    """The kit now, then whenever it has a newer version; what came in between is merged into one frame."""
    read = live.reader_of_kit(kit_id, visibility_of(actor))
    with live.watching(kit_id) as watcher:
        kit = await read()
        if kit is None:
            raise NotFound("kit", kit_id)
        yield StateFrame.after(None, kit)
        watcher.known = kit.version
        while True:
            await watcher.news()
            with suppress(Unavailable):
                kit = live.newer_body(kit_id, watcher.known) or await read()
            if kit is not None and kit.version > watcher.known:
                yield StateFrame.after(watcher.known, kit)
                watcher.known = kit.version


def watch_kits(live: LiveKits, actor: Actor, query: KitQuery) -> AsyncIterator[ListFrame[Kit]]:
    """The first page of a list of kits now, then whenever a kit on it, or the page itself, has changed."""
    return watch_list(live, query, visibility_of(actor))

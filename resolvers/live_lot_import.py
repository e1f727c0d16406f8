"""Watching imports of lot rows: their list, and one of them as it goes on."""

from collections.abc import AsyncIterator, Mapping, Sequence

from domain.actor import Actor
from domain.live import Topic
from domain.lot_import import LotImport
from domain.query import LotImportQuery
from domain.storage import UnitOfWork
from resolvers.authorisation import require_person
from resolvers.live_list import ListFrame, LiveList, StateFrame, Versions, watch_list
from resolvers.live_thing import watch_thing
from resolvers.lot_import import find_lot_imports
from resolvers.services import Services


class LiveLotImports(LiveList[LotImportQuery, str, LotImport]):
    """The watchers of lists of imports; the scope is the person whose imports they are."""

    topic = Topic.LOT_IMPORT

    async def read_versions(self, work: UnitOfWork, query: LotImportQuery, scope: str) -> Mapping[int, Versions]:
        """See `LiveList.read_versions`."""
        found = await work.lot_imports.versions_on_page(query, scope)
        return {number: (version,) for number, version in found.items()}

    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], scope: str) -> Mapping[int, LotImport]:
        """See `LiveList.read_bodies`."""
        return await work.lot_imports.get_many(ids, scope)


def watch_lot_imports(live: LiveLotImports, actor: Actor, query: LotImportQuery) -> AsyncIterator[ListFrame[LotImport]]:
    """The first page of the person's imports now, then whenever one on it, or the page itself, has changed."""
    return watch_list(live, query, require_person(actor).subject)


def watch_lot_import(services: Services, actor: Actor, number: int) -> AsyncIterator[StateFrame[LotImport]]:
    """The import now, then whenever it has changed; what came in between is merged into one frame."""

    async def read() -> LotImport | None:
        return (await find_lot_imports(services, actor, [number])).get(number)

    return watch_thing(services, Topic.LOT_IMPORT, "lot import", number, read)

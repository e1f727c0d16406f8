"""Putting on record that what people were given until some time has ended: it opens nothing from then on, recorded or not."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol, Self, TypeVar

from domain.audit_entry import AuditEntry
from domain.storage import UnitOfWork
from resolvers.services import Services

AT_ONCE = 100


class _Ending(Protocol):
    def expired(self, at: datetime) -> Self: ...


Given = TypeVar("Given", bound=_Ending)


class _Store(Protocol[Given]):
    async def expired(self, limit: int) -> list[Given]: ...

    async def change(self, before: Given, changed: Given) -> bool: ...


async def put_ends_on_record(
    services: Services,
    store_of: Callable[[UnitOfWork], _Store[Given]],
    entry_of: Callable[[Given], AuditEntry],
    tell: Callable[[Given], Awaitable[None]],
) -> int:
    """Record, with an audit entry each, what has expired since this was last done, and tell those who watch; returns how many.

    Several servers may do it at once: whoever's change is stored makes the entry.
    """
    ended = 0
    while True:
        async with services.database.transaction() as work:
            store = store_of(work)
            expired = await store.expired(AT_ONCE)
            at = await work.kits.now()
            ended_now = [each for each in expired if await store.change(each, each.expired(at))]
            await work.audit.add([entry_of(each) for each in ended_now], at)
        for each in ended_now:
            await tell(each)
        ended += len(ended_now)
        if len(expired) < AT_ONCE:
            return ended

"""Rows of work that servers do in the background: which server has each, and whether it still is the one."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import Boolean, Column, ColumnElement, Integer, Table, Text, and_, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.background_work import RUNNING, UNENDED, BackgroundWork
from persistence.dialect import Instant, Name, clock
from persistence.numbered import NumberedRows

Work = TypeVar("Work", bound=BackgroundWork)


def work_columns() -> list[Column[Any]]:
    """The columns of a table of such work that stand for what all of it has (see `BackgroundWork`), and for who works on it."""
    return [
        Column("status", Name, nullable=False),
        Column("version", Integer, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant, nullable=False),
        Column("started_at", Instant),
        Column("ended_at", Instant),
        Column("message", Text, nullable=False),
        Column("is_cancel_requested", Boolean, nullable=False),
        Column("fence", Integer, nullable=False),
        Column("server", Name),
        Column("heartbeat_at", Instant),
    ]


class ClaimedRows(Generic[Work]):
    """The rows of one table, in one unit of work; `values` are what of the work stands in its row.

    A row has the `server` that works on it, and `heartbeat_at`, when that server was last heard of.
    """

    def __init__(
        self, connection: AsyncConnection, table: Table, rows: NumberedRows[Work], values: Callable[[Work], dict[str, Any]]
    ) -> None:
        self._connection = connection
        self._table = table
        self._rows = rows
        self._values = values

    async def lock(self, *conditions: ColumnElement[bool]) -> Work | None:
        """The work that meets the conditions, unchanged by others until the unit of work ends."""
        return next(iter(await self._rows.find(*conditions, is_locked=True)), None)

    async def change(self, changed: Work) -> None:
        """Store what work that is locked or held has become; once it does not run any more no server has it."""
        values = self._values(changed)
        if changed.status != RUNNING:
            values |= {"server": None, "heartbeat_at": None}
        await self._connection.execute(self._table.update().where(self._table.c.id == changed.id).values(values))

    async def claim(self, server: str, working: Collection[int], silence: timedelta) -> Work | None:
        """Take up the oldest that has not ended and that nobody works on; None where there is none.

        `working` are those that this server works on; others count as left where this server has them from before it was
        restarted, or where the server that has them was not heard of for `silence`.
        """
        at, row = await clock(self._connection), self._table.c
        is_left = or_(row.server.is_(None), row.server == server, row.heartbeat_at < at - silence)
        is_wanted = and_(row.status.in_(UNENDED), row.id.not_in(sorted(working)), is_left)
        found = next(iter(await self._rows.find(is_wanted, limit=1)), None)
        if found is None:
            return None
        taken = found.taken_up(max(found.updated_at, at))
        values = {**self._values(taken), "server": server, "heartbeat_at": at}
        return taken if await self._rows.change(found.id, found.version, values) else None

    async def hold(self, claimed: Work) -> Work | None:
        """The work as it is now, unchanged by others until the unit of work ends; None where another has taken it up."""
        return await self.lock(*self._is_of(claimed))

    async def heartbeat(self, claimed: Work) -> bool | None:
        """Record that it is being worked on. Whether it is to be cancelled; None where it is not the claimant's any more."""
        at = await clock(self._connection)
        update = self._table.update().where(*self._is_of(claimed)).values(heartbeat_at=at)
        returning = update.returning(self._table.c.is_cancel_requested)
        is_to_be_cancelled: bool | None = (await self._connection.execute(returning)).scalar_one_or_none()
        return is_to_be_cancelled

    async def release(self, server: str) -> None:
        """Let others take up at once what this server works on."""
        values = {"server": None, "heartbeat_at": None}
        await self._connection.execute(self._table.update().where(self._table.c.server == server).values(values))

    def _is_of(self, claimed: Work) -> list[ColumnElement[bool]]:
        row = self._table.c
        return [row.id == claimed.id, row.fence == claimed.fence, row.status == RUNNING]

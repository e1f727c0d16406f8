"""Leases: who may do a periodic task, by the database's clock, with a number that grows with each holder."""

from datetime import datetime, timedelta

from sqlalchemy import case, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage import LeaseStore
from persistence import tables
from persistence.dialect import EPOCH, insert_into

LEASE = tables.lease


class LeaseRepository(LeaseStore):
    """The leases of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def acquire(self, name: str, holder: str, duration: timedelta, now: datetime) -> int | None:
        values = {"name": name, "holder": holder, "fence": 1, "expires_at": now + duration}
        statement = insert_into(self._connection, LEASE).values(values)
        is_free = LEASE.c.expires_at <= now
        statement = statement.on_conflict_do_update(
            index_elements=[LEASE.c.name],
            set_={
                "holder": holder,
                "fence": case((is_free, LEASE.c.fence + 1), else_=LEASE.c.fence),
                "expires_at": now + duration,
            },
            where=or_(LEASE.c.holder == holder, is_free),
        ).returning(LEASE.c.fence)
        return (await self._connection.execute(statement)).scalar_one_or_none()

    async def release(self, name: str, holder: str) -> None:
        """The row stays: its number must not be given out again."""
        released = LEASE.update().where(LEASE.c.name == name, LEASE.c.holder == holder).values(expires_at=EPOCH)
        await self._connection.execute(released)

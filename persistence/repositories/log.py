"""The output of attempts, copied from where they run, so that every server can show it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.attempt import AttemptKey
from domain.runner import LogChunk
from domain.storage import LogStore
from persistence import tables

CHUNK = tables.log_chunk


class LogRepository(LogStore):
    """The logs of one unit of work. Chunks of an attempt follow one another without gaps; `start` is a byte offset."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def end(self, key: AttemptKey) -> int:
        query = select(func.max(CHUNK.c.start + func.length(CHUNK.c.data))).where(self._is(key))
        return (await self._connection.execute(query)).scalar_one() or 0

    async def add(self, key: AttemptKey, chunk: LogChunk, at: datetime) -> None:
        values = {"job_id": key.job_id, "attempt": key.number, "start": chunk.offset, "data": chunk.data, "recorded_at": at}
        await self._connection.execute(CHUNK.insert().values(values))

    async def read(self, key: AttemptKey, after: int, limit: int) -> Sequence[LogChunk]:
        return (await self.read_many([(key, after)], limit))[0]

    async def read_many(self, places: Sequence[tuple[AttemptKey, int]], limit: int) -> list[Sequence[LogChunk]]:
        if not places:
            return []
        found: list[list[LogChunk]] = [[] for _ in places]
        parts = [self._part(place, key, after, limit).subquery() for place, (key, after) in enumerate(places)]
        together = union_all(*map(select, parts)).subquery()
        for row in await self._connection.execute(select(together).order_by("place", "start")):
            skipped = max(0, places[row.place][1] - row.start)
            found[row.place].append(LogChunk(row.start + skipped, row.data[skipped:]))
        return list(found)

    def _part(self, place: int, key: AttemptKey, after: int, limit: int) -> Select[Any]:
        return (
            select(CHUNK.c.start, CHUNK.c.data, literal(place).label("place"))
            .where(self._is(key), CHUNK.c.start + func.length(CHUNK.c.data) > after)
            .order_by(CHUNK.c.start)
            .limit(limit)
        )

    @staticmethod
    def _is(key: AttemptKey) -> ColumnElement[bool]:
        return and_(CHUNK.c.job_id == key.job_id, CHUNK.c.attempt == key.number)

"""The output of attempts, copied from where they run, so that every server can show it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, LargeBinary, Uuid, and_, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.attempt import AttemptKey
from domain.runner import LogChunk
from domain.storage import MOST_BYTES, LogStore
from persistence import tables
from persistence.dialect import first_of_each, table_of

CHUNK = tables.log_chunk
CHUNK_BEFORE = CHUNK.alias()


class LogRepository(LogStore):
    """The logs of one unit of work. Chunks of an attempt follow one another without gaps; `start` is a byte offset."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def end(self, key: AttemptKey) -> int:
        query = select(CHUNK.c.start + func.length(CHUNK.c.data)).where(self._is(key)).order_by(CHUNK.c.start.desc()).limit(1)
        return (await self._connection.execute(query)).scalar_one_or_none() or 0

    async def add(self, key: AttemptKey, chunk: LogChunk, at: datetime) -> None:
        values = {"job_id": key.job_id, "attempt": key.number, "start": chunk.offset, "data": chunk.data, "recorded_at": at}
        await self._connection.execute(CHUNK.insert().values(values))

    async def remove(self, key: AttemptKey) -> None:
        await self._connection.execute(CHUNK.delete().where(self._is(key)))

    async def read_many(
        self, places: Sequence[tuple[AttemptKey, int]], limit: int, most_bytes: int = MOST_BYTES
    ) -> list[Sequence[LogChunk]]:
        if not places:
            return []
        dialect = self._connection.dialect.name
        given = [(place, key.job_id, key.number, after) for place, (key, after) in enumerate(places)]
        wanted = table_of(dialect, given, place=Integer(), job_id=Uuid(), attempt=Integer(), after=BigInteger())

        def conditions(chunk: ReadOnlyColumnCollection[str, Any]) -> list[ColumnElement[bool]]:
            first = select(func.max(CHUNK_BEFORE.c.start)).where(
                CHUNK_BEFORE.c.job_id == wanted.c.job_id,
                CHUNK_BEFORE.c.attempt == wanted.c.attempt,
                CHUNK_BEFORE.c.start <= wanted.c.after,
            )
            holds_it = chunk.start >= func.coalesce(first.correlate(wanted).scalar_subquery(), 0)
            return [holds_it, chunk.start + func.length(chunk.data) > wanted.c.after]

        skipped = case((wanted.c.after > CHUNK.c.start, wanted.c.after - CHUNK.c.start), else_=0)
        piece = func.substr(CHUNK.c.data, cast(skipped + 1, Integer), most_bytes, type_=LargeBinary)
        selected = select(CHUNK.c.start, (CHUNK.c.start + skipped).label("begin"), piece.label("piece"))
        found: list[list[LogChunk]] = [[] for _ in places]
        for row in await self._connection.execute(first_of_each(dialect, wanted, selected, CHUNK.c.start, limit, conditions)):
            found[row.place].append(LogChunk(row.begin, row.piece))
        return list(found)

    @staticmethod
    def _is(key: AttemptKey) -> ColumnElement[bool]:
        return and_(CHUNK.c.job_id == key.job_id, CHUNK.c.attempt == key.number)

"""The histories of kits: streaming them, in pages, and finding the event of a report."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.attempt import Attempt
from domain.event import Event
from domain.kit import KitIdentity
from domain.query import EventQuery, Page
from domain.storage import EventStore
from persistence import rows, tables
from persistence.dialect import among, first_of_each, table_of

EVENT, NAME = tables.kit_event, tables.name
MONTHS_AHEAD = 3
STREAMED_AT_ONCE = 200  # what is done with so many takes about ten milliseconds, in which nobody else is served
_CREATE_PARTITIONS = """
SELECT bool_and(create_event_partition((date_trunc('month', :now AT TIME ZONE 'UTC') + make_interval(months => ahead))::date))
FROM generate_series(0, :ahead) AS ahead
"""
ACTOR, TASK_NAME = rows.ACTOR_NAME, rows.TASK_NAME


class EventRepository(EventStore):
    """The events of one unit of work. They are written with the changes of kits (`KitRepository.append`)."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def pages(self, queries: Sequence[EventQuery]) -> list[Page[Event]]:
        found: list[list[Event]] = [[] for _ in queries]
        alike: dict[EventQuery, list[tuple[int, int, int]]] = defaultdict(list)
        for place, query in enumerate(queries):
            alike[replace(query, kit_id=0, after=0)].append((place, query.kit_id, query.after))
        for query, places in alike.items():
            for row in await self._connection.execute(self._first_events(query, places)):
                found[row.place].append(rows.event_from(row))
        return [Page(each[: query.first], has_more=len(each) > query.first) for query, each in zip(queries, found, strict=True)]

    def _first_events(self, query: EventQuery, places: Sequence[tuple[int, int, int]]) -> Select[Any]:
        """The events that meet the query at each (place, kit, after), one more than a page has: it tells of a next page."""
        dialect = self._connection.dialect.name
        wanted = table_of(dialect, places, place=Integer(), kit_id=Integer(), after=Integer())

        def conditions(event: ReadOnlyColumnCollection[str, Any]) -> list[ColumnElement[bool]]:
            found = [event.version > wanted.c.after]
            if query.until is not None:
                found.append(event.version <= query.until)
            if query.kinds:
                found.append(event.kind.in_(sorted(query.kinds)))
            if query.job_type is not None:
                found.append(event.job_type == query.job_type)
            if query.task is not None:
                found.append(event.task == select(NAME.c.id).where(NAME.c.text == query.task).scalar_subquery())
            if query.attempt is not None:
                found.append(event.attempt == query.attempt)
            return found

        return first_of_each(dialect, wanted, self._events(), EVENT.c.version, query.first + 1, conditions)

    async def versions_of_reports(self, kit_id: int, attempt: Attempt, sequences: Collection[int]) -> dict[int, int]:
        """Numbers and versions of an attempt's reports grow together: the walk back ends at the lowest number wanted."""
        if not sequences:
            return {}
        of_attempt = and_(EVENT.c.job_id == attempt.job_id, EVENT.c.attempt == attempt.number)
        is_before = or_(EVENT.c.recorded_at < attempt.created_at, and_(of_attempt, EVENT.c.sequence <= min(sequences)))
        lowest = select(EVENT.c.version).where(EVENT.c.kit_id == kit_id, is_before).order_by(EVENT.c.version.desc()).limit(1)
        query = select(EVENT.c.sequence, EVENT.c.version).where(
            EVENT.c.kit_id == kit_id,
            EVENT.c.version >= func.coalesce(lowest.scalar_subquery(), 0),
            of_attempt,
            among(EVENT.c.sequence, sorted(sequences), self._connection.dialect.name),
        )
        return {row.sequence: row.version for row in await self._connection.execute(query)}

    async def prepare_partitions(self, now: datetime) -> bool:
        if self._connection.dialect.name != "postgresql":
            return True
        result = await self._connection.execute(text(_CREATE_PARTITIONS), {"now": now, "ahead": MONTHS_AHEAD})
        return bool(result.scalar_one())

    async def identities(self, after: int, limit: int) -> list[KitIdentity]:
        query = select(tables.kit).where(tables.kit.c.id > after).order_by(tables.kit.c.id).limit(limit)
        return [KitIdentity(**row) for row in (await self._connection.execute(query)).mappings()]

    async def stream(self, kit_id: int, until: datetime | None = None) -> AsyncGenerator[Event, None]:
        query = self._events().where(EVENT.c.kit_id == kit_id).order_by(EVENT.c.version)
        if until is not None:
            query = query.where(EVENT.c.recorded_at <= until)
        async with self._connection.stream(query.execution_options(yield_per=STREAMED_AT_ONCE)) as result:
            async for row in result:
                yield rows.event_from(row)

    @staticmethod
    def _events() -> Select[Any]:
        return (
            select(*rows.EVENT.values())
            .join_from(EVENT, ACTOR, ACTOR.c.id == EVENT.c.actor)
            .outerjoin(TASK_NAME, TASK_NAME.c.id == EVENT.c.task)
        )

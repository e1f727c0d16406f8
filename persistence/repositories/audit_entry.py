"""The audit: who decided what for whom, when and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit_entry import AuditAction, AuditEntry
from domain.people_storage import AuditStore
from domain.query import AuditQuery, Page
from domain.visibility import Involvement, ModelReach
from persistence.listing import between, equals, one_of
from persistence.model_reach import models_decided_by, models_existing_for
from persistence.numbered import NumberedRows
from persistence.people_tables import audit_entry

ENTRY = audit_entry


class AuditRepository(AuditStore):
    """The audit of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows = NumberedRows(connection, ENTRY, select(ENTRY), _entry)

    async def add(self, entries: Sequence[AuditEntry], at: datetime) -> None:
        rows = [{**asdict(entry), "recorded_at": at} for entry in entries]
        for row in rows:
            del row["id"]
        if rows:
            await self._connection.execute(ENTRY.insert(), rows)

    async def page(self, query: AuditQuery, involvement: Involvement, reach: ModelReach) -> Page[AuditEntry]:
        return await self._rows.page(query, _conditions(query, involvement, reach))

    async def count(self, query: AuditQuery, involvement: Involvement, reach: ModelReach) -> int:
        return await self._rows.count(_conditions(query, involvement, reach))


def _conditions(query: AuditQuery, involvement: Involvement, reach: ModelReach) -> list[ColumnElement[bool]]:
    is_of_existing = or_(ENTRY.c.model_id.is_(None), models_existing_for(reach, ENTRY.c.model_id))
    return [
        or_(
            and_(ENTRY.c.person == involvement.subject, is_of_existing),
            ENTRY.c.actor == involvement.subject,
            ENTRY.c.kind.in_(sorted(involvement.decides_on)),
            models_decided_by(reach, ENTRY.c.model_id),
        ),
        *one_of(ENTRY.c.action, query.actions),
        *one_of(ENTRY.c.kind, query.kinds),
        *equals(ENTRY.c.model_id, query.model_id),
        *equals(ENTRY.c.person, query.person),
        *equals(ENTRY.c.actor, query.actor),
        *between(ENTRY.c.recorded_at, query.recorded_from, query.recorded_to),
    ]


def _entry(row: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(**{**row, "action": AuditAction(row["action"])})

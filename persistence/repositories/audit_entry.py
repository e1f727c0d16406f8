"""The audit: who decided what for whom, when and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit_entry import AuditAction, AuditEntry
from domain.people_storage import AuditStore
from domain.query import AuditQuery, Page
from domain.visibility import Involvement, ModelReach
from persistence.model_reach import models_decided_by
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
    conditions: list[ColumnElement[bool]] = [
        or_(
            ENTRY.c.person == involvement.subject,
            ENTRY.c.actor == involvement.subject,
            ENTRY.c.kind.in_(sorted(involvement.decides_on)),
            models_decided_by(reach, ENTRY.c.model_id),
        )
    ]
    for name, values in (("action", query.actions), ("kind", query.kinds)):
        if values:
            conditions.append(ENTRY.c[name].in_(sorted(values)))
    if query.model_id is not None:
        conditions.append(ENTRY.c.model_id == query.model_id)
    if query.person is not None:
        conditions.append(ENTRY.c.person == query.person)
    if query.actor is not None:
        conditions.append(ENTRY.c.actor == query.actor)
    if query.recorded_from is not None:
        conditions.append(ENTRY.c.recorded_at >= query.recorded_from)
    if query.recorded_to is not None:
        conditions.append(ENTRY.c.recorded_at < query.recorded_to)
    return conditions


def _entry(row: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(**{**row, "action": AuditAction(row["action"])})

"""Imports of lot rows: how far each has come, which server works on it, and the rows that were refused."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kit import ProductLine
from domain.lot_import import LotImport, LotImportStatus, RefusedRow
from domain.lot_storage import LotImportStore
from domain.query import LotImportQuery, Page
from persistence.claimed import ClaimedRows
from persistence.listing import one_of
from persistence.lot_tables import lot_import, lot_import_refusal
from persistence.numbered import NumberedRows

IMPORT, REFUSAL = lot_import, lot_import_refusal
SHOWN = [IMPORT.c[field.name] for field in fields(LotImport)]


class LotImportRepository(LotImportStore):
    """The imports of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows = NumberedRows(connection, IMPORT, select(*SHOWN), _import)
        self._claimed = ClaimedRows(connection, IMPORT, self._rows, _values)

    async def get_many(self, ids: Sequence[int], actor: str) -> dict[int, LotImport]:
        return await self._rows.get_many(ids, IMPORT.c.actor == actor)

    async def page(self, query: LotImportQuery, actor: str) -> Page[LotImport]:
        return await self._rows.page(query, _conditions(query, actor))

    async def versions_on_page(self, query: LotImportQuery, actor: str) -> dict[int, int]:
        return await self._rows.versions_on_page(query, _conditions(query, actor))

    async def count(self, query: LotImportQuery, actor: str) -> int:
        return await self._rows.count(_conditions(query, actor))

    async def add(self, started: LotImport) -> LotImport:
        number = (await self._connection.execute(IMPORT.insert().values(_values(started)).returning(IMPORT.c.id))).scalar_one()
        return replace(started, id=number)

    async def lock(self, number: int, actor: str) -> LotImport | None:
        return await self._claimed.lock(IMPORT.c.id == number, IMPORT.c.actor == actor)

    async def change(self, changed: LotImport) -> None:
        await self._claimed.change(changed)

    async def claim(self, server: str, working: Collection[int], silence: timedelta) -> LotImport | None:
        return await self._claimed.claim(server, working, silence)

    async def hold(self, claimed: LotImport) -> LotImport | None:
        return await self._claimed.hold(claimed)

    async def heartbeat(self, claimed: LotImport) -> bool | None:
        return await self._claimed.heartbeat(claimed)

    async def release(self, server: str) -> None:
        await self._claimed.release(server)

    async def refuse(self, number: int, rows: Sequence[RefusedRow]) -> None:
        values = [
            {"import_id": number, "row_number": row.number, "fields": list(row.fields), "reason": row.reason} for row in rows
        ]
        if values:
            await self._connection.execute(REFUSAL.insert(), values)

    async def refused(self, number: int, after: int, limit: int) -> list[RefusedRow]:
        query = select(REFUSAL).where(REFUSAL.c.import_id == number, REFUSAL.c.row_number > after)
        rows = await self._connection.execute(query.order_by(REFUSAL.c.row_number).limit(limit))
        return [RefusedRow(number=row.row_number, fields=tuple(row.fields), reason=row.reason) for row in rows]


def _conditions(query: LotImportQuery, actor: str) -> list[ColumnElement[bool]]:
    return [IMPORT.c.actor == actor, *one_of(IMPORT.c.status, query.statuses)]


def _values(made: LotImport) -> dict[str, Any]:
    values = {column.name: getattr(made, column.name) for column in SHOWN if column.name != "id"}
    return {**values, "product_lines": sorted(made.product_lines)}


def _import(row: Mapping[str, Any]) -> LotImport:
    lines = frozenset(map(ProductLine, row["product_lines"]))
    return LotImport(**{**row, "product_lines": lines, "status": LotImportStatus(row["status"])})

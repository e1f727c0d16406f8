"""Lot rows and their versions. Lists are read product line by product line, each along an index that begins with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, SmallInteger, and_, func, or_, select, union_all
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kit import ProductLine
from domain.lot_row import LotRow, LotRowDefinition, LotRowKey, LotRowVersion
from domain.lot_storage import LotRowStore
from domain.query import HistoryQuery, LotRowOrder, LotRowQuery, Page
from domain.visibility import Visibility
from persistence.codes import PRODUCT_LINE
from persistence.dialect import Name, among, clock, insert_into, table_of
from persistence.listing import begins_with, between, equals, from_place, histories, one_of
from persistence.lot_tables import lot_row, lot_row_version

ROW, VERSION = lot_row, lot_row_version
SAID = ("product_line", "lot_id", "product", "step", "equipment", "measured_at", "quantity", "attributes")
KEY = (ROW.c.product_line, ROW.c.lot_id, ROW.c.step)
SORTED_BY = {each: "id" if each is LotRowOrder.NUMBER else each.lower() for each in LotRowOrder}


class LotRowRepository(LotRowStore):
    """The lot rows of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, LotRow]:
        found = await self._find(select(ROW).where(among(ROW.c.id, ids, self._dialect), _exists_for(visibility)))
        return {row.id: row for row in found}

    async def page(self, query: LotRowQuery, visibility: Visibility) -> Page[LotRow]:
        order = [(ROW.c[name], query.is_descending) for name in (SORTED_BY[query.order], "id")]
        parts = [
            from_place(select(ROW).where(ROW.c.product_line == line, *_conditions(query)), order, query.after).limit(
                query.first + 1
            )
            for line in _lines(query, visibility)
        ]
        if not parts:
            return Page([], has_more=False)
        merged = union_all(*(select(part.subquery()) for part in parts)).subquery()
        in_order = from_place(select(merged), [(merged.c[column.name], down) for column, down in order], None)
        found = await self._find(in_order.limit(query.first + 1))
        return Page(found[: query.first], has_more=len(found) > query.first)

    async def count(self, query: LotRowQuery, visibility: Visibility) -> int:
        of_lines = ROW.c.product_line.in_(_lines(query, visibility))
        selected = select(func.count()).select_from(ROW).where(of_lines, *_conditions(query))
        return int((await self._connection.execute(selected)).scalar_one())

    async def add(self, definitions: Sequence[LotRowDefinition], actor: str, import_id: int | None = None) -> list[LotRow | int]:
        at = await clock(self._connection)
        first: dict[LotRowKey, int] = {}
        for place, definition in enumerate(definitions):
            first.setdefault(definition.key, place)
        added: dict[LotRowKey, int] = {}
        others: dict[LotRowKey, int] = {}
        # All who add several rows do so in the same order: they may wait for one another, but never in a circle.
        missing = sorted(first)
        while missing:
            wanted = [definitions[first[key]] for key in missing]
            added |= await self._insert(wanted, {"actor": actor, "import_id": import_id, "created_at": at, "updated_at": at})
            others |= await self._numbers([key for key in missing if key not in added])
            missing = [key for key in missing if key not in added and key not in others]  # corrected away meanwhile
        rows: list[LotRow | int] = []
        for place, definition in enumerate(definitions):
            number = added.get(definition.key)
            if number is None or first[definition.key] != place:
                rows.append(number or others[definition.key])
                continue
            made = {"id": number, "version": 1, "actor": actor, "import_id": import_id, "created_at": at, "updated_at": at}
            rows.append(LotRow(definition=definition, **made))  # type: ignore[arg-type]
        return rows

    async def lock(self, number: int, visibility: Visibility) -> LotRow | None:
        query = select(ROW).where(ROW.c.id == number, _exists_for(visibility)).with_for_update()
        return next(iter(await self._find(query)), None)

    async def correct(self, corrected: LotRow, actor: str, reason: str) -> int | None:
        values = {**_said(corrected.definition), "version": corrected.version, "updated_at": corrected.updated_at}
        while True:
            try:
                async with self._connection.begin_nested():
                    await self._connection.execute(ROW.update().where(ROW.c.id == corrected.id).values(values))
                break
            except IntegrityError:
                if others := await self._numbers([corrected.definition.key]):  # else it was corrected away meanwhile
                    return others[corrected.definition.key]
        await self._record([(corrected.id, corrected.version, corrected.definition)], actor, reason, corrected.updated_at)
        return None

    async def versions(self, queries: Sequence[HistoryQuery], visibility: Visibility) -> list[Page[LotRowVersion]]:
        lines = sorted(visibility.product_lines)
        return await histories(
            self._connection,
            queries,
            select(VERSION),
            VERSION.c.version,
            _version,
            lambda columns: [columns.product_line.in_(lines)],
        )

    async def _find(self, query: Select[Any]) -> list[LotRow]:
        return [read_lot_row(row) for row in (await self._connection.execute(query)).mappings()]

    async def _insert(self, definitions: Sequence[LotRowDefinition], made: Mapping[str, Any]) -> dict[LotRowKey, int]:
        """The numbers of the rows that are stored, with their first versions; those whose key is taken are left out."""
        statement = insert_into(self._connection, ROW).on_conflict_do_nothing().returning(ROW.c.id, *KEY)
        values = [{**_said(each), "version": 1, **made} for each in definitions]
        result = await self._connection.execute(statement, values)
        numbers = {(row.product_line, row.lot_id, row.step): row.id for row in result}
        firsts = [(numbers[each.key], 1, each) for each in definitions if each.key in numbers]
        await self._record(firsts, made["actor"], None, made["created_at"])
        return numbers

    async def _record(
        self, versions: Sequence[tuple[int, int, LotRowDefinition]], actor: str, reason: str | None, at: datetime
    ) -> None:
        made = {"actor": actor, "reason": reason, "recorded_at": at}
        values = [{**_said(said), "lot_row_id": number, "version": version, **made} for number, version, said in versions]
        if values:
            await self._connection.execute(VERSION.insert(), values)

    async def _numbers(self, keys: Sequence[LotRowKey]) -> dict[LotRowKey, int]:
        """The numbers of the rows that have these keys."""
        if not keys:
            return {}
        given = [(PRODUCT_LINE.code[line], lot_id, step) for line, lot_id, step in keys]
        wanted = table_of(self._dialect, given, product_line=SmallInteger(), lot_id=Name(), step=Name())
        is_it = and_(*(column == wanted.c[column.name] for column in KEY))
        rows = await self._connection.execute(select(ROW.c.id, *KEY).join_from(wanted, ROW, is_it))
        return {(row.product_line, row.lot_id, row.step): row.id for row in rows}


def _exists_for(visibility: Visibility) -> ColumnElement[bool]:
    return ROW.c.product_line.in_(sorted(visibility.product_lines))


def _lines(query: LotRowQuery, visibility: Visibility) -> list[ProductLine]:
    return sorted(line for line in visibility.product_lines if query.product_line in (None, line))


def _conditions(query: LotRowQuery) -> list[ColumnElement[bool]]:
    conditions = [
        *equals(ROW.c.product, query.product),
        *one_of(ROW.c.step, query.steps),
        *equals(ROW.c.equipment, query.equipment),
        *equals(ROW.c.import_id, query.import_id),
        *between(ROW.c.measured_at, query.measured_from, query.measured_to),
        *begins_with(ROW.c.lot_id, query.lot_id_prefix),
        *between(ROW.c.quantity, query.quantity_from, None),
    ]
    if query.search:
        searched = (ROW.c.lot_id, ROW.c.product, ROW.c.equipment)
        conditions.append(or_(*(and_(*begins_with(column, query.search)) for column in searched)))
    if query.quantity_to is not None:
        conditions.append(ROW.c.quantity <= query.quantity_to)
    return conditions


def _said(definition: LotRowDefinition) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in SAID}


def _definition(row: Mapping[str, Any]) -> LotRowDefinition:
    return LotRowDefinition(**{name: row[name] for name in SAID})


def read_lot_row(row: Mapping[str, Any]) -> LotRow:
    """The row in a row of the table."""
    own = {name: row[name] for name in ("id", "version", "actor", "import_id", "created_at", "updated_at")}
    return LotRow(definition=_definition(row), **own)


def _version(row: Any) -> LotRowVersion:
    own = {name: getattr(row, name) for name in ("version", "actor", "reason", "recorded_at")}
    return LotRowVersion(definition=_definition(row._mapping), **own)

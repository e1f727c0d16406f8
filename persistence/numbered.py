"""Rows that are found and listed by their number, and changed only as long as they have the version that was read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.query import NumberedQuery, Page
from persistence.dialect import among, insert_into
from persistence.listing import from_place

Thing = TypeVar("Thing")


class NumberedRows(Generic[Thing]):
    """The rows of one table, in one unit of work. `selected` is what `read` makes a thing of."""

    def __init__(
        self, connection: AsyncConnection, table: Table, selected: Select[Any], read: Callable[[Mapping[str, Any]], Thing]
    ) -> None:
        self._connection = connection
        self._table = table
        self._selected = selected
        self._read = read

    async def find(self, *conditions: ColumnElement[bool], limit: int | None = None, is_locked: bool = False) -> list[Thing]:
        """Those that meet the conditions, by number; locked, they are unchanged by others until the unit of work ends."""
        query = self._selected.where(*conditions).order_by(self._table.c.id).limit(limit)
        query = query.with_for_update() if is_locked else query
        return [self._read(row) for row in (await self._connection.execute(query)).mappings()]

    async def get_many(self, ids: Sequence[int], *conditions: ColumnElement[bool]) -> dict[int, Thing]:
        """Those of these ids that meet the conditions, by id."""
        query = self._selected.where(among(self._table.c.id, ids, self._connection.dialect.name), *conditions)
        return {row["id"]: self._read(row) for row in (await self._connection.execute(query)).mappings()}

    async def page(self, query: NumberedQuery, conditions: Sequence[ColumnElement[bool]]) -> Page[Thing]:
        """A page of those that meet the conditions."""
        selected = self._on_page(query, self._selected.where(*conditions)).limit(query.first + 1)
        found = [self._read(row) for row in (await self._connection.execute(selected)).mappings()]
        return Page(found[: query.first], has_more=len(found) > query.first)

    async def versions_on_page(self, query: NumberedQuery, conditions: Sequence[ColumnElement[bool]]) -> dict[int, int]:
        """The ids of what is on the page, in its order, with the version of each."""
        selected = select(self._table.c.id, self._table.c.version).where(*conditions)
        rows: Sequence[Row[Any]] = (await self._connection.execute(self._on_page(query, selected).limit(query.first))).all()
        return {row.id: row.version for row in rows}

    async def count(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        """How many meet the conditions."""
        selected = select(func.count()).select_from(self._table).where(*conditions)
        return int((await self._connection.execute(selected)).scalar_one())

    async def add(self, values: Mapping[str, Any]) -> int | None:
        """The number that the database gives to a new row; None where a unique index refuses it."""
        statement = insert_into(self._connection, self._table).values(values).on_conflict_do_nothing()
        number: int | None = (await self._connection.execute(statement.returning(self._table.c.id))).scalar_one_or_none()
        return number

    async def change(self, number: int, version: int, values: Mapping[str, Any]) -> bool:
        """Write values to the row; False where it does not have that version any more."""
        is_it = (self._table.c.id == number, self._table.c.version == version)
        return (await self._connection.execute(self._table.update().where(*is_it).values(values))).rowcount > 0

    def _on_page(self, query: NumberedQuery, selected: Select[Any]) -> Select[Any]:
        return from_place(selected, [(self._table.c.id, query.is_descending)], query.after)

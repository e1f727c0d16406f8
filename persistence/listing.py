"""Conditions and order of lists that begin at a place."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, FromClause, Integer, Row, Select, and_, false, func, literal, or_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.query import HistoryQuery, Page
from persistence.dialect import first_of_each, table_of

Item = TypeVar("Item")


def from_place(
    selected: Select[Any], order: Sequence[tuple[ColumnElement[Any], bool]], after: Sequence[Any] | None
) -> Select[Any]:
    """What is selected in an order by these columns (descending where True), without what stands up to the place `after`."""
    if after is not None:
        follows: ColumnElement[bool] = false()
        for (column, is_descending), value in reversed(list(zip(order, after, strict=True))):
            last = literal(value, column.type)
            follows = or_(column < last if is_descending else column > last, and_(column == last, follows))
        selected = selected.where(follows)
    return selected.order_by(*(column.desc() if is_descending else column.asc() for column, is_descending in order))


async def histories(
    connection: AsyncConnection,
    queries: Sequence[HistoryQuery],
    selected: Select[Any],
    key: Column[int],
    read: Callable[[Row[Any]], Item],
) -> list[Page[Item]]:
    """For each query a page of what is selected of a table of all that things became, which `key` counts for each of them."""
    (owner,) = (str(column.name) for column in key.table.primary_key if column is not key)
    found: list[list[Item]] = [[] for _ in queries]
    alike: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for place, query in enumerate(queries):
        alike[query.first].append((place, query.of, query.after))
    for first, places in alike.items():
        wanted = table_of(connection.dialect.name, places, **dict.fromkeys(("place", owner, "after"), Integer()))
        for row in await connection.execute(_above(connection.dialect.name, wanted, selected, key, first + 1)):
            found[row.place].append(read(row))
    return [Page(each[: query.first], has_more=len(each) > query.first) for query, each in zip(queries, found, strict=True)]


def _above(dialect_name: str, wanted: FromClause, selected: Select[Any], key: Column[int], limit: int) -> Select[Any]:
    return first_of_each(dialect_name, wanted, selected, key, limit, lambda columns: [columns[key.name] > wanted.c.after])


def is_archived(archived_at: ColumnElement[Any], wanted: bool | None) -> list[ColumnElement[bool]]:
    """Archived or not; no condition for None."""
    if wanted is None:
        return []
    return [archived_at.is_not(None) if wanted else archived_at.is_(None)]


def begins_with(column: ColumnElement[str], prefix: str) -> list[ColumnElement[bool]]:
    """The text begins so, letter by letter: SQLite's LIKE takes upper and lower case for the same."""
    return [column.startswith(prefix, autoescape=True), func.substr(column, 1, len(prefix)) == prefix]

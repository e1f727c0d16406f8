"""Conditions and order of lists that begin at a place."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, FromClause, Integer, Row, Select, and_, false, literal, or_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.query import HistoryQuery, Page
from persistence.dialect import first_of_each, table_of

Item = TypeVar("Item")
Conditions = Callable[[ReadOnlyColumnCollection[str, Any]], Sequence[ColumnElement[bool]]]


def from_place(
    selected: Select[Any], order: Sequence[tuple[ColumnElement[Any], bool]], after: Sequence[Any] | None
) -> Select[Any]:
    """What is selected in an order by these columns (descending where True), without what stands up to the place `after`."""
    if after is not None:
        follows: ColumnElement[bool] = false()
        for (column, is_descending), value in reversed(list(zip(order, after, strict=True))):
            last = literal(value, column.type)
            follows = or_(column < last if is_descending else column > last, and_(column == last, follows))
        (first, is_descending), value = order[0], literal(after[0], order[0][0].type)
        # Says nothing more, but in words by which a database finds the place in an index.
        selected = selected.where(first <= value if is_descending else first >= value, follows)
    return selected.order_by(*(column.desc() if is_descending else column.asc() for column, is_descending in order))


async def histories(
    connection: AsyncConnection,
    queries: Sequence[HistoryQuery],
    selected: Select[Any],
    key: Column[int],
    read: Callable[[Row[Any]], Item],
    also: Conditions = lambda columns: [],
    owner: str | None = None,
) -> list[Page[Item]]:
    """For each query a page of what is selected of a table of all that things became, which `key` counts for each of them.

    There is `also` what its columns have to meet. The things are in the column `owner`; None: the other one of the primary key.
    """
    owner = owner or next(str(column.name) for column in key.table.primary_key if column is not key)
    found: list[list[Item]] = [[] for _ in queries]
    alike: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for place, query in enumerate(queries):
        alike[query.first].append((place, query.of, query.after))
    for first, places in alike.items():
        wanted = table_of(connection.dialect.name, places, **dict.fromkeys(("place", owner, "after"), Integer()))
        for row in await connection.execute(_above(connection.dialect.name, wanted, selected, key, first + 1, also)):
            found[row.place].append(read(row))
    return [Page(each[: query.first], has_more=len(each) > query.first) for query, each in zip(queries, found, strict=True)]


def _above(
    dialect_name: str, wanted: FromClause, selected: Select[Any], key: Column[int], limit: int, also: Conditions
) -> Select[Any]:
    def conditions(columns: ReadOnlyColumnCollection[str, Any]) -> list[ColumnElement[bool]]:
        return [columns[key.name] > wanted.c.after, *also(columns)]

    return first_of_each(dialect_name, wanted, selected, key, limit, conditions)


def is_given(column: ColumnElement[Any], wanted: bool | None) -> list[ColumnElement[bool]]:
    """There is something in it (of `archived_at`: it is archived), or nothing; no condition for None."""
    if wanted is None:
        return []
    return [column.is_not(None) if wanted else column.is_(None)]


def equals(column: ColumnElement[Any], value: object) -> list[ColumnElement[bool]]:
    """Of that value; no condition for None."""
    return [] if value is None else [column == value]


def one_of(column: ColumnElement[Any], values: Collection[Any]) -> list[ColumnElement[bool]]:
    """One of these; no condition where there are none."""
    return [column.in_(sorted(values))] if values else []


def between(column: ColumnElement[Any], begin: object, end: object) -> list[ColumnElement[bool]]:
    """From `begin` on and before `end`; no condition for None."""
    return [*([] if begin is None else [column >= begin]), *([] if end is None else [column < end])]


def begins_with(column: ColumnElement[str], prefix: str | None) -> list[ColumnElement[bool]]:
    """The text begins so, letter by letter; as a range, which is found in an index. No condition without a text."""
    if not prefix:
        return []
    behind = _behind(prefix)
    return [column >= prefix, *([column < behind] if behind else [])]


def _behind(prefix: str) -> str:
    """The first text that follows all that begin so; empty where none does. Letters are in the order of their bytes in UTF-8."""
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return ""
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)  # between them are no letters, but halves of some

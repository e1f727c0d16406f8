"""Conditions and order of lists that begin at a place."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, literal, or_


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


def is_archived(archived_at: ColumnElement[Any], wanted: bool | None) -> list[ColumnElement[bool]]:
    """Archived or not; no condition for None."""
    if wanted is None:
        return []
    return [archived_at.is_not(None) if wanted else archived_at.is_(None)]


def begins_with(column: ColumnElement[str], prefix: str) -> list[ColumnElement[bool]]:
    """The text begins so, letter by letter: SQLite's LIKE takes upper and lower case for the same."""
    return [column.startswith(prefix, autoescape=True), func.substr(column, 1, len(prefix)) == prefix]

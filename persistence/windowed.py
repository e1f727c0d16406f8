"""What belongs to windows of runs, by run and start: of all that are asked for alike in one statement."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, BigInteger, Column, ColumnElement, FromClause, Integer, Row, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.query import WindowQuery
from persistence.dialect import among, table_of

BEFORE_ALL = -1
BATCH = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: `rows` has `place`, `run_id`, `after` and `changed_after` of each query."""

    rows: CTE
    run_ids: Sequence[int]
    dialect_name: str

    def is_of_run(self, table: FromClause) -> ColumnElement[bool]:
        """A row of the table belongs to the run of a query.

        The runs are named besides: PostgreSQL takes what it is given as JSON for a hundred rows, and would read the whole table.
        """
        return (table.c.run_id == self.rows.c.run_id) & among(table.c.run_id, self.run_ids, self.dialect_name)


async def rows_of_windows(
    connection: AsyncConnection,
    queries: Sequence[WindowQuery],
    of: Column[str],
    has_changed: Callable[[Asked], ColumnElement[bool]],
) -> AsyncIterator[Sequence[Row[Any]]]:
    """Batches of rows of a table by `run_id`, `start` and the column `of`, each with the `place` of its query.

    Those of a query come in that order. `has_changed` says what its `changed_after` means.
    """
    alike: dict[int | None, list[tuple[int, ...]]] = defaultdict(list)
    for place, query in enumerate(queries):
        after, changed_after = (BEFORE_ALL if each is None else each for each in (query.after, query.changed_after))
        alike[query.first].append((place, query.run_id, after, changed_after))
    for first, given in alike.items():
        name = connection.dialect.name
        asked = Asked(_wanted(name, of.table, first, given), [run_id for _, run_id, *_ in given], name)
        selected = _selected(of, asked)
        if any(query.changed_after is not None for query in queries):
            selected = selected.where(has_changed(asked))
        found = await connection.execute(selected)
        while rows := found.fetchmany(BATCH):
            yield rows


def _wanted(dialect_name: str, table: FromClause, first: int | None, given: Sequence[tuple[int, ...]]) -> CTE:
    """What is asked for, with the start of the last window that belongs to it where the number of windows is limited."""
    types = {"place": Integer(), "run_id": Integer(), "after": BigInteger(), "changed_after": BigInteger()}
    wanted = table_of(dialect_name, given, **types)
    selected = select(wanted)
    if first is not None:
        begun = table.alias()
        of_run = select(begun.c.start).where(begun.c.run_id == wanted.c.run_id, begun.c.start > wanted.c.after)
        last = of_run.group_by(begun.c.start).order_by(begun.c.start).offset(first - 1).limit(1)
        selected = selected.add_columns(last.correlate(wanted).scalar_subquery().label("until"))
    return selected.cte("asked").prefix_with("MATERIALIZED")


def _selected(of: Column[str], asked: Asked) -> Select[Any]:
    columns, wanted = of.table.c, asked.rows
    is_asked = asked.is_of_run(of.table) & (columns.start > wanted.c.after)
    selected = select(of.table, wanted.c.place).join_from(wanted, of.table, is_asked)
    if "until" in wanted.c:
        selected = selected.where(or_(wanted.c.until.is_(None), columns.start <= wanted.c.until))
    return selected.order_by(wanted.c.place, columns.start, of)

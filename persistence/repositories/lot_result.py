"""Results of models for lots, and which rows lack one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.batch_query import LotResultQuery
from domain.batch_storage import LotResultStore
from domain.kit import ProductLine
from domain.lot_result import LotResult, OutOfRange
from domain.lot_row import LotRow
from domain.model_version import VersionKey
from domain.query import HistoryQuery, Page
from domain.visibility import Visibility
from persistence.batch_tables import daily_batch_refusal, lot_result, model_assignment
from persistence.dialect import among, insert_into
from persistence.listing import begins_with, between, equals, histories
from persistence.lot_tables import lot_row
from persistence.numbered import NumberedRows
from persistence.repositories.lot_row import read_lot_row

RESULT, ROW, ASSIGNMENT, REFUSAL = lot_result, lot_row, model_assignment, daily_batch_refusal
KEY = (RESULT.c.lot_row_id, RESULT.c.model_id, RESULT.c.model_version, RESULT.c.lot_row_version)


class LotResultRepository(LotResultStore):
    """The results of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._rows = NumberedRows(connection, RESULT, select(RESULT), read_result)

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, LotResult]:
        return await self._rows.get_many(ids, _exists_for(visibility))

    async def page(self, query: LotResultQuery, visibility: Visibility) -> Page[LotResult]:
        return await self._rows.page(query, _conditions(query, visibility))

    async def count(self, query: LotResultQuery, visibility: Visibility) -> int:
        return await self._rows.count(_conditions(query, visibility))

    async def of_rows(self, queries: Sequence[HistoryQuery], visibility: Visibility) -> list[Page[LotResult]]:
        lines = sorted(visibility.product_lines)
        return await histories(
            self._connection,
            queries,
            select(RESULT),
            RESULT.c.id,
            lambda row: read_result(dict(row._mapping)),
            lambda columns: [columns.product_line.in_(lines)],
            owner="lot_row_id",
        )

    async def assigned(self, model_version: VersionKey, line: ProductLine, actors: Collection[str]) -> tuple[int, int]:
        query = select(func.count(), func.count().filter(_has_result(model_version))).select_from(ROW)
        considered, having = (await self._connection.execute(query.where(*self._assigned(model_version, line, actors)))).one()
        return considered, having

    async def lacking(
        self,
        model_version: VersionKey,
        line: ProductLine,
        actors: Collection[str],
        *,
        after: int = 0,
        limit: int | None = None,
        among: Collection[int] | None = None,
        was_unanswered: bool | None = None,
        not_refused_in: int | None = None,
    ) -> list[LotRow]:
        query = select(ROW).where(*self._assigned(model_version, line, actors), ~_has_result(model_version), ROW.c.id > after)
        if among is not None:
            query = query.where(self._among(ROW.c.id, among))
        if was_unanswered is not None:
            unanswered = _is_refused(model_version, REFUSAL.c.is_unanswered)
            query = query.where(unanswered if was_unanswered else ~unanswered)
        if not_refused_in is not None:
            query = query.where(~_is_refused(model_version, REFUSAL.c.run_id == not_refused_in))
        rows = await self._connection.execute(query.order_by(ROW.c.id).limit(limit))
        return [read_lot_row(dict(row)) for row in rows.mappings()]

    async def add(self, results: Sequence[LotResult], at: datetime) -> int:
        if not results:
            return 0
        statement = insert_into(self._connection, RESULT).on_conflict_do_nothing(index_elements=KEY).returning(RESULT.c.id)
        return len((await self._connection.execute(statement, [_values(each, at) for each in results])).all())

    def _assigned(self, model_version: VersionKey, line: ProductLine, actors: Collection[str]) -> list[ColumnElement[bool]]:
        """The rows that these people have assigned the model to: those named, and those that a rule takes in."""
        is_theirs = and_(
            ASSIGNMENT.c.model_id == model_version.model_id,
            ASSIGNMENT.c.ended_at.is_(None),
            self._among(ASSIGNMENT.c.actor, actors),
        )
        named = select(ASSIGNMENT.c.lot_row_id).where(is_theirs, ASSIGNMENT.c.lot_row_id.is_not(None))
        by_rule = exists().where(
            is_theirs,
            ASSIGNMENT.c.lot_row_id.is_(None),
            *(or_(ASSIGNMENT.c[name].is_(None), ASSIGNMENT.c[name] == ROW.c[name]) for name in ("product", "step")),
            or_(ASSIGNMENT.c.measured_from.is_(None), ASSIGNMENT.c.measured_from <= ROW.c.measured_at),
            or_(ASSIGNMENT.c.measured_to.is_(None), ASSIGNMENT.c.measured_to > ROW.c.measured_at),
        )
        return [ROW.c.product_line == line, or_(ROW.c.id.in_(named), by_rule)]

    def _among(self, column: ColumnElement[Any], values: Collection[Any]) -> ColumnElement[bool]:
        return among(column, sorted(values), self._dialect)


def _has_result(model_version: VersionKey) -> ColumnElement[bool]:
    return exists().where(*_is_of_row(RESULT, model_version))


def _is_refused(model_version: VersionKey, *so: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(*_is_of_row(REFUSAL, model_version), *so)


def _is_of_row(table: Table, model_version: VersionKey) -> list[ColumnElement[bool]]:
    """What the version of the model said of the row as it now is."""
    return [
        table.c.lot_row_id == ROW.c.id,
        table.c.lot_row_version == ROW.c.version,
        table.c.model_id == model_version.model_id,
        table.c.model_version == model_version.number,
    ]


def _exists_for(visibility: Visibility) -> ColumnElement[bool]:
    return RESULT.c.product_line.in_(sorted(visibility.product_lines))


def _conditions(query: LotResultQuery, visibility: Visibility) -> list[ColumnElement[bool]]:
    conditions = [_exists_for(visibility)]
    for name in ("product_line", "lot_row_id", "model_id", "model_version", "run_id", "is_out_of_range"):
        conditions += equals(RESULT.c[name], getattr(query, name))
    of_row = [
        *begins_with(ROW.c.lot_id, query.lot_id_prefix),
        *equals(ROW.c.product, query.product),
        *equals(ROW.c.step, query.step),
    ]
    if of_row:  # a row that was corrected to another product line says nothing to who can't see that
        seen = ROW.c.product_line.in_(sorted(visibility.product_lines))
        conditions.append(RESULT.c.lot_row_id.in_(select(ROW.c.id).where(seen, *of_row)))
    return [*conditions, *between(RESULT.c.recorded_at, query.recorded_from, query.recorded_to)]


def written_result(result: LotResult) -> dict[str, Any]:
    """A result as documents and columns have it, but for its times and numbers."""
    return {
        "product_line": result.product_line,
        "lot_row_id": result.lot_row_id,
        "lot_row_version": result.lot_row_version,
        "model_id": result.model_version.model_id,
        "model_version": result.model_version.number,
        "targets": list(result.targets),
        "outputs": list(result.outputs),
        "input_sha256": result.input_sha256,
        "out_of_range": [asdict(each) for each in result.out_of_range],
        "run_id": result.run_id,
    }


def read_result(written: Mapping[str, Any]) -> LotResult:
    """The result that was written so."""
    return LotResult(
        product_line=ProductLine(written["product_line"]),
        lot_row_id=written["lot_row_id"],
        lot_row_version=written["lot_row_version"],
        model_version=VersionKey(written["model_id"], written["model_version"]),
        targets=tuple(written["targets"]),
        outputs=tuple(map(float, written["outputs"])),
        input_sha256=written["input_sha256"],
        out_of_range=tuple(OutOfRange(**each) for each in written["out_of_range"] or ()),
        run_id=written["run_id"],
        id=written.get("id", 0),
        recorded_at=written.get("recorded_at", datetime.min),
    )


def _values(result: LotResult, at: datetime) -> dict[str, Any]:
    return {**written_result(result), "is_out_of_range": bool(result.out_of_range), "recorded_at": at}

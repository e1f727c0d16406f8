"""Runs of the daily batch: how far each has come, which server works on it, and the rows that were refused."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.background_work import UNENDED
from domain.batch_query import DailyBatchRunQuery
from domain.batch_storage import DailyBatchRunStore
from domain.daily_batch_run import BatchPart, BatchPartStatus, BatchRefusal, Counts, DailyBatchRun, DailyBatchRunStatus
from domain.kit import ProductLine
from domain.model_version import VersionKey
from domain.query import HistoryQuery, Page
from domain.visibility import Visibility
from persistence.batch_tables import daily_batch_part, daily_batch_refusal, daily_batch_run
from persistence.claimed import ClaimedRows
from persistence.dialect import among
from persistence.listing import between, equals, histories, is_given, one_of
from persistence.numbered import NumberedRows
from persistence.repositories.lot_result import read_result, written_result

RUN, PART, REFUSAL = daily_batch_run, daily_batch_part, daily_batch_refusal
COUNTS = tuple(field.name for field in fields(Counts))
SHOWN = [column for column in RUN.columns if column.name not in ("server", "heartbeat_at")]
OWN = tuple(column.name for column in SHOWN if column.name not in (*COUNTS, "day", "status", "preview"))
PART_KEY = (PART.c.run_id, PART.c.model_id, PART.c.model_version)


class DailyBatchRunRepository(DailyBatchRunStore):
    """The runs of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._rows = NumberedRows(connection, RUN, select(*SHOWN), _run)
        self._claimed = ClaimedRows(connection, RUN, self._rows, _values)

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, DailyBatchRun]:
        return await self._rows.get_many(ids, _exists_for(visibility))

    async def page(self, query: DailyBatchRunQuery, visibility: Visibility) -> Page[DailyBatchRun]:
        return await self._rows.page(query, _conditions(query, visibility))

    async def versions_on_page(self, query: DailyBatchRunQuery, visibility: Visibility) -> dict[int, int]:
        return await self._rows.versions_on_page(query, _conditions(query, visibility))

    async def count(self, query: DailyBatchRunQuery, visibility: Visibility) -> int:
        return await self._rows.count(_conditions(query, visibility))

    async def add(self, queued: DailyBatchRun) -> DailyBatchRun | None:
        number = await self._rows.add(_values(queued))
        return None if number is None else replace(queued, id=number)

    async def unended(self, product_line: ProductLine, *, is_dry_run: bool) -> DailyBatchRun | None:
        is_it = (RUN.c.product_line == product_line, RUN.c.is_dry_run == is_dry_run, RUN.c.status.in_(UNENDED))
        return next(iter(await self._rows.find(*is_it)), None)

    async def days(self, product_line: ProductLine, since: str) -> set[str]:
        query = select(RUN.c.day).where(RUN.c.product_line == product_line, RUN.c.day >= since)
        return set((await self._connection.execute(query)).scalars())

    async def lock(self, number: int, visibility: Visibility) -> DailyBatchRun | None:
        return await self._claimed.lock(RUN.c.id == number, _exists_for(visibility))

    async def change(self, changed: DailyBatchRun) -> None:
        await self._claimed.change(changed)

    async def claim(self, server: str, working: Collection[int], silence: timedelta) -> DailyBatchRun | None:
        return await self._claimed.claim(server, working, silence)

    async def hold(self, claimed: DailyBatchRun) -> DailyBatchRun | None:
        return await self._claimed.hold(claimed)

    async def heartbeat(self, claimed: DailyBatchRun) -> bool | None:
        return await self._claimed.heartbeat(claimed)

    async def release(self, server: str) -> None:
        await self._claimed.release(server)

    async def parts(self, run_ids: Sequence[int]) -> list[BatchPart]:
        query = select(PART).where(among(PART.c.run_id, run_ids, self._connection.dialect.name)).order_by(*PART_KEY)
        return [_part(dict(row)) for row in (await self._connection.execute(query)).mappings()]

    async def add_parts(self, parts: Sequence[BatchPart]) -> None:
        if parts:
            await self._connection.execute(PART.insert(), [_part_values(part) for part in parts])

    async def change_part(self, part: BatchPart) -> None:
        values = _part_values(part)
        is_it = (column == values[column.name] for column in PART_KEY)
        await self._connection.execute(PART.update().where(*is_it).values(values))

    async def refuse(self, refusals: Sequence[BatchRefusal]) -> None:
        if refusals:
            await self._connection.execute(REFUSAL.insert(), [_refusal_values(each) for each in refusals])

    async def forget_refusals(self, ended_before: datetime, most: int) -> int:
        later = REFUSAL.alias()
        of_same = (later.c[name] == REFUSAL.c[name] for name in ("lot_row_id", "lot_row_version", "model_id", "model_version"))
        is_again = exists().where(*of_same, later.c.is_unanswered, later.c.id > REFUSAL.c.id)
        found = select(REFUSAL.c.id).join(RUN, RUN.c.id == REFUSAL.c.run_id).limit(most)
        found = found.where(RUN.c.ended_at < ended_before, or_(~REFUSAL.c.is_unanswered, is_again))
        return (await self._connection.execute(REFUSAL.delete().where(REFUSAL.c.id.in_(found)))).rowcount

    async def refusals(self, queries: Sequence[HistoryQuery]) -> list[Page[BatchRefusal]]:
        return await histories(self._connection, queries, select(REFUSAL), REFUSAL.c.id, _refusal, owner="run_id")


def _exists_for(visibility: Visibility) -> ColumnElement[bool]:
    return RUN.c.product_line.in_(sorted(visibility.product_lines))


def _conditions(query: DailyBatchRunQuery, visibility: Visibility) -> list[ColumnElement[bool]]:
    return [
        _exists_for(visibility),
        *equals(RUN.c.product_line, query.product_line),
        *one_of(RUN.c.status, query.statuses),
        *equals(RUN.c.is_dry_run, query.is_dry_run),
        *is_given(RUN.c.day, query.is_scheduled),
        *equals(RUN.c.day, None if query.day is None else query.day.isoformat()),
        *between(RUN.c.started_at, query.started_from, query.started_to),
    ]


def _values(run: DailyBatchRun) -> dict[str, Any]:
    return {
        **{name: getattr(run, name) for name in OWN if name != "id"},
        **asdict(run.counts),
        "day": None if run.day is None else run.day.isoformat(),
        "status": run.status,
        "preview": [written_result(each) for each in run.preview],
    }


def _run(row: Mapping[str, Any]) -> DailyBatchRun:
    return DailyBatchRun(
        **{name: row[name] for name in OWN},
        counts=_counts(row),
        day=None if row["day"] is None else date.fromisoformat(row["day"]),
        status=DailyBatchRunStatus(row["status"]),
        preview=tuple(map(read_result, row["preview"] or ())),
    )


def _counts(row: Mapping[str, Any]) -> Counts:
    return Counts(**{name: row[name] for name in COUNTS})


def _part_values(part: BatchPart) -> dict[str, Any]:
    return {
        "run_id": part.run_id,
        "model_id": part.model_version.model_id,
        "model_version": part.model_version.number,
        "status": part.status,
        "look": part.look,
        "after": part.after,
        "message": part.message,
        **asdict(part.counts),
    }


def _part(row: Mapping[str, Any]) -> BatchPart:
    return BatchPart(
        run_id=row["run_id"],
        model_version=VersionKey(row["model_id"], row["model_version"]),
        status=BatchPartStatus(row["status"]),
        counts=_counts(row),
        look=row["look"],
        after=row["after"],
        message=row["message"],
    )


def _refusal_values(refusal: BatchRefusal) -> dict[str, Any]:
    values = asdict(refusal)
    del values["id"]
    return {**values, "model_id": refusal.model_version.model_id, "model_version": refusal.model_version.number}


def _refusal(row: Any) -> BatchRefusal:
    values = dict(row._mapping)
    key = VersionKey(values.pop("model_id"), values.pop("model_version"))
    names = {field.name for field in fields(BatchRefusal)} - {"model_version"}
    return BatchRefusal(model_version=key, **{name: value for name, value in values.items() if name in names})

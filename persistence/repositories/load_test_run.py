"""Runs of load tests, their history, and what they measured."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.histogram import Histogram
from domain.load_test import stored_definition
from domain.load_test_run import VERDICTS, Counts, LoadTestRun, RunEvent, RunStatus
from domain.load_test_storage import LoadTestRunStore
from domain.load_test_threshold import Threshold
from domain.load_test_trend import TrendRun
from domain.metric_series import RunFigures
from domain.metric_window import MetricWindow
from domain.query import HistoryQuery, LoadTestRunQuery, Page, WindowQuery
from domain.run_queue import Unfinished, busy_origins
from domain.visibility import EVERY_PROJECT, Membership
from persistence import load_test_tables as tables
from persistence import tables as shared
from persistence.dialect import among, clock, has_named, insert_into, names_of, text_of
from persistence.listing import between, equals, from_place, histories, one_of
from persistence.membership import is_member
from persistence.windowed import Asked, rows_of_windows

RUN, EVENT, WINDOW, USAGE = tables.load_test_run, tables.load_test_run_event, tables.metric_window, tables.resource_usage
RUNNER, LOAD_TEST = shared.runner, tables.load_test
FIGURES_OF, THRESHOLDS_OF = TypeAdapter(tuple[RunFigures, ...]), TypeAdapter(tuple[Threshold, ...])
NAMES_OF = TypeAdapter(tuple[str, ...])
SHOWN = [column for column in RUN.columns if column.name not in ("script", "runner_id", "cleared_at")]
TIMES = ("updated_at", "started_at", "ended_at", "deadline", "warned_at", "unheard_since", "windows_removed_at")
CHANGING = ("status", "version", "message", *TIMES)
OF_VUS = ("vus", "vus_least", "vus_total", "vus_count", "max_vus")
FIGURES = ("revision", "failed", "iterations", "dropped", "checks_passed", "checks_failed", *OF_VUS)
COUNTED = ("requests", *FIGURES[1:])
BATCH = 200


class LoadTestRunRepository(LoadTestRunStore):
    """The runs of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    async def get_many(self, ids: Sequence[int], membership: Membership) -> dict[int, LoadTestRun]:
        query = select(*SHOWN).where(among(RUN.c.id, ids, self._dialect), *is_member(RUN.c.project_id, membership))
        return {run.id: run for run in await self._runs(query)}

    async def of_uuid(self, uuid: UUID) -> LoadTestRun | None:
        found = await self._runs(select(*SHOWN).where(RUN.c.uuid == uuid))
        return found[0] if found else None

    async def page(self, query: LoadTestRunQuery, membership: Membership) -> Page[LoadTestRun]:
        selected = select(*SHOWN).where(*_conditions(query, membership, self._dialect))
        rows = (
            await self._connection.execute(from_place(selected, [(RUN.c.id, True)], query.after).limit(query.first + 1))
        ).all()
        found = await asyncio.to_thread(list, map(_run, rows))  # a hundred definitions would hold everybody else up
        return Page(found[: query.first], has_more=len(found) > query.first)

    async def trend(self, query: LoadTestRunQuery, membership: Membership) -> list[TrendRun]:
        columns: list[ColumnElement[Any]] = [
            *(RUN.c[name] for name in ("id", "load_test_id", "load_test_version", "label", "created_at", "status")),
            text_of(RUN.c.definition, "title", self._dialect).label("title"),
            names_of(RUN.c.definition, "scenarios", self._dialect).label("scenarios"),
            text_of(RUN.c.figures, "figures", self._dialect).label("figures"),
        ]
        selected = select(*columns).where(*_conditions(query, membership, self._dialect))
        rows = (await self._connection.execute(from_place(selected, [(RUN.c.id, True)], query.after).limit(query.first))).all()
        return await asyncio.to_thread(list, map(_trend_run, rows))

    async def count(self, query: LoadTestRunQuery, membership: Membership) -> int:
        selected = select(func.count()).select_from(RUN).where(*_conditions(query, membership, self._dialect))
        return int((await self._connection.execute(selected)).scalar_one())

    async def last_of(self, load_test_ids: Sequence[int]) -> dict[int, LoadTestRun]:
        of_test = select(func.max(RUN.c.id)).where(RUN.c.load_test_id == LOAD_TEST.c.id).correlate(LOAD_TEST)
        last = select(of_test.scalar_subquery()).select_from(LOAD_TEST)
        numbers = last.where(among(LOAD_TEST.c.id, load_test_ids, self._dialect))
        return {run.load_test_id: run for run in await self._runs(select(*SHOWN).where(RUN.c.id.in_(numbers)))}

    async def scripts(self, ids: Sequence[int]) -> dict[int, str]:
        query = select(RUN.c.id, RUN.c.script).where(among(RUN.c.id, ids, self._dialect))
        return {row.id: row.script for row in await self._connection.execute(query)}

    async def add(self, run: LoadTestRun, script: str) -> LoadTestRun:
        at = await clock(self._connection)
        run = replace(run, created_at=at, updated_at=at)
        values = {
            column.name: getattr(run, column.name) for column in SHOWN if column.name not in ("id", "definition", "figures")
        }
        values |= {"definition": run.definition.as_json(), "script": script}
        number = (await self._connection.execute(RUN.insert().values(values).returning(RUN.c.id))).scalar_one()
        run = replace(run, id=number)
        await self._record(run, run.actor, at, "")
        return run

    async def claim(self, run: LoadTestRun, actor: str, runner_id: str, runs_per_target: int) -> LoadTestRun | None:
        # Whoever claims one of the same server sees at least the one that is claimed here, and waits for it.
        same = select(RUN.c.id).where(RUN.c.origin == run.origin, RUN.c.ended_at.is_(None)).order_by(RUN.c.id)
        await self._connection.execute(same.with_for_update())
        if busy_origins(await self.unfinished())[run.origin] >= runs_per_target:
            return None
        return await self._write(run, RunStatus.STARTING, actor, "", runner_id=runner_id)

    async def change(self, run: LoadTestRun, status: RunStatus, actor: str, message: str = "") -> LoadTestRun | None:
        return await self._write(run, status, actor, message, figures=_figures_json(run))

    async def warn(self, run: LoadTestRun, actor: str) -> LoadTestRun | None:
        at = await clock(self._connection)
        return await self._store(run.warned(at), actor, at, f"It is ended at {run.deadline:%H:%M:%S} UTC if it has not by then.")

    async def miss(self, run: LoadTestRun, actor: str, since: datetime | None) -> LoadTestRun | None:
        changed = run.unheard(since)
        message = "The server that runs it is heard of again." if since is None else changed.told
        return await self._store(changed, actor, await clock(self._connection), message)

    async def to_clear(self, ended_before: datetime, limit: int, after: LoadTestRun | None = None) -> list[LoadTestRun]:
        query = select(*SHOWN).where(RUN.c.cleared_at.is_(None), RUN.c.ended_at < ended_before)
        place = None if after is None else (after.ended_at, after.id)
        return await self._runs(from_place(query, [(RUN.c.ended_at, False), (RUN.c.id, False)], place).limit(limit))

    async def remove_windows(self, run: LoadTestRun, actor: str) -> LoadTestRun | None:
        at = await clock(self._connection)
        return await self._store(run.without_windows(at), actor, at, "What it measured window by window is removed.")

    async def clear(self, run_id: int, most: int) -> bool:
        removed = 0
        for table in (WINDOW, USAGE):
            starts = select(table.c.start).where(table.c.run_id == run_id).distinct().order_by(table.c.start).limit(most)
            found = table.delete().where(table.c.run_id == run_id, table.c.start.in_(starts))
            removed += (await self._connection.execute(found)).rowcount
        return removed > 0

    async def cleared(self, run_id: int) -> None:
        await self._connection.execute(RUN.update().where(RUN.c.id == run_id).values(cleared_at=await clock(self._connection)))

    async def _write(self, run: LoadTestRun, status: RunStatus, actor: str, message: str, **more: Any) -> LoadTestRun | None:
        at = max(run.updated_at, await clock(self._connection))
        changed = run.moved(status, message, at)
        return await self._store(changed, actor, at, changed.message, **more)

    async def _store(self, changed: LoadTestRun, actor: str, at: datetime, message: str, **more: Any) -> LoadTestRun | None:
        """Store a run one version further; None where it has changed since it was read, or a verdict does not know all."""
        values: dict[str, Any] = {name: getattr(changed, name) for name in CHANGING} | more
        is_same = (RUN.c.id == changed.id) & (RUN.c.version == changed.version - 1)
        if changed.status in VERDICTS:
            is_same &= RUN.c.last_sequence == changed.last_sequence
        if (await self._connection.execute(RUN.update().where(is_same).values(values))).rowcount == 0:
            return None
        await self._record(changed, actor, at, message)
        return changed

    async def unended(self, kind: str, number: int, limit: int) -> list[int]:
        query = select(RUN.c.id).where(RUN.c[f"{kind}_id"] == number, RUN.c.ended_at.is_(None)).order_by(RUN.c.id).limit(limit)
        return list((await self._connection.execute(query)).scalars())

    async def unfinished(self) -> list[Unfinished]:
        query = select(RUN.c.id, RUN.c.origin, RUN.c.status).where(RUN.c.ended_at.is_(None)).order_by(RUN.c.id)
        rows = await self._connection.execute(query)
        return [Unfinished(row.id, row.origin, row.status == RunStatus.QUEUED) for row in rows]

    async def claimed_by(self, runner_id: str) -> list[LoadTestRun]:
        query = select(*SHOWN).where(RUN.c.runner_id == runner_id, RUN.c.ended_at.is_(None))
        return await self._runs(query.order_by(RUN.c.id))

    async def of_silent_runners(self, silence: timedelta, now: datetime, but: str) -> list[tuple[LoadTestRun, datetime]]:
        silent = select(RUN.c.id, RUNNER.c.heartbeat_at).join(RUNNER, RUNNER.c.id == RUN.c.runner_id)
        silent = silent.where(RUN.c.ended_at.is_(None), RUNNER.c.heartbeat_at < now - silence, RUNNER.c.id != but)
        heard = {row.id: row.heartbeat_at for row in await self._connection.execute(silent)}
        return [(run, heard[run.id]) for run in (await self.get_many(list(heard), EVERY_PROJECT)).values()] if heard else []

    async def take_in(
        self, run: LoadTestRun, last_sequence: int, windows: Sequence[MetricWindow], summary: Mapping[str, Any] | None
    ) -> bool:
        values: dict[str, Any] = {"last_sequence": last_sequence}
        if summary is not None:
            values["summary"] = dict(summary)
        is_next = (RUN.c.id == run.id) & (RUN.c.last_sequence == run.last_sequence) & RUN.c.ended_at.is_(None)
        if (await self._connection.execute(RUN.update().where(is_next).values(values))).rowcount == 0:
            return False
        latest = {(each.start, each.scenario): each for each in sorted(windows, key=lambda each: each.revision)}
        rows = [{"sequence": last_sequence, **_window_values(run.id, each)} for each in latest.values()]
        for start in range(0, len(rows), BATCH):
            insert = insert_into(self._connection, WINDOW)
            newer = {name: insert.excluded[name] for name in ("sequence", "requests", "times", *FIGURES)}
            news = or_(*(WINDOW.c[name].is_distinct_from(newer[name]) for name in COUNTED))
            statement = insert.on_conflict_do_update(
                index_elements=[WINDOW.c.run_id, WINDOW.c.start, WINDOW.c.scenario],
                set_=newer,
                where=(WINDOW.c.revision < insert.excluded.revision) & news,
            )
            await self._connection.execute(statement, rows[start : start + BATCH])
        return True

    async def events(self, queries: Sequence[HistoryQuery]) -> list[Page[RunEvent]]:
        before = EVENT.alias()
        is_before = (before.c.run_id == EVENT.c.run_id) & (before.c.version == EVENT.c.version - 1)
        status = select(before.c.status).where(is_before).correlate(EVENT).scalar_subquery()
        return await histories(self._connection, queries, select(EVENT, status.label("before")), EVENT.c.version, _event)

    async def span(self, run_id: int) -> tuple[int, int] | None:
        # Each by itself, as both at once are no look-up in the key everywhere.
        first, last = (select(each(WINDOW.c.start)).where(WINDOW.c.run_id == run_id) for each in (func.min, func.max))
        found = (await self._connection.execute(select(first.scalar_subquery(), last.scalar_subquery()))).one()
        return None if found[0] is None else (found[0], found[1])

    async def counts(self, run_id: int) -> Counts:
        sums = [func.sum(WINDOW.c[name]).label(name) for name in ("requests", "failed", "dropped", "iterations")]
        query = select(WINDOW.c.scenario, *sums).where(WINDOW.c.run_id == run_id).group_by(WINDOW.c.scenario)
        rows = (await self._connection.execute(query)).all()
        return Counts(
            requests=sum(int(row.requests) for row in rows),
            failed=sum(int(row.failed) for row in rows),
            dropped={row.scenario: int(row.dropped) for row in rows},
            iterations={row.scenario: int(row.iterations) for row in rows},
        )

    async def windows(self, queries: Sequence[WindowQuery]) -> list[list[MetricWindow]]:
        found: list[list[MetricWindow]] = [[] for _ in queries]
        # The JSON of a batch is parsed as it is fetched; a long run's all at once would hold up everybody else.
        async for rows in rows_of_windows(self._connection, queries, WINDOW.c.scenario, _has_changed):
            for place, window in await asyncio.to_thread(lambda rows: [(each.place, _window(each)) for each in rows], rows):
                found[place].append(window)
        return found

    async def _runs(self, query: Select[Any]) -> list[LoadTestRun]:
        return [_run(row) for row in await self._connection.execute(query)]

    async def _record(self, run: LoadTestRun, actor: str, at: datetime, message: str) -> None:
        values = {
            "run_id": run.id,
            "version": run.version,
            "status": run.status,
            "actor": actor,
            "recorded_at": at,
            "message": message,
        }
        await self._connection.execute(EVENT.insert().values(values))


def _conditions(query: LoadTestRunQuery, membership: Membership, dialect_name: str) -> list[ColumnElement[bool]]:
    conditions = [
        *is_member(RUN.c.project_id, membership),
        *equals(RUN.c.project_id, query.project_id),
        *equals(RUN.c.target_id, query.target_id),
        *equals(RUN.c.load_test_id, query.load_test_id),
        *one_of(RUN.c.status, query.statuses),
        *equals(RUN.c.label, query.label),
        *equals(RUN.c.actor, query.actor),
        *between(RUN.c.created_at, query.created_from, query.created_to),
    ]
    if query.scenario is not None:
        conditions.append(has_named(RUN.c.definition, "scenarios", query.scenario, dialect_name))
    return conditions


def _has_changed(asked: Asked) -> ColumnElement[bool]:
    """A report with a greater number has changed something of what begins at that time.

    What is new is found on its own, once: asked of each row it would be looked for anew.
    """
    other = WINDOW.alias()
    is_new = asked.is_of_run(other) & (other.c.sequence > asked.rows.c.changed_after)
    new = select(asked.rows.c.place, other.c.start).join_from(asked.rows, other, is_new)
    return tuple_(asked.rows.c.place, WINDOW.c.start).in_(new.correlate(None))


def _run(row: Row[Any]) -> LoadTestRun:
    values = dict(row._mapping) | {"definition": stored_definition(row.definition), "status": RunStatus(row.status)}
    figures = FIGURES_OF.validate_python(row.figures.get("figures", ()))
    return LoadTestRun(
        **values | {"figures": figures, "judged": THRESHOLDS_OF.validate_python(row.figures.get("thresholds", ()))}
    )


def _trend_run(row: Row[Any]) -> TrendRun:
    figures, scenarios = FIGURES_OF.validate_json(row.figures or "[]"), NAMES_OF.validate_json(row.scenarios)
    values = dict(row._mapping) | {"figures": figures, "scenarios": scenarios, "status": RunStatus(row.status)}
    return TrendRun(**values)


def _event(row: Row[Any]) -> RunEvent:
    return RunEvent(
        version=row.version,
        before=None if row.before is None else RunStatus(row.before),
        status=RunStatus(row.status),
        actor=row.actor,
        recorded_at=row.recorded_at,
        message=row.message,
    )


def _figures_json(run: LoadTestRun) -> dict[str, Any]:
    judged = THRESHOLDS_OF.dump_python(run.judged, mode="json")
    return {"figures": FIGURES_OF.dump_python(run.figures, mode="json"), "thresholds": judged}


def _window_values(run_id: int, window: MetricWindow) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "start": window.start,
        "scenario": window.scenario,
        "requests": window.requests,
        "times": window.times.as_json(),
        **{name: getattr(window, name) for name in FIGURES},
    }


def _window(row: Row[Any]) -> MetricWindow:
    figures = {name: getattr(row, name) for name in FIGURES}
    return MetricWindow(row.start, row.scenario, times=Histogram.of(row.times), **figures)

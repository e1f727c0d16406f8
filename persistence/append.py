"""Storing changes of kits: events, versions and current state together, guarded by the revision decided on.

A change is stored only if its kit still has the revision that it was decided on; every write of the state raises it, also one
that makes no event. On PostgreSQL one statement does everything for a whole batch of kits and locks their rows until its short
transaction commits; on SQLite, which has no data-modifying CTE, the one writing transaction does. The database's clock is read
under the lock and never runs backwards within a kit.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Column, Table, TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.attempt import Attempt, AttemptKey
from domain.change import Change
from domain.event import RECORDING
from domain.evolve import evolve
from domain.kit import Kit
from persistence import rows, tables
from persistence.dialect import POSTGRESQL, Instant, among, encoded, insert_into

STATES = (tables.job_state, tables.attempt_state, tables.task_state)
Rows = dict[str, list[dict[str, Any]]]


async def append(connection: AsyncConnection, changes: Sequence[Change], name_cache: dict[str, int]) -> dict[int, datetime]:
    """Store the changes, one a kit, once a transaction; returns when each was recorded, without those whose kit has moved on."""
    names = {event.actor for change in changes for event in change.events}
    names |= {event.task for change in changes for event in change.events if event.task is not None}
    name_ids = await _name_ids(connection, sorted(names), name_cache)
    if connection.dialect.name == "postgresql":
        return await _append_postgresql(connection, changes, name_ids)
    return await _append_sqlite(connection, changes, name_ids)


def _rows(change: Change, name_ids: Mapping[str, int]) -> Rows:
    """What a change writes to each table. A part of the kit that was not touched is the same object before and after."""
    found: Rows = {"job_state": [], "attempt_state": [], "task_state": [], "kit_event": []}
    before = {job.id: job for job in change.before.jobs}
    for job in change.kit.jobs:
        old = before.get(job.id)
        if old is job:
            continue
        found["job_state"].append(rows.job_row(job))
        old_tasks = {id(task) for task in old.tasks} if old else set()
        found["task_state"] += [rows.task_row(task, job) for task in job.tasks if id(task) not in old_tasks]
    found["attempt_state"] = [rows.attempt_row(attempt, change.kit.id) for attempt in change.attempts.values()]
    found["kit_event"] = [rows.event_row(event, name_ids) for event in change.events]
    return found


async def write_state(connection: AsyncConnection, kit: Kit, attempts: Mapping[AttemptKey, Attempt]) -> None:
    """Put the current state of a whole kit in the place of what is stored; no events.

    No server's memory of the kit passes the guard any more: the revision grows, and where its row was lost, it begins at the time
    in microseconds, which no count of writes reaches.
    """
    state = tables.kit_state
    for table in STATES:
        await connection.execute(table.delete().where(table.c.kit_id == kit.id))
    values = {**rows.kit_state_row(kit), "revision": time.time_ns() // 1000}
    everything = Change(before=evolve(kit, jobs=()), kit=kit, actor="", attempts=dict(attempts))
    statement = insert_into(connection, state).values(values)
    updated = {**values, "revision": state.c.revision + 1}
    await connection.execute(statement.on_conflict_do_update(index_elements=[state.c.kit_id], set_=updated))
    await _upsert_rows(connection, _rows(everything, {}))


async def _upsert_rows(connection: AsyncConnection, found: Rows) -> None:
    for table in STATES:
        if found[table.name]:
            statement = insert_into(connection, table)
            updated = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
            keys = list(table.primary_key.columns)
            await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=updated), found[table.name])


async def _append_sqlite(
    connection: AsyncConnection, changes: Sequence[Change], name_ids: Mapping[str, int]
) -> dict[int, datetime]:
    recorded: dict[int, datetime] = {}
    state = tables.kit_state
    for change in changes:
        query = select(state.c.revision, state.c.updated_at).where(state.c.kit_id == change.kit.id)
        current = (await connection.execute(query)).one_or_none()
        if current is None or current.revision != change.before.revision:
            continue
        at = max(current.updated_at, datetime.now(UTC)) if current.revision else current.updated_at
        change = change.recorded(at)
        values = rows.kit_state_row(change.kit)
        await connection.execute(state.update().where(state.c.kit_id == change.kit.id).values(values))
        found = _rows(change, name_ids)
        await _upsert_rows(connection, found)
        if found["kit_event"]:
            await connection.execute(tables.kit_event.insert(), found["kit_event"])
        recorded[change.kit.id] = at
    return recorded


async def _append_postgresql(
    connection: AsyncConnection, changes: Sequence[Change], name_ids: Mapping[str, int]
) -> dict[int, datetime]:
    """All changes travel as one JSON document: as arrays of columns they took the driver longer to encode than all else here."""
    documents = []
    for change in changes:
        document = {"expected": change.before.revision, **encoded(tables.kit_state, rows.kit_state_row(change.kit))}
        document["revision"] = change.before.revision + 1
        for table_name, found in _rows(change, name_ids).items():
            table = tables.metadata.tables[table_name]
            document[table_name] = [encoded(table, row) for row in found]
        documents.append(document)
    result = await connection.execute(_statement(), {"changes": orjson.dumps(documents, default=str).decode()})
    return {row.kit_id: row.at for row in result}


@cache
def _statement() -> TextClause:
    """The statement, written from the tables.

    `locked` takes the kits' rows and drops those that have moved on or are just being written by another: their writer
    decides again, and no kit ever waits for another's. Everything else comes from it and so happens only under the lock and
    only for what is left. `stamped` reads the clock after the lock was had; a new kit, which nobody else can see
    yet, is recorded at the time of its creation.
    """
    parts = ", ".join(f"{table.name} json" for table in (*STATES, tables.kit_event))
    ctes = [
        "incoming AS MATERIALIZED (SELECT * FROM json_to_recordset(CAST(:changes AS json))"
        f" AS i(expected bigint, {_definition(tables.kit_state)}, {parts}))",
        "locked AS MATERIALIZED (SELECT i.*, k.updated_at AS previous FROM kit_state k JOIN incoming i ON i.kit_id = k.kit_id"
        " WHERE k.revision = i.expected ORDER BY k.kit_id FOR UPDATE OF k SKIP LOCKED)",
        "stamped AS MATERIALIZED (SELECT *,"
        " CASE WHEN expected = 0 THEN previous ELSE greatest(previous, clock_timestamp()) END AS at FROM locked)",
        f"kits AS (UPDATE kit_state k SET {_assignments(tables.kit_state)} FROM stamped s WHERE k.kit_id = s.kit_id)",
    ]
    ctes += [f"{table.name}s AS ({_upsert(table)})" for table in STATES]
    ctes.append(f"events AS ({_insert(tables.kit_event)})")
    return text(f"WITH {', '.join(ctes)} SELECT kit_id, at FROM stamped")


def _definition(table: Table) -> str:
    return ", ".join(f"{column.name} {column.type.compile(POSTGRESQL)}" for column in table.columns)


def _value(column: Column[Any], source: str) -> str:
    if isinstance(column.type, Instant):
        return f"CASE {source}.{column.name} WHEN '{RECORDING.isoformat()}' THEN s.at ELSE {source}.{column.name} END"
    return f"{source}.{column.name}"


def _assignments(table: Table) -> str:
    return ", ".join(f"{column.name} = {_value(column, 's')}" for column in table.columns if not column.primary_key)


def _insert(table: Table) -> str:
    columns = ", ".join(column.name for column in table.columns)
    values = ", ".join(_value(column, "i") for column in table.columns)
    return (
        f"INSERT INTO {table.name} ({columns}) SELECT {values}"
        f" FROM stamped s, json_to_recordset(s.{table.name}) AS i({_definition(table)})"
    )


def _upsert(table: Table) -> str:
    keys = ", ".join(column.name for column in table.primary_key.columns)
    updated = ", ".join(f"{column.name} = excluded.{column.name}" for column in table.columns if not column.primary_key)
    return f"{_insert(table)} ON CONFLICT ({keys}) DO UPDATE SET {updated}"


async def _name_ids(connection: AsyncConnection, names: Sequence[str], cache: dict[str, int]) -> dict[str, int]:
    """The ids of the names. Only what was committed before goes into the cache: this transaction may still be rolled back."""
    missing = [name for name in names if name not in cache]
    if missing:
        cache |= await _read_names(connection, missing)
        missing = [name for name in missing if name not in cache]
    if not missing:
        return cache
    await connection.execute(insert_into(connection, tables.name).on_conflict_do_nothing(), [{"text": name} for name in missing])
    return cache | await _read_names(connection, missing)


async def _read_names(connection: AsyncConnection, names: Sequence[str]) -> dict[str, int]:
    table = tables.name
    query = select(table.c.text, table.c.id).where(among(table.c.text, names, connection.dialect.name))
    return {row.text: row.id for row in await connection.execute(query)}

"""The tables as migrations leave them: what queries expect, and an event table that refuses every change to everybody."""

import asyncio
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import TypeEngine

from domain import commands
from domain.change import Change
from domain.event import EventKind
from persistence import tables
from persistence.engine import open_engines
from persistence.migrate import APPEND_ONLY, DatabaseOutdated, _config, check_revision, current_revision, newest_revision, upgrade
from persistence.repositories.event import MONTHS_AHEAD
from persistence.unit_of_work import Database
from tests.databases import engine_of, execute, query, refuse
from tests.factories import change, store_kit
from tests.history import history_of
from tests.services import APP_ROLE, OWNER_ROLE, PostgresServer

REVISIONS = [script.revision for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))]
POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
VIEWS = {"mlops_totalstate_table", "deck_collection", "doe_step", "ml_step", "optimize_step"}
SQLITE_CHANGES = ("update", "delete", "replace")
POSTGRESQL_CHANGES = ("change", "truncate")
GUARDED_BEFORE = {"daily_batch_refusal": "0027"}  # the revision from which on a table may be changed
PARTITIONS = "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'kit_event'::regclass"
POSTGRESQL_TRIGGERS = """
SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgenabled = 'O' AND NOT t.tgisinternal
"""


async def triggers(engine: AsyncEngine) -> set[tuple[str, str]]:
    is_postgresql = engine.dialect.name == "postgresql"
    sql = POSTGRESQL_TRIGGERS if is_postgresql else "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'"
    return {(row[0], row[1]) for row in await query(engine, sql)}


async def expected_triggers(engine: AsyncEngine) -> set[tuple[str, str]]:
    async with engine.connect() as connection:
        present = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        revision = await connection.run_sync(current_revision)
    was_guarded = {table for table, until in GUARDED_BEFORE.items() if str(revision) < until}
    guarded = present & {*APPEND_ONLY, *was_guarded}
    if engine.dialect.name == "sqlite":
        return {(table, f"{table}_no_{what}") for table in guarded for what in SQLITE_CHANGES}
    partitions = {row[0] for row in await query(engine, PARTITIONS)}
    assert len(partitions) >= MONTHS_AHEAD + 1
    expected = {(table, f"{table}_no_{what}") for table in guarded for what in POSTGRESQL_CHANGES}
    return expected | {(table, f"kit_event_no_{what}") for table in partitions for what in POSTGRESQL_CHANGES}


def family(column_type: TypeEngine[Any], connection: Connection) -> str:
    """The name of a type, where a database has several for one (SQLite keeps all integers alike)."""
    name = column_type.compile(connection.dialect).split(" COLLATE")[0].replace("VARCHAR", "TEXT")
    if connection.dialect.name == "sqlite":
        return {"BIGINT": "INTEGER", "SMALLINT": "INTEGER", "FLOAT": "REAL", "DOUBLE": "REAL"}.get(name, name)
    return name


def reflected(connection: Connection) -> dict[str, Any]:
    """Each table's columns with family and nullability, its primary key and its unique columns; the views' names."""
    found: Inspector = inspect(connection)
    names = set(found.get_table_names()) - {"alembic_version"}
    partitions = {name for name in names if name.startswith("kit_event_")}
    shape: dict[str, Any] = {"views": set(found.get_view_names())}
    for name in names - partitions:
        keys = found.get_pk_constraint(name)["constrained_columns"]
        columns = {
            column["name"]: (family(column["type"], connection), column["nullable"] and column["name"] not in keys)
            for column in found.get_columns(name)
        }
        shape[name] = (columns, keys)
    return shape


def declared(connection: Connection) -> dict[str, Any]:
    """The same of `persistence/tables.py` and of its neighbours."""
    shape: dict[str, Any] = {"views": VIEWS}
    for table in tables.metadata.sorted_tables:
        keys = [column.name for column in table.primary_key]
        if table.name == "kit_event" and connection.dialect.name == "sqlite":
            keys.remove("recorded_at")  # PostgreSQL wants it in the key of a table that is partitioned by it
        columns = {column.name: (family(column.type, connection), bool(column.nullable)) for column in table.columns}
        shape[table.name] = (columns, keys)
    return shape


@pytest.mark.parametrize("revision", [None, *REVISIONS[:-1]])
async def test_from_empty_and_from_every_earlier_revision(engine: AsyncEngine, revision: str | None) -> None:
    if revision is not None:
        await upgrade(engine, revision=revision, app_role=APP_ROLE)
        assert await triggers(engine) == await expected_triggers(engine)
    await upgrade(engine, app_role=APP_ROLE)
    await check_revision(engine)
    assert await triggers(engine) == await expected_triggers(engine)
    async with engine.connect() as connection:
        assert await connection.run_sync(reflected) == await connection.run_sync(declared)


async def test_migrating_again_keeps_what_is_there(database: Database, owner: AsyncEngine) -> None:
    kit = await store_kit(database)
    await upgrade(owner, app_role=APP_ROLE)
    async with database.snapshot() as work:
        assert len(await history_of(work, kit.id)) == kit.version
    assert await triggers(owner) == await expected_triggers(owner)


async def test_two_at_once_wait_for_each_other(engine: AsyncEngine, empty_url: str) -> None:
    async with engine_of(empty_url) as other:
        await asyncio.gather(upgrade(engine, app_role=APP_ROLE), upgrade(other, app_role=APP_ROLE))
    await check_revision(engine)


async def test_a_new_file_opened_by_several_at_once(tmp_path: Path) -> None:
    async def use(url: str) -> None:
        async with engine_of(url) as opened:
            await execute(opened, "CREATE TABLE IF NOT EXISTS t (x)")

    for number in range(20):
        await asyncio.gather(*(use(f"sqlite+aiosqlite:///{tmp_path / f'{number}.db'}") for _ in range(4)))


async def test_a_database_that_is_behind_is_told_apart(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseOutdated, match=r"has no tables of PLOG.*plog migrate"):
        await check_revision(engine)
    await upgrade(engine)
    await execute(engine, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(DatabaseOutdated, match=f"at revision 0000; revision {newest_revision()}"):
        await check_revision(engine)


@pytest.mark.parametrize("column", ["text", "name", "owner", "key"])
@POSTGRESQL
async def test_text_that_is_ordered_is_compared_byte_by_byte(owner: AsyncEngine, column: str) -> None:
    sql = f"SELECT collation_name FROM information_schema.columns WHERE column_name = '{column}' AND table_schema = 'public'"
    found = await query(owner, f"{sql} AND table_name NOT IN (SELECT viewname FROM pg_views)")
    assert found and {row[0] for row in found} == {"C"}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET status = 1", "UPDATE {} SET metadata = metadata", "DELETE FROM {}", "DELETE FROM {} WHERE version = 1"],
)
async def test_not_even_the_owner_changes_an_event(database: Database, owner: AsyncEngine, statement: str) -> None:
    kit = await store_kit(database)
    names = ["kit_event"]
    if owner.dialect.name == "postgresql":
        names.append(f"kit_event_{kit.created_at:%Y%m}")
    for name in names:
        await refuse(owner, statement.format(name), "append-only")
    assert await query(owner, "SELECT count(*) FROM kit_event") == [(kit.version,)]


@POSTGRESQL
async def test_not_even_the_owner_truncates_a_partition(database: Database, owner: AsyncEngine) -> None:
    await store_kit(database)
    for (name,) in [("kit_event",), *await query(owner, PARTITIONS)]:
        await refuse(owner, f"TRUNCATE {name}", "append-only")
        await refuse(owner, f"TRUNCATE {name} CASCADE", "append-only")


@POSTGRESQL
async def test_the_role_of_the_application_owns_nothing_and_can_only_add_events(database: Database, owner: AsyncEngine) -> None:
    await store_kit(database)
    owned = await query(owner, f"SELECT relname FROM pg_class WHERE relowner = '{APP_ROLE}'::regrole")
    assert owned == []
    names = ["kit_event", *(row[0] for row in await query(owner, PARTITIONS))]
    for name in names:
        for right in ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            assert await query(owner, f"SELECT has_table_privilege('{APP_ROLE}', '{name}', '{right}')") == [(False,)], (
                name,
                right,
            )
        rights = [has for (has,) in await query(owner, f"SELECT has_table_privilege('{APP_ROLE}', '{name}', 'INSERT')")]
        assert rights == [name == "kit_event"], "partitions are written through the table alone"
    columns = f"SELECT count(*) FROM information_schema.column_privileges WHERE grantee = '{APP_ROLE}'"
    assert await query(owner, f"{columns} AND table_name LIKE 'kit_event%' AND privilege_type = 'UPDATE'") == [(0,)]
    roles = await query(owner, f"SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = '{APP_ROLE}'")
    assert roles == [(False, False, False)]


@POSTGRESQL
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kit_event SET status = 1",
        "DELETE FROM kit_event",
        "TRUNCATE kit_event",
        "TRUNCATE kit CASCADE",
        "DROP TABLE kit_event",
        "ALTER TABLE kit_event DISABLE TRIGGER ALL",
        "DROP TRIGGER kit_event_no_change ON kit_event",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS ''",
        "SET session_replication_role = replica",
        "INSERT INTO kit_event SELECT * FROM kit_event ON CONFLICT (kit_id, version, recorded_at) DO UPDATE SET status = 1",
    ],
)
async def test_what_the_application_may_not_do(database: Database, migrated_url: str, statement: str) -> None:
    await store_kit(database)
    async with engine_of(PostgresServer.as_role(migrated_url, APP_ROLE)) as app:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner|must be able to SET"):
            await execute(app, statement)


@POSTGRESQL
async def test_the_coming_months_have_their_partitions(database: Database, owner: AsyncEngine) -> None:
    names = {row[0] for row in await query(owner, PARTITIONS)}
    month = datetime.now(UTC).replace(day=1)
    for _ in range(MONTHS_AHEAD + 1):
        assert f"kit_event_{month:%Y%m}" in names
        month = (month + timedelta(days=32)).replace(day=1)


@POSTGRESQL
async def test_the_application_prepares_further_months_under_the_same_protection(database: Database, owner: AsyncEngine) -> None:
    later = datetime(2031, 11, 30, 23, 59, 59, tzinfo=UTC)

    async def prepare() -> None:
        async with database.transaction() as work:
            await work.events.prepare_partitions(later)

    before = {row[0] for row in await query(owner, PARTITIONS)}
    await asyncio.gather(prepare(), prepare())
    await prepare()
    new = {row[0] for row in await query(owner, PARTITIONS)} - before
    assert new == {"kit_event_203111", "kit_event_203112", "kit_event_203201", "kit_event_203202"}
    assert await triggers(owner) == await expected_triggers(owner)
    for name in new:
        owned = await query(owner, f"SELECT tableowner FROM pg_tables WHERE tablename = '{name}'")
        assert owned == [(OWNER_ROLE,)]
        rights = f"has_table_privilege('{APP_ROLE}', '{name}', 'INSERT, UPDATE, DELETE, TRUNCATE')"
        assert await query(owner, f"SELECT {rights}") == [(False,)]
    for edge in (datetime(2031, 12, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)):
        insert = f"INSERT INTO kit_event (recorded_at, kit_id, version, actor, kind) VALUES ('{edge}', 1, 1, 1, 1)"
        await execute(owner, insert)
    assert await query(owner, "SELECT count(*) FROM kit_event_203112") == [(2,)]


@POSTGRESQL
async def test_an_event_without_a_partition_is_an_error_and_not_lost(owner: AsyncEngine) -> None:
    insert = "INSERT INTO kit_event (recorded_at, kit_id, version, actor, kind) VALUES ('2099-01-01Z', 1, 1, 1, 1)"
    await refuse(owner, insert, "no partition")


@POSTGRESQL
async def test_a_house_in_a_schema_of_its_own(empty_url: str, postgres_app_url: str) -> None:
    async with engine_of(empty_url) as engine:
        await execute(engine, "CREATE SCHEMA house")
    migrating, _ = open_engines(empty_url, schema="house")
    await upgrade(migrating, app_role=APP_ROLE)
    found = await query(migrating, "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'kit%'")
    writer, reader = open_engines(postgres_app_url, schema="house")
    database = Database(writer, reader)
    kit = await change(database, await store_kit(database), commands.start_kit)
    async with database.transaction() as work:
        await work.events.prepare_partitions(datetime(2031, 1, 1, tzinfo=UTC))
        assert len(await history_of(work, kit.id)) == kit.version
    await database.close()
    made = await query(migrating, "SELECT schemaname FROM pg_tables WHERE tablename = 'kit_event_203101'")
    await migrating.dispose()
    assert found == [("house",)] == made


def sqlite_path(engine: AsyncEngine) -> Path:
    assert engine.url.database is not None
    return Path(engine.url.database)


@SQLITE
@pytest.mark.parametrize("pragma", ["recursive_triggers=OFF", "recursive_triggers=ON", "foreign_keys=OFF"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR REPLACE INTO kit_event SELECT * FROM kit_event",
        "REPLACE INTO kit_event (kit_id, version, recorded_at, actor, kind) VALUES (1, 1, 0, 1, 4)",
        "INSERT OR IGNORE INTO kit_event SELECT * FROM kit_event",
        "INSERT INTO kit_event SELECT * FROM kit_event WHERE true ON CONFLICT DO UPDATE SET kind = 4",
        "UPDATE OR REPLACE kit_event SET version = 2 WHERE version = 1",
        "UPDATE OR IGNORE kit_event SET kind = 4",
        "DELETE FROM kit_event WHERE version = 1",
        "DELETE FROM kit_event",
    ],
)
async def test_a_foreign_connection_changes_no_event_of_the_file(
    database: Database, owner: AsyncEngine, pragma: str, statement: str
) -> None:
    """Whoever opens the file with another program brings none of our settings along."""
    kit = await store_kit(database)
    connection = sqlite3.connect(sqlite_path(owner))
    try:
        before = connection.execute("SELECT * FROM kit_event ORDER BY version").fetchall()
        connection.execute(f"PRAGMA {pragma}")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
        connection.rollback()
        assert connection.execute("SELECT * FROM kit_event ORDER BY version").fetchall() == before
        assert len(before) == kit.version
    finally:
        connection.close()


@SQLITE
async def test_the_settings_without_which_sqlite_would_lose_something(database: Database) -> None:
    expected: Mapping[str, Any] = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}
    async with database.transaction() as work:
        for pragma, value in expected.items():
            assert (await work.connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == value
    async with database.snapshot() as work:
        reader: Any = work
        assert (await reader.connection.exec_driver_sql("PRAGMA query_only")).scalar_one() == 1


async def test_an_event_twice_is_refused_by_the_database_itself(database: Database, owner: AsyncEngine) -> None:
    kit = await store_kit(database)
    copy = "INSERT INTO kit_event SELECT * FROM kit_event WHERE version = 1"
    await refuse(owner, copy, "append-only|duplicate key")
    async with database.snapshot() as work:
        assert len(await history_of(work, kit.id)) == kit.version


async def test_reading_connections_can_not_write(database: Database) -> None:
    kit = await store_kit(database)
    made = Change.of(kit, "ada")
    made.emit(EventKind.STARTED)
    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        async with database.snapshot() as work:
            await work.kits.append([made])

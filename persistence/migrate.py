"""Bringing a database to the newest revision, and telling whether it is there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

APPEND_ONLY = (
    "kit_event",
    "project_version",
    "target_version",
    "target_analysis",
    "endpoint",
    "endpoint_tag",
    "load_test_version",
    "load_test_run_event",
    "load_test_analysis",
    "audit_entry",
    "lot_row_version",
    "set_up_model_revision",
    "model_version",
    "model_activation",
    "lot_result",
)


class DatabaseOutdated(Exception):
    """The database's revision is not the one this version of PLOG works with."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def newest_revision() -> str:
    """The revision that this version of PLOG works with; all migrations are read for that, once."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current_revision(connection: Connection) -> str | None:
    """The revision of the database; None where PLOG has no tables in it."""
    return MigrationContext.configure(connection).get_current_revision()


async def check_revision(engine: AsyncEngine) -> None:
    """Raise `DatabaseOutdated`, saying what to do, unless the database is at the newest revision."""
    async with engine.connect() as connection:
        current = await connection.run_sync(current_revision)
    if current != newest_revision():
        found = "has no tables of PLOG" if current is None else f"is at revision {current}"
        raise DatabaseOutdated(f"the database {found}; revision {newest_revision()} is needed: run `plog migrate`.")


async def upgrade(engine: AsyncEngine, *, revision: str = "head", app_role: str | None = None) -> None:
    """Bring the database to `revision` in one transaction; concurrent calls wait for each other.

    `app_role` (PostgreSQL) is the role that PLOG's servers use when it is not the owner of the tables: it is granted reading and
    writing, but on the append-only tables only reading and inserting.
    """

    def run(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('plog migrate'))"))
        if revision != "head" or current_revision(connection) != newest_revision():
            command.upgrade(_config(connection), revision)
        if app_role and connection.dialect.name == "postgresql":
            _grant(connection, app_role)

    async with engine.begin() as connection:
        await connection.run_sync(run)


def _grant(connection: Connection, role: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(role)
    schema = connection.dialect.identifier_preparer.quote(str(connection.scalar(text("SELECT current_schema()"))))
    present = set(inspect(connection).get_table_names())
    everything = f"IN SCHEMA {schema} TO {quoted}"
    for statement in (
        f"GRANT USAGE ON SCHEMA {schema} TO {quoted}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES {everything}",
        f"GRANT USAGE ON ALL SEQUENCES {everything}",
        *(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {quoted}" for table in APPEND_ONLY if table in present),
        f"""DO $$ DECLARE part regclass; BEGIN
            FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'kit_event'::regclass LOOP
                EXECUTE format('REVOKE ALL ON %s FROM {quoted}', part);
            END LOOP; END $$""",
    ):
        connection.execute(text(statement))

"""Opening the database: the settings without which SQLite or PostgreSQL would lose or tear something."""

import sqlite3
import time
from typing import Any

import orjson
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

BUSY_SECONDS = 10
Engines = tuple[AsyncEngine, AsyncEngine]


def open_engines(url: str, *, schema: str | None = None, pool_size: int = 10) -> Engines:
    """The engine for writing and the one for reading (the same one on PostgreSQL).

    SQLite has one writing connection, so that writers queue in the process instead of failing with "database is locked", and
    readers that can't write. Errors don't show parameters: they are other people's data, and may be megabytes. Raises
    `sqlite3.OperationalError` where SQLite's file can't be opened or made.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        connect_args: dict[str, Any] = {"server_settings": {"application_name": "plog"}}
        if schema:
            connect_args["server_settings"]["search_path"] = schema
        engine = create_async_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args=connect_args,
            json_deserializer=orjson.loads,  # the reader that SQLite has too: both give numbers back alike
        )
        return engine, engine
    sqlite3.connect(parsed.database or "").close()  # the driver's thread would outlive the loop with what it fails at
    options: dict[str, Any] = {
        "connect_args": {"factory": _Connection},
        "poolclass": AsyncAdaptedQueuePool,
        "max_overflow": 0,
        "hide_parameters": True,
    }
    writer = create_async_engine(parsed, pool_size=1, **options)
    reader = create_async_engine(parsed, pool_size=4, **options)
    _configure_sqlite(writer, begin="BEGIN IMMEDIATE", pragmas=("recursive_triggers=ON",))
    _configure_sqlite(reader, begin="BEGIN", pragmas=("query_only=ON",))
    return writer, reader


class _Connection(sqlite3.Connection):
    """Gives its locks back when it is closed.

    SQLite keeps a closed connection, transaction and lock included, as long as a cursor of it is left; the traceback of a writer
    that was cancelled holds one, and all others would wait for it.
    """

    def close(self) -> None:
        """End the transaction, if there is one, and close."""
        if self.in_transaction:
            self.rollback()
        super().close()


def _use_wal(cursor: Any) -> None:
    """Turn a new file to write-ahead logging, which it then keeps.

    Of two connections that do so at the same moment SQLite fails one at once, whatever `busy_timeout` says.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _configure_sqlite(engine: AsyncEngine, *, begin: str, pragmas: tuple[str, ...]) -> None:
    """Take transactions out of the driver's hands: its own late BEGIN loses updates.

    `recursive_triggers` lets INSERT OR REPLACE meet the trigger that protects the events; FULL makes a commit survive a power
    cut.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=FULL", "foreign_keys=ON", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        _use_wal(cursor)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

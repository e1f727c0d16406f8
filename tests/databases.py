"""Plain SQL at a database under test."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.engine import open_engines
from persistence.unit_of_work import Database


@asynccontextmanager
async def engine_of(url: str) -> AsyncIterator[AsyncEngine]:
    """A database, opened for statements that no repository has."""
    writer, reader = open_engines(url)
    yield writer
    await writer.dispose()
    await reader.dispose()


async def query(engine: AsyncEngine, sql: str) -> Sequence[Any]:
    """The rows that a statement finds."""
    async with engine.connect() as connection:
        return (await connection.execute(text(sql))).all()


async def execute(engine: AsyncEngine, sql: str) -> None:
    """Carry a statement out, in a transaction of its own."""
    async with engine.begin() as connection:
        await connection.execute(text(sql))


async def refuse(engine: AsyncEngine, statement: str, why: str) -> None:
    """Carry a statement out, which the database has to refuse for that reason."""
    with pytest.raises(DBAPIError, match=why):
        await execute(engine, statement)


async def waits_for_a_lock(database: Database) -> bool:
    """Whether somebody on that PostgreSQL waits for what another has locked."""
    blocked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    async with database.transaction() as work:  # as long as it lasts it sees the same of what others do
        return (await work.connection.execute(text(blocked))).first() is not None

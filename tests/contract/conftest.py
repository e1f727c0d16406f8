"""Every contract runs against each implementation of its port."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.engine import open_engines
from persistence.unit_of_work import Database
from tests.databases import engine_of
from tests.services import APP_ROLE, PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, as the role that migrates."""
    if backend == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'plog.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def migrated_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database, as the role that owns its tables."""
    if backend == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "plog.db")
        return f"sqlite+aiosqlite:///{tmp_path / 'plog.db'}"
    return str(request.getfixturevalue("migrated_postgres_url"))


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated database, used as the application uses it: on PostgreSQL by a role that owns nothing."""
    opened = Database(*open_engines(PostgresServer.as_role(migrated_url, APP_ROLE)))
    yield opened
    await opened.close()


@pytest.fixture
async def engine(empty_url: str) -> AsyncIterator[AsyncEngine]:
    """An empty database, as the role that migrates."""
    async with engine_of(empty_url) as opened:
        yield opened


@pytest.fixture
async def owner(migrated_url: str) -> AsyncIterator[AsyncEngine]:
    """The migrated database of `database`, as the role that owns the tables."""
    async with engine_of(migrated_url) as opened:
        yield opened

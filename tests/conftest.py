"""Fixtures that every suite may use: real servers of this test run, databases of one test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import APP_ROLE, PostgresServer, RedisServer


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder of this run that other users may enter, with a path short enough for unix sockets (`tmp_path` is neither)."""
    with tempfile.TemporaryDirectory(prefix="plog-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def postgres_server(short_folder: Path) -> Iterator[PostgresServer]:
    """The PostgreSQL cluster of this run."""
    folder = short_folder / "pg"
    folder.mkdir()
    server = PostgresServer(folder)
    try:
        server.create()
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a fresh, empty database of this test, owned by `plog_owner`."""
    name = postgres_server.create_database()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> str:
    """SQLAlchemy URL of this test's database as its owner: for migrations and whatever needs no protection."""
    return postgres_server.url(postgres_database)


@pytest.fixture
def postgres_app_url(postgres_server: PostgresServer, postgres_database: str) -> str:
    """SQLAlchemy URL of the same database as the application's role, which owns nothing and has no rights until granted."""
    return postgres_server.url(postgres_database, APP_ROLE)


@pytest.fixture(scope="session")
def redis_server(short_folder: Path) -> Iterator[RedisServer]:
    """The Redis of this run; a test that stops it starts it again."""
    folder = short_folder / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()

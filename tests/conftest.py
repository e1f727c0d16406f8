"""Fixtures that every suite may use: real servers of this test run, databases of one test."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from tests.adapters.oidc_provider.issuer import IssuerProcess
from tests.endurance import FIGURES, Tell
from tests.migrated import migrate, migrated_sqlite
from tests.services import APP_ROLE, InfluxServer, PostgresServer, RedisServer

settings.register_profile("plog", deadline=None)  # a busy machine is not a failure; `timeout` ends what hangs
settings.load_profile("plog")


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Tells a figure that the test has found; pytest lists them at its end."""
    return partial(record_property, FIGURES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the figures that were told, also by tests that have failed."""
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.getreports(outcome)]
    told = [(each.nodeid, text) for each in reports for name, text in each.user_properties if name == FIGURES]
    if told:
        terminalreporter.section(FIGURES)
        for test, text in sorted(told):
            terminalreporter.write_line(f"{test}: {text}")


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
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated database: copying it takes a tenth of migrating another."""
    name = postgres_server.create_database()
    asyncio.run(migrate(postgres_server.url(name)))
    return name


@pytest.fixture
def migrated_postgres_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, migrated database of this test as its owner."""
    name = postgres_server.create_database(migrated_template)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "plog.db"
    path.write_bytes(migrated_sqlite())
    return path


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


@pytest.fixture(scope="session")
def issuer_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IssuerProcess]:
    """The certified issuer of this run; making its keys takes a second or two."""
    process = IssuerProcess(tmp_path_factory.mktemp("issuer"))
    try:
        yield process
    finally:
        process.end()


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """An InfluxDB of the module; a test that stops it starts it again."""
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    try:
        server.create()
        yield server
    finally:
        server.stop()

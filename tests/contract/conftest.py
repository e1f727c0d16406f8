"""Every contract runs against each implementation of its port."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from persistence.engine import open_engines
from persistence.migrate import upgrade
from persistence.unit_of_work import Database
from tests.services import APP_ROLE


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind, as the role that migrates."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'plog.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def database(database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A migrated database, used as the application uses it: on PostgreSQL by a role that owns nothing."""
    writer, reader = open_engines(database_url)
    await upgrade(writer, app_role=APP_ROLE)
    if database_url.startswith("postgresql"):
        await writer.dispose()
        writer, reader = open_engines(str(request.getfixturevalue("postgres_app_url")))
    opened = Database(writer, reader)
    yield opened
    await opened.close()

"""A PLOG of its own for each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from persistence.engine import open_engines
from persistence.migrate import upgrade
from tests.api.in_process import Plog, serving


@pytest.fixture
async def plog(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Plog]:
    """A server on SQLite; on PostgreSQL where the test is marked with `BOTH_DATABASES`."""
    settings = {}
    if getattr(request, "param", "sqlite") == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
        writer, _ = open_engines(url)
        await upgrade(writer)
        await writer.dispose()
        settings = {"database": {"url": url}}
    async with serving(tmp_path / "plog", settings) as made:
        yield made

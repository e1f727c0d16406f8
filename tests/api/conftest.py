"""A PLOG of its own for each test that asks for one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import container
from tests.api.hostile import fingerprint
from tests.api.in_process import Plog, permit, serving
from tests.models_here import InspectorHere, PredictorHere
from tests.services import PostgresServer


@pytest.fixture
def plog_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """SQLite; PostgreSQL where the test is marked with `BOTH_DATABASES`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    return {"database": {"url": str(request.getfixturevalue("permitted_postgres_url"))}}


@pytest.fixture(scope="session")
def permitted_template(postgres_server: PostgresServer, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database in which demo users have their permissions, to be copied."""
    name = postgres_server.create_database(migrated_template)
    asyncio.run(permit(tmp_path_factory.mktemp("permitted"), database={"url": postgres_server.url(name)}))
    return name


@pytest.fixture
def permitted_postgres_url(postgres_server: PostgresServer, permitted_template: str) -> Iterator[str]:
    """The URL of a copy of it for this test, as its owner."""
    name = postgres_server.create_database(permitted_template)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def models_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are looked into and predict in the tests' own process, which takes no seconds to load one."""
    monkeypatch.setattr(container, "ProcessModelInspector", lambda *_: InspectorHere())
    monkeypatch.setattr(container, "ProcessModelPredictor", lambda *_: PredictorHere())


@pytest.fixture
async def plog(plog_settings: dict[str, Any], tmp_path: Path) -> AsyncIterator[Plog]:
    """A server that serves this test alone."""
    async with serving(tmp_path / "plog", plog_settings) as made:
        yield made


@pytest.fixture
async def unchanged(plog: Plog) -> AsyncIterator[dict[str, Any]]:
    """A kit whose first job runs, and the promise that nothing in the database changes."""
    kit = await plog.run()
    before = await fingerprint(plog)
    yield kit
    assert await fingerprint(plog) == before

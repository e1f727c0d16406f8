"""The private servers themselves: what other suites rely on."""

from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.services import PostgresServer, RedisServer, missing


def driver_url(url: str) -> str:
    return url.replace("+asyncpg", "")


async def test_application_role_owns_nothing_and_may_not_create(postgres_url: str, postgres_app_url: str) -> None:
    owner = await asyncpg.connect(driver_url(postgres_url))
    await owner.execute("CREATE TABLE mine (id int)")
    app = await asyncpg.connect(driver_url(postgres_app_url))
    for forbidden in ("CREATE TABLE other (id int)", "SELECT * FROM mine", "DROP TABLE mine"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(forbidden)
    # Both connections stay open on purpose: the fixture drops the database under them.


async def test_databases_keep_what_is_committed_and_are_separate(postgres_server: PostgresServer, postgres_database: str) -> None:
    assert postgres_server.execute("SHOW synchronous_commit").strip() == "on"
    postgres_server.execute("CREATE TABLE seed AS SELECT 7 AS value", database=postgres_database)
    copy = postgres_server.create_database(template=postgres_database)
    try:
        assert postgres_server.execute("SELECT value FROM seed", database=copy).strip() == "7"
    finally:
        postgres_server.drop_database(copy)
    assert copy not in postgres_server.execute("SELECT datname FROM pg_database").split()


async def test_redis_comes_back_on_the_same_port_and_empty(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        url, first = server.url, server.pid
        async with Redis.from_url(url) as client:
            await client.set("kept", "no")
        server.kill()
        server.restart()
        assert server.url == url
        assert server.pid != first
        async with Redis.from_url(url) as client:
            assert await client.get("kept") is None
    finally:
        server.stop()


def test_missing_service_is_a_skip_on_a_laptop_and_a_failure_where_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLOG_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Frobnicator is not installed"):
        missing("Frobnicator")
    monkeypatch.setenv("PLOG_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="Frobnicator is not installed"):
        missing("Frobnicator")

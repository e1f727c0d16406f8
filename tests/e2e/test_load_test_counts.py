"""Load tests stopped and servers killed in mid-run, over and over: no window is lost or doubled, and every verdict is right."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from domain.metric_window import MetricWindow
from domain.query import WindowQuery
from persistence.engine import open_engines
from persistence.unit_of_work import Database
from tests.api.metric_frames import starts_of
from tests.e2e.server import PlogServer
from tests.e2e.test_load_test_run import (
    API,
    STOP,
    VERDICTS,
    _has_windows,
    check_figures,
    load_test,
    reaches,
    read,
    scenario,
    server,
    site,
    start,
    target,
)
from tests.endurance import SHARE, Tell
from tests.sites import Asked, Site
from tests.waiting import eventually

__all__ = ["server", "site"]
STATUS = "query ($id: ID!) { loadTestRun(id: $id) { status } }"
WINDOW = {"K6__WINDOW_SECONDS": "1"}
MOST_SECONDS = 5.0
SLOW = {**API, "paths": {"/fast": {"get": {}}, "/slow": {"get": {}}}}
LONG = {"kind": "CONSTANT_VUS", "vus": 2, "duration": 300, "gracefulStop": 30}
KINDS = {"PASSED": scenario(seconds=20, errorRate=0.5), "FAILED": scenario("/bad", seconds=20, errorRate=0.5)}


def k6_of(server: PlogServer) -> psutil.Process:
    """The only k6 of this server."""
    (found,) = server.attempt_processes("k6")
    return found


async def moment(seconds: float) -> None:
    """Let a run go on for a while: the moment of what follows is what the test is about."""
    await asyncio.sleep(seconds)


def slowly(_: Asked) -> bytes:
    """The answer of a page that takes longer than a stop may."""
    time.sleep(8)
    return b"{}"


@pytest.mark.endurance
@pytest.mark.timeout(900)
async def test_stops(server: PlogServer, site: Site, tell: Tell) -> None:
    """20 stops in full, at random moments; half of the runs are waiting for answers that take longer than a stop may."""
    site.pages |= {"/slow": slowly, "/openapi.json": json.dumps(SLOW)}
    of, chance, taken = await target(server, site.address + "/openapi.json"), random.Random(4), list[float]()
    for number in range(max(2, round(20 * SHARE))):
        requests = [{"endpoint": each} for each in ("GET /fast", "GET /slow")[: 1 + number % 2]]
        test = await load_test(server, of, scenario(requests=requests, executor=LONG), title=str(number))
        run = await start(server, test)
        await eventually(partial(_has_windows, server, run), deadline=30)
        await moment(chance.uniform(0, 2))
        k6, before = k6_of(server), (await read(server, run))["figures"][0]["requests"]
        await server.client.command("loadTestStop", STOP, id=run)
        accepted = time.monotonic()
        await eventually(partial(is_over, server, run, k6), deadline=30)
        taken.append(time.monotonic() - accepted)
        found = await read(server, run)
        assert (found["status"], found["message"]) == ("ABORTED", "Stopped by demo:ada."), found
        assert found["k6Requests"] == found["figures"][0]["requests"] >= before > 0 and found["log"]["isLast"]
        check_figures(found)
    tell(f"{len(taken)} stops; from the answer to ABORTED with k6 gone {min(taken):.2f} to {max(taken):.2f} s")
    assert max(taken) <= MOST_SECONDS


async def is_over(server: PlogServer, run: str, k6: psutil.Process) -> bool:
    status = (await server.client.run(STATUS, id=run))["loadTestRun"]["status"]
    return status in VERDICTS and not k6.is_running()


@asynccontextmanager
async def serving(home: Path, database_url: str | None) -> AsyncIterator[PlogServer]:
    """A server with a database of its own, until the block ends."""
    server = PlogServer(home, WINDOW | ({"DATABASE__URL": database_url} if database_url else {}))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.mark.endurance
@pytest.mark.timeout(1200)
async def test_kill_9_of_the_server(tmp_path: Path, migrated_postgres_url: str, site: Site, tell: Tell) -> None:
    """10 kills in full, each in the middle of a run, on SQLite and PostgreSQL in turns; some runs pass, others fail."""
    chance, requests, windows, in_time, away = random.Random(7), 0, 0, 0, list[float]()
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serving(tmp_path / name, url))
            for name, url in (("sqlite", None), ("postgresql", migrated_postgres_url))
        ]
        targets = [await target(each, site.address + "/openapi.json") for each in servers]
        kills = max(2, round(10 * SHARE))
        for number in range(kills):
            server, verdict = servers[number % 2], ("PASSED", "FAILED")[(number + number // 2) % 2]
            test = await load_test(server, targets[number % 2], KINDS[verdict], title=str(number))
            run = await start(server, test)
            await reaches(server, run, "RUNNING")
            await eventually(partial(server.attempt_processes, "k6"), deadline=30)
            await moment(chance.uniform(0, 8))
            k6 = k6_of(server)
            await server.kill()
            killed = time.monotonic()
            await eventually(partial(has_more_than, site, len(site.asked) + 100))
            assert k6.is_running(), "the load goes on without the server"
            await server.start()
            away.append(time.monotonic() - killed)
            in_time += k6.is_running()
            found = await reaches(server, run, *VERDICTS)
            assert found["status"] == verdict, found
            check_whole(found, await stored(server, found["number"]))
            requests, windows = requests + found["k6Requests"], windows + len(starts_of(found["metrics"][0]))
    tell(f"{kills} kills, the server away for {min(away):.1f} to {max(away):.1f} s, back before k6 ended in {in_time}")
    tell(f"{requests:.0f} requests in {windows} windows, none lost, none doubled, each verdict right")


def has_more_than(site: Site, requests: int) -> bool:
    return len(site.asked) > requests


def check_whole(run: dict[str, Any], rows: list[MetricWindow]) -> None:
    """A run has k6's own count in windows without a hole, and the database one row of each window and scenario."""
    check_figures(run)
    overall = run["metrics"][0]
    starts = starts_of(overall)
    assert starts == list(range(starts[0], starts[-1] + 1)) and len(starts) >= 20
    assert sum(overall["requests"]) == run["k6Requests"] > 0
    places = [(each.start, each.scenario) for each in rows]
    assert len(places) == len(set(places))
    assert sum(each.requests for each in rows) == run["k6Requests"]


async def stored(server: PlogServer, run: int) -> list[MetricWindow]:
    """The rows of a run's windows, past the API."""
    url = server.environment.get("PLOG_DATABASE__URL") or f"sqlite+aiosqlite:///{server.home / 'data' / 'plog.db'}"
    database = Database(*open_engines(url))
    try:
        async with database.snapshot() as work:
            (found,) = await work.load_test_runs.windows([WindowQuery(run_id=run)])
            return found
    finally:
        await database.close()

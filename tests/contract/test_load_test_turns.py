"""Whose turn it is: servers under test that are one, and what they and PLOG's own servers may load at once."""

import asyncio
from itertools import product
from typing import Any

import pytest

from domain.load_test import LoadTestDefinition, Scenario
from domain.load_test_run import LoadTestRun, RunStatus
from domain.project import ProjectDefinition
from domain.scenario_request import ScenarioRequest
from domain.storage import UnitOfWork
from domain.target import TargetDefinition
from persistence.load_test_tables import load_test_run
from persistence.unit_of_work import Database
from tests.contract.test_load_test_reconciler import FOR_A_SECOND, Server
from tests.factories import OWNER, queued_run
from tests.fakes import FakeRunner


async def at_servers(database: Database, *servers: str) -> list[LoadTestRun]:
    """Runs that wait, in this order, each of a load test of its own target in its own project."""
    runs = []
    async with database.transaction() as work:
        for number, server in enumerate(servers):
            project = await work.projects.add(ProjectDefinition(name=f"p{number}", members=(OWNER,)), "ada")
            target = await work.targets.add(project.id, TargetDefinition(name="t", url=server), "ada")
            scenario = Scenario(name="s", requests=(ScenarioRequest(endpoint="GET /"),), executor=FOR_A_SECOND)
            definition = LoadTestDefinition(title="t", server=server, scenarios=(scenario,))
            test = await work.load_tests.add(target, definition, "ada")
            runs.append(await work.load_test_runs.add(queued_run(test), ""))
    return runs


SERVERS = ("http://localhost:9000/a", "http://127.0.0.1:9000", "http://x.test", "http://X.test:80/api", "https://x.test")


@pytest.mark.parametrize(("first", "second"), list(product(SERVERS, SERVERS)))
async def test_targets_at_one_server_are_one_under_load(database: Database, first: str, second: str) -> None:
    is_same = {first, second} <= set(SERVERS[:2]) or {first, second} <= set(SERVERS[2:4]) or first == second
    server = Server(database, capacity=2)
    runs = await at_servers(database, first, second)
    await server.rounds(2)
    assert set(server.runner.launches) == {run.key for run in runs[: 1 if is_same else 2]}


async def test_runs_under_way_count_by_the_name_that_was_stored_of_their_server(database: Database) -> None:
    """An earlier version of PLOG called it otherwise."""
    server = Server(database, capacity=2)
    first, second = await at_servers(database, "http://x.test", "http://x.test")
    async with database.transaction() as work:
        connection: Any = work.connection
        await connection.execute(load_test_run.update().values(origin="http://earlier.test:80"))
    await server.rounds(2)
    assert server.runner.launches == [first.key]
    assert {(await server.read(run)).origin for run in (first, second)} == {"http://earlier.test:80"}


@pytest.mark.parametrize("runs_at_once", [1, 2])
async def test_several_servers_keep_the_limit_of_what_they_load_and_the_order(database: Database, runs_at_once: int) -> None:
    """All of them look at the same moment, again and again; ones that end make room."""
    runs = await at_servers(database, *["http://127.0.0.1:9000", "http://x.test", "http://localhost:9000"] * 3)
    servers = [Server(database, FakeRunner(f"runner-{number}"), capacity=9, runs_per_target=runs_at_once) for number in range(3)]
    begun: list[LoadTestRun] = []
    while len(begun) < len(runs):
        await asyncio.gather(*(server.rounds() for server in servers))
        now = [await servers[0].read(run) for run in runs]
        under_way = [run for run in now if run.status is RunStatus.RUNNING]
        new = [run for run in under_way if run.id not in {each.id for each in begun}]
        begun += new
        for origin in ("http://localhost:9000", "http://x.test:80"):
            assert len([run for run in under_way if run.origin == origin]) <= runs_at_once
            order = [run.id for run in begun if run.origin == origin]
            assert order == [run.id for run in runs if run.origin == origin][: len(order)]
        assert new, "somebody is always next"
        for server in servers:
            for key in [key for key, attempt in server.runner.attempts.items() if attempt.ending is None]:
                server.runner.finish(key, exit_code=1)
        await asyncio.gather(*(server.rounds() for server in servers))
    assert sum(len(server.runner.launches) for server in servers) == len(runs)


async def test_of_two_that_claim_at_the_same_moment_one_waits_and_sees_the_other(database: Database) -> None:
    first, second = await at_servers(database, "http://127.0.0.1:9000", "http://localhost:9000")
    async with database.transaction() as work:
        await work.attempts.heartbeat("runner-1", "process", "host", await work.kits.now())

    async def claim(work: UnitOfWork, run: LoadTestRun) -> LoadTestRun | None:
        return await work.load_test_runs.claim(run, "runner", "runner-1", 1)

    async def claim_other() -> LoadTestRun | None:
        async with database.transaction() as work:
            return await claim(work, second)

    async with database.transaction() as work:
        assert await claim(work, first) is not None
        other = asyncio.create_task(claim_other())
        done, _ = await asyncio.wait({other}, timeout=0.5)
        assert not done
    assert await other is None

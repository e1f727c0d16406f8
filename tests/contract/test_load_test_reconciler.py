"""The loop that makes load tests run: launches, stops, interrupts, runners that fall silent, several servers, crashes."""

import asyncio
from typing import Any

import pytest

from controllers.load_test_reconciler import LoadTestReconciler, LoadTestReconcilerSettings
from domain.attempt import Cause
from domain.errors import Unavailable
from domain.histogram import Histogram
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_window import MetricWindow
from domain.runner import EndReason
from persistence.unit_of_work import Database
from tests.factories import store_load_tests, store_run
from tests.fakes import FailingDatabase, FakeRunner, fake_services
from tests.waiting import eventually

SETTINGS: dict[str, Any] = {"interval_seconds": 0.05, "heartbeat_seconds": 0.0}
TEN_REQUESTS = MetricWindow(0, "s1", times=Histogram())
for _ in range(10):
    TEN_REQUESTS.times.add(5.0)


class Server:
    """A runner and the reconciler of its load tests, which can be restarted, on a database that others may share."""

    def __init__(self, database: Database, runner: FakeRunner | None = None, **settings: Any) -> None:
        self.database = FailingDatabase(database)
        self.runner = runner or FakeRunner()
        self.services = fake_services(self.database)
        self.settings = LoadTestReconcilerSettings(**SETTINGS | settings)
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is remembered."""
        self.reconciler = LoadTestReconciler(self.services, self.runner, "process", "host", self.settings)

    async def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            await self.reconciler.run_once()

    async def read(self, run: LoadTestRun) -> LoadTestRun:
        async with self.database.snapshot() as work:
            return (await work.load_test_runs.get_many([run.id]))[run.id]

    async def change(self, run: LoadTestRun, status: RunStatus, message: str = "") -> None:
        async with self.database.transaction() as work:
            assert await work.load_test_runs.change(await self.read(run), status, "ada", message) is not None

    async def take_in(self, run: LoadTestRun, **summary: Any) -> None:
        """The one report of the generator arrives, with a window of ten requests and its summary."""
        said = {"exitCode": 0, "metrics": {"http_reqs": {"count": 10}}} | summary
        async with self.database.transaction() as work:
            assert await work.load_test_runs.take_in(await self.read(run), 1, [TEN_REQUESTS], said)


async def queued(database: Database, count: int = 1) -> list[LoadTestRun]:
    """Runs that wait, all of the same target."""
    return [await store_run(database, test) for test in await store_load_tests(database, count)]


@pytest.fixture
def server(database: Database) -> Server:
    return Server(database)


async def test_runs_go_one_after_another_to_their_verdicts(database: Database, server: Server) -> None:
    runs = await queued(database, 2)
    for run in runs:
        await server.rounds(2)
        assert list(server.runner.attempts) == [run.key] and (await server.read(run)).status is RunStatus.RUNNING
        server.runner.finish(run.key, reports=1)
        await server.rounds()
        assert (await server.read(run)).status is RunStatus.RUNNING, "its report is not there yet"
        await server.take_in(run, stopped=False)
        await server.rounds()
        found = await server.read(run)
        assert (found.status, found.figures[0].requests) == (RunStatus.PASSED, 10)
    await server.rounds()
    assert server.runner.launches == [run.key for run in runs] and not server.runner.attempts


async def test_an_interrupt_ends_runs_before_anything_is_asked_of_the_database(
    database: Database, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    (run,) = await queued(database)
    await server.rounds()
    server.database.outage = Unavailable("the database went away")
    await server.reconciler.interrupt(5)
    assert server.runner.attempts[run.key].ended_for == [EndReason.CANCELLED]
    assert "the database went away" in caplog.text
    server.database.outage = None
    server.restart()
    await server.rounds(2)
    found = await server.read(run)
    assert (found.status, found.message) == (RunStatus.ABORTED, "The server was stopped by hand.")


async def test_an_interrupt_does_not_wait_for_a_round_to_end_runs(database: Database) -> None:
    server = Server(database, FakeRunner(is_obedient=False), capacity=2, runs_per_target=2)
    (test,) = await store_load_tests(database, 1)
    first = await store_run(database, test)
    await server.rounds()
    second = await store_run(database, test)
    server.runner.may_launch.clear()
    server.runner.launching.clear()
    turn = asyncio.create_task(server.rounds())
    await server.runner.launching.wait()
    interrupt = asyncio.create_task(server.reconciler.interrupt(30))
    await eventually(lambda: server.runner.attempts[first.key].ended_for)
    server.runner.is_obedient = True
    server.runner.finish(first.key, cause=Cause.CANCELLED)
    server.runner.may_launch.set()
    await asyncio.gather(turn, interrupt)
    for run in (first, second):
        found = await server.read(run)
        assert (found.status, found.message) == (RunStatus.ABORTED, "The server was stopped by hand.")


async def test_nothing_is_remembered_of_runs_that_are_over(database: Database, server: Server) -> None:
    for run in await queued(database, 2):
        await server.rounds(2)
        server.runner.finish(run.key, reports=1)
        await server.rounds()
        await server.take_in(run, stopped=False)
        await server.rounds(3)
        assert (await server.read(run)).has_ended
    assert [value for value in vars(server.reconciler).values() if isinstance(value, dict) and value] == []

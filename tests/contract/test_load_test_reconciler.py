"""The loop that makes load tests run: launches, stops, interrupts, runners that fall silent, several servers, crashes."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.processes.listening import ListeningProcesses
from controllers.load_test_reconciler import LoadTestReconciler, LoadTestReconcilerSettings
from controllers.resource_watcher import ResourceWatcher
from domain.attempt import Cause
from domain.errors import Unavailable
from domain.executor import Executor, ExecutorKind
from domain.histogram import Histogram
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_window import MetricWindow
from domain.query import HistoryQuery
from domain.runner import EndReason
from domain.visibility import EVERY_PROJECT
from persistence.load_test_tables import load_test_run
from persistence.unit_of_work import Database
from tests.factories import store_load_tests, store_run
from tests.fakes import Crash, FailingDatabase, FakeRunner, Fuse, fake_services
from tests.waiting import eventually

SETTINGS: dict[str, Any] = {"interval_seconds": 0.05, "heartbeat_seconds": 0.0, "patience_seconds": 10.0}  # for a busy machine
FOR_A_SECOND = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=1, duration=1)
TEN_REQUESTS = MetricWindow(0, "s1", times=Histogram())
for _ in range(10):
    TEN_REQUESTS.times.add(5.0)


class Server:
    """A runner and the reconciler of its load tests, which can be restarted, on a database that others may share."""

    def __init__(
        self, database: Database, runner: FakeRunner | None = None, *, runs_per_target: int = 1, **settings: Any
    ) -> None:
        self.store = database
        self.database = FailingDatabase(database)
        self.runner = runner or FakeRunner()
        self.services = fake_services(self.database, runs_per_target=runs_per_target)
        self.settings = LoadTestReconcilerSettings(**SETTINGS | settings)
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is remembered."""
        resources = ResourceWatcher(self.services, ListeningProcesses(), self.runner)
        self.reconciler = LoadTestReconciler(self.services, self.runner, resources, "process", "host", self.settings)

    async def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            await self.reconciler.run_once()

    async def read(self, run: LoadTestRun) -> LoadTestRun:
        async with self.store.snapshot() as work:
            return (await work.load_test_runs.get_many([run.id], EVERY_PROJECT))[run.id]

    async def change(self, run: LoadTestRun, status: RunStatus, message: str = "") -> None:
        async with self.store.transaction() as work:
            assert await work.load_test_runs.change(await self.read(run), status, "ada", message) is not None

    async def take_in(self, run: LoadTestRun, **summary: Any) -> None:
        """The one report of the generator arrives, with a window of ten requests and its summary."""
        said = {"exitCode": 0, "metrics": {"http_reqs": {"count": 10}}} | summary
        async with self.store.transaction() as work:
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


async def silence(server: Server, seconds: float) -> None:
    """The server's runner was last heard of that long ago."""
    async with server.store.transaction() as work:
        at = await work.kits.now() - timedelta(seconds=seconds)
        await work.attempts.heartbeat(server.runner.id, "process", "host", at)


async def leave(server: Server, run: LoadTestRun, seconds: float) -> None:
    """So many seconds are left until the run's generator has to end."""
    async with server.store.transaction() as work:
        end = await work.kits.now() + timedelta(seconds=seconds)
        now = await server.read(run)
        times = {"started_at": end - timedelta(seconds=run.time_limit), "deadline": None if now.deadline is None else end}
        connection: Any = work.connection
        await connection.execute(load_test_run.update().where(load_test_run.c.id == run.id).values(times))


def other(database: Database) -> Server:
    return Server(database, FakeRunner("runner-2"))


async def in_status(server: Server, run: LoadTestRun, status: RunStatus) -> None:
    """The server has claimed the run and brought it to that status; where it is `STARTING` it died as its generator began."""
    if status is RunStatus.STARTING:
        server.runner.fuse = Fuse(1)
        with pytest.raises(Crash):
            await server.rounds()
    else:
        await server.rounds()
    if status is RunStatus.STOPPING:
        await server.change(run, status, "Stopped by ada.")
    assert run.key in server.runner.attempts


@pytest.mark.parametrize("status", [RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING])
@pytest.mark.parametrize(
    ("silent", "left", "is_missed", "is_given_up"),
    [
        (20, 100, False, False),
        (31, 100, True, False),
        (3600, 1, True, False),
        (3600, -20, True, False),
        (20, -3600, False, False),
        (3600, -31, False, True),
    ],
)
async def test_a_run_is_lost_only_when_its_generator_must_have_ended(
    database: Database, status: RunStatus, silent: float, left: float, is_missed: bool, is_given_up: bool
) -> None:
    away, here = Server(database), other(database)
    (run,) = await queued(database)
    await in_status(away, run, status)
    before = await here.read(run)
    assert before.status is status
    await leave(away, run, left)
    await silence(away, silent)
    await asyncio.gather(here.rounds(2), Server(database, FakeRunner("runner-3")).rounds(2))
    found = await here.read(run)
    assert found.status is (RunStatus.ERROR if is_given_up else status) and not here.runner.launches
    assert (found.unheard_since is not None) is is_missed
    assert found.version == before.version + (is_missed or is_given_up), "it is told once"
    assert ("has not been heard of since" in found.told) is (is_missed or is_given_up)
    if status is RunStatus.STOPPING:
        assert found.told.startswith("Stopped by ada.") and ("reaches" in found.told) is is_missed


@pytest.mark.parametrize("is_restarted", [True, False])
async def test_a_runner_does_not_give_up_its_own_runs_after_a_long_absence(database: Database, is_restarted: bool) -> None:
    server = Server(database, heartbeat_seconds=1000.0)
    (run,) = await queued(database)
    await server.rounds()
    await leave(server, run, -3600)
    await silence(server, 7200)
    if is_restarted:
        server.restart()
    await server.rounds()
    found = await server.read(run)
    assert (found.status, found.unheard_since) == (RunStatus.RUNNING, None)


async def test_while_a_server_is_away_its_target_stays_busy_and_back_it_judges_the_full_figures(database: Database) -> None:
    away, here = Server(database), other(database)
    first, second = await queued(database, 2)
    await away.rounds()
    await silence(away, 60)
    await here.rounds(3)
    assert (await here.read(first)).status is RunStatus.RUNNING and (await here.read(second)).status is RunStatus.QUEUED
    away.runner.finish(first.key, reports=1)
    away.restart()
    await away.rounds()
    found = await away.read(first)
    assert (found.status, found.unheard_since, found.told) == (RunStatus.RUNNING, None, ""), "its reports are still to come"
    await away.take_in(first, stopped=False)
    await away.rounds()
    found = await away.read(first)
    assert (found.status, found.figures[0].requests) == (RunStatus.PASSED, 10)
    await here.rounds()
    assert here.runner.launches == [second.key] and (await here.read(second)).status is RunStatus.RUNNING


async def test_a_stop_waits_for_the_server_that_is_away(database: Database) -> None:
    away, here = Server(database), other(database)
    (run,) = await queued(database)
    await away.rounds()
    await silence(away, 60)
    await here.rounds()
    await here.change(run, RunStatus.STOPPING, "Stopped by ada.")
    await here.rounds(3)
    found = await here.read(run)
    assert (found.status, found.message) == (RunStatus.STOPPING, "Stopped by ada.") and "once that server is back" in found.told
    assert away.runner.attempts[run.key].ended_for == []
    await away.rounds(3)
    found = await away.read(run)
    assert (found.status, found.told) == (RunStatus.ABORTED, "Stopped by ada.")
    assert away.runner.attempts[run.key].ended_for == [EndReason.CANCELLED]


@pytest.mark.parametrize("is_back", [True, False])
async def test_wherever_a_server_is_killed_a_run_that_was_missed_comes_to_the_same_end(database: Database, is_back: bool) -> None:
    """Killed before and after each commit of missing the run, and of taking it up again or giving it up."""
    (test,) = await store_load_tests(database, 1)
    for burns in range(100):
        run = await store_run(database, test)
        away, here = Server(database), other(database)
        await away.rounds()
        await silence(away, 60)
        finder, has_died = away if is_back else here, False
        if is_back:
            await here.rounds()
            away.runner.finish(run.key, reports=1)
            await away.take_in(run, stopped=False)
            away.restart()
        finder.database.fuse = Fuse(burns)
        for left in (10, -60):
            await leave(away, run, left)
            try:
                await finder.rounds()
            except Crash:
                has_died = True
                finder.restart()
                await finder.rounds()
        found = await here.read(run)
        assert (found.status, found.unheard_since) == (RunStatus.PASSED if is_back else RunStatus.ERROR, None), burns
        async with database.snapshot() as work:
            (page,) = await work.load_test_runs.events([HistoryQuery(of=run.id, first=50)])
        assert [event.version for event in page.items] == list(range(1, found.version + 1)) and found.version == 5 + is_back, page
        if not has_died:
            break
    assert burns > 3


async def test_reports_that_arrive_while_a_run_is_judged_are_in_its_verdict_or_are_too_late(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was stopped and whose reports were given up: one of them comes between the counts and the verdict."""
    server = Server(database, reports_patience_seconds=0.0)
    (run,) = await queued(database)
    await server.rounds()
    await server.change(run, RunStatus.STOPPING, "Stopped by ada.")
    await server.take_in(run, stopped=True)
    server.runner.finish(run.key, reports=3)
    late = [replace(TEN_REQUESTS, start=5)]

    async def finish(_: ResourceWatcher, run_id: int) -> None:
        async with server.store.transaction() as work:
            while late:
                assert await work.load_test_runs.take_in(await server.read(run), 2, [late.pop()], None)

    monkeypatch.setattr(ResourceWatcher, "finish", finish)
    await server.rounds()
    assert (await server.read(run)).status is RunStatus.STOPPING, "what was counted is not what is there"
    await server.rounds()
    found = await server.read(run)
    assert (found.status, found.figures[0].requests) == (RunStatus.ABORTED, 20)
    assert found.message == "Stopped by ada. 1 reports of its load generator could not be taken in: figures are missing."

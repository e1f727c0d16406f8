"""What runs of load tests measured is removed some time after their end, wherever that is left off; the rest of them stays."""

import asyncio
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from controllers import housekeeping
from controllers.housekeeping import Housekeeping
from domain.artifact import reports_folder
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_window import MetricWindow
from domain.query import WindowQuery
from domain.resource_usage import PodSpecs, ResourceUsage
from domain.runner import LogChunk
from domain.storage import Database
from domain.visibility import EVERY_PROJECT
from persistence import tables
from persistence.load_test_tables import load_test_run, load_test_run_event, metric_window, resource_usage
from tests.factories import store_load_tests, store_run
from tests.fakes import Crash, FailingDatabase, FakeArtifacts, Fuse, fake_services

WINDOWS = 25
AT_ONCE = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is removed in several pieces."""
    monkeypatch.setattr(housekeeping, "WINDOWS_AT_ONCE", 10)


async def measured(database: Database, run: LoadTestRun, *, is_over: bool = True) -> LoadTestRun:
    """A run that measured something, with its verdict."""
    windows = [MetricWindow(5 * number, key) for number in range(WINDOWS) for key in ("", "s1")]
    usages = [
        ResourceUsage(start=5 * number, pod="p", sampled_at=run.created_at, cpu_millicores=1.0, memory_bytes=1, specs=PodSpecs())
        for number in range(WINDOWS)
    ]
    async with database.transaction() as work:
        assert await work.load_test_runs.take_in(run, len(windows), windows, {"k6": "1"})
        run = (await work.load_test_runs.get_many([run.id], EVERY_PROJECT))[run.id]
        await work.resource_usages.add(run.id, usages)
        await work.logs.add(run.key, LogChunk(0, b"one line\n"), run.created_at)
        for status in (RunStatus.STARTING, RunStatus.RUNNING, *((RunStatus.PASSED,) if is_over else ())):
            run = run.measured(windows) if status is RunStatus.PASSED else run
            changed = await work.load_test_runs.change(run, status, "runner")
            assert changed is not None
            run = changed
    return await read(database, run)


async def left_of(database: Database, run: LoadTestRun) -> tuple[int, int, int]:
    """How many windows, usages and pieces of log there are."""
    async with database.snapshot() as work:
        connection: Any = work.connection  # type: ignore[attr-defined]

        async def count(table: Any, condition: Any) -> int:
            return int((await connection.execute(select(func.count()).select_from(table).where(condition))).scalar_one())

        chunk = tables.log_chunk
        return (
            await count(metric_window, metric_window.c.run_id == run.id),
            await count(resource_usage, resource_usage.c.run_id == run.id),
            await count(chunk, chunk.c.job_id == run.uuid),
        )


async def read(database: Database, run: LoadTestRun) -> LoadTestRun:
    async with database.snapshot() as work:
        return (await work.load_test_runs.get_many([run.id], EVERY_PROJECT))[run.id]


async def uncleared(database: Database) -> list[int]:
    async with database.snapshot() as work:
        return [each.id for each in await work.load_test_runs.to_clear(datetime(2100, 1, 1, tzinfo=UTC), 100)]


async def test_what_an_old_run_measured_goes_and_its_verdict_and_figures_stay(database: Database) -> None:
    (test,) = await store_load_tests(database, 1)
    over = await measured(database, await store_run(database, test))
    going_on = await measured(database, await store_run(database, test), is_over=False)
    services = fake_services(database)
    assert isinstance(services.artifacts, FakeArtifacts)
    services.artifacts.sizes = {f"{reports_folder(id)}/x.html": 1 for id in (over.id, 10 * over.id)}
    whole = (2 * WINDOWS, WINDOWS, 1)
    for keep in (timedelta(), timedelta(days=1)):
        await Housekeeping(services, 60, keep).run_once()
        assert (await left_of(database, over), await read(database, over)) == (whole, over), keep
    await Housekeeping(services, 60, AT_ONCE).run_once()
    found = await read(database, over)
    assert await left_of(database, over) == (0, 0, 0) and await left_of(database, going_on) == whole
    assert found.windows_removed_at is not None and found.version == over.version + 1
    assert (found.status, found.figures, found.summary) == (over.status, over.figures, over.summary) and found.figures
    assert list(services.artifacts.sizes) == [f"{reports_folder(10 * over.id)}/x.html"]
    assert await read(database, going_on) == going_on
    await Housekeeping(services, 60, AT_ONCE).run_once()
    assert await read(database, over) == found and await uncleared(database) == [], "once is enough"
    async with database.snapshot() as work:
        query = select(load_test_run_event.c.status, load_test_run_event.c.actor).where(load_test_run_event.c.run_id == over.id)
        rows = (await work.connection.execute(query.order_by(load_test_run_event.c.version))).all()  # type: ignore[attr-defined]
    assert rows[-1] == ("PASSED", "housekeeping")


async def test_wherever_it_is_killed_nobody_takes_a_part_for_the_whole_and_the_next_round_goes_on(database: Database) -> None:
    (test,) = await store_load_tests(database, 1)
    deaths = 0
    for burns in range(100):
        run = await measured(database, await store_run(database, test))
        failing = FailingDatabase(database)
        failing.fuse = Fuse(burns)
        try:
            await Housekeeping(fake_services(failing), 60, AT_ONCE).run_once()
        except Crash:
            deaths += 1
        else:
            break
        windows, usages, _ = await left_of(database, run)
        if (windows, usages) != (2 * WINDOWS, WINDOWS):
            assert (await read(database, run)).windows_removed_at is not None
        await Housekeeping(fake_services(database), 60, AT_ONCE).run_once()
        assert await left_of(database, run) == (0, 0, 0) and await uncleared(database) == []
    assert deaths > 12, "each commit was the last one once, before and after"


async def test_several_servers_remove_it_at_once(database: Database) -> None:
    (test,) = await store_load_tests(database, 1)
    runs = [await measured(database, await store_run(database, test)) for _ in range(5)]
    rounds = [Housekeeping(fake_services(database), 60, AT_ONCE) for _ in range(4)]
    for _ in range(2):
        await asyncio.gather(*(each.run_once() for each in rounds))
    assert [await left_of(database, run) for run in runs] == [(0, 0, 0)] * 5 and await uncleared(database) == []
    assert [(await read(database, run)).version for run in runs] == [run.version + 1 for run in runs]


class StuckArtifacts(FakeArtifacts):
    """Has folders that can't be removed."""

    def __init__(self, stuck: Collection[str]) -> None:
        super().__init__()
        self.stuck = stuck

    async def remove(self, folder: str) -> None:
        if folder in self.stuck:
            raise PermissionError(folder)
        await super().remove(folder)


async def test_runs_that_cannot_be_removed_hold_up_no_others(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Five of seven are stuck. A round looks at four, by two; the next goes on behind them, and the third begins anew."""
    monkeypatch.setattr(housekeeping, "RUNS_AT_ONCE", 2)
    monkeypatch.setattr(housekeeping, "RUNS_A_ROUND", 4)
    (test,) = await store_load_tests(database, 1)
    runs = [await measured(database, await store_run(database, test)) for _ in range(7)]
    artifacts = StuckArtifacts({reports_folder(run.id) for run in (*runs[:3], *runs[4:6])})
    tidying = Housekeeping(fake_services(database, artifacts=artifacts), 60, AT_ONCE)
    await tidying.run_once()
    assert await uncleared(database) == [run.id for run in (*runs[:3], *runs[4:])]
    assert all(str(run.key) in caplog.text for run in runs[:3])
    await tidying.run_once()
    assert await uncleared(database) == [run.id for run in (*runs[:3], *runs[4:6])]
    artifacts.stuck = ()
    for _ in range(2):
        await tidying.run_once()
    assert await uncleared(database) == []


async def test_windows_are_read_whole_or_refused(database: Database) -> None:
    """A reader's snapshot has all windows, or a run that says that they are gone."""
    (test,) = await store_load_tests(database, 1)
    run = await measured(database, await store_run(database, test))
    removing = asyncio.create_task(Housekeeping(fake_services(database), 60, AT_ONCE).run_once())
    seen: set[int] = set()
    while not removing.done() or not seen:
        async with database.snapshot() as work:
            now = (await work.load_test_runs.get_many([run.id], EVERY_PROJECT))[run.id]
            (windows,) = await work.load_test_runs.windows([WindowQuery(run_id=run.id)])
            count = len(windows)
        if now.windows_removed_at is None:
            assert count == 2 * WINDOWS
        seen.add(count)
    await removing


async def test_figures_that_an_older_version_stored_are_read(database: Database) -> None:
    (load_test,) = await store_load_tests(database, 1)
    run = await measured(database, await store_run(database, load_test))
    newer = {"error_rate_least", "error_rate_most", "least_vus", "mean_vus"}
    (old,) = [{name: value for name, value in asdict(each).items() if name not in newer} for each in run.figures[:1]]
    async with database.transaction() as work:
        connection: Any = work.connection  # type: ignore[attr-defined]
        await connection.execute(load_test_run.update().values(figures={"figures": [old | {"seconds": 15, "most_vus": 3}]}))
    (figures,) = (await read(database, run)).figures
    assert (figures.seconds, figures.most_vus, figures.mean_vus, figures.error_rate_most) == (15.0, 3, None, None)

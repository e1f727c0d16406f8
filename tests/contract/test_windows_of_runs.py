"""What is asked of the windows and pods of several runs at once: the same as of each alone, in as many statements as of one."""

import json
from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from domain.histogram import Histogram
from domain.load_test_run import LoadTestRun
from domain.metric_window import MetricWindow
from domain.query import WindowQuery
from domain.resource_usage import PodSpecs, ResourceUsage
from domain.visibility import EVERY_PROJECT
from persistence.unit_of_work import Database
from tests.factories import store_load_tests, store_run
from tests.statements import instructions, statements

STARTS = (5, 10, 20, 25)
KEYS = ("", "s1")
LONG, RUNS = 400, 30  # windows of a long run, and how many of them there are
MANY_WINDOWS = """
INSERT INTO metric_window (run_id, start, scenario, revision, sequence, requests, failed, iterations, dropped, checks_passed,
  checks_failed, vus_total, vus_count, times)
SELECT r.id, w.i, '', 1, w.i, 1, 0, 0, 0, 0, 0, 0, 0, '{times}'
FROM load_test_run r, (WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {long}) SELECT i FROM s) w
"""
READ = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'metric_window'"
ASKED = list(product((None, 0, 5, 12, 25), (None, 1, 2, 100), (None, 0, 2, 5, 9)))


@pytest.fixture
async def runs(database: Database) -> list[LoadTestRun]:
    """Three runs: of two the windows came in reports of their own, of the last none came."""
    (load_test,) = await store_load_tests(database, 1)
    made = [await store_run(database, load_test) for _ in range(3)]
    async with database.transaction() as work:
        for run, starts in zip(made[:2], (STARTS, STARTS[1:3]), strict=True):
            for sequence, (start, key) in enumerate(product(starts, KEYS), 1):
                (read,) = (await work.load_test_runs.get_many([run.id], EVERY_PROJECT)).values()
                assert await work.load_test_runs.take_in(read, sequence, [MetricWindow(start, key)], None)
        for start, pod in product(STARTS, ("a", "b")):
            for run in made[:2]:
                usage = ResourceUsage(
                    start=start, pod=pod, sampled_at=run.created_at, cpu_millicores=1, memory_bytes=1, specs=PodSpecs()
                )
                await work.resource_usages.add(run.id, [usage])
    return made


def expected_windows(starts: tuple[int, ...], after: int | None, first: int | None, changed: int | None) -> list[tuple[int, str]]:
    numbers = {place: sequence for sequence, place in enumerate(product(starts, KEYS), 1)}
    wanted = [each for each in starts if after is None or each > after][:first]
    return [
        (start, key)
        for start, key in product(wanted, KEYS)
        if changed is None or any(numbers[start, each] > changed for each in KEYS)
    ]


async def test_windows_of_many_runs_are_those_of_each(database: Database, runs: list[LoadTestRun]) -> None:
    queries = [WindowQuery(run_id=run.id, after=a, first=f, changed_after=c) for run in runs for a, f, c in ASKED]
    async with database.snapshot() as work:
        found = await work.load_test_runs.windows(queries)
    starts = dict(zip([run.id for run in runs], (STARTS, STARTS[1:3], ()), strict=True))
    for query, windows in zip(queries, found, strict=True):
        expected = expected_windows(starts[query.run_id], query.after, query.first, query.changed_after)
        assert [(each.start, each.scenario) for each in windows] == expected, query


async def test_pods_of_many_runs_are_those_of_each(database: Database, runs: list[LoadTestRun]) -> None:
    async with database.snapshot() as work:
        whole = await work.resource_usages.find([WindowQuery(run_id=each.id) for each in runs])
        queries = [WindowQuery(run_id=run.id, after=a, first=f, changed_after=c) for run in runs for a, f, c in ASKED]
        found = await work.resource_usages.find(queries)
    assert len({each.id for usages in whole for each in usages}) == 16
    for query, usages in zip(queries, found, strict=True):
        starts = [each for each in STARTS if query.after is None or each > query.after][: query.first]
        of_run = [] if query.run_id == runs[2].id else list(product(starts, ("a", "b")))
        if query.changed_after is None:
            assert [(each.start, each.pod) for each in usages] == of_run, query
        else:
            assert {(each.start, each.pod) for each in usages} <= set(of_run), query
            assert all(each.id > query.changed_after for each in usages), query


async def test_many_runs_cost_a_statement(database: Database, runs: list[LoadTestRun]) -> None:
    for first in (None, 2):
        queries = [WindowQuery(run_id=run.id, first=first) for run in runs]
        async with database.snapshot() as work:
            with statements() as seen:
                await work.load_test_runs.windows(queries)
                await work.resource_usages.find(queries)
        assert [each.split(" FROM ")[0][:4] for each in seen] == ["WITH", "WITH"]


@pytest.fixture
async def long_run(database: Database) -> int:
    """The number of one of many runs with many windows."""
    (load_test,) = await store_load_tests(database, 1)
    runs = [await store_run(database, load_test) for _ in range(RUNS)]
    async with database.transaction() as work:
        times = json.dumps(Histogram().as_json())
        await work.connection.exec_driver_sql(MANY_WINDOWS.format(long=LONG, times=times))
    return runs[RUNS // 2].id


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize("query", [{}, {"first": 50}, {"changed_after": LONG - 1}, {"first": 50, "changed_after": LONG - 1}])
async def test_of_a_run_no_windows_of_others_are_read(
    database: Database, migrated_url: str, long_run: int, query: dict[str, int]
) -> None:
    owner = create_async_engine(migrated_url)
    async with owner.begin() as connection:
        await connection.execute(text("ANALYZE metric_window"))
    await owner.dispose()
    async with database.snapshot() as work:
        await work.load_test_runs.windows([WindowQuery(run_id=long_run, **query)])
        assert await work.connection.scalar(text(READ)) <= 3 * LONG


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_what_is_new_of_a_run_costs_no_more_than_the_whole(database: Database, long_run: int) -> None:
    async with database.snapshot() as work:
        with instructions() as of_all:
            (found,) = await work.load_test_runs.windows([WindowQuery(run_id=long_run)])
        with instructions() as of_news:
            (news,) = await work.load_test_runs.windows([WindowQuery(run_id=long_run, changed_after=LONG - 2)])
    assert (len(found), [each.start for each in news]) == (LONG, [LONG - 1, LONG])
    assert of_news[0] <= of_all[0]

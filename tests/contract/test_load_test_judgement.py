"""Thresholds of runs in the database: there from the start, judged with the verdict, whatever the run came to."""

from dataclasses import replace
from typing import Any

import pytest

from domain.attempt import Cause
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_window import SET_UP, MetricWindow
from persistence.unit_of_work import Database
from tests.contract.test_load_test_reconciler import TEN_REQUESTS, Server
from tests.factories import queued_run, store_load_tests

LOGIN = MetricWindow(0, SET_UP, failed=1)
LOGIN.times.add(700.0)
SUMMARY = {"metrics": {"http_reqs": {"count": 11, "rate": 5.5}}}


async def queued(database: Database) -> LoadTestRun:
    """A run that waits, with three thresholds of all scenarios together, of which the last is missed."""
    (test,) = await store_load_tests(database, 1)
    definition = replace(test.definition, response_time=5.0, error_rate=0.0, target_tps=6.0)
    async with database.transaction() as work:
        return await work.load_test_runs.add(replace(queued_run(test), definition=definition), "")


def judged(run: LoadTestRun) -> list[tuple[float | None, bool | None]]:
    return [(each.value, each.is_met) for each in run.thresholds]


@pytest.mark.parametrize(
    ("summary", "ending", "expected", "tps"),
    [
        (SUMMARY, {}, RunStatus.FAILED, 5.0),
        (SUMMARY | {"stopped": True}, {}, RunStatus.ABORTED, 5.0),
        ({}, {"exit_code": 1}, RunStatus.ERROR, 2.0),
        ({}, {"exit_code": 1, "cause": Cause.TIME_LIMIT}, RunStatus.ERROR, 2.0),
        ({}, {}, RunStatus.INVALID, 2.0),
    ],
)
async def test_whatever_becomes_of_a_run_its_thresholds_are_judged_by_what_was_measured(
    database: Database, summary: dict[str, Any], ending: dict[str, Any], expected: RunStatus, tps: float
) -> None:
    server, run = Server(database), await queued(database)
    await server.rounds(2)
    assert judged(await server.read(run)) == [(None, None)] * 3
    async with database.transaction() as work:
        assert await work.load_test_runs.take_in(await server.read(run), 1, [LOGIN, TEN_REQUESTS], summary)
    server.runner.finish(run.key, reports=1, **ending)
    await server.rounds()
    found = await server.read(run)
    assert found.status is expected, found.message
    assert judged(found) == [(5.0, True), (0.0, True), (tps, False)]


async def test_a_run_that_never_began_shows_its_thresholds_unjudged(database: Database) -> None:
    server, run = Server(database), await queued(database)
    await server.change(run, RunStatus.ABORTED, "Stopped by ada before its turn came.")
    assert judged(await server.read(run)) == [(None, None)] * 3

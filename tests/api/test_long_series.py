"""Series that are longer than a page: up to 1,000 windows or runs, at a cost, and few of them in memory at once."""

from collections.abc import Sequence
from typing import Any

import pytest

from domain.metric_window import MetricWindow
from domain.query import WindowQuery
from domain.visibility import EVERY_PROJECT
from persistence.repositories.load_test_run import LoadTestRunRepository
from resolvers.load_test_run import series_of_runs
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_load_test import CONSTANT, analysed, created, load_test, scenario
from tests.api.test_load_test_report import START
from tests.api.test_load_test_subscription import at

SERIES = {
    "metrics": "query ($id: ID!, $first: Int!, $after: DateTime) { loadTestRun(id: $id) { metrics(first: $first, after: $after) {"
    " windowStart } } }",
    "resources": "query ($id: ID!, $first: Int!) { loadTestRun(id: $id) { resources(first: $first) { windowStart } } }",
    "loadTestTrend": "query ($test: ID!, $first: Int!) { loadTestTrend(loadTestId: $test, first: $first) { number } }",
}
PAGE = "query ($runs: Int!, $first: Int!) { loadTestRuns(first: $runs) { nodes { metrics(first: $first) { tps } } } }"
SECONDS, COUNT = 5, 1_100


async def long_run(plog: Plog) -> dict[str, Any]:
    """A run of a load test of two hours, which has measured `COUNT` windows so far."""
    test = await created(plog, await analysed(plog), load_test(scenario(executor={**CONSTANT, "duration": 7_200})))
    made = (await plog.answer(START, id=test["id"]))["run"]
    async with plog.container.services.database.transaction() as work:
        (run,) = (await work.load_test_runs.get_many([made["number"]], EVERY_PROJECT)).values()
        windows = [MetricWindow(SECONDS * place, "s1") for place in range(COUNT)]
        assert await work.load_test_runs.take_in(run, 1, windows, None)
    return {**made, "test": test["id"]}


@BOTH_DATABASES
async def test_a_thousand_windows_are_had_at_once_and_the_rest_after_them(plog: Plog) -> None:
    run = await long_run(plog)
    overall, _ = (await plog.answer(SERIES["metrics"], id=run["id"], first=1_000))["metrics"]
    assert overall["windowStart"] == [at(SECONDS * place) for place in range(1_000)]
    rest, _ = (await plog.answer(SERIES["metrics"], id=run["id"], first=1_000, after=overall["windowStart"][-1]))["metrics"]
    assert rest["windowStart"] == [at(SECONDS * place) for place in range(1_000, COUNT)]


@pytest.mark.parametrize("name", SERIES)
async def test_a_series_has_at_most_a_thousand_entries(plog: Plog, name: str) -> None:
    run = await long_run(plog)
    asked = {"id": run["id"]} if name != "loadTestTrend" else {"test": run["test"]}
    assert await plog.codes(SERIES[name], **asked, first=1_000) == []
    for first in (0, -1, 1_001):
        (error,) = (await plog.post(SERIES[name], {**asked, "first": first})).json()["errors"]
        assert (error["extensions"]["code"], error["message"]) == ("VALIDATION_FAILED", "first: must be from 1 to 1000")


async def test_many_long_series_are_more_than_an_operation_may_cost(plog: Plog) -> None:
    for runs, first in ((100, 100), (10, 1_000)):
        assert await plog.codes(PAGE, runs=runs, first=first) == []
    for runs, first in ((100, 1_000), (50, 1_000)):
        assert await plog.codes(PAGE, runs=runs, first=first) == ["LIMIT_EXCEEDED"]


async def test_no_more_than_a_thousand_windows_are_read_at_once(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    number, read, parts = (await long_run(plog))["number"], LoadTestRunRepository.windows, []

    async def reading(self: LoadTestRunRepository, queries: Sequence[WindowQuery]) -> list[list[MetricWindow]]:
        parts.append([query.first for query in queries])
        return await read(self, queries)

    monkeypatch.setattr(LoadTestRunRepository, "windows", reading)
    for asked, expected in (
        ([100] * 12, [[100] * 10, [100] * 2]),
        ([1_000, 1_000, 1, 999], [[1_000], [1_000], [1, 999]]),
        ([None, None, 5], [[None], [None], [5]]),
        ([400, 700, 200, None, 300], [[400], [700, 200], [None], [300]]),
        ([], []),
    ):
        parts.clear()
        found = await series_of_runs(plog.container.services, [WindowQuery(run_id=number, first=first) for first in asked])
        assert [len(series[0].window_start) for series in found if not isinstance(series, Exception)] == [
            COUNT if first is None else first for first in asked
        ]
        assert parts == expected

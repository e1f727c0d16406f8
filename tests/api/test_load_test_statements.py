"""What a page of runs costs: as many statements for ten runs as for one, with all that they measured; of more, in parts."""

import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from domain.histogram import Histogram
from domain.load_test_run import RunStatus
from domain.metric_window import MetricWindow
from domain.query import WindowQuery
from domain.resource_usage import PodSpecs, ResourceUsage
from domain.visibility import EVERY_PROJECT
from resolvers import load_test_run
from resolvers.load_test_run import series_of_runs
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_load_test import analysed, created, load_test
from tests.api.test_load_test_report import START
from tests.statements import statements

NODES = {
    "metrics": "metrics(first: 5) { scenario tps p95 windowStart }",
    "resources": "resources(first: 3) { pod usage { cpuPercent } actualUsage { cpuMillicores } }",
    "figures": "figures { scenario requests p95 }",
    "all of them": "metrics { tps } resources { pod } figures { requests } events { nodes { version } } loadTest { id }",
}
RUNS = "query ($first: Int!) { loadTestRuns(first: $first) { nodes { number %s } } }"


async def under_way(plog: Plog, test: Mapping[str, Any]) -> None:
    """A run that has measured two windows and goes on."""
    number = (await plog.answer(START, id=test["id"]))["run"]["number"]
    async with plog.container.services.database.transaction() as work:
        (run,) = (await work.load_test_runs.get_many([number], EVERY_PROJECT)).values()
        assert await work.load_test_runs.take_in(run, 2, [MetricWindow(5, "s1"), MetricWindow(10, "s1")], None)
        at: dict[str, Any] = {"sampled_at": run.created_at, "cpu_millicores": 1.0, "memory_bytes": 1, "specs": PodSpecs()}
        await work.resource_usages.add(run.id, [ResourceUsage(start=start, pod="p", **at) for start in (5, 10)])
        for status in (RunStatus.STARTING, RunStatus.RUNNING):
            changed = await work.load_test_runs.change(run, status, "runner")
            assert changed is not None
            run = changed


@BOTH_DATABASES
@pytest.mark.parametrize("name", NODES)
async def test_ten_runs_cost_as_many_statements_as_one(plog: Plog, name: str) -> None:
    test = await created(plog, await analysed(plog), load_test())
    for _ in range(10):
        await under_way(plog, test)
    await plog.ask(RUNS % NODES[name], first=1)  # the second time nothing has to be found out about the database itself
    costs = []
    for first in (1, 10):
        with statements(unseen=("attempt_claim", "runner", "lease", "lot_import", "clock_timestamp")) as seen:
            found = await plog.ask(RUNS % NODES[name], first=first)
        assert len(found["loadTestRuns"]["nodes"]) == first
        costs.append(seen)
    assert len(costs[0]) == len(costs[1]), costs


@pytest.mark.parametrize("limit", [None, 10])
async def test_many_pages_of_windows_take_the_memory_of_some(
    plog: Plog, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    services = plog.container.services
    test = await created(plog, await analysed(plog), load_test())
    number = (await plog.answer(START, id=test["id"]))["run"]["number"]
    times = Histogram()
    for place in range(400):
        times.add(1.02**place)
    async with services.database.transaction() as work:
        (run,) = (await work.load_test_runs.get_many([number], EVERY_PROJECT)).values()
        windows = [MetricWindow(5 * place, "s1", times=times) for place in range(20)]
        assert await work.load_test_runs.take_in(run, 1, windows, None)
    monkeypatch.setattr(load_test_run, "MOST_WINDOWS", 10 * (limit or run.most_windows))
    peaks = []
    for count in (10, 60):
        tracemalloc.start()
        queries = [WindowQuery(run_id=number, after=-each, first=limit) for each in range(1, count + 1)]
        found = await series_of_runs(services, queries)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found) == count
    assert peaks[1] < 2 * peaks[0], peaks

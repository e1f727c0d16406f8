"""What a page of runs costs the database: as many statements for ten runs as for one, with all that they measured."""

from collections.abc import Mapping
from typing import Any

import pytest

from domain.load_test_run import RunStatus
from domain.metric_window import MetricWindow
from domain.resource_usage import PodSpecs, ResourceUsage
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
        (run,) = (await work.load_test_runs.get_many([number])).values()
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
        with statements(unseen=("attempt_claim", "runner", "lease", "clock_timestamp")) as seen:
            found = await plog.ask(RUNS % NODES[name], first=first)
        assert len(found["loadTestRuns"]["nodes"]) == first
        costs.append(seen)
    assert len(costs[0]) == len(costs[1]), costs

"""Trends of targets and projects: one for each load test and scenario, of the newest runs, in a fixed number of statements."""

from typing import Any

import numpy as np
import pytest

from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_comparison import ended
from tests.api.test_load_test import API, UPDATE, analysed, created, load_test, scenario
from tests.api.test_project import create
from tests.statements import statements
from tests.synthetic_runs import windows

TREND = """query ($test: ID, $target: ID, $project: ID, $scenarios: [String!], $filter: LoadTestRunFilter, $first: Int! = 50) {
  loadTestTrend(loadTestId: $test, targetId: $target, projectId: $project, scenarios: $scenarios, filter: $filter, first: $first)
  { loadTestId title scenario number requests } }"""
Trend = tuple[str, str | None, list[int]]


async def trends(plog: Plog, **variables: Any) -> list[Trend]:
    """The title, scenario and numbers of each trend."""
    found = (await plog.ask(TREND, **variables))["loadTestTrend"]
    assert all(len(each["requests"]) == len(each["number"]) for each in found)
    return [(each["title"], each["scenario"], each["number"]) for each in found]


async def measured(plog: Plog, *tests: dict[str, Any]) -> list[int]:
    """The numbers of a run of each of the load tests, one after another."""
    parts = windows(np.random.default_rng(1), 4)
    return [(await ended(plog, each, parts))["number"] for each in tests]


@BOTH_DATABASES
async def test_a_target_and_a_project_have_a_trend_of_each_load_test(plog: Plog) -> None:
    project = await create(plog, "shop")
    target = await analysed(plog, project=project)
    other = await analysed(plog, {**API, "servers": [{"url": "/v2"}]}, project)
    nightly, size, elsewhere = [
        await created(plog, where, load_test(scenario(name=name), title=name))
        for where, name in ((target, "nightly"), (target, "größe"), (other, "elsewhere"))
    ]
    stranger = await created(plog, await analysed(plog, project=await create(plog, "another")), load_test())
    one, two, three, four, _ = await measured(plog, nightly, size, nightly, elsewhere, stranger)
    of_target = [
        ("nightly", None, [one, three]),
        ("nightly", "nightly", [one, three]),
        ("größe", None, [two]),
        ("größe", "größe", [two]),
    ]
    of_other: list[Trend] = [("elsewhere", None, [four]), ("elsewhere", "elsewhere", [four])]
    assert await trends(plog, target=target["id"]) == of_target
    assert await trends(plog, project=project["id"]) == [*of_target, *of_other]
    assert await trends(plog, test=elsewhere["id"]) == of_other
    assert await trends(plog, project=project["id"], first=2, scenarios=["nightly", "elsewhere"]) == [
        ("nightly", "nightly", [three]),
        ("elsewhere", "elsewhere", [four]),
    ]
    assert await trends(plog, project=project["id"], filter={"targetId": other["id"]}) == of_other
    assert await trends(plog, target=target["id"], filter={"loadTestId": size["id"]}) == of_target[2:]
    assert await trends(plog, target=target["id"], filter={"targetId": other["id"]}) == []
    assert await trends(plog, target=target["id"], filter={"targetId": target["id"]}) == of_target
    (overall, _) = (await plog.ask(TREND, test=size["id"]))["loadTestTrend"]
    assert overall["loadTestId"] == size["id"] and overall["requests"][0] > 0
    for nothing in ({"project": target["id"]}, {"target": project["id"]}, {"test": "x"}):
        assert await trends(plog, **nothing) == []


@BOTH_DATABASES
async def test_a_scenario_has_the_runs_that_have_it_and_the_title_of_the_newest_of_all(plog: Plog) -> None:
    test = await created(plog, await analysed(plog), load_test(scenario(name="before")))
    (one,) = await measured(plog, test)
    await plog.answer(UPDATE, id=test["id"], input=load_test(scenario(name="after"), title="weekly"))
    (two,) = await measured(plog, test)
    found = await trends(plog, test=test["id"])
    assert found == [("weekly", None, [one, two]), ("weekly", "before", [one]), ("weekly", "after", [two])]
    assert await trends(plog, test=test["id"], scenarios=["before"]) == [("weekly", "before", [one])]


async def test_a_scenario_that_measured_nothing_is_a_point_without_figures(plog: Plog) -> None:
    test = await created(plog, await analysed(plog), load_test(scenario(name="browse")))
    run = await ended(plog, test, [])
    found = (await plog.ask(TREND, test=test["id"]))["loadTestTrend"]
    assert [(each["scenario"], each["number"], each["requests"]) for each in found] == [
        (name, [run["number"]], [None]) for name in (None, "browse")
    ]


@pytest.mark.parametrize("given", [(), ("test", "target"), ("target", "project"), ("test", "target", "project")])
async def test_exactly_one_id_says_whose_trends(plog: Plog, given: tuple[str, ...]) -> None:
    (error,) = (await plog.post(TREND, dict.fromkeys(given, "x"))).json()["errors"]
    assert error["extensions"]["code"] == "VALIDATION_FAILED"
    assert error["message"] == "loadTestId: must be given, or else targetId or projectId: exactly one of the three"


@BOTH_DATABASES
async def test_the_trends_of_many_load_tests_cost_as_many_statements_as_one(plog: Plog) -> None:
    target = await analysed(plog)
    tests = [await created(plog, target, load_test(title=f"test {number}")) for number in range(4)]
    await measured(plog, *tests, *tests)
    asked = {"test": tests[0]["id"]}, {"target": target["id"]}
    costs = []
    for variables, count in ((asked[0], 2), (asked[0], 2), (asked[1], 8)):  # the first time something is found out
        with statements(unseen=("attempt_claim", "runner", "lease", "lot_import", "clock_timestamp")) as seen:
            found = await trends(plog, **variables)
        assert len(found) == count
        assert not any(", load_test_run.definition," in each or "load_test_run.summary" in each for each in seen), seen
        costs.append(seen)
    assert len(costs[1]) == len(costs[2]) > 0, costs[1:]

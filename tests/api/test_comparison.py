"""Runs held against each other through the API: comparison, trend, and the history by filters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_series import figures_of
from domain.metric_window import MetricWindow
from domain.visibility import EVERY_PROJECT
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_load_test import CONSTANT, analysed, created, load_test, scenario
from tests.api.test_load_test_report import RUNS, START
from tests.synthetic_runs import STEADY, windows

COMPARE = """query ($ids: [ID!]!, $scenarios: [String!], $confidence: Float! = 0.95) {
  loadTestComparison(runIds: $ids, scenarios: $scenarios, confidence: $confidence) { confidence baseline { number }
    runs { run { number } isSameLoad remarks scenarios { scenario windows baselineWindows differences {
      figure unit verdict baseline value difference low high pValue reason } } } } }"""
TREND = """query ($id: ID!, $scenarios: [String!], $filter: LoadTestRunFilter, $first: Int! = 50) {
  loadTestTrend(loadTestId: $id, scenarios: $scenarios, filter: $filter, first: $first) { loadTestId title scenario runId number
    createdAt loadTestVersion status requests tpsMean errorRate mean p50 p95 p99 } }"""
COUNT = 40
SLOW = replace(STEADY, median=70.0, tps=80.0)


async def ended(
    plog: Plog, test: Mapping[str, Any], parts: Sequence[MetricWindow], status: RunStatus = RunStatus.PASSED
) -> dict[str, Any]:
    """A run of the load test that measured that, and has its verdict."""
    made = (await plog.answer(START, id=test["id"]))["run"]
    database = plog.container.services.database
    async with database.transaction() as work:
        number = made["number"]
        queued = (await work.load_test_runs.get_many([number], EVERY_PROJECT))[number]
        assert await work.load_test_runs.take_in(queued, len(parts), parts, None)
        run: LoadTestRun | None = (await work.load_test_runs.get_many([number], EVERY_PROJECT))[number]
        assert run is not None
        for step in (RunStatus.STARTING, RunStatus.RUNNING, status):
            seconds = len({each.start for each in parts}) * run.window_seconds
            figures = figures_of(sorted(parts, key=lambda each: each.start), run.window_seconds, run.names, seconds)
            run = replace(run, figures=tuple(figures) if step is status else ())
            run = await work.load_test_runs.change(run, step, "runner")
            assert run is not None
    return dict(made)


async def two_scenarios(plog: Plog) -> dict[str, Any]:
    constant = {**CONSTANT, "duration": 200}
    parts = [scenario(name=name, executor=constant) for name in ("browse", "größe")]
    return await created(plog, await analysed(plog), load_test(*parts))


@BOTH_DATABASES
async def test_runs_are_compared_overall_and_by_scenario(plog: Plog) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(1)
    browse, size = windows(chance, COUNT), windows(chance, COUNT, key="s2")
    first = await ended(plog, test, browse + size)
    same = await ended(plog, test, browse + size)
    slow = await ended(plog, test, browse + windows(chance, COUNT, SLOW, key="s2"), RunStatus.FAILED)
    found = await plog.answer(COMPARE, ids=[each["id"] for each in (first, same, slow)])
    assert (found["baseline"]["number"], found["confidence"]) == (first["number"], 0.95)
    assert [(each["run"]["number"], each["isSameLoad"], each["remarks"]) for each in found["runs"]] == [
        (same["number"], True, []),
        (slow["number"], True, []),
    ]
    verdicts = {
        each["scenario"]: {one["figure"]: one["verdict"] for one in each["differences"]} for each in found["runs"][1]["scenarios"]
    }
    assert verdicts["größe"]["P50"] == verdicts[None]["P50"] == verdicts["größe"]["TPS"] == "WORSE"
    assert set(verdicts["browse"].values()) == {"NO_DIFFERENCE"}
    tps = found["runs"][1]["scenarios"][2]["differences"][0]
    assert (tps["figure"], tps["unit"], tps["reason"]) == ("TPS", "requests/s", "")
    assert tps["low"] < tps["difference"] == tps["value"] - tps["baseline"] < tps["high"] < 0 < tps["pValue"] < 0.05
    only = await plog.answer(COMPARE, ids=[slow["id"], first["id"]], scenarios=["größe"], confidence=0.99)
    (part,) = only["runs"][0]["scenarios"]
    assert (part["scenario"], part["windows"], part["baselineWindows"]) == ("größe", COUNT - 2, COUNT - 2)
    assert part["differences"][2]["verdict"] == "BETTER"


async def test_what_can_not_be_compared_is_refused(plog: Plog) -> None:
    test = await two_scenarios(plog)
    run = await ended(plog, test, windows(np.random.default_rng(1), 4))
    other = await ended(plog, test, [])
    open_run = (await plog.answer(START, id=test["id"]))["run"]
    assert await plog.codes(COMPARE, ids=[run["id"]]) == ["VALIDATION_FAILED"]
    assert await plog.codes(COMPARE, ids=[run["id"]] * 2) == ["VALIDATION_FAILED"]
    assert await plog.codes(COMPARE, ids=[run["id"], other["id"]] * 11) == ["VALIDATION_FAILED"]
    assert await plog.codes(COMPARE, ids=[run["id"], other["id"]], confidence=1.0) == ["VALIDATION_FAILED"]
    assert await plog.codes(COMPARE, ids=[run["id"], open_run["id"]]) == ["ILLEGAL_TRANSITION"]
    assert await plog.codes(COMPARE, ids=[run["id"], test["id"]]) == ["NOT_FOUND"]
    differences = (await plog.answer(COMPARE, ids=[run["id"], other["id"]]))["runs"][0]["scenarios"][0]["differences"]
    assert {(each["verdict"], each["value"], each["reason"]) for each in differences} == {
        ("UNKNOWN", None, "0 windows besides the first and the last can be compared; at least 8 are needed.")
    }


@BOTH_DATABASES
async def test_figures_over_time_are_columns(plog: Plog) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(1)
    runs = [await ended(plog, test, windows(chance, 9)), await ended(plog, test, windows(chance, 9, key="s2"), RunStatus.FAILED)]
    await plog.answer(START, id=test["id"])
    overall, browse, size = (await plog.ask(TREND, id=test["id"]))["loadTestTrend"]
    assert (overall["scenario"], browse["scenario"], size["scenario"]) == (None, "browse", "größe")
    assert overall["number"] == [each["number"] for each in runs] and overall["runId"] == [each["id"] for each in runs]
    assert overall["status"] == ["PASSED", "FAILED"] and overall["loadTestVersion"] == [1, 1]
    assert browse["requests"][0] == overall["requests"][0] > 0 == browse["requests"][1] and browse["p95"][1] is None
    assert overall["tpsMean"][0] == pytest.approx(100, rel=0.2) and overall["p50"][0] < overall["p95"][0] < overall["p99"][0]

    async def numbers(**variables: Any) -> list[list[int]]:
        return [each["number"] for each in (await plog.ask(TREND, id=test["id"], **variables))["loadTestTrend"]]

    assert await numbers(first=1, scenarios=["browse"]) == [[runs[1]["number"]]]
    assert await numbers(filter={"statuses": ["PASSED", "QUEUED"]}, scenarios=["größe"]) == [[runs[0]["number"]]]
    assert {(each["loadTestId"], each["title"]) for each in (overall, browse, size)} == {(test["id"], "nightly")}
    assert await numbers(filter={"statuses": ["QUEUED"]}) == [], "what has not ended has no final figures"
    assert (await plog.ask(TREND, id=runs[0]["id"]))["loadTestTrend"] == []


@BOTH_DATABASES
async def test_history_is_filtered_by_scenario_person_and_time(plog: Plog) -> None:
    target = await analysed(plog)
    tests = [await created(plog, target, load_test(scenario(name=name), title=name)) for name in ("browse", 'größe "1"')]
    runs = [
        (await plog.answer(START, plog.signed_in(user), id=test["id"]))["run"]
        for test, user in zip(tests, ("ada", "bela"), strict=True)
    ]

    async def numbers(**filters: Any) -> list[int]:
        page = await plog.answer(RUNS, filter=filters)
        assert page["totalCount"] == len(page["nodes"])
        return [each["number"] for each in page["nodes"]]

    one, two = (run["number"] for run in runs)
    assert await numbers(scenario='größe "1"') == [two] and await numbers(scenario="browse") == [one]
    assert await numbers(scenario="brow") == [] and await numbers(actor="demo:bela") == [two]
    now = datetime.now(UTC)
    assert await numbers(createdFrom=now.isoformat()) == [] and await numbers(createdTo=now.isoformat()) == [two, one]
    assert await numbers(createdFrom=now.replace(year=2020).isoformat(), scenario="browse") == [one]
    assert await plog.codes(RUNS, filter={"scenario": "x\u0000"}) == ["VALIDATION_FAILED"]

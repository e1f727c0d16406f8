"""Analyses of runs through the API: made once, kept as they were, found again in lists."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from domain.resource_usage import PodSpecs, ResourceUsage
from persistence.load_test_tables import load_test_analysis
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_comparison import COUNT, SLOW, ended, two_scenarios
from tests.api.test_load_test_report import START
from tests.synthetic_runs import STEADY, windows

PARTS = """id number kind model seconds confidence score remarks actor createdAt run { number } baselineRun { number }
  findings { number kind scenario figure value unit baseline low high start end confidence isProblem sentence }"""
ANALYZE = f"""mutation ($kind: LoadTestAnalysisKind!, $run: ID!, $baseline: ID, $key: String) {{
  loadTestAnalyze(kind: $kind, runId: $run, baselineRunId: $baseline, idempotencyKey: $key) {{
    __typename ... on LoadTestAnalysisPayload {{ analysis {{ {PARTS} }} }} {ERROR} }} }}"""
READ = f"query ($id: ID!) {{ loadTestAnalysis(id: $id) {{ {PARTS} }} }}"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ id ... on LoadTestAnalysis {{ {PARTS} }} }} }}"
LIST = """query ($filter: LoadTestAnalysisFilter, $order: LoadTestAnalysisOrder! = NUMBER, $descending: Boolean! = true,
  $first: Int! = 50, $after: String) { loadTestAnalyses(filter: $filter, orderBy: $order, descending: $descending,
  first: $first, after: $after) { totalCount nodes { number } pageInfo { hasNextPage endCursor } } }"""


async def analyzed(plog: Plog, kind: str, run: dict[str, Any], baseline: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await plog.answer(ANALYZE, kind=kind, run=run["id"], baseline=baseline and baseline["id"])
    assert answer["__typename"] == "LoadTestAnalysisPayload", answer
    return dict(answer["analysis"])


@BOTH_DATABASES
async def test_an_analysis_is_kept_as_it_was_made(plog: Plog) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(2)
    first = await ended(plog, test, windows(chance, COUNT) + windows(chance, COUNT, key="s2"))
    slow = await ended(plog, test, windows(chance, COUNT) + windows(chance, COUNT, SLOW, key="s2"))
    made = await analyzed(plog, "COMPARISON", slow, first)
    assert (made["kind"], made["model"], made["actor"], made["remarks"]) == ("COMPARISON", None, "demo:ada", [])
    assert (made["run"]["number"], made["baselineRun"]["number"]) == (slow["number"], first["number"])
    assert 0 <= made["score"] < 5 and made["confidence"] > 0.95 and made["seconds"] > 0
    tps = next(each for each in made["findings"] if each["scenario"] == "größe" and each["figure"] == "TPS")
    assert (tps["kind"], tps["isProblem"], tps["unit"]) == ("REGRESSION", True, "requests/s")
    assert tps["low"] < tps["value"] - tps["baseline"] < tps["high"] < 0 and tps["start"] < tps["end"]
    assert [each["number"] for each in made["findings"]] == list(range(1, len(made["findings"]) + 1))
    assert await plog.answer(READ, id=made["id"]) == made == await plog.answer(NODE, id=made["id"])
    for change in (delete(load_test_analysis), update(load_test_analysis).values(score=1.0)):
        with pytest.raises(DBAPIError):
            async with plog.container.services.database.transaction() as work:
                await work.connection.execute(change)  # type: ignore[attr-defined]


@BOTH_DATABASES
async def test_a_repeat_with_its_key_is_the_same_analysis(plog: Plog) -> None:
    test = await two_scenarios(plog)
    run = await ended(plog, test, windows(np.random.default_rng(3), COUNT))
    first = await plog.answer(ANALYZE, kind="ERROR_RATE", run=run["id"], key="k")
    assert await plog.answer(ANALYZE, kind="ERROR_RATE", run=run["id"], key="k") == first
    assert (await plog.answer(LIST))["totalCount"] == 1
    assert (await plog.answer(ANALYZE, kind="RESPONSE_TIME", run=run["id"], key="k"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await plog.answer(ANALYZE, kind="ERROR_RATE", run=run["id"]))["analysis"]["id"] != first["analysis"]["id"]


async def test_what_can_not_be_analysed_is_refused_and_nothing_kept(plog: Plog) -> None:
    test = await two_scenarios(plog)
    short = await ended(plog, test, windows(np.random.default_rng(4), 3))
    open_run = (await plog.answer(START, id=test["id"]))["run"]

    async def refused(kind: str, run: dict[str, Any], baseline: dict[str, Any] | None = None) -> tuple[str, str]:
        answer = await plog.answer(ANALYZE, kind=kind, run=run["id"], baseline=baseline and baseline["id"])
        problems = answer.get("problems") or [{"field": ""}]
        return answer["code"], problems[0]["field"]

    assert await refused("TPS", open_run) == ("ILLEGAL_TRANSITION", "")
    assert await refused("COMPARISON", short, open_run) == ("ILLEGAL_TRANSITION", "")
    assert await refused("COMPARISON", short) == ("VALIDATION_FAILED", "baselineRunId")
    assert await refused("COMPARISON", short, short) == ("VALIDATION_FAILED", "baselineRunId")
    assert await refused("COMPREHENSIVE", short) == ("VALIDATION_FAILED", "runId")
    assert await refused("RESOURCE_USAGE", short) == ("VALIDATION_FAILED", "runId")
    assert await refused("TPS", test) == ("NOT_FOUND", "")
    answer = await plog.answer(ANALYZE, kind="TPS", run=short["id"])
    assert "12 windows under loads that differ" in answer["message"]
    assert (await plog.answer(LIST))["totalCount"] == 0


@BOTH_DATABASES
async def test_the_resource_nearest_its_limit_is_found_among_those_measured(plog: Plog) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(6)
    run = await ended(plog, test, windows(chance, COUNT))
    specs = PodSpecs(cpu_limit=2000, memory_limit=200_000_000)
    usages = [
        ResourceUsage(
            start=5 * number,
            pod="api",
            sampled_at=datetime.now(UTC),
            cpu_millicores=None if number == 0 else float(chance.normal(500, 20)),
            memory_bytes=int(chance.normal(180e6, 1e6)),
            specs=specs,
        )
        for number in range(COUNT)
    ]
    async with plog.container.services.database.transaction() as work:
        await work.resource_usages.add(run["number"], usages)
    made = await analyzed(plog, "RESOURCE_USAGE", run)
    nearest, *limits = made["findings"]
    assert nearest["kind"] == "RESOURCE_NEAREST_LIMIT" and nearest["isProblem"] and nearest["baseline"] == 200
    assert nearest["sentence"].startswith("memory of api came nearest to its limit") and 180 < nearest["value"] < 185
    assert [(each["kind"], each["figure"]) for each in limits] == [
        ("RESOURCE_LIMIT", "limit of CPU of api"),
        ("RESOURCE_LIMIT", "limit of memory of api"),
    ]
    assert 600 < limits[0]["value"] < 800 and 220 < limits[1]["value"] < 240 and made["confidence"] > 0.5
    assert "not measured" not in " ".join((await analyzed(plog, "COMPREHENSIVE", run))["remarks"])


@BOTH_DATABASES
async def test_analyses_are_filtered_sorted_and_paged(plog: Plog) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(5)
    clean = await ended(plog, test, windows(chance, COUNT, replace(STEADY, error_rate=0.001)))
    bad = await ended(plog, test, windows(chance, COUNT, replace(STEADY, error_rate=0.2)))
    made = [await analyzed(plog, "ERROR_RATE", run) for run in (clean, bad, clean)]
    made.append(await analyzed(plog, "RESPONSE_TIME", bad, clean))
    one, two, three, four = (each["number"] for each in made)

    async def numbers(first: int = 50, **variables: Any) -> list[int]:
        found: list[int] = []
        after = None
        while True:
            page = await plog.answer(LIST, first=first, after=after, **variables)
            found += [each["number"] for each in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                assert page["totalCount"] == len(found)
                return found
            after = page["pageInfo"]["endCursor"]

    assert await numbers() == [four, three, two, one] == await numbers(1)
    assert await numbers(1, descending=False) == [one, two, three, four]
    scores = {each["number"]: each["score"] for each in made}
    for order in ("SCORE", "CONFIDENCE"):
        by = {each["number"]: each[order.lower()] for each in made}
        assert await numbers(1, order=order) == sorted(by, key=lambda number: (by[number], number), reverse=True)
        assert await numbers(3, order=order, descending=False) == sorted(by, key=lambda number: (by[number], number))
    assert scores[one] == scores[three] > scores[two]
    assert await numbers(filter={"runId": clean["id"]}) == [three, one]
    assert await numbers(filter={"kinds": ["RESPONSE_TIME"], "baselineRunId": clean["id"]}) == [four]
    assert await numbers(filter={"projectId": test["project"]["id"], "loadTestId": test["id"]}) == [four, three, two, one]
    assert await numbers(filter={"projectId": test["id"]}) == [] == await numbers(filter={"runId": test["id"]})
    cursor = (await plog.answer(LIST, first=1))["pageInfo"]["endCursor"]
    assert await plog.codes(LIST, after=cursor, order="SCORE") == ["VALIDATION_FAILED"]

"""What a run says was tested: given at its start, shown where the run is named, found by filters."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app.comparison_view import show_comparison
from app.load_test_view import WatchedRun
from domain.errors import ValidationFailed
from domain.load_test_run import RunStatus, checked_label
from domain.run_report import run_report
from domain.visibility import EVERY_PROJECT
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_comparison import TREND, ended
from tests.api.test_load_test import API, analysed, created, load_test
from tests.api.test_load_test_commands import command
from tests.sites import serving
from tests.synthetic_runs import load_test_run

RUN = "run { id number label title }"
START = f"""mutation ($id: ID!, $label: String, $key: String) {{ loadTestStart(id: $id, label: $label, idempotencyKey: $key) {{
  __typename ... on LoadTestRunPayload {{ {RUN} }} {ERROR} }} }}"""
QUICK_START = f"""mutation ($url: String!, $label: String, $key: String) {{
  loadTestQuickStart(url: $url, label: $label, idempotencyKey: $key) {{
    __typename ... on LoadTestRunPayload {{ {RUN} }} {ERROR} }} }}"""
RUNS = "query ($filter: LoadTestRunFilter) { loadTestRuns(filter: $filter) { totalCount nodes { number label } } }"
VERSION = "größe 2.4.1 (0f3c9ab)"
REFUSED = "must be one line of 1 to 200 printable characters, not only blanks"
WRONG = ("", "  ", "x" * 201, "a\nb", "a\n", "a\u2028b", "a\x00b")


@BOTH_DATABASES
async def test_a_run_is_found_by_what_it_says_was_tested(plog: Plog) -> None:
    test = await created(plog, await analysed(plog), load_test())
    labels = (VERSION, "x" * 200, None, VERSION)
    started = [(await plog.answer(START, id=test["id"], label=label))["run"] for label in labels]
    assert [each["label"] for each in started] == list(labels)

    async def numbers(**filters: Any) -> list[int]:
        page = await plog.answer(RUNS, filter=filters)
        assert page["totalCount"] == len(page["nodes"]) and {each["label"] for each in page["nodes"]} <= {*labels}
        return [each["number"] for each in page["nodes"]]

    assert await numbers(label=VERSION) == [4, 1] and await numbers(label="x" * 200) == [2]
    assert await numbers(label=VERSION.upper()) == await numbers(label="größe") == await numbers(label="") == []
    assert await numbers(label=VERSION, targetId=test["target"]["id"]) == [4, 1] and await numbers() == [4, 3, 2, 1]
    (error,) = (await plog.post(RUNS, {"filter": {"label": "a\x00"}})).json()["errors"]
    assert error["extensions"]["code"] == "VALIDATION_FAILED" and error["message"].startswith("filter.label: ")


@BOTH_DATABASES
async def test_a_trend_has_the_labels_of_its_runs(plog: Plog) -> None:
    test = await created(plog, await analysed(plog), load_test())
    await ended(plog, test, [])
    number = (await plog.answer(START, id=test["id"], label=VERSION))["run"]["number"]
    async with plog.container.services.database.transaction() as work:
        run = (await work.load_test_runs.get_many([number], EVERY_PROJECT))[number]
        assert await work.load_test_runs.change(run, RunStatus.ABORTED, "ada") is not None
    query = TREND.replace("loadTestId title", "label loadTestId title")
    overall = (await plog.ask(query, id=test["id"]))["loadTestTrend"][0]
    assert overall["label"] == [None, VERSION]
    (only, _) = (await plog.ask(query, id=test["id"], filter={"label": VERSION}))["loadTestTrend"]
    assert (only["label"], only["number"]) == ([VERSION], [number])


async def test_what_is_no_label_is_refused(plog: Plog) -> None:
    test = await created(plog, await analysed(plog), load_test())
    with serving({"/openapi.json": json.dumps(API)}) as site:
        for label in WRONG:
            for answer in (
                await plog.answer(START, id=test["id"], label=label),
                await plog.answer(QUICK_START, url=site.address, label=label),
            ):
                assert (answer["code"], answer["problems"]) == (
                    "VALIDATION_FAILED",
                    [{"field": "label", "message": REFUSED}],
                ), (label, answer)
    assert (await plog.answer(RUNS))["nodes"] == []


@BOTH_DATABASES
async def test_a_key_belongs_to_one_label(plog: Plog) -> None:
    test = await created(plog, await analysed(plog), load_test())
    with serving({"/openapi.json": json.dumps(API)}) as site:
        for key, query, asked in (("a", START, {"id": test["id"]}), ("b", QUICK_START, {"url": site.address})):
            first = await plog.answer(query, **asked, label=VERSION, key=key)
            assert await plog.answer(query, **asked, label=VERSION, key=key) == first
            assert first["run"]["label"] == VERSION
            for other in (None, "another"):
                assert (await plog.answer(query, **asked, label=other, key=key))["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_run_is_labelled_from_the_terminal(plog: Plog, tmp_path: Path) -> None:
    test = await created(plog, await analysed(plog), load_test())
    done = await command(plog, tmp_path, "start", str(test["number"]), "--label", VERSION, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["label"] == VERSION, done
    refused = await command(plog, tmp_path, "start", str(test["number"]), "--label", " ")
    assert refused.returncode == 2 and f"label: {REFUSED}" in " ".join(refused.stderr.split()), refused


@pytest.mark.parametrize("label", [*WRONG, "a\ud800", "a\x9b2J", "a\u202eb", "\u200b", "a\tb"])
def test_a_label_is_a_line_that_can_be_stored(label: str) -> None:
    with pytest.raises(ValidationFailed, match="must be one line"):
        checked_label(label)


def test_what_is_told_of_a_run_names_it_by_its_label() -> None:
    run = load_test_run(label=VERSION)
    assert run_report(run, [], [], None).title == f"Run 1 · t · {VERSION}"
    shown = {"number": 1, "title": "t", "label": "a\x1bb", "status": "PASSED", "message": "", "placeInQueue": None}
    lines = WatchedRun().take({"run": shown, "series": [], "pods": []}).lines
    assert lines["run"] == "Run 1 · t · a\N{REPLACEMENT CHARACTER}b · PASSED"
    said_on = StringIO()
    runs = [{"run": {**shown, "number": 2, "label": None}, "remarks": [], "scenarios": []}]
    show_comparison(Console(file=said_on, width=100), {"baseline": shown, "confidence": 0.99, "runs": runs})
    assert "Run 2 · t · PASSED against Run 1 · t · a\N{REPLACEMENT CHARACTER}b · PASSED\n" in said_on.getvalue()

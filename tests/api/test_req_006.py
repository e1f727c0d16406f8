"""REQ-006: once models are assigned to lots, a daily batch stores results; with models in processes of their own."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from domain.artifact import model_location
from domain.kit import ProductLine
from domain.model_assignment import AssignmentOrder, LotRule
from tests.api.batch import (
    RUNS,
    START,
    a_model_of_numbers,
    assigned,
    counts,
    ended,
    predicted,
    ran,
    results_of,
    some_lots,
    started,
)
from tests.api.in_process import BOTH_DATABASES, Plog, serving
from tests.api.lots import added
from tests.api.models import copy, trained
from tests.waiting import eventually

pytestmark = BOTH_DATABASES
NODE = "query ($id: ID!) { node(id: $id) { id } }"
RESULTS_OF_ROWS = """{ lotRows(descending: false) { nodes { lotId
  results(first: 2) { nodes { outputs { value } dailyBatchRunId } } } } }"""


async def test_req_006_1_a_run_that_is_triggered_stores_results(plog: Plog) -> None:
    rows, model = await some_lots(plog), await a_model_of_numbers(plog)
    await assigned(plog, model, rule={"product": "SoC-7"})
    first = await started(plog)
    assert (first["status"], first["actor"], first["day"], first["isDryRun"]) == ("QUEUED", "demo:ada", None, False)
    run = await ended(plog, first)
    assert (run["status"], run["percent"], run["message"]) == ("SUCCEEDED", 100, "")
    assert counts(run) == {"considered": 4, "stored": 4} and run["seconds"] > 0 and not run["viewerCanCancel"]["isAllowed"]
    (part,) = run["parts"]
    assert (part["status"], part["modelVersionId"]) == ("SUCCEEDED", model["activeVersion"]["id"]) and counts(part) == counts(run)
    results = await results_of(plog)
    assert [each["lotRowId"] for each in results] == [row["id"] for row in rows]
    assert {each["dailyBatchRunId"] for each in results} == {run["id"]}
    of_rows = (await plog.answer(RESULTS_OF_ROWS))["nodes"]
    assert [each["results"]["nodes"][0]["outputs"][0]["value"] for each in of_rows] == [
        each["outputs"][0]["value"] for each in results
    ]
    for each in (run, results[0]):
        assert (await plog.answer(NODE, id=each["id"]))["id"] == each["id"]


async def test_req_006_2_a_failure_is_on_record_what_was_stored_stays_and_a_rerun_finishes(plog: Plog, tmp_path: Path) -> None:
    """Of three models, the one in the middle can't be asked: what the others stored in that very run stays."""
    rows = await some_lots(plog)
    models = [await a_model_of_numbers(plog, "first"), await a_model_of_numbers(plog, "broken", alpha=2.0)]
    models.append((await copy(plog, models[0], "last"))["setUpModel"])
    for model in models:
        await assigned(plog, model, rule={"product": "SoC-7"})
    file = tmp_path / "plog" / "artifacts" / model_location(hashlib.sha256(trained(2.0)).hexdigest())
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    run = await ran(plog)
    assert run["status"] == "FAILED" and f"could not be asked: {models[1]['number']}." in run["message"]
    parts = {part["model"]["name"]: part for part in run["parts"]}
    ends = {"first": ("SUCCEEDED", 4), "broken": ("FAILED", 0), "last": ("SUCCEEDED", 4)}
    assert {name: (part["status"], part["stored"]) for name, part in parts.items()} == ends
    assert "checksum" in parts["broken"]["message"]
    assert (await plog.answer(RUNS, filter={"status": ["FAILED"]}))["nodes"][0]["id"] == run["id"]
    kept = await results_of(plog)
    assert sorted((each["lotRowId"], each["modelVersionId"]) for each in kept) == of_each(rows, [models[0], models[2]])
    file.write_bytes(content)
    again = await ran(plog)
    assert again["status"] == "SUCCEEDED" and counts(again) == {"considered": 12, "stored": 4, "skipped": 8}
    results = await results_of(plog)
    assert [each for each in results if each["dailyBatchRunId"] == run["id"]] == kept
    assert sorted((each["lotRowId"], each["modelVersionId"]) for each in results) == of_each(rows, models)


def of_each(rows: list[dict[str, Any]], models: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each row with the version in use of each model, in order."""
    return sorted((row["id"], model["activeVersion"]["id"]) for row in rows for model in models)


async def test_req_006_3_the_results_are_exactly_what_the_model_predicts(plog: Plog) -> None:
    rows, model = await some_lots(plog, 6), await a_model_of_numbers(plog)
    far = await added(plog, "FAR", attributes={"w": 0.5, "l": 1.5, "c": 1})
    await added(plog, "BAD", attributes={"w": 0.5})
    await assigned(plog, model, rule={"step": "ETCH-30"})
    run = await ran(plog)
    assert run["status"] == "SUCCEEDED" and counts(run) == {"considered": 8, "stored": 7, "refused": 1, "flagged": 1}
    results = await results_of(plog)
    assert [each["outputs"] for each in results] == [predicted(row) for row in (*rows, far)]
    (flagged,) = await results_of(plog, isOutOfRange=True)
    assert flagged["lotRow"]["lotId"] == "FAR"
    assert flagged["outOfRange"] == [{"feature": "l", "number": 1.5, "text": None, "low": 0.0, "high": 1.0}]
    (refusal,) = run["refusals"]["nodes"]
    assert (refusal["lotRow"]["lotId"], refusal["reason"]) == ("BAD", "the row has no l, c")


@asynccontextmanager
async def two_servers(plog_settings: dict[str, Any], home: Path) -> AsyncIterator[tuple[Plog, Plog]]:
    """Two servers with one database and one store of files, each with loops of its own."""
    shared = {"database": {"url": f"sqlite+aiosqlite:///{home / 'shared.db'}"}, "artifacts": {"url": str(home / "artifacts")}}
    async with serving(home / "one", shared | plog_settings) as one, serving(home / "other", shared | plog_settings) as other:
        yield one, other


async def test_req_006_4_what_runs_twice_stores_nothing_twice_and_the_second_says_so(
    plog_settings: dict[str, Any], tmp_path: Path
) -> None:
    """On two servers at the same moment as well."""
    async with two_servers(plog_settings, tmp_path) as servers:
        plog, other = servers
        await some_lots(plog)
        await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
        answers = await asyncio.gather(*(server.answer(START, line="LOGIC") for server in servers * 2))
        (run,) = [each["dailyBatchRun"] for each in answers if each["__typename"] == "DailyBatchRunPayload"]
        others = [each for each in answers if each["__typename"] == "AlreadyRunning"]
        assert [each["dailyBatchRunId"] for each in others] == [run["id"]] * 3 and others[0]["code"] == "ALREADY_RUNNING"
        assert counts(await ended(other, run)) == {"considered": 4, "stored": 4}
        again = await ran(other)
        assert again["status"] == "SUCCEEDED" and counts(again) == {"considered": 4, "skipped": 4}
        assert len(await results_of(plog)) == 4


async def test_req_006_5_when_its_time_of_day_comes_it_runs_and_catches_up_after_downtime(
    plog_settings: dict[str, Any], tmp_path: Path
) -> None:
    """By the loop of a server whose settings say when: the time was a minute ago, and a model was assigned three days ago."""
    due = (datetime.now(ZoneInfo("Asia/Seoul")) - timedelta(minutes=1)).replace(second=0, microsecond=0)
    when = {"daily_batch_time": f"{due:%H:%M}", "daily_batch_zone": "Asia/Seoul", "daily_batch_catch_up_days": 1}
    async with serving(tmp_path / "plog", {**plog_settings, "scheduler": when}) as plog:
        await some_lots(plog)
        model = await a_model_of_numbers(plog)
        order = AssignmentOrder(model_id=model["number"], rule=LotRule(product="SoC-7"))
        async with plog.container.services.database.transaction() as work:
            at = await work.kits.now() - timedelta(days=3)
            await work.model_assignments.add(order, ProductLine.LOGIC, "demo:ada", "Ada", at)

        async def have_run() -> list[dict[str, Any]] | None:
            runs = list((await plog.answer(RUNS, filter={"isScheduled": True}))["nodes"])
            return runs if len(runs) > 1 and all(run["endedAt"] for run in runs) else None

        runs = await eventually(have_run, deadline=60, every=0.1) or []
        assert len(runs) == 2
        latest, missed = runs
        for run, moment in ((missed, due - timedelta(days=1)), (latest, due)):
            assert (run["status"], run["actor"], run["day"]) == ("SUCCEEDED", None, moment.date().isoformat())
            assert datetime.fromisoformat(run["dueAt"]) == moment
        assert (counts(missed), counts(latest)) == ({"considered": 4, "stored": 4}, {"considered": 4, "skipped": 4})
        await plog.container.daily_batch.look()
        assert (await plog.answer(RUNS))["totalCount"] == 2, "a day has one run"

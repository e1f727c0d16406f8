"""REQ-006: once models are assigned to lots, a daily batch stores results; with models in processes of their own."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from controllers.daily_batch_clock import queue_due_runs
from domain.daily_batch_schedule import DailyBatchSchedule
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
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.lots import added

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
    rows, sound = await some_lots(plog), await a_model_of_numbers(plog, "sound")
    await assigned(plog, sound, lotRowId=rows[0]["id"])
    assert counts(await ran(plog)) == {"considered": 1, "stored": 1}
    await assigned(plog, sound, rule={"product": "SoC-7"})
    (file,) = (path for path in (tmp_path / "plog" / "artifacts").rglob("*") if path.is_file() and "model" in str(path.parent))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    run = await ran(plog)
    assert run["status"] == "FAILED" and "could not be asked" in run["message"]
    (part,) = run["parts"]
    assert part["status"] == "FAILED" and "checksum" in part["message"]
    assert (await plog.answer(RUNS, filter={"status": ["FAILED"]}))["nodes"][0]["id"] == run["id"]
    assert [each["lotRowId"] for each in await results_of(plog)] == [rows[0]["id"]]
    file.write_bytes(content)
    again = await ran(plog)
    assert again["status"] == "SUCCEEDED" and counts(again) == {"considered": 4, "stored": 3, "skipped": 1}
    assert len(await results_of(plog)) == 4


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


async def test_req_006_4_what_runs_twice_stores_nothing_twice_and_the_second_says_so(plog: Plog) -> None:
    await some_lots(plog)
    await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
    answers = await asyncio.gather(*(plog.answer(START, line="LOGIC") for _ in range(4)))
    (run,) = [each["dailyBatchRun"] for each in answers if each["__typename"] == "DailyBatchRunPayload"]
    others = [each for each in answers if each["__typename"] == "AlreadyRunning"]
    assert [each["dailyBatchRunId"] for each in others] == [run["id"]] * 3 and others[0]["code"] == "ALREADY_RUNNING"
    assert counts(await ended(plog, run)) == {"considered": 4, "stored": 4}
    again = await ran(plog)
    assert again["status"] == "SUCCEEDED" and counts(again) == {"considered": 4, "skipped": 4}
    assert len(await results_of(plog)) == 4


async def test_req_006_5_when_its_time_of_day_comes_it_runs_and_catches_up_after_downtime(plog: Plog) -> None:
    await some_lots(plog)
    await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
    schedule = DailyBatchSchedule(time(2, 0), ZoneInfo("Asia/Seoul"), 1)
    services, later = plog.container.services, datetime.now(UTC) + timedelta(days=5)
    days = []
    for _ in range(2):
        (queued,) = await queue_due_runs(services, schedule, later)
        (run,) = (await plog.answer(RUNS, filter={"isScheduled": True}, first=1))["nodes"]
        found = await ended(plog, run)
        assert (found["status"], found["actor"], found["number"]) == ("SUCCEEDED", None, queued.id)
        assert found["dueAt"] == found["dueAt"][:10] + "T17:00:00+00:00"  # two o'clock in Seoul
        days.append(found["day"])
    assert await queue_due_runs(services, schedule, later) == []
    assert days == sorted(days) and len(set(days)) == 2 and len(await results_of(plog)) == 4

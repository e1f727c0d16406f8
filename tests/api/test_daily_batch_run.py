"""Runs of the daily batch as a person meets them: dry runs, watching, cancelling, lists, and what exists for whom."""

from datetime import UTC, datetime
from typing import Any

import pytest

from controllers import background_worker, daily_batch_runner
from domain.daily_batch_run import DailyBatchRun
from domain.kit import ProductLine
from tests.api.batch import (
    ASSIGN,
    CANCEL,
    COUNTS,
    ONE,
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
from tests.api.permissions import granted, revoke
from tests.api.test_kit_subscription import watching
from tests.waiting import eventually

pytestmark = [BOTH_DATABASES, pytest.mark.usefixtures("models_here")]
WATCH = f"""subscription ($id: ID!) {{ dailyBatchRun(id: $id) {{ fromVersion toVersion isSnapshot
  dailyBatchRun {{ status percent {COUNTS} }} }} }}"""
WATCH_LIST = """subscription { dailyBatchRuns(first: 5) { order changed { toVersion dailyBatchRun { id status } } } }"""
AUDIT = """query { auditEntries(filter: {actions: [DAILY_BATCH_CANCELLED]}) {
  nodes { action person actor actorName recordedAt dailyBatchRunId modelId kind } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"


async def test_a_dry_run_shows_what_would_change(plog: Plog) -> None:
    rows = await some_lots(plog)
    await added(plog, "BAD", attributes={})
    await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
    run = await ran(plog, dry=True)
    assert run["isDryRun"] and counts(run) == {"considered": 5, "stored": 4, "refused": 1}
    assert [(each["lotRowId"], each["outputs"]) for each in run["preview"]] == [(row["id"], predicted(row)) for row in rows]
    assert await results_of(plog) == [] and [each["lotRow"]["lotId"] for each in run["refusals"]["nodes"]] == ["BAD"]
    for is_dry, found in ((True, [run["id"]]), (False, [])):
        listed = (await plog.answer(RUNS, filter={"isDryRun": is_dry}))["nodes"]
        assert [each["id"] for each in listed] == found


async def test_a_dry_run_shows_the_first_hundred(plog: Plog) -> None:
    rows = sorted(await some_lots(plog, 103), key=lambda row: row["number"])
    await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
    run = await ran(plog, dry=True)
    assert run["stored"] == len(rows)
    assert [each["lotRowId"] for each in run["preview"]] == [row["id"] for row in rows[:100]]


async def test_a_run_is_watched_as_it_goes_on_and_so_is_the_list(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 1)
    await some_lots(plog, 8)
    await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
    async with watching(plog, WATCH_LIST) as lists:
        assert (await lists.next()) == {"order": [], "changed": []}
        run = await started(plog)
        async with watching(plog, WATCH, id=run["id"]) as frames:
            seen: list[dict[str, Any]] = []
            while not seen or seen[-1]["dailyBatchRun"]["status"] != "SUCCEEDED":
                seen.append(await frames.next())
        assert seen[0]["isSnapshot"] and [each["toVersion"] for each in seen] == sorted({each["toVersion"] for each in seen})
        percents = [each["dailyBatchRun"]["percent"] for each in seen]
        assert percents == sorted(percents) and percents[-1] == 100 and counts(seen[-1]["dailyBatchRun"])["stored"] == 8
        last = ""
        while last != "SUCCEEDED":
            for each in (await lists.next())["changed"]:
                last = each["dailyBatchRun"]["status"]


async def test_a_run_is_cancelled_by_who_has_started_it_or_a_set_up_user(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 1)
    grant = await granted(plog, "LOGIC_GENERAL")
    dana = plog.signed_in("dana")
    await some_lots(plog, 200)
    await assigned(plog, await a_model_of_numbers(plog), rule={"product": "SoC-7"})
    run = await started(plog)
    denied = await plog.answer(CANCEL, dana, id=run["id"])
    assert (denied["__typename"], denied["openedBy"]) == ("PermissionDenied", ["LOGIC_MODEL_SET_UP"])
    assert (await plog.answer(ONE, dana, id=run["id"]))["viewerCanCancel"]["isAllowed"] is False

    async def has_stored() -> bool:
        return bool((await plog.answer(ONE, id=run["id"]))["stored"])

    await eventually(has_stored, deadline=60)
    assert run["cancelledBy"] is run["cancelRequestedAt"] is None
    bela = plog.signed_in("bela")
    assert (await plog.answer(CANCEL, bela, id=run["id"], key="k"))["dailyBatchRun"]["isCancelRequested"]
    await plog.answer(CANCEL, id=run["id"])
    found = await ended(plog, run)
    assert (found["cancelledBy"], found["cancelledByName"]) == ("demo:bela", "Bela (DRAM engineer)")
    for each in (None, bela):
        (entry,) = (await plog.answer(AUDIT, each))["nodes"]
        assert (entry["person"], entry["actor"], entry["actorName"]) == ("demo:ada", "demo:bela", "Bela (DRAM engineer)")
        assert (entry["dailyBatchRunId"], entry["recordedAt"]) == (run["id"], found["cancelRequestedAt"])
    assert (await plog.answer(AUDIT, dana))["nodes"] == []
    assert found["status"] == "CANCELLED" and 0 < found["stored"] < found["considered"] == 200
    assert (await plog.answer(CANCEL, bela, id=run["id"], key="k"))["__typename"] == "DailyBatchRunPayload"
    assert (await plog.answer(CANCEL, id=run["id"]))["__typename"] == "IllegalTransition"
    await revoke(plog, grant)


async def test_what_lies_in_other_product_lines_does_not_exist(plog: Plog) -> None:
    await some_lots(plog)
    model = await a_model_of_numbers(plog)
    assignment = await assigned(plog, model, rule={"product": "SoC-7"})
    run = await ran(plog)
    result = (await results_of(plog))[0]
    grant = await granted(plog, "DRAM_GENERAL")
    dana = plog.signed_in("dana")
    for each in (run, result, assignment):
        assert await plog.ask(NODE, dana, id=each["id"]) == {"node": None}
    assert await plog.ask(ONE, dana, id=run["id"]) == {"dailyBatchRun": None}
    assert (await plog.answer(RUNS, dana))["totalCount"] == 0 and await results_of(plog, "dana") == []
    assert (await plog.answer(CANCEL, dana, id=run["id"]))["__typename"] == "NotFound"
    assert (await plog.answer(ASSIGN, dana, input={"modelId": model["id"], "rule": {"step": "x"}}))["__typename"] == "NotFound"
    denied = await plog.answer(START, dana, line="LOGIC")
    assert (denied["__typename"], denied["openedBy"]) == ("PermissionDenied", ["LOGIC_GENERAL", "LOGIC_MODEL_SET_UP"])
    only = await plog.answer(START, dana)
    assert only["dailyBatchRun"]["productLine"] == "DRAM"
    await revoke(plog, grant)


async def test_who_works_in_several_product_lines_says_which(plog: Plog) -> None:
    refused = await plog.answer(START)
    assert refused["problems"] == [{"field": "productLine", "message": "is required: you may work in DRAM and LOGIC"}]


async def test_a_repeated_start_returns_the_first_run(plog: Plog) -> None:
    first = await started(plog, key="once")
    await ended(plog, first)
    again = await started(plog, key="once")
    assert (again["id"], again["status"]) == (first["id"], "SUCCEEDED")
    reused = await plog.answer(START, line="DRAM", key="once")
    assert reused["__typename"] == "IdempotencyKeyReused"


async def test_the_list_has_pages_and_filters(plog: Plog) -> None:
    runs = [await ran(plog, dry=each) for each in (False, True, False)]
    between = {"startedFrom": runs[1]["startedAt"], "startedTo": runs[2]["startedAt"]}
    assert [each["id"] for each in (await plog.answer(RUNS, filter=between))["nodes"]] == [runs[1]["id"]]
    page = await plog.answer(RUNS, first=2)
    assert [each["id"] for each in page["nodes"]] == [runs[2]["id"], runs[1]["id"]] and page["totalCount"] == 3
    rest = await plog.answer(RUNS, first=2, after=page["pageInfo"]["endCursor"])
    assert [each["id"] for each in rest["nodes"]] == [runs[0]["id"]]
    assert [each["id"] for each in (await plog.answer(RUNS, filter={"productLine": "DRAM"}))["nodes"]] == []
    assert (await plog.answer(RUNS, filter={"status": ["SUCCEEDED"], "isScheduled": False}))["totalCount"] == 3
    for day in (1, 2):
        async with plog.container.services.database.transaction() as work:
            due = datetime(2026, 7, day, 2, tzinfo=UTC)
            queued = DailyBatchRun.queued(ProductLine.DRAM, await work.kits.now(), day=due.date(), due_at=due)
            await work.daily_batch_runs.add(queued.cancelled(queued.created_at))
    found = (await plog.answer(RUNS, filter={"day": "2026-07-02"}))["nodes"]
    assert [(each["day"], each["productLine"]) for each in found] == [("2026-07-02", "DRAM")]
    assert (await plog.answer(RUNS, filter={"day": "2026-07-02", **between}))["totalCount"] == 0

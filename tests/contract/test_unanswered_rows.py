"""Rows for which a model takes too long or breaks: they are refused alone, and keep no others waiting."""

import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.models.model_predictor import ProcessModelPredictor
from controllers import daily_batch_runner, housekeeping, judged_row
from controllers.housekeeping import Housekeeping
from domain.daily_batch_run import BatchPartStatus, Counts, DailyBatchRunStatus
from domain.lot_row import LotRow
from persistence.unit_of_work import Database
from tests.architecture.sources import ROOT
from tests.contract.batch_house import (
    BatchHouse,
    Hooked,
    before_next_answer,
    corrected_row,
    open_house,
    parts_of,
    ran,
    refusals_of,
)
from tests.faulty_model import BABBLES, DIES, EATS, LOOPS
from tests.models_here import PredictorHere

SUCCEEDED, FAILED = DailyBatchRunStatus.SUCCEEDED, DailyBatchRunStatus.FAILED
COMMAND = (sys.executable, "-P", "-m", "tests.faulty_model")
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
NO_ANSWER = "The model gave no answer for this row"
TOO_LONG = f"{NO_ANSWER}: it took longer than a model may, 1 seconds."
ENDED = f"{NO_ANSWER}: its process ended unexpectedly, as those do that take more memory than a model may."
GARBLED = f"{NO_ANSWER}: its process gave an answer that can't be read."
NOT_ASKED = f"{NO_ANSWER} before, nor for too many others in this run: it was not asked again."


@pytest.fixture
async def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BatchHouse:
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 3)
    return await open_house(database, tmp_path, Hooked(PredictorHere({DIES})))


async def faulty(house: BatchHouse, tag: str, *faults: float) -> list[LotRow]:
    """Rows for which the model does that."""
    found = []
    for place, fault in enumerate(faults):
        found += await house.rows(1, f"{tag}{place}", attributes={"a": fault, "b": 1.0})
    return found


async def test_a_row_that_breaks_a_process_or_takes_it_too_long_is_refused_alone(database: Database, tmp_path: Path) -> None:
    house = await open_house(database, tmp_path, ProcessModelPredictor(COMMAND, ENVIRONMENT, row_seconds=1))
    rows, bad = [], []
    for place, fault in enumerate((LOOPS, DIES, EATS, BABBLES)):
        rows += await house.rows(3, f"L{place}")
        bad += await faulty(house, f"F{place}", fault)
    rows += await house.rows(2, "END")
    await house.assign(await house.model(), product="SoC")
    run = await ran(house)
    assert (run.status, run.message, run.counts) == (SUCCEEDED, "", Counts(considered=18, stored=14, refused=4))
    reasons = [TOO_LONG, ENDED, ENDED, GARBLED]
    assert await refusals_of(house, run) == list(zip((row.id for row in bad), reasons, strict=True))
    house.check(await house.results(), rows)
    assert len(await house.results()) == 14


async def test_a_model_that_gives_no_answer_for_one_row_after_the_other_fails_and_the_next_run_goes_on_behind_them(
    house: BatchHouse,
) -> None:
    rows = await house.rows(2, "A")
    bad = await faulty(house, "F", DIES, DIES, DIES, DIES)
    rows += await house.rows(2, "Z")
    await house.assign(await house.model(), product="SoC")
    run = await ran(house)
    assert run.status is FAILED
    assert await parts_of(house, run) == [(1, BatchPartStatus.FAILED, Counts(considered=8, stored=2, refused=3))]
    async with house.database.snapshot() as work:
        (part,) = await work.daily_batch_runs.parts([run.id])
    assert part.message.startswith("The model gave no answer for 3 rows, the last 3 of them in a row; see `refusals`.")
    again = await ran(house)
    assert (again.status, again.counts) == (SUCCEEDED, Counts(considered=8, stored=2, skipped=2, refused=4))
    assert [number for number, _ in await refusals_of(house, again)] == [bad[3].id, *(row.id for row in bad[:3])]
    house.check(await house.results(), rows)


async def test_rows_that_were_left_without_an_answer_are_asked_for_again_last_and_not_without_end(
    house: BatchHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged_row, "UNANSWERED_IN_ALL", 2)
    bad = await faulty(house, "F", DIES, DIES)
    rows = await house.rows(1, "A")
    bad += await faulty(house, "G", DIES)
    await house.assign(await house.model(), product="SoC")
    assert ((run := await ran(house)).status, run.counts) == (FAILED, Counts(considered=4, refused=2))
    answers = [(bad[2].id, f"{NO_ANSWER}."), (bad[0].id, f"{NO_ANSWER}."), (bad[1].id, f"{NO_ANSWER}.")]
    dry = await ran(house, is_dry_run=True)
    assert (dry.status, dry.counts) == (SUCCEEDED, Counts(considered=4, stored=1, refused=3))
    assert await refusals_of(house, dry) == answers
    run = await ran(house)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=4, stored=1, refused=3))
    assert await refusals_of(house, run) == [(bad[0].id, f"{NO_ANSWER}."), (bad[1].id, f"{NO_ANSWER}."), (bad[2].id, NOT_ASKED)]
    house.check(await house.results(), rows)


async def test_a_row_that_gets_its_answer_in_a_later_run_has_a_result(house: BatchHouse) -> None:
    rows = await faulty(house, "F", DIES)
    await house.assign(await house.model(), product="SoC")
    assert (await ran(house)).counts == Counts(considered=1, refused=1)
    sound = BatchHouse(replace(house.services, model_predictor=PredictorHere()), house.contents)
    assert (await ran(sound)).counts == Counts(considered=1, stored=1, flagged=1)
    house.check(await house.results(), rows)


async def test_what_is_corrected_meanwhile_is_asked_for_also_where_the_model_gives_no_answer_for_other_rows(
    house: BatchHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged_row, "UNANSWERED_IN_ALL", 1)
    bad = await faulty(house, "F", DIES, DIES)
    await house.assign(await house.model(), product="SoC")
    for _ in bad:
        assert (await ran(house)).status is FAILED
    rows = await house.rows(2, "A")
    corrected: list[LotRow] = []

    async def correct() -> None:
        corrected.append(await corrected_row(house, rows[1], quantity=2))
        before_next_answer(house, mend)

    async def mend() -> None:
        hooked = before_next_answer(house, mend)
        if hooked.asked[-1][0] == DIES:
            hooked.then = None
            corrected.append(await corrected_row(house, bad[0], attributes={"a": 1.0, "b": 1.0}))

    before_next_answer(house, correct)
    run = await ran(house)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=4, stored=3, refused=1))
    assert await refusals_of(house, run) == [(bad[1].id, NOT_ASKED)]
    house.check(await house.results(), [rows[0], *corrected])


async def test_rows_that_were_left_without_an_answer_keep_no_row_of_another_model_waiting(house: BatchHouse) -> None:
    bad = await faulty(house, "F", DIES)
    await house.assign(await house.model(), product="SoC")
    await ran(house)
    rows = await house.rows(2, "G", product="GPU")
    await house.assign(await house.model("second", 2), product="GPU")
    hooked = house.services.model_predictor
    assert isinstance(hooked, Hooked)
    hooked.asked.clear()
    run = await ran(house)
    assert await refusals_of(house, run) == [(bad[0].id, f"{NO_ANSWER}.")]
    assert [row[0] for row in hooked.asked] == [*(row.definition.attributes["a"] for row in rows), DIES]


async def test_what_was_refused_is_removed_in_its_time_and_what_had_no_answer_still_comes_late(
    house: BatchHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "REFUSALS_AT_ONCE", 2)
    await house.rows(5, "BAD", attributes={})
    await faulty(house, "F", DIES)
    await house.assign(await house.model(), product="SoC")
    runs = [await ran(house) for _ in range(2)]
    for keep, kept in ((timedelta(), [6, 6]), (timedelta(days=1), [6, 6]), (timedelta(microseconds=1), [0, 1])):
        await Housekeeping(house.services, 60, keep_refusals=keep).run_once()
        assert [len(await refusals_of(house, run)) for run in runs] == kept
    assert [(await house.found(run)).counts for run in runs] == [Counts(considered=6, refused=6)] * 2
    rows = await house.rows(2, "A")
    hooked = house.services.model_predictor
    assert isinstance(hooked, Hooked)
    hooked.asked.clear()
    await ran(house)
    assert [row[0] for row in hooked.asked] == [*(row.definition.attributes["a"] for row in rows), DIES]

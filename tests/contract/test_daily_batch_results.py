"""What runs of the daily batch store, refuse and show, and for what: each result once, exactly what the model predicts."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controllers import daily_batch_runner
from domain import daily_batch_run
from domain.artifact import model_location
from domain.daily_batch_run import BatchPartStatus, Counts, DailyBatchRun, DailyBatchRunStatus
from domain.errors import AlreadyAssigned, AlreadyRunning, NotFound, PermissionDenied
from domain.kit import ProductLine
from domain.model_version import VersionKey
from domain.query import GrantQuery
from domain.visibility import Involvement
from persistence.unit_of_work import Database
from resolvers.grant import revoke_grant
from resolvers.model_assignment import unassign_model
from tests.contract.batch_house import (
    BatchHouse,
    Hooked,
    corrected_row,
    open_house,
    parts_of,
    ran,
    refusals_of,
    worked_off,
)
from tests.factories import grant_everything
from tests.models_here import PredictorHere

ROWS = 7
SUCCEEDED, FAILED = DailyBatchRunStatus.SUCCEEDED, DailyBatchRunStatus.FAILED


@pytest.fixture
async def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BatchHouse:
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 2)
    return await open_house(database, tmp_path, Hooked(PredictorHere()))


async def test_results_are_what_the_models_predict_for_the_rows_that_they_are_assigned_to(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    other_rows = await house.rows(2, "OTHER", product="GPU")
    first, second = await house.model("first"), await house.model("second", 2)
    await house.assign(first, rows[0])
    await house.assign(first, product="SoC")
    await house.assign(second, other_rows[1])
    run = await ran(house)
    assert (run.status, run.message, run.percent) == (SUCCEEDED, "", 100.0)
    assert run.counts == Counts(considered=ROWS + 1, stored=ROWS + 1)
    results = await house.results()
    house.check(results, [*rows, *other_rows])
    assert [(each.model_version.model_id, each.lot_row_id) for each in results] == [
        *((first.id, row.id) for row in rows),
        (second.id, other_rows[1].id),
    ]
    assert {each.run_id for each in results} == {run.id}


@pytest.mark.parametrize(
    ("rule", "taken_in"),
    [
        ({"product": "SoC"}, [0, 1, 2]),
        ({"product": "GPU"}, []),
        ({"step": "ETCH", "measuredFrom": datetime(2026, 7, 1, 1, tzinfo=UTC)}, [1, 2]),
        ({"measuredTo": datetime(2026, 7, 1, 1, tzinfo=UTC)}, [0]),
        ({"product": "SoC", "step": "CMP"}, []),
    ],
)
async def test_a_rule_takes_in_what_meets_all_of_it(house: BatchHouse, rule: dict[str, Any], taken_in: list[int]) -> None:
    rows = await house.rows(3)
    await house.rows(2, "DRAM", product_line=ProductLine.DRAM)
    await house.assign(await house.model(), **rule)
    await ran(house)
    assert [each.lot_row_id for each in await house.results()] == [rows[place].id for place in taken_in]


async def test_what_has_a_result_gets_no_second_one_and_what_is_new_gets_one(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    model = await house.model()
    await house.assign(model, product="SoC")
    await ran(house)
    again = await ran(house)
    assert (again.status, again.counts) == (SUCCEEDED, Counts(considered=ROWS, skipped=ROWS))
    rows += await house.rows(2, "NEW")
    assert (await ran(house)).counts == Counts(considered=ROWS + 2, stored=2, skipped=ROWS)
    house.check(await house.results(), rows)


async def test_a_row_that_was_corrected_and_a_version_that_was_promoted_get_results_of_their_own(house: BatchHouse) -> None:
    rows = await house.rows(2)
    model = await house.model()
    await house.assign(model, product="SoC")
    await ran(house)
    corrected = await corrected_row(house, rows[0], quantity=2)
    assert (await ran(house)).counts == Counts(considered=2, stored=1, skipped=1)
    results = await house.results()
    house.check(results[:2], rows)
    house.check(results[2:], [corrected])
    assert results[2].lot_row_version == 2 and results[2].input_sha256 != results[0].input_sha256
    await house.activate(model, 2, (await house.add_version(model, 5)).number)
    assert (await ran(house)).counts == Counts(considered=2, stored=2)
    house.check((await house.results())[3:], [corrected, rows[1]])


async def test_a_row_that_lacks_a_feature_is_refused_alone_and_inputs_out_of_range_are_flagged(house: BatchHouse) -> None:
    rows = await house.rows(5)
    (bad,) = await house.rows(1, "BAD", attributes={"a": 1.0})
    (far,) = await house.rows(1, "FAR", quantity=3)
    await house.assign(await house.model(), product="SoC")
    run = await ran(house)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=7, stored=6, refused=1, flagged=1))
    assert await refusals_of(house, run) == [(bad.id, "the row has no b")]
    results = await house.results()
    house.check(results, [*rows, far])
    assert [each.lot_row_id for each in results if each.out_of_range] == [far.id]
    assert (await ran(house)).counts == Counts(considered=7, skipped=6, refused=1)


async def test_a_dry_run_shows_what_would_be_stored_and_stores_nothing(house: BatchHouse) -> None:
    rows = await house.rows(3)
    (bad,) = await house.rows(1, "BAD", attributes={})
    await house.assign(await house.model(), product="SoC")
    run = await ran(house, is_dry_run=True)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=4, stored=3, refused=1))
    assert [number for number, _ in await refusals_of(house, run)] == [bad.id]
    assert await house.results() == []
    house.check(run.preview, rows)
    assert len(run.preview) == 3
    await ran(house)
    stored = await house.results()
    assert [replace(each, id=0, recorded_at=datetime.min, run_id=run.id) for each in stored] == list(run.preview)


async def test_a_dry_run_keeps_the_first_of_what_it_refuses_and_counts_all(
    house: BatchHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_batch_run, "MAX_DRY_REFUSALS", 3)
    rows = await house.rows(ROWS, attributes={})
    await house.assign(await house.model(), product="SoC")
    for is_dry_run, kept in ((True, 3), (False, ROWS)):
        run = await ran(house, is_dry_run=is_dry_run)
        assert run.counts == Counts(considered=ROWS, refused=ROWS)
        assert [number for number, _ in await refusals_of(house, run)] == [row.id for row in rows[:kept]]


async def test_a_model_that_can_not_be_asked_fails_alone_and_the_next_run_does_the_rest(
    house: BatchHouse, tmp_path: Path
) -> None:
    rows = await house.rows(ROWS)
    broken, sound = await house.model("broken"), await house.model("sound", 2)
    for model in (broken, sound):
        await house.assign(model, product="SoC")
    sha256 = hashlib.sha256(house.contents[VersionKey(broken.id, 1)]).hexdigest()
    (tmp_path / "artifacts" / model_location(sha256)).unlink()
    run = await ran(house)
    assert run.status is FAILED and str(broken.id) in run.message
    assert await parts_of(house, run) == [
        (1, BatchPartStatus.FAILED, Counts(considered=ROWS)),
        (1, BatchPartStatus.SUCCEEDED, Counts(considered=ROWS, stored=ROWS)),
    ]
    assert {each.model_version.model_id for each in await house.results()} == {sound.id}
    await house.add_version(broken, 1)  # brings the file back
    again = await ran(house)
    assert (again.status, again.counts) == (SUCCEEDED, Counts(considered=2 * ROWS, stored=ROWS, skipped=ROWS))
    house.check(await house.results(), rows)


async def revoke_all(house: BatchHouse, username: str) -> None:
    """Take all permissions from a person."""
    chris = replace(await house.person("chris"), groups=frozenset({"approvers"}))
    subject = f"demo:{username}"
    async with house.database.snapshot() as work:
        page = await work.grants.page(GrantQuery(subject=subject), Involvement(subject))
    for grant in page.items:
        await revoke_grant(house.services, chris, grant.id, "for tests")


async def test_an_assignment_holds_as_long_as_who_has_made_it_may_use_the_model(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    model = await house.model()
    await house.assign(model, username="bela", product="SoC")
    await house.assign(model, rows[3])
    await revoke_all(house, "bela")
    run = await ran(house)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=1, stored=1))
    house.check(await house.results(), rows)
    await grant_everything(house.services, "bela")
    assert (await ran(house)).counts == Counts(considered=ROWS, stored=ROWS - 1, skipped=1)


async def test_who_may_not_use_a_model_assigns_it_to_nothing(house: BatchHouse) -> None:
    (row,) = await house.rows(1)
    model = await house.model()
    await revoke_all(house, "bela")
    with pytest.raises(NotFound):
        await house.assign(model, row, "bela")
    await grant_everything(house.services, "bela", kinds=("LOGIC_GENERAL",))
    with pytest.raises(PermissionDenied, match="apply for it by `modelAccessRequestCreate`"):
        await house.assign(model, row, "bela")


async def test_a_model_is_assigned_so_once(house: BatchHouse) -> None:
    (row,) = await house.rows(1)
    model = await house.model()
    made = await asyncio.gather(*(house.assign(model, row) for _ in range(5)), return_exceptions=True)
    numbers = [each for each in made if isinstance(each, int)]
    assert len(numbers) == 1
    refusals = [each for each in made if isinstance(each, AlreadyAssigned)]
    assert [each.assignment_id for each in refusals] == numbers * 4
    of_another = await house.assign(model, row, "bela")
    assert (await ran(house)).counts == Counts(considered=1, stored=1)
    await unassign_model(house.services, await house.person(), numbers[0])
    assert await house.assign(model, row) > of_another > numbers[0]


async def test_a_row_of_another_product_line_is_none(house: BatchHouse) -> None:
    (row,) = await house.rows(1, product_line=ProductLine.DRAM)
    with pytest.raises(NotFound):
        await house.assign(await house.model(), row)


async def test_of_runs_that_are_started_at_once_there_is_one_and_the_others_say_so(house: BatchHouse) -> None:
    started = await asyncio.gather(*(house.start() for _ in range(5)), return_exceptions=True)
    (run,) = [each for each in started if isinstance(each, DailyBatchRun)]
    assert [each.run_id for each in started if isinstance(each, AlreadyRunning)] == [run.id] * 4
    dry = await house.start(is_dry_run=True)
    for each in (run, dry):
        await worked_off(house.server())
        assert (await house.found(each)).status is SUCCEEDED

"""The daily batch, whatever dies or changes meanwhile: each result is there once, and is what the model predicts."""

import asyncio
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.models.model_predictor import ProcessModelPredictor
from controllers import background_worker, daily_batch_runner
from domain import daily_batch_run
from domain.artifact import model_location
from domain.daily_batch_run import LOOKS, BatchPartStatus, Counts, DailyBatchRun, DailyBatchRunStatus
from domain.errors import AlreadyAssigned, AlreadyRunning, NotFound, PermissionDenied, Unavailable
from domain.kit import ProductLine
from domain.lot_row import LotRow
from domain.model_version import VersionKey
from domain.query import GrantQuery
from domain.visibility import Involvement
from persistence.unit_of_work import Database
from resolvers.daily_batch_run import cancel_daily_batch
from resolvers.grant import revoke_grant
from resolvers.live_daily_batch_run import watch_daily_batch_run
from resolvers.model_assignment import unassign_model
from tests.contract.batch_house import (
    BatchHouse,
    Hooked,
    before_next_answer,
    corrected_row,
    dead,
    failing,
    open_house,
    parts_of,
    ran,
    refusals_of,
    worked_off,
)
from tests.factories import grant_everything
from tests.fakes import Crash, Fuse
from tests.models_here import PredictorHere
from tests.waiting import eventually

ROWS = 7
SUCCEEDED, FAILED, CANCELLED = DailyBatchRunStatus.SUCCEEDED, DailyBatchRunStatus.FAILED, DailyBatchRunStatus.CANCELLED


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


async def test_a_row_that_is_corrected_meanwhile_has_a_result_as_it_then_is(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    await house.assign(await house.model(), product="SoC")
    corrected: list[LotRow] = []

    async def correct() -> None:
        corrected.append(await corrected_row(house, rows[0], quantity=2))

    before_next_answer(house, correct)
    run = await ran(house)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=ROWS, stored=ROWS))
    results = await house.results()
    house.check(results[:-1], rows[1:])
    house.check(results[-1:], corrected)
    assert results[-1].lot_row_version == 2


async def test_a_row_that_is_corrected_behind_the_run_is_looked_at_again(house: BatchHouse) -> None:
    (bad, good, *_) = [*(await house.rows(1, "BAD", attributes={})), *(await house.rows(ROWS))]
    await house.assign(await house.model(), product="SoC")
    mended: list[LotRow] = []

    async def mend() -> None:
        mended.append(await corrected_row(house, bad, attributes={"a": 1.0, "b": 1.0}))
        mended.append(await corrected_row(house, good, quantity=2))

    async def after_the_first() -> None:
        before_next_answer(house, mend)

    before_next_answer(house, after_the_first)
    run = await ran(house)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=ROWS + 3, stored=ROWS + 2, refused=1))
    house.check((await house.results())[-2:], mended)
    assert (await ran(house)).counts == Counts(considered=ROWS + 1, skipped=ROWS + 1)


async def test_a_row_that_is_corrected_again_and_again_holds_no_run_up(house: BatchHouse) -> None:
    (row,) = await house.rows(1)
    await house.assign(await house.model(), row)

    async def correct() -> None:
        nonlocal row
        row = await corrected_row(house, row, quantity=row.definition.quantity + 1)
        before_next_answer(house, correct)

    before_next_answer(house, correct)
    run = await ran(house)
    assert (run.status, run.counts, row.version) == (SUCCEEDED, Counts(considered=1, skipped=1), 1 + LOOKS.count(False))


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


async def test_a_server_that_dies_anywhere_is_followed_by_one_that_goes_on_where_it_was(house: BatchHouse) -> None:
    failing(house).fuse = Fuse(None)
    model = await house.model()
    steps = 0
    while True:
        rows = await house.rows(ROWS, f"L{steps:02d}", product=f"P{steps}")
        assignment = await house.assign(model, product=f"P{steps}")
        run = await house.start()
        failing(house).fuse = fuse = Fuse(steps)
        server = house.server("one")
        try:
            await server.run_once()
            await asyncio.gather(*server._working.values())
            has_died = False
        except Crash:
            has_died = True
        await dead(server)
        failing(house).fuse = Fuse(None)
        await worked_off(house.server("two", lost_after=0.0))
        found = await house.found(run)
        assert (found.status, found.counts.stored, found.percent) == (SUCCEEDED, ROWS, 100.0), fuse.names
        results = [each for each in await house.results() if each.run_id == run.id]
        house.check(results, rows)
        assert len(results) == ROWS
        await unassign_model(house.services, await house.person(), assignment)
        if not has_died:
            break
        steps += 1
    assert steps >= 2 * (ROWS // 2 + 4)  # each transaction dies before its commit and after it


async def test_a_server_that_was_overtaken_stores_nothing_more(house: BatchHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 600.0)  # it does not notice
    rows = await house.rows(ROWS)
    await house.assign(await house.model(), product="SoC")
    run = await house.start()
    hooked = before_next_answer(house, lambda: worked_off(house.server("two", lost_after=0.0)))
    await worked_off(house.server("one"))
    found = await house.found(run)
    assert (found.status, found.counts, found.fence) == (SUCCEEDED, Counts(considered=ROWS, stored=ROWS), 2)
    assert len(hooked.asked) == ROWS + 2
    house.check(await house.results(), rows)


async def test_a_model_that_is_promoted_meanwhile_predicts_by_its_new_version_from_then_on(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    model = await house.model()
    await house.assign(model, product="SoC")
    second = await house.add_version(model, 9)
    hooked = before_next_answer(house, lambda: house.activate(model, 2, second.number))
    run = await ran(house)
    assert hooked.then is None and run.status is SUCCEEDED
    assert await parts_of(house, run) == [
        (1, BatchPartStatus.SUPERSEDED, Counts()),
        (2, BatchPartStatus.SUCCEEDED, Counts(considered=ROWS, stored=ROWS)),
    ]
    results = await house.results()
    assert {each.model_version for each in results} == {second} and len(results) == ROWS
    house.check(results, rows)


async def test_a_version_that_comes_back_in_use_goes_on_where_it_was(house: BatchHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 1)
    rows = await house.rows(ROWS)
    model = await house.model()
    await house.assign(model, product="SoC")
    await house.add_version(model, 9)

    async def promote() -> None:
        await house.activate(model, 2, 2)
        before_next_answer(house, lambda: house.activate(model, 3, 1))

    before_next_answer(house, promote)
    run = await ran(house)
    assert [(number, status) for number, status, _ in await parts_of(house, run)] == [
        (1, BatchPartStatus.SUCCEEDED),
        (2, BatchPartStatus.SUPERSEDED),
    ]
    results = await house.results()
    assert {each.model_version.number for each in results} == {1} and len(results) == ROWS
    house.check(results, rows)


async def test_what_is_not_assigned_any_more_gets_no_result(house: BatchHouse) -> None:
    await house.rows(ROWS)
    assignment = await house.assign(await house.model(), product="SoC")
    person = await house.person()
    before_next_answer(house, lambda: unassign_model(house.services, person, assignment))
    run = await ran(house)
    assert (run.status, run.counts) == (SUCCEEDED, Counts(considered=ROWS, skipped=ROWS))
    assert await house.results() == []


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


async def test_cancelling_ends_a_run_and_leaves_what_it_has_stored(house: BatchHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 1)
    rows = await house.rows(ROWS)
    await house.assign(await house.model(), product="SoC")
    run = await house.start()
    person = await house.person()

    async def later() -> None:
        before_next_answer(house, lambda: cancel_daily_batch(house.services, person, run.id))

    before_next_answer(house, later)
    await worked_off(house.server())
    found = await house.found(run)
    assert (found.status, found.message) == (CANCELLED, "Cancelled; the results that it had stored stay.")
    assert found.counts == Counts(considered=ROWS, stored=1) and found.percent < 100
    assert await parts_of(house, run) == [(1, BatchPartStatus.CANCELLED, Counts(considered=ROWS, stored=1))]
    assert (await ran(house)).counts == Counts(considered=ROWS, stored=ROWS - 1, skipped=1)
    house.check(await house.results(), rows)


async def test_of_runs_that_are_started_at_once_there_is_one_and_the_others_say_so(house: BatchHouse) -> None:
    started = await asyncio.gather(*(house.start() for _ in range(5)), return_exceptions=True)
    (run,) = [each for each in started if isinstance(each, DailyBatchRun)]
    assert [each.run_id for each in started if isinstance(each, AlreadyRunning)] == [run.id] * 4
    dry = await house.start(is_dry_run=True)
    for each in (run, dry):
        await worked_off(house.server())
        assert (await house.found(each)).status is SUCCEEDED


async def test_while_the_database_does_not_answer_a_run_waits(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    await house.assign(await house.model(), product="SoC")
    run = await house.start()

    async def outage() -> None:
        failing(house).outage = Unavailable("gone")

    before_next_answer(house, outage)
    working = asyncio.create_task(worked_off(house.server()))
    await eventually(lambda: failing(house).outage)
    before = failing(house).transactions
    await eventually(lambda: failing(house).transactions > before + 1)  # it tries again
    failing(house).outage = None
    await working
    found = await house.found(run)
    assert (found.counts, found.message, found.fence) == (Counts(considered=ROWS, stored=ROWS), "", 1)
    house.check(await house.results(), rows)


async def test_a_run_says_what_it_waits_for_until_it_goes_on(house: BatchHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await house.rows(ROWS)
    await house.assign(await house.model(), product="SoC")
    run = await house.start()
    frames = watch_daily_batch_run(house.services, await house.person(), run.id)
    tries = 0

    def unavailable(*_: Any) -> Any:
        nonlocal tries
        tries += 1
        raise Unavailable("The store of artifacts does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(house.services.artifacts, "read", unavailable)
        working = asyncio.create_task(worked_off(house.server()))
        async with asyncio.timeout(20):
            while not (shown := (await anext(frames)).body).message:
                pass
        assert shown.message == "Waits, and goes on by itself: The store of artifacts does not answer."
        assert shown.status is DailyBatchRunStatus.RUNNING and shown.is_planned
        await eventually(lambda: tries > 3)
        assert (await house.found(run)).version == shown.version
    await working
    found = await house.found(run)
    assert (found.status, found.message, found.fence) == (SUCCEEDED, "", 1)
    house.check(await house.results(), rows)


async def test_a_run_that_waits_can_be_cancelled(house: BatchHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_worker, "HEARTBEAT_SECONDS", 0.01)
    await house.rows(1)
    await house.assign(await house.model(), product="SoC")

    def unavailable(*_: Any) -> Any:
        raise Unavailable("The store of artifacts does not answer.")

    monkeypatch.setattr(house.services.artifacts, "read", unavailable)
    run = await house.start()
    working = asyncio.create_task(worked_off(house.server()))

    async def says_so() -> bool:
        return "does not answer" in (await house.found(run)).message

    await eventually(says_so)
    await cancel_daily_batch(house.services, await house.person(), run.id)
    await working
    found = await house.found(run)
    assert (found.status, found.message) == (CANCELLED, "Cancelled; the results that it had stored stay.")


async def test_a_run_that_can_never_start_a_process_fails_and_says_why(house: BatchHouse) -> None:
    await house.rows(1)
    await house.assign(await house.model(), product="SoC")
    nowhere = ProcessModelPredictor(("/nowhere/to/be/found",), {})
    run = await ran(BatchHouse(replace(house.services, model_predictor=nowhere), house.contents))
    async with house.database.snapshot() as work:
        (part,) = await work.daily_batch_runs.parts([run.id])
    assert run.status is FAILED and part.message == "No process for a model can be started: No such file or directory."


def test_waits_grow_and_have_an_end() -> None:
    waits = [background_worker.wait_before(again, 1.0) for again in (1, 2, 3, 6, 7, 5000)]
    assert waits == [1.0, 2.0, 4.0, 32.0, 60.0, 60.0]


async def test_an_error_that_comes_each_time_ends_its_part_and_its_message_leads_to_the_log(
    house: BatchHouse, caplog: pytest.LogCaptureFixture
) -> None:
    rows = await house.rows(ROWS)
    await house.assign(await house.model("faulty"), product="SoC")
    await house.assign(await house.model("sound", 2), product="SoC")
    faults = iter(range(background_worker.TRIES))

    async def fault() -> None:
        if next(faults, None) is not None:
            before_next_answer(house, fault)
            raise RuntimeError("a secret of the house")

    before_next_answer(house, fault)
    run = await ran(house)
    async with house.database.snapshot() as work:
        faulty, sound = await work.daily_batch_runs.parts([run.id])
    found = re.search("Internal error, id ([0-9a-f]{16})", faulty.message)
    assert found and "secret" not in faulty.message and found[1] in caplog.text
    assert (run.status, faulty.status, faulty.counts) == (FAILED, BatchPartStatus.FAILED, Counts(considered=ROWS))
    assert (sound.status, sound.counts) == (BatchPartStatus.SUCCEEDED, Counts(considered=ROWS, stored=ROWS))
    house.check(await house.results(), rows)


async def test_a_server_that_says_goodbye_lets_another_go_on_at_once(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    await house.assign(await house.model(), product="SoC")
    run = await house.start()
    reached = asyncio.Event()

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    before_next_answer(house, wait)
    loop = asyncio.create_task(house.server("one").run())
    await reached.wait()
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    other = asyncio.create_task(house.server("two").run())

    async def is_done() -> bool:
        return (await house.found(run)).status is SUCCEEDED

    await eventually(is_done)
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    house.check(await house.results(), rows)

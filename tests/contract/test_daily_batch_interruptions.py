"""The daily batch, whatever dies or changes meanwhile: each result is there once, and is what the model predicts."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.models.model_predictor import ProcessModelPredictor
from controllers import background_worker, daily_batch_runner
from domain.daily_batch_run import LOOKS, BatchPartStatus, Counts, DailyBatchRunStatus
from domain.errors import Unavailable
from domain.lot_row import LotRow
from persistence.unit_of_work import Database
from resolvers.daily_batch_run import cancel_daily_batch
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
    worked_off,
)
from tests.fakes import Crash, Fuse
from tests.models_here import PredictorHere
from tests.waiting import eventually

ROWS = 7
SUCCEEDED, FAILED, CANCELLED = DailyBatchRunStatus.SUCCEEDED, DailyBatchRunStatus.FAILED, DailyBatchRunStatus.CANCELLED


@pytest.fixture
async def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BatchHouse:
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 2)
    return await open_house(database, tmp_path, Hooked(PredictorHere()))


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

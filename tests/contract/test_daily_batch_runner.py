"""The daily batch, whatever dies or changes meanwhile: each result is there once, and is what the model predicts."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.artifacts import open_artifacts
from controllers import background_worker, daily_batch_runner
from controllers.daily_batch_clock import queue_due_runs
from controllers.daily_batch_runner import DailyBatchRunner
from domain.approver import EVERY_KIND, Approvers
from domain.artifact import model_location
from domain.daily_batch_run import BatchPartStatus, Counts, DailyBatchRun, DailyBatchRunStatus
from domain.daily_batch_schedule import DailyBatchSchedule
from domain.errors import AlreadyAssigned, AlreadyRunning, NotFound, PermissionDenied, Unavailable
from domain.kit import ProductLine
from domain.model_assignment import AssignmentOrder
from domain.model_version import VersionKey
from domain.query import DailyBatchRunQuery, GrantQuery, HistoryQuery
from domain.visibility import EVERYTHING, Involvement
from persistence.unit_of_work import Database
from resolvers.daily_batch_run import cancel_daily_batch
from resolvers.grant import revoke_grant
from resolvers.lot_row import correct_lot_row
from resolvers.model_assignment import unassign_model
from tests.contract.batch_house import BatchHouse, Hooked
from tests.endurance import SHARE, Tell
from tests.factories import grant_everything
from tests.fakes import Crash, FailingDatabase, Fuse, fake_services
from tests.models_here import PredictorHere
from tests.waiting import eventually

ROWS = 7
SUCCEEDED, FAILED, CANCELLED = DailyBatchRunStatus.SUCCEEDED, DailyBatchRunStatus.FAILED, DailyBatchRunStatus.CANCELLED


@pytest.fixture
async def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BatchHouse:
    monkeypatch.setattr(daily_batch_runner, "BATCH_ROWS", 2)
    artifacts = open_artifacts(str(tmp_path / "artifacts"), staging=tmp_path / "staging")
    approvers = Approvers(groups={EVERY_KIND: ("approvers",)})
    services = fake_services(
        FailingDatabase(database), artifacts=artifacts, approvers=approvers, model_predictor=Hooked(PredictorHere())
    )
    await grant_everything(services, "ada", "bela")
    return BatchHouse(services)


async def worked_off(server: DailyBatchRunner) -> None:
    """Let a server take up what there is and bring it as far as it comes."""
    await server.run_once()
    await asyncio.gather(*server._working.values())


async def dead(server: DailyBatchRunner) -> None:
    """Let a server die: nothing of it goes on, and it says goodbye to nobody."""
    tasks = list(server._working.values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def ran(house: BatchHouse, *, is_dry_run: bool = False) -> DailyBatchRun:
    """A run that was started and has come to its end."""
    run = await house.start(is_dry_run=is_dry_run)
    await worked_off(house.server())
    return await house.found(run)


def failing(house: BatchHouse) -> FailingDatabase:
    assert isinstance(house.database, FailingDatabase)
    return house.database


def before_next_answer(house: BatchHouse, act: Callable[[], Awaitable[object]]) -> Hooked:
    """Do something once, after the model has predicted for rows and before that is stored."""
    hooked = house.services.model_predictor
    assert isinstance(hooked, Hooked)
    hooked.then = act
    return hooked


async def parts_of(house: BatchHouse, run: DailyBatchRun) -> list[tuple[int, BatchPartStatus, Counts]]:
    async with house.database.snapshot() as work:
        return [(each.model_version.number, each.status, each.counts) for each in await work.daily_batch_runs.parts([run.id])]


async def refusals_of(house: BatchHouse, run: DailyBatchRun) -> list[tuple[int, str]]:
    async with house.database.snapshot() as work:
        (page,) = await work.daily_batch_runs.refusals([HistoryQuery(of=run.id, first=100)])
    return [(each.lot_row_id, each.reason) for each in page.items]


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
    said = rows[0].definition
    document = {
        "productLine": said.product_line,
        "lotId": said.lot_id,
        "product": said.product,
        "step": said.step,
        "equipment": said.equipment,
        "measuredAt": said.measured_at.isoformat(),
        "quantity": 2,
        "attributes": dict(said.attributes),
    }
    corrected = await correct_lot_row(house.services, await house.person(), rows[0].id, document, "counted again")
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


async def test_a_server_that_was_overtaken_stores_nothing_more(house: BatchHouse) -> None:
    rows = await house.rows(ROWS)
    await house.assign(await house.model(), product="SoC")
    run = await house.start()
    hooked = before_next_answer(house, lambda: worked_off(house.server("two", lost_after=0.0)))
    await worked_off(house.server("one"))
    found = await house.found(run)
    assert (found.status, found.counts, found.fence) == (SUCCEEDED, Counts(considered=ROWS, stored=ROWS), 2)
    assert hooked.asked == ROWS + 2
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


async def test_a_version_that_comes_back_in_use_goes_on_where_it_was(house: BatchHouse) -> None:
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
    assert found.counts == Counts(considered=ROWS, stored=2) and found.percent < 100
    assert await parts_of(house, run) == [(1, BatchPartStatus.CANCELLED, Counts(considered=ROWS, stored=2))]
    assert (await ran(house)).counts == Counts(considered=ROWS, stored=ROWS - 2, skipped=2)
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
    server = house.server()
    await worked_off(server)
    failing(house).outage = None
    assert (await house.found(run)).status is DailyBatchRunStatus.RUNNING
    await worked_off(server)
    assert (await house.found(run)).counts == Counts(considered=ROWS, stored=ROWS)
    house.check(await house.results(), rows)


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


@pytest.mark.endurance
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Seoul"])
async def test_a_year_has_one_run_a_day_whoever_looks_and_how_often(house: BatchHouse, zone: str, tell: Tell) -> None:
    (row,) = await house.rows(1)
    await house.assign(await house.model(), row)
    schedule = DailyBatchSchedule(time(2, 30), ZoneInfo(zone), 0)
    server = house.server()
    begin = datetime(datetime.now(UTC).year + 1, 3, 10, tzinfo=UTC)  # a tenth of a year has a change of Berlin's clocks in it
    for hours in range(0, round(SHARE * 366) * 24, 7):
        now = begin + timedelta(hours=hours)
        looks = await asyncio.gather(*(queue_due_runs(house.services, schedule, now) for _ in range(2)))
        if any(looks):
            await worked_off(server)
    runs = await scheduled_runs(house)
    days = [run.day for run in runs if run.day is not None]
    assert days == [days[0] + timedelta(days=place) for place in range(len(days))]
    assert abs(len(days) - SHARE * 366) < 2
    assert {run.status for run in runs} == {SUCCEEDED} and sum(run.counts.stored for run in runs) == 1
    assert all(run.due_at == schedule.due_at(run.day) for run in runs if run.day)
    tell(f"{zone}: {len(days)} days, {len(runs)} runs")


async def scheduled_runs(house: BatchHouse) -> list[DailyBatchRun]:
    """All runs that time had come for, by number."""
    runs: list[DailyBatchRun] = []
    has_more = True
    async with house.database.snapshot() as work:
        while has_more:
            after = (runs[-1].id,) if runs else None
            query = DailyBatchRunQuery(is_scheduled=True, is_descending=False, first=100, after=after)
            page = await work.daily_batch_runs.page(query, EVERYTHING)
            runs += page.items
            has_more = page.has_more
    return runs


@pytest.mark.parametrize("line", list(ProductLine))
async def test_a_server_runs_what_is_due_by_itself(house: BatchHouse, line: ProductLine) -> None:
    (row,) = await house.rows(1, product_line=line)
    model = await house.model(line=line)
    order = AssignmentOrder(model_id=model.id, lot_row_id=row.id)
    async with house.database.transaction() as work:
        at = await work.kits.now()
        await work.model_assignments.add(order, line, "demo:ada", "Ada", at - timedelta(days=3))
    server = house.server(schedule=DailyBatchSchedule(at.time().replace(tzinfo=None), ZoneInfo("UTC"), 1))
    loop = asyncio.create_task(server.run())

    async def has_run_twice() -> bool:
        return [run.status for run in await scheduled_runs(house)] == [SUCCEEDED, SUCCEEDED]

    await eventually(has_run_twice)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    runs = await scheduled_runs(house)
    days = [run.day for run in runs]
    assert days == [at.date() - timedelta(days=1), at.date()] and {run.product_line for run in runs} == {line}
    house.check(await house.results(), [row])


async def test_after_downtime_missed_days_are_caught_up_with_one_after_the_other(house: BatchHouse) -> None:
    schedule = DailyBatchSchedule(time(2, 0), ZoneInfo("UTC"), 2)
    later = datetime.now(UTC) + timedelta(days=10)
    assert await queue_due_runs(house.services, schedule, later) == []  # nothing was ever assigned
    (row,) = await house.rows(1)
    await house.assign(await house.model(), row)
    days = []
    for _ in range(5):
        queued = await queue_due_runs(house.services, schedule, later)
        assert await queue_due_runs(house.services, schedule, later) == []  # as long as that one has not ended
        days += [run.day for run in queued]
        await worked_off(house.server())
    latest = schedule.due(later, datetime.min.replace(tzinfo=UTC) + timedelta(days=2))
    assert days == latest and len(days) == 3

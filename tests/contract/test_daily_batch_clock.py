"""The daily batch by the clock: a day has one run, whoever looks and how often, and missed days are caught up with."""

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controllers.daily_batch_clock import queue_due_runs
from domain.batch_query import DailyBatchRunQuery
from domain.daily_batch_run import DailyBatchRun, DailyBatchRunStatus
from domain.daily_batch_schedule import DailyBatchSchedule
from domain.kit import ProductLine
from domain.model_assignment import AssignmentOrder
from domain.visibility import EVERYTHING
from persistence.unit_of_work import Database
from tests.contract.batch_house import BatchHouse, open_house, worked_off
from tests.endurance import SHARE, Tell
from tests.models_here import PredictorHere
from tests.waiting import eventually

SUCCEEDED = DailyBatchRunStatus.SUCCEEDED


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> BatchHouse:
    return await open_house(database, tmp_path, PredictorHere())


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

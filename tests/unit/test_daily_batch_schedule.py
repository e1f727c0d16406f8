"""When the daily batch is due: once a local day, through a year of every kind of clock change, and after downtime."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.daily_batch_schedule import DailyBatchSchedule

ZONES = ("UTC", "Europe/Berlin", "Asia/Seoul", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
START = datetime(2025, 12, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", [time(0, 0), time(2, 30), time(23, 59)])
def test_a_year_has_one_run_of_each_local_day_in_order(zone: str, at: time) -> None:
    schedule = DailyBatchSchedule(at, ZoneInfo(zone), 0)
    seen: dict[date, None] = {}
    for hours in range(367 * 24):
        seen |= dict.fromkeys(schedule.due(START + timedelta(hours=hours), START))
    ran = list(seen)
    assert ran == [ran[0] + timedelta(days=number) for number in range(len(ran))] and len(ran) in (366, 367)


def test_a_time_that_the_clocks_leave_out_is_later_and_one_that_they_show_twice_is_the_first() -> None:
    schedule = DailyBatchSchedule(time(2, 30), ZoneInfo("Europe/Berlin"), 0)
    assert schedule.due_at(date(2026, 3, 28)) == datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
    assert schedule.due_at(date(2026, 3, 29)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 in summer time
    assert schedule.due_at(date(2026, 3, 30)) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    assert schedule.due_at(date(2026, 10, 25)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # before the clocks go back
    assert schedule.due_at(date(2026, 10, 26)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_missed_days_are_caught_up_with_as_far_back_as_is_set_and_none_before_there_was_anything_to_do() -> None:
    schedule = DailyBatchSchedule(time(2, 0), ZoneInfo("Asia/Seoul"), 3)
    now = datetime(2026, 6, 10, 12, tzinfo=UTC)
    assert schedule.due(now, START) == [date(2026, 6, day) for day in (7, 8, 9, 10)]
    assert schedule.due(now, datetime(2026, 6, 8, 20, tzinfo=UTC)) == [date(2026, 6, 10)]
    assert schedule.due(datetime(2026, 6, 9, 16, 59, tzinfo=UTC), START)[-1] == date(2026, 6, 9)
    assert schedule.due(datetime(2026, 6, 9, 17, 0, tzinfo=UTC), START)[-1] == date(2026, 6, 10)
    assert schedule.due(START, START) == []


@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 24 * 60 - 1),
    looks=st.lists(st.integers(0, 60 * 24 * 40), min_size=1, max_size=30),
    catch_up_days=st.integers(0, 40),
)
def test_whenever_one_looks_no_day_is_due_before_its_time_and_none_is_left_out_that_can_be_caught_up_with(
    zone: str, minute: int, looks: list[int], catch_up_days: int
) -> None:
    schedule = DailyBatchSchedule(time(minute // 60, minute % 60), ZoneInfo(zone), catch_up_days)
    for place in sorted(looks):
        now = START + timedelta(days=80, minutes=place)
        due = schedule.due(now, datetime.min.replace(tzinfo=UTC) + timedelta(days=2))
        assert len(due) == catch_up_days + 1 and all(schedule.due_at(day) <= now for day in due)
        assert schedule.due_at(due[-1] + timedelta(days=1)) > now

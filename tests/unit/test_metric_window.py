"""Windows of a load test: nothing is lost, whatever comes late, and what is told twice tells the same."""

import json
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metric_window import SET_UP, MetricWindow, WindowsByTime, WindowSums

SAMPLE = st.tuples(st.integers(0, 60), st.sampled_from(["", "s1", "s2"]), st.floats(0, 1e5))


@given(st.lists(st.lists(SAMPLE, max_size=20), max_size=10), st.integers(1, 60), st.sampled_from([0.0, 5.0, 300.0]))
def test_the_last_revisions_hold_every_sample(
    batches: Sequence[Sequence[tuple[int, str, float]]], seconds: int, keep_seconds: float
) -> None:
    sums = WindowSums(seconds, keep_seconds=keep_seconds)
    told: dict[tuple[int, str], MetricWindow] = {}
    revisions: dict[tuple[int, str], list[int]] = {}
    for now, batch in enumerate(batches):
        for second, scenario, time in batch:
            sums.window(second, scenario).times.add(time)
        for window in sums.due(now * 10.0):
            assert window.start + seconds <= now * 10.0 - 1
            told[window.start, window.scenario] = MetricWindow.of(json.loads(json.dumps(window.as_json())))
            revisions.setdefault((window.start, window.scenario), []).append(window.revision)
    for window in sums.due(0.0, is_over=True):
        told[window.start, window.scenario] = MetricWindow.of(json.loads(json.dumps(window.as_json())))
        revisions.setdefault((window.start, window.scenario), []).append(window.revision)
    samples = [each for batch in batches for each in batch]
    assert sum(window.requests for window in told.values()) == len(samples)
    for (start, scenario), window in told.items():
        assert start % seconds == 0
        mine = [time for second, each, time in samples if each == scenario and start <= second < start + seconds]
        assert window.requests == len(mine)
        assert window.times.total == pytest.approx(sum(mine)) and window.times.greatest == max(mine)
    assert all(found == list(range(1, len(found) + 1)) for found in revisions.values())
    assert list(sums.due(0.0, is_over=True)) == []


def test_a_window_is_told_when_it_is_over_and_again_for_what_came_late() -> None:
    sums = WindowSums(5, settle_seconds=1.0)
    sums.window(12, "s1").times.add(1.0)
    assert list(sums.due(15.9)) == []
    (first,) = sums.due(16.0)
    assert (first.start, first.revision, first.requests) == (10, 1, 1)
    assert list(sums.due(20.0)) == []
    sums.window(14, "s1").times.add(2.0)
    (again,) = sums.due(20.0)
    assert (again.start, again.revision, again.requests) == (10, 2, 2)


def test_windows_of_hours_take_little_memory() -> None:
    sums = WindowSums(1, keep_seconds=50.0)
    times = [1.02**number for number in range(200)]
    tracemalloc.start()
    for start in range(300):
        for scenario in ("s1", "s2"):
            window = sums.window(start, scenario)
            for time in times:
                window.times.add(time)
        assert [each.revision for each in sums.due(start + 2.0)] == [1, 1]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 3_000_000, "two histograms of 200 ranges take about 20 kB"
    sums.window(3, "s1").times.add(0.5)
    (late,) = sums.due(301.0)
    assert (late.start, late.revision, late.requests, late.times.least) == (3, 2, 201, 0.5)


def test_what_is_counted_of_the_whole_test_is_told_after_the_scenarios() -> None:
    sums = WindowSums(5)
    for second, scenario in ((12, SET_UP), (12, "s2"), (17, SET_UP), (12, "s1"), (17, "s1")):
        sums.window(second, scenario)
    told = [(each.start, each.scenario) for each in sums.due(0.0, is_over=True)]
    assert told == [(10, "s1"), (10, "s2"), (10, SET_UP), (15, "s1"), (15, SET_UP)]


def test_every_figure_survives_being_written() -> None:
    window = MetricWindow(5, "s1", 3, failed=1, iterations=2, dropped=3, checks_passed=4, checks_failed=5, max_vus=7)
    window.times.add(12.5)
    window.count_vus(6)
    assert MetricWindow.of(json.loads(json.dumps(window.as_json()))) == window


def test_virtual_users_are_counted_again_and_again() -> None:
    window = MetricWindow(5, SET_UP)
    assert (window.vus, window.vus_least, window.vus_mean) == (None, None, None)
    for vus in (4, 20, 0):
        window.count_vus(vus)
    assert (window.vus, window.vus_least, window.vus_mean) == (20, 0, 8.0)


def test_a_window_of_an_older_generator_knows_one_number_of_virtual_users() -> None:
    document = {name: value for name, value in MetricWindow(5, SET_UP, vus=3).as_json().items() if not name.startswith("vus")}
    old = MetricWindow.of(document | {"vus": 3})
    assert (old.vus, old.vus_mean, old.vus_count) == (3, 3, 0)


@given(st.floats(0, 1e9), st.lists(st.floats(0, 30), max_size=30), st.integers(1, 60), st.floats(0, 30))
def test_by_time_each_window_is_told_when_it_is_over_a_window_later_and_at_the_end(
    began: float, waits: Sequence[float], seconds: int, held_up: float
) -> None:
    windows, now = WindowsByTime(seconds, began, -7), began
    told: dict[int, list[int]] = {}
    for wait in waits:
        now += wait
        for window in windows.due(now):
            assert window.start + seconds <= now and window.start % seconds == 0 and window.scenario == SET_UP
            assert MetricWindow.of(json.loads(json.dumps(window.as_json()))) == window and window.clock_offset == -7
            told.setdefault(window.start, []).append(window.revision)
    starts = sorted(told)
    assert all(revisions == [1, 2] for start, revisions in told.items() if start != starts[-1])
    now += held_up
    last = [window.start for window in windows.due(now, is_over=True)]
    assert set(starts) <= set(last) and last == list(range(last[0], last[-1] + 1, seconds))
    assert last[0] <= began < last[0] + seconds and now < last[-1] + seconds


@given(st.floats(100, 1e6), st.floats(0, 60), st.floats(0, 90), st.floats(0, 9), st.integers(1, 60))
def test_by_time_no_window_is_left_out_where_the_clock_is_set_back(
    began: float, until: float, back: float, after: float, seconds: int
) -> None:
    windows = WindowsByTime(seconds, began)
    looks = [began, began + until, began + until - back, began + until - back + after]
    for now in looks[:-1]:
        list(windows.due(now))
    last = [window.start for window in windows.due(looks[-1], is_over=True)]
    assert {int(now) - int(now) % seconds for now in looks} <= set(last) and len(last) == len(set(last))


def test_a_clock_that_is_set_back_for_years_makes_windows_of_an_hour() -> None:
    windows = WindowsByTime(5, 1e9)
    list(windows.due(1e9 + 20))
    list(windows.due(1e9 - 1e8))
    last = [window.start for window in windows.due(1e9 + 30, is_over=True)]
    assert (last[0], last[-1]) == (1e9 - 3600, 1e9 + 30)

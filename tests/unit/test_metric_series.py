"""The figures of a run as people read them: columns without holes, and a whole that is the sum of its windows."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from domain.metric_series import figures_of, series_of
from domain.metric_window import SET_UP, MetricWindow

NAMES = {"s1": "browse", "s2": "buy"}


def window(start: int, scenario: str, *times: float, vus: Sequence[int] = (), **figures: int) -> MetricWindow:
    made = MetricWindow(start, scenario, **figures)  # type: ignore[arg-type]
    for count in vus:
        made.count_vus(count)
    for time in times:
        made.times.add(time)
    return made


WINDOWS = [
    window(10, SET_UP, 500.0, vus=(1, 3, 2)),
    window(10, "s1", 10.0, 20.0, failed=1, iterations=2),
    window(10, "s2", 100.0, checks_passed=1),
    window(20, SET_UP, vus=(7, 6)),
    window(20, "s1", 40.0, dropped=4, checks_failed=2),
]


def test_columns_have_every_window_and_set_up_is_apart() -> None:
    overall, browse, buy = series_of(WINDOWS, 5, NAMES)
    assert overall.window_start == tuple(datetime.fromtimestamp(second, UTC) for second in (10, 15, 20))
    assert (overall.scenario, browse.scenario, buy.scenario) == (None, "browse", "buy")
    assert (overall.requests, browse.requests, buy.requests) == ((3, 0, 1), (2, 0, 1), (1, 0, 0))
    assert overall.tps == (0.6, 0.0, 0.2) and overall.vus == (3, None, 7) and browse.vus == (None,) * 3
    assert list(overall.error_rate) == [pytest.approx(1 / 3), None, 0.0] and overall.failed == (1, 0, 0)
    assert overall.least == (10.0, None, 40.0) and overall.greatest == (100.0, None, 40.0)
    assert list(overall.mean[1:]) == [None, pytest.approx(40.0)] and overall.p50[1] is None
    assert overall.p50[0] == pytest.approx(20.0, rel=0.01) and overall.p99[0] == pytest.approx(20.0, rel=0.01)


def test_the_whole_is_the_sum_of_its_windows() -> None:
    overall, browse, buy = figures_of(WINDOWS, 5, NAMES)
    assert (overall.seconds, overall.requests, overall.failed) == (5, 4, 1), "k6 counts its VUs once a second"
    assert (overall.least_vus, overall.mean_vus, overall.most_vus) == (1, 3.8, 7)
    assert (overall.error_rate_least, buy.error_rate_most) == (0.0, 0.0) and overall.error_rate_most == pytest.approx(1 / 3)
    assert (overall.error_rate, overall.least, overall.greatest) == (0.25, 10.0, 100.0)
    assert (overall.iterations, overall.dropped, overall.checks_passed, overall.checks_failed) == (2, 4, 1, 2)
    assert (browse.requests, buy.requests, buy.failed, buy.most_vus) == (3, 1, 0, None)
    assert (overall.tps_least, overall.tps_most) == (0.0, 0.0), "the first and last are cut off"
    assert (overall.tps_mean, browse.tps_mean) == (0.8, 0.6)


def test_the_mean_is_over_the_time_that_k6_ran_and_not_over_whole_windows() -> None:
    overall, browse, _ = figures_of([window(60, "s1", *[1.0] * 254)], 60, NAMES, duration=2.0)
    assert (overall.seconds, overall.tps_mean, browse.tps_mean) == (2.0, 127.0, 127.0)
    assert (overall.tps_least, overall.tps_most) == (None, None), "no window is full"
    assert (overall.least_vus, overall.mean_vus, overall.most_vus) == (None, None, None), "k6 counted none in so short a time"


def test_full_windows_are_those_between_begin_and_end_of_the_load() -> None:
    login, tail = [window(start, SET_UP, 1.0, vus=(1,)) for start in (0, 5)], window(40, SET_UP, vus=(1,))
    browse = [window(start, "s1", *[1.0] * count) for start, count in ((5, 20), (10, 50), (15, 60), (20, 50), (25, 50), (30, 7))]
    buy = [window(start, "s2", *[1.0] * count) for start, count in ((15, 1), (20, 10), (25, 1))]
    asleep = window(35, "s1", iterations=2)
    windows = sorted([*login, *browse, *buy, asleep, tail], key=lambda each: each.start)
    overall, first, second = figures_of(windows, 5, NAMES)
    assert (overall.tps_least, overall.tps_most) == (10.0, 12.2), "neither gauges nor the end of a pause belong to it"
    assert (first.tps_least, first.tps_most) == (10.0, 12.0)
    assert (second.tps_least, second.tps_most) == (2.0, 2.0), "a scenario begins and ends by itself"


def test_nothing_has_no_figures() -> None:
    assert series_of([], 5, NAMES) == [] == figures_of([], 5, NAMES)
    alone = figures_of([window(10, SET_UP, vus=(1,))], 5, NAMES)
    assert [each.requests for each in alone] == [0, 0, 0] and alone[0].p95 is None and alone[0].error_rate is None

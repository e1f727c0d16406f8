"""Plots: thinning that keeps what stands out, and round ticks."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.time_plot import MOST_POINTS, level_ticks, peaks, thinned, time_ticks

VALUES = st.lists(st.none() | st.floats(0, 1e9), max_size=3000)


@given(VALUES)
def test_thinning_keeps_the_extremes_and_the_order(values: list[float | None]) -> None:
    points = thinned(values)
    places = [place for place, _ in points]
    assert len(points) <= max(MOST_POINTS + 2, 1) and places == sorted(set(places))
    assert all(value is None or values[place] == value for place, value in points)
    known, kept = ([each for each in some if each is not None] for some in (values, [value for _, value in points]))
    assert bool(known) == bool(kept)
    if known:
        assert (min(kept), max(kept)) == (min(known), max(known))


def test_few_windows_are_drawn_as_they_are() -> None:
    values = (1.0, None, 2.0)
    assert thinned(values) == [(0, 1.0), (1, None), (2, 2.0)]


def test_a_long_gap_stays_a_gap() -> None:
    points = thinned([1.0] * 1000 + [None] * 1000 + [1.0] * 1000)
    assert any(value is None and 1000 <= place < 2000 for place, value in points)


@given(VALUES, st.integers(1, 100))
def test_peaks_are_few_and_the_greatest_is_among_them(values: list[float | None], columns: int) -> None:
    found = peaks(values, columns)
    assert len(found) <= columns
    known = [each for each in values if each is not None]
    assert max((each for each in found if each is not None), default=None) == max(known, default=None)


@given(st.floats(1e-9, 1e12))
def test_levels_are_few_and_reach_the_greatest(greatest: float) -> None:
    levels = level_ticks(greatest)
    assert 2 <= len(levels) <= 6 and levels[0] == 0 and levels == sorted(set(levels))
    assert levels[-1] >= greatest * (1 - 1e-6)


@pytest.mark.parametrize(
    ("greatest", "levels"),
    [(1.0, [0, 0.25, 0.5, 0.75, 1]), (480, [0, 200, 400, 600]), (0.003, [0, 0.001, 0.002, 0.003])],
)
def test_levels_are_round(greatest: float, levels: list[float]) -> None:
    assert level_ticks(greatest) == pytest.approx(levels)


@given(st.integers(0, 2**32), st.integers(1, 10**7))
def test_moments_are_few_and_round(first: int, seconds: int) -> None:
    ticks = time_ticks(first, first + seconds)
    assert len(ticks) <= 11 and all(first <= each <= first + seconds for each in ticks)
    steps = {after - before for before, after in pairwise(ticks)}
    assert len(steps) <= 1 and all(each % math.gcd(*steps) == 0 for each in ticks if steps)

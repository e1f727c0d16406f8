"""Whether the clock went back, seen by one that nobody sets."""

import pytest

from steps.clock_steps import ClockSteps


@pytest.mark.parametrize(
    ("steps", "back"), [((0, 0, 0), 0), ((0, -30, 0), 30), ((0, 100, -50), 50), ((-20, -20, 0), 40), ((3600, 0, 0), 0)]
)
def test_the_furthest_that_the_clock_went_back(steps: tuple[int, ...], back: int) -> None:
    clock, steady = 1e9, 5.0
    watched = ClockSteps(lambda: clock, lambda: steady)
    for step in steps:
        clock, steady = clock + 10 + step, steady + 10
        watched.look()
    assert watched.back == pytest.approx(back)

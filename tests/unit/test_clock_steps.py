"""Whether the clock was set, seen by one that nobody sets."""

import pytest

from steps.clock_steps import ClockSteps


@pytest.mark.parametrize(
    ("steps", "back", "forward"),
    [
        ((0, 0, 0), 0, 0),
        ((0, -30, 0), 30, 0),
        ((0, 100, -50), 50, 100),
        ((0, -50, 100), 50, 100),
        ((-20, -20, 0), 40, 0),
        ((3600, 0, 0), 0, 3600),
        ((10, 10, 0), 0, 20),
    ],
)
def test_the_furthest_that_the_clock_went_each_way(steps: tuple[int, ...], back: int, forward: int) -> None:
    clock, steady = 1e9, 5.0
    watched = ClockSteps(lambda: clock, lambda: steady)
    for step in steps:
        clock, steady = clock + 10 + step, steady + 10
        watched.look()
    assert (watched.back, watched.forward) == pytest.approx((back, forward))


def test_a_look_that_is_held_up_between_the_clocks_tells_nothing() -> None:
    clock, steady = iter([0.0, 10.0, 20.0, 30.0]), iter([0.0, 0.0, 10.0, 14.0, 20.0, 20.0, 30.0, 30.0])
    watched = ClockSteps(lambda: next(clock), lambda: next(steady))
    for _ in range(3):
        watched.look()
    assert (watched.back, watched.forward) == (0, 0)

"""Plots of what was measured in windows that follow one another: panels below one another, on one time axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_POINTS = 400  # of a line; more can't be told apart on a page

Column = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotLine:
    """A figure in each window of the plot; None where nothing is known."""

    name: str
    values: tuple[float | None, ...]

    @property
    def greatest(self) -> float:
        """The greatest of its values; 0 where there are none."""
        return max((each for each in self.values if each is not None), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Lines of one unit, from zero up; an empty unit stands for shares from 0 to 1."""

    title: str
    unit: str
    lines: tuple[PlotLine, ...]

    @property
    def greatest(self) -> float:
        """The greatest value of all its lines."""
        return max((line.greatest for line in self.lines), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePlot:
    """`first` is when the first window begins, in seconds since 1970; there are `count` of `seconds` each."""

    first: int
    seconds: int
    count: int
    panels: tuple[Panel, ...]

    @property
    def last(self) -> int:
        """When the last window ends, in seconds since 1970."""
        return self.first + self.count * self.seconds


def thinned(values: Column, most: int = MOST_POINTS) -> list[tuple[int, float | None]]:
    """At most about so many points (place, value) that look the same: of neighbours the least and the greatest stay.

    Neighbours without any value are one None; a gap among neighbours that have some is closed.
    """
    if len(values) <= most:
        return list(enumerate(values))
    size = -(-2 * len(values) // most)
    points: list[tuple[int, float | None]] = []
    for start in range(0, len(values), size):
        known = [(value, place) for place, value in enumerate(values[start : start + size], start) if value is not None]
        if known:
            points += sorted({(place, value) for value, place in (min(known), max(known))})
        else:
            points.append((start, None))
    return points


def peaks(values: Column, columns: int) -> list[float | None]:
    """The greatest of neighbours, so that there are at most so many."""
    size = max(1, -(-len(values) // columns))
    parts = (values[start : start + size] for start in range(0, len(values), size))
    return [max((each for each in part if each is not None), default=None) for part in parts]


def level_ticks(greatest: float, most: int = 4) -> list[float]:
    """Round levels from zero to the first that is not below `greatest`, which is above zero; at most so many above zero."""
    magnitude = 10.0 ** math.floor(math.log10(greatest / most))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10, 20) if factor * magnitude * most >= greatest * (1 - 1e-9))
    return [round(number * step, 12) for number in range(math.ceil(greatest / step - 1e-9) + 1)]


TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def time_ticks(first: int, last: int, most: int = 10) -> list[int]:
    """Round seconds since 1970 from `first` to `last`, at most about so many."""
    wanted = (last - first) / most
    step = next((each for each in TIME_STEPS if each >= wanted), TIME_STEPS[-1] * math.ceil(wanted / TIME_STEPS[-1]))
    return list(range(first + -first % step, last + 1, step))

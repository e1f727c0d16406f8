"""Which windows of two runs are held against each other; of runs of the same load those that lie alike in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.long_run import Values
from domain.window_sample import MeasuredRun, WindowSample


@dataclass(frozen=True, slots=True)
class WindowPair:
    """Windows of a baseline and of another run, or of two times of one.

    Where they belong together one by one, in the order of time, `parts` tells of each in which part of the load it lies: what
    differs from part to part is no noise. None where they do not belong together. `silences` are for how many seconds either run
    alone was silent.
    """

    baseline: WindowSample
    other: WindowSample
    parts: NDArray[np.int64] | None = None
    silences: tuple[int, int] = (0, 0)


def pair_windows(baseline: MeasuredRun, other: MeasuredRun, scenario: str | None) -> WindowPair:
    """Full windows of two runs of the same load, from the later first to the earlier last answer, alike to half a window."""
    ranges = [each.answered(scenario) for each in (baseline, other)]
    if not any(ranges):  # of nothing there are figures, but TPS
        ranges = [each.load(scenario) for each in (baseline, other)]
    first, second = (each.sample(scenario, own).inner for each, own in zip((baseline, other), ranges, strict=True))
    starts = second.starts - _apart(baseline, other)
    first, second = first.only(np.isin(first.starts, starts)), second.only(np.isin(starts, first.starts))
    return WindowPair(first, second, np.ones(len(first), dtype=int))


def pair_silent_windows(baseline: MeasuredRun, other: MeasuredRun, scenario: str | None) -> WindowPair | None:
    """Full windows of two runs of the same load from the first success of either to the last, where one of them falls silent.

    Parts are what either, both or none is silent in. What comes within two windows of the planned end of the load, or of the end
    of k6, tells nothing: iterations end there. None where neither is silent.
    """
    seconds, apart = baseline.run.window_seconds, _apart(baseline, other)
    successes = [set(baseline.successes(scenario)), {start - apart for start in other.successes(scenario)}]
    either = set.union(*successes)
    if not either:
        return None
    planned = min(baseline.load_ended_at(scenario), other.load_ended_at(scenario) - apart) - 2 * seconds
    starts = range(min(either) + seconds, int(min(max(either) - seconds, planned)) + 1, seconds)
    first, second = (np.array([start not in own for start in starts], dtype=bool) for own in successes)
    first, second = _silent(first, beside=second), _silent(second, beside=first)
    if not (first | second).any():
        return None
    silences = (seconds * int((first & ~second).sum()), seconds * int((second & ~first).sum()))
    samples = baseline.sample(scenario, starts), other.sample(scenario, range(starts.start + apart, starts.stop + apart, seconds))
    return WindowPair(*samples, first + 2 * second, silences)


def centred(values: Values, parts: NDArray[np.int64]) -> Values:
    """The values less the mean of their part."""
    _, places = np.unique(parts, return_inverse=True)
    means = np.bincount(places, weights=values) / np.bincount(places)
    return np.asarray(values - means[places])


def _apart(baseline: MeasuredRun, other: MeasuredRun) -> int:
    """By how much the windows of the other's load begin later, in seconds; whole windows."""
    seconds = baseline.run.window_seconds
    return seconds * round((other.load_began_at - baseline.load_began_at) / seconds)


def _silent(empty: NDArray[np.bool_], *, beside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which windows of a run without a success are silence: rows that are long beside the pauses of the other run.

    Longer by more than two windows than three times the longest pause: of two runs of one sparse load hardly any is.
    """
    pauses = (row.size for row in _rows(beside) if row[0] > 0 and row[-1] < beside.size - 1)
    longest = max(pauses, default=0)
    silent = np.zeros_like(empty)
    for row in _rows(empty):
        silent[row] = row.size > 3 * longest + 2
    return silent


def _rows(chosen: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The numbers of those chosen, in rows of neighbours."""
    numbers = np.flatnonzero(chosen)
    return [row for row in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if row.size]

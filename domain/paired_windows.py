"""Which windows of two runs are held against each other; of runs of the same load those that lie alike in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domain.long_run import Values
from domain.window_sample import MeasuredRun, WindowSample


@dataclass(frozen=True, slots=True)
class WindowPair:
    """Windows of a baseline and of another run, or of two times of one.

    Where they belong together one by one, in the order of time, `parts` tells of each in which part of the load it lies: what
    differs from part to part is no noise. None where they do not belong together. `silences` are for how many seconds at least
    either run gave no answers while the other did.
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
    """Full windows of two runs of the same load from the first answer of either to the last, where one is silent at an end of it.

    That is for two windows or more, and longer than any pause between answers of either. Its parts are before (0), within (1) and
    after (2) the time in which both answered. What comes within two windows of the planned end of the load, or of the end of k6,
    tells nothing: iterations end there. None where neither is silent.
    """
    seconds, apart = baseline.run.window_seconds, _apart(baseline, other)
    first, second = baseline.answered(scenario), _moved(other.answered(scenario), -apart)
    if not first and not second:
        return None
    first, second = first or second[:0], second or first[:0]
    ends = min(baseline.load_ended_at(scenario), other.load_ended_at(scenario) - apart) - 2 * seconds
    stop = max(min(max(first.stop, second.stop) - seconds, ends + 1), min(first.stop, second.stop) - seconds)
    starts = range(min(first.start, second.start) + seconds, int(stop), seconds)
    before = [sum(start < each.start for start in starts) if each else len(starts) for each in (first, second)]
    after = [sum(start >= each.stop for start in starts) if each else 0 for each in (first, second)]
    pause = max(_longest_pause(each.answers(scenario), seconds) for each in (baseline, other))
    if max(*before, *after) <= max(pause, 1):
        return None
    both = range(max(first.start, second.start), min(first.stop, second.stop), seconds)
    parts = [1 if start in both else 0 if start < both.start else 2 for start in starts]
    silences = (seconds * (before[0] + after[0]), seconds * (before[1] + after[1]))
    samples = baseline.sample(scenario, starts), other.sample(scenario, _moved(starts, apart))
    return WindowPair(*samples, np.array(parts, dtype=int), silences)


def centred(values: Values, parts: NDArray[np.int64]) -> Values:
    """The values less the mean of their part."""
    _, places = np.unique(parts, return_inverse=True)
    means = np.bincount(places, weights=values) / np.bincount(places)
    return np.asarray(values - means[places])


def _apart(baseline: MeasuredRun, other: MeasuredRun) -> int:
    """By how much the windows of the other's load begin later, in seconds; whole windows."""
    seconds = baseline.run.window_seconds
    return seconds * round((other.load_began_at - baseline.load_began_at) / seconds)


def _moved(starts: range, by: int) -> range:
    return range(starts.start + by, starts.stop + by, starts.step)


def _longest_pause(starts: Sequence[int], seconds: int) -> int:
    """The most windows in a row without an answer between two with one."""
    return max(((after - before) // seconds - 1 for before, after in pairwise(starts)), default=0)

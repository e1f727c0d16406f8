"""Which windows of two runs of the same load belong together, counted from the begin of the load in either."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.window_sample import MeasuredRun, WindowSample


@dataclass(frozen=True, slots=True)
class SilentPair:
    """The windows of two runs in time of the load in which one of them gave no more answers, or none yet, and the other did.

    `parts` tells for each pair of windows whether it lies before (0), within (1) or after (2) the time in which both answered.
    `seconds` is for how long the first run was silent, and the second.
    """

    samples: tuple[WindowSample, WindowSample]
    parts: NDArray[np.int64]
    seconds: tuple[int, int]


def pair_windows(baseline: MeasuredRun, other: MeasuredRun, scenario: str | None) -> list[WindowSample]:
    """Full windows of both that lie alike in the load, to half a window, from the later first to the earlier last answer."""
    first, second = (each.sample(scenario).inner for each in (baseline, other))
    starts = second.starts - _apart(baseline, other)
    return [first.only(np.isin(first.starts, starts)), second.only(np.isin(starts, first.starts))]


def pair_silent_windows(baseline: MeasuredRun, other: MeasuredRun, scenario: str | None) -> SilentPair | None:
    """Full windows from the first answer of either to the last; None where they differ by no more than a window.

    What comes within two windows of the planned end of the load, or of the end of k6, tells nothing: iterations end there.
    """
    seconds, apart = baseline.run.window_seconds, _apart(baseline, other)
    first, second = baseline.answered(scenario), other.answered(scenario)
    second = range(second.start - apart, second.stop - apart, seconds)
    if not first and not second:
        return None
    first, second = first or range(second.start, second.start, seconds), second or range(first.start, first.start, seconds)
    least = max(first.stop, second.stop) - seconds
    ends = min(baseline.load_ended_at(scenario), other.load_ended_at(scenario) - apart) - 2 * seconds
    stop = max(min(least, ends + 1), min(first.stop, second.stop) - seconds)
    starts = range(min(first.start, second.start) + seconds, int(stop), seconds)
    silent = tuple(seconds * sum(1 for start in starts if start not in each) for each in (first, second))
    if max(silent) <= seconds:
        return None
    both = range(max(first.start, second.start), min(first.stop, second.stop), seconds)
    parts = [1 if start in both else 0 if start < both.start else 2 for start in starts]
    shifted = range(starts.start + apart, starts.stop + apart, seconds)
    samples = baseline.sample(scenario, starts), other.sample(scenario, shifted)
    return SilentPair(samples, np.array(parts), (silent[0], silent[1]))


def centred(values: NDArray[np.float64], parts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    """The values less the mean of their part: that a run fell silent is no noise."""
    found, inverse = np.unique(parts, return_inverse=True)
    means = np.array([values[inverse == place].mean() for place in range(found.size)])
    return np.asarray(values - means[inverse])


def _apart(baseline: MeasuredRun, other: MeasuredRun) -> int:
    """By how much the windows of the other's load begin later, in seconds; whole windows."""
    seconds = baseline.run.window_seconds
    return seconds * round((other.load_began_at - baseline.load_began_at) / seconds)

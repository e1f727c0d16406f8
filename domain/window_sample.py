"""The windows of one scenario as columns of numbers, for statistics."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.histogram import range_value
from domain.load_test_run import LoadTestRun
from domain.long_run import Values
from domain.metric_window import SET_UP, MetricWindow

Chosen = NDArray[np.bool_] | slice


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSample:
    """Windows of `seconds` that follow one another, of one scenario or of all together; those without a request are zero.

    `starts` are in seconds since 1970, `totals` sums of response times in milliseconds, `vus` the mean number of virtual users of
    the whole test, not a number where not known. `counts` has a row for each window and a column for each range of response
    times, for which `times` stand.
    """

    seconds: int
    starts: Values
    requests: Values
    failed: Values
    totals: Values
    vus: Values
    times: Values
    counts: Values

    def __len__(self) -> int:
        return self.starts.size

    def only(self, chosen: Chosen) -> "WindowSample":
        """The windows chosen, as if they followed one another."""
        return WindowSample(
            seconds=self.seconds,
            starts=self.starts[chosen],
            requests=self.requests[chosen],
            failed=self.failed[chosen],
            totals=self.totals[chosen],
            vus=self.vus[chosen],
            times=self.times,
            counts=self.counts[chosen],
        )

    @property
    def inner(self) -> "WindowSample":
        """Without the first and the last window, which the run's start and end cut off."""
        return self.only(slice(1, -1))


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run with all of its windows, sorted by start."""

    run: LoadTestRun
    windows: Sequence[MetricWindow]

    @property
    def starts(self) -> range:
        """When its windows begin, those between the first and the last that are missing included."""
        if not self.windows:
            return range(0)
        return range(self.windows[0].start, self.windows[-1].start + 1, self.run.window_seconds)

    @property
    def began_at(self) -> float:
        """When k6 began, in seconds since 1970, to about a second: its first gauge stands in the first window, and it began after
        its generator was started.
        """
        first = float(self.starts.start)
        started = self.run.started_at
        known = first if started is None else started.timestamp()
        return min(max(known, first), first + self.run.window_seconds)

    def sample(self, scenario: str | None) -> WindowSample:
        """The windows of the scenario of that name, or of all together (None); without set-up."""
        keys = {key for key, name in self.run.names.items() if scenario in (None, name)}
        chosen = [each for each in self.windows if each.scenario in keys]
        numbers = sorted({number for each in chosen for number in each.times.ranges})
        columns = {number: place for place, number in enumerate(numbers)}
        starts = self.starts
        figures, counts = np.zeros((len(starts), 3)), np.zeros((len(starts), len(numbers)))
        for window in chosen:
            row = (window.start - starts.start) // self.run.window_seconds
            figures[row] += (window.requests, window.failed, window.times.total)
            for number, count in window.times.ranges.items():
                counts[row, columns[number]] += count
        vus = {each.start: each.vus_mean for each in self.windows if each.scenario == SET_UP and each.vus_mean is not None}
        return WindowSample(
            seconds=self.run.window_seconds,
            starts=np.array(starts, dtype=float),
            requests=figures[:, 0],
            failed=figures[:, 1],
            totals=figures[:, 2],
            vus=np.array([vus.get(start, np.nan) for start in starts], dtype=float),
            times=np.array([range_value(number) for number in numbers], dtype=float),
            counts=counts,
        )

"""The windows of one scenario as columns of numbers, for statistics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from domain.histogram import range_value
from domain.load_test import Scenario
from domain.load_test_run import LoadTestRun
from domain.long_run import Values
from domain.metric_window import SET_UP, MetricWindow, load_windows

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
    def start(self) -> datetime | None:
        """When the first window begins; None where there is none."""
        return datetime.fromtimestamp(self.starts[0], UTC) if len(self) else None

    @property
    def end(self) -> datetime | None:
        """When the last window ends; None where there is none."""
        return datetime.fromtimestamp(self.starts[-1] + self.seconds, UTC) if len(self) else None

    @property
    def inner(self) -> "WindowSample":
        """Without the first and the last window, which begin and end of the load cut off."""
        return self.only(slice(1, -1))


@dataclass(frozen=True)
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

    @cached_property
    def load_began_at(self) -> float:
        """When the set-up was over and the scenarios' times began to count, as sure as `began_at`.

        Where k6 did not say it, it is the middle of the window with the set-up's last answer before the load.
        """
        if (set_up := self.run.set_up_seconds) is not None:
            return self.began_at + set_up
        first = self.load(None).start
        answers = [each.start for each in self.windows if each.scenario == SET_UP and each.requests and each.start <= first]
        return max([self.began_at, *(start + self.run.window_seconds / 2 for start in answers)])

    def load(self, scenario: str | None) -> range:
        """When the windows begin in which that scenario, or any (None), made its load: from the first to the last with an answer.

        Where it has no answer these are the windows of all together, and all there are where nobody has one.
        """
        return self.answered(scenario) or self.answered(None) or self.starts

    def answered(self, scenario: str | None) -> range:
        """When the windows begin from its first to its last answer; none where it has no answer."""
        return load_windows(self._of(scenario), self.run.window_seconds)

    def successes(self, scenario: str | None) -> list[int]:
        """When those of its windows begin in which a request succeeded."""
        return [each.start for each in self._of(scenario) if each.requests > each.failed]

    def load_ended_at(self, scenario: str | None) -> float:
        """When that scenario, or the last of all (None), began no more iterations, at the latest: as planned, with k6, or with
        its last answer if it made all iterations that it was to make, but for one of each VU, which may be interrupted.
        """
        if not self.windows:
            return self.load_began_at
        ends = [self._ended_at(each) for each in self.run.definition.scenarios if scenario in (None, each.name)]
        return min(max(ends), float(self.starts[-1] + self.run.window_seconds))

    def _ended_at(self, scenario: Scenario) -> float:
        executor, answered = scenario.executor, self.answered(scenario.name)
        completed = sum(each.iterations for each in self._of(scenario.name))
        if answered and executor.planned_iterations is not None and completed >= executor.planned_iterations - executor.most_vus:
            return float(answered[-1] + self.run.window_seconds)
        return self.load_began_at + executor.start_time + executor.seconds

    def idle_from(self, scenario: Scenario) -> float:
        """When the window begins in which the first virtual user may have made all its iterations; infinite where in none."""
        idling, completed = scenario.executor.idling_iterations, 0
        for each in self._of(scenario.name):
            completed += each.iterations
            if completed >= idling:
                return float(each.start)
        return math.inf

    def _of(self, scenario: str | None) -> list[MetricWindow]:
        keys = {key for key, name in self.run.names.items() if scenario in (None, name)}
        return [each for each in self.windows if each.scenario in keys]

    def sample(self, scenario: str | None, starts: range | None = None) -> WindowSample:
        """The windows of the load of the scenario of that name, or of all together (None), or those that begin then; without
        set-up.
        """
        starts = self.load(scenario) if starts is None else starts
        chosen = [each for each in self._of(scenario) if each.start in starts]
        numbers = sorted({number for each in chosen for number in each.times.ranges})
        columns = {number: place for place, number in enumerate(numbers)}
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

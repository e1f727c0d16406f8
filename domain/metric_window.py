"""What a load generator measured, window by window and scenario by scenario, so that it can be added up and sent again.

A window's figures are cumulative: each revision of it replaces the one before, and a sample that comes late makes the next. What
was sent twice or out of order therefore changes nothing, and nothing is ever subtracted.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from domain.histogram import Histogram

SET_UP = ""  # the scenario of what no scenario sends: set-up and login, and of gauges of the whole test


@dataclass(slots=True)
class MetricWindow:
    """The figures of one scenario in the window that begins at `start`, in seconds since 1970.

    `times` are the response times of all completed requests in milliseconds, `failed` how many of them had no answer or one of an
    unexpected status. `dropped` are iterations that should have begun and had no virtual user. `vus` and `max_vus` are the last
    gauges in the window, of the whole test (scenario `SET_UP`), None where there was none.
    A window that `is_elsewhere` has no figures and stands for all scenarios: where k6 sends its samples they have to be read.
    """

    start: int
    scenario: str
    revision: int = 0
    times: Histogram = field(default_factory=Histogram)
    failed: int = 0
    iterations: int = 0
    dropped: int = 0
    checks_passed: int = 0
    checks_failed: int = 0
    vus: int | None = None
    max_vus: int | None = None
    is_elsewhere: bool = False

    @property
    def requests(self) -> int:
        """How many requests were completed."""
        return self.times.count

    def as_json(self) -> dict[str, Any]:
        """The document from which `of` reads the same window."""
        return {
            "start": self.start,
            "scenario": self.scenario,
            "revision": self.revision,
            "times": self.times.as_json(),
            "failed": self.failed,
            "iterations": self.iterations,
            "dropped": self.dropped,
            "checksPassed": self.checks_passed,
            "checksFailed": self.checks_failed,
            "vus": self.vus,
            "maxVus": self.max_vus,
            **({"isElsewhere": True} if self.is_elsewhere else {}),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The window that `as_json` wrote."""
        return cls(
            start=document["start"],
            scenario=document["scenario"],
            revision=document["revision"],
            times=Histogram.of(document["times"]),
            failed=document["failed"],
            iterations=document["iterations"],
            dropped=document["dropped"],
            checks_passed=document["checksPassed"],
            checks_failed=document["checksFailed"],
            vus=document["vus"],
            max_vus=document["maxVus"],
            is_elsewhere=document.get("isElsewhere", False) is True,
        )


class WindowsByTime:
    """Tells windows of `seconds` whose figures lie elsewhere: when they should be there, and again a window later.

    At the end all are told once more, as samples may have arrived at any time before.
    """

    def __init__(self, seconds: int, began: float, settle_seconds: float = 2.0) -> None:
        self._seconds = seconds
        self._settle_seconds = settle_seconds
        self._next = int(began) - int(began) % seconds
        self._told: dict[int, int] = {}

    def due(self, now: float | None) -> Iterator[MetricWindow]:
        """The windows to tell at that time; all up to this moment for None."""
        if now is None:
            end = self._next + self._seconds + math.ceil(self._settle_seconds)
            first = min(self._told, default=self._next)
            yield from map(self._tell, range(first, end, self._seconds))
            return
        while now >= self._next + self._seconds + self._settle_seconds:
            if self._told:
                yield self._tell(self._next - self._seconds)
            yield self._tell(self._next)
            self._next += self._seconds

    def _tell(self, start: int) -> MetricWindow:
        revision = self._told[start] = self._told.get(start, 0) + 1
        return MetricWindow(start, SET_UP, revision, is_elsewhere=True)


class WindowSums:
    """Sums samples up into windows of `seconds`, and tells which have changed since they were last told.

    Samples come roughly in the order of time. A window is told for the first time when `settle_seconds` have passed after its
    end, and again whenever a sample came later than that.
    """

    def __init__(self, seconds: int, settle_seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._settle_seconds = settle_seconds
        self._windows: dict[tuple[int, str], MetricWindow] = {}
        self._changed: set[tuple[int, str]] = set()

    def window(self, second: int, scenario: str) -> MetricWindow:
        """The window of a second since 1970, to be changed by the caller."""
        key = (second - second % self._seconds, scenario)
        self._changed.add(key)
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = MetricWindow(*key)
        return found

    def due(self, now: float | None) -> Iterator[MetricWindow]:
        """The windows to tell at that time, the oldest first, each in its next revision; all that have changed for None."""
        for key in sorted(self._changed):
            if now is None or now >= key[0] + self._seconds + self._settle_seconds:
                self._changed.discard(key)
                window = self._windows[key]
                window.revision += 1
                yield window

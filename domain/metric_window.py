"""What a load generator measured, window by window and scenario by scenario, so that it can be added up and sent again.

A window's figures are cumulative: each revision of it replaces the one before, and a sample that comes late makes the next. What
was sent twice or out of order therefore changes nothing, and nothing is ever subtracted.
"""

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from domain.histogram import ZERO, Histogram

SET_UP = ""  # the scenario of what no scenario sends: set-up and login, and of gauges of the whole test
MOST_START = 2**33  # in the year 2242, up to which nanoseconds since 1970 have 64 bits
MOST_COUNT = 2**31 - 1  # in one window; what every database has as an integer
MOST_RANGE = 5_000  # by its number, either way; a year is in range 1,209
MOST_TIME = 1e18  # in milliseconds; also of all of a window's together
FARTHEST_BACK = 3600.0  # seconds before its begin to which a clock may be set back in a run
COUNTS = ("revision", "failed", "iterations", "dropped", "checksPassed", "checksFailed")
COUNTS_OF_VUS = ("vusTotal", "vusCount")
NUMBERS_OF_VUS = ("vus", "vusLeast", "maxVus")


@dataclass(slots=True)
class MetricWindow:
    """The figures of one scenario in the window that begins at `start`, in seconds since 1970.

    `times` are the response times of all completed requests in milliseconds, `failed` how many of them had no answer or one of an
    unexpected status. `dropped` are iterations that should have begun and had no virtual user.

    k6 counts the virtual users of the whole test (scenario `SET_UP`) once a second: `vus` is the greatest such count in the
    window and `vus_least` the least, None where there was none, `vus_total` the sum of all `vus_count` of them. `max_vus` is how
    many were ready at most. Windows of older versions have the last count as `vus`, and no more of it.

    A window that `is_elsewhere` has no figures and stands for all scenarios: where k6 sends its samples they have to be read,
    whose times are by `clock_offset` seconds behind the window's.
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
    vus_least: int | None = None
    vus_total: int = 0
    vus_count: int = 0
    max_vus: int | None = None
    is_elsewhere: bool = False
    clock_offset: int = 0

    @property
    def requests(self) -> int:
        """How many requests were completed."""
        return self.times.count

    def count_vus(self, vus: int) -> None:
        """Take in that there are now so many virtual users."""
        self.vus = vus if self.vus is None else max(self.vus, vus)
        self.vus_least = vus if self.vus_least is None else min(self.vus_least, vus)
        self.vus_total += vus
        self.vus_count += 1

    @property
    def vus_mean(self) -> float | None:
        """The mean number of virtual users; None where not known."""
        return self.vus_total / self.vus_count if self.vus_count else self.vus

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
            "vusLeast": self.vus_least,
            "vusTotal": self.vus_total,
            "vusCount": self.vus_count,
            "maxVus": self.max_vus,
            **({"isElsewhere": True, "clockOffset": self.clock_offset} if self.is_elsewhere else {}),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The window that `as_json` wrote; KeyError, TypeError or ValueError where it can't have been.

        A generator that is older than the server does not tell all of the VUs.
        """
        start, offset = _whole("start", document["start"]), _whole("clockOffset", document.get("clockOffset", 0))
        if not (0 <= start < MOST_START and 0 <= start - offset < MOST_START):
            raise ValueError("begins before 1970 or after 2242, by the server's clock or by k6's")
        for name in COUNTS:
            _count(name, document[name])
        for name in COUNTS_OF_VUS:
            _count(name, document.get(name, 0))
        for name in NUMBERS_OF_VUS:
            if document.get(name) is not None:
                _count(name, document[name])
        if not isinstance(document["scenario"], str):
            raise TypeError("scenario must be text")
        return cls(
            start=start,
            scenario=document["scenario"],
            revision=document["revision"],
            times=_times(document["times"]),
            failed=document["failed"],
            iterations=document["iterations"],
            dropped=document["dropped"],
            checks_passed=document["checksPassed"],
            checks_failed=document["checksFailed"],
            vus=document["vus"],
            vus_least=document.get("vusLeast"),
            vus_total=document.get("vusTotal", 0),
            vus_count=document.get("vusCount", 0),
            max_vus=document["maxVus"],
            is_elsewhere=document.get("isElsewhere", False) is True,
            clock_offset=offset,
        )


def _whole(name: str, value: object) -> int:
    if type(value) is not int:  # isinstance lets True pass
        raise TypeError(f"{name} must be a whole number")
    return value


def _count(name: str, value: object) -> None:
    if not 0 <= _whole(name, value) <= MOST_COUNT:
        raise ValueError(f"{name} must be from 0 to {MOST_COUNT}")


def _times(document: Mapping[str, Any]) -> Histogram:
    for number, count in document["ranges"]:
        if type(number) is not int or not (-MOST_RANGE <= number <= MOST_RANGE or number == ZERO):
            raise ValueError(f"ranges must have whole numbers from {-MOST_RANGE} to {MOST_RANGE}, or {ZERO}")
        if type(count) is not int or not 0 < count <= MOST_COUNT:
            raise ValueError(f"ranges must have counts from 1 to {MOST_COUNT}")
    found = Histogram.of(document)
    if found.ranges and not (0 <= found.least <= found.greatest <= MOST_TIME and 0 <= found.total <= MOST_TIME):
        raise ValueError(f"times must be from 0 to {MOST_TIME:g} ms, the least not above the greatest")
    return found


def load_windows(windows: Iterable[MetricWindow], seconds: int) -> range:
    """When the windows of a load begin, from the first to the last of these with an answer, which its begin and end cut off."""
    loaded = [each.start for each in windows if each.requests]
    return range(min(loaded), max(loaded) + 1, seconds) if loaded else range(0)


class WindowsByTime:
    """Tells windows of `seconds` whose figures lie elsewhere: when they should be there, and again a window later.

    At the end all are told once more, as samples may have arrived at any time before, with those that had only begun and those to
    which the clock was set back. Times are the server's, by `clock_offset` seconds ahead of those that k6 gives its samples.
    """

    def __init__(self, seconds: int, began: float, clock_offset: int = 0, settle_seconds: float = 2.0) -> None:
        self._seconds = seconds
        self._clock_offset = clock_offset
        self._settle_seconds = settle_seconds
        self._began = self._least = began
        self._next = int(began) - int(began) % seconds
        self._told: dict[int, int] = {}

    def due(self, now: float, *, is_over: bool = False) -> Iterator[MetricWindow]:
        """The windows to tell at that time; all that there can be where k6's run is over."""
        self._least = max(min(self._least, now), self._began - FARTHEST_BACK)
        if is_over:
            end = max(self._next + self._seconds + math.ceil(self._settle_seconds), int(now) + 1)
            yield from map(self._tell, range(int(self._least) - int(self._least) % self._seconds, end, self._seconds))
            return
        while now >= self._next + self._seconds + self._settle_seconds:
            if self._told:
                yield self._tell(self._next - self._seconds)
            yield self._tell(self._next)
            self._next += self._seconds

    def _tell(self, start: int) -> MetricWindow:
        revision = self._told[start] = self._told.get(start, 0) + 1
        return MetricWindow(start, SET_UP, revision, is_elsewhere=True, clock_offset=self._clock_offset)


class WindowSums:
    """Sums samples up into windows of `seconds`, and tells which have changed since they were last told.

    Samples come roughly in the order of time. A window is told for the first time when `settle_seconds` have passed after its
    end, and again whenever a sample came later than that. From `keep_seconds` after its end on a window that was told is kept as
    compressed text, which has less than a tenth of its size: a run of hours has hundreds of thousands of them.
    """

    def __init__(self, seconds: int, settle_seconds: float = 1.0, keep_seconds: float = 300.0) -> None:
        self._seconds = seconds
        self._settle_seconds = settle_seconds
        self._keep_seconds = keep_seconds
        self._windows: dict[int, dict[str, MetricWindow]] = {}
        self._folded: dict[int, bytes] = {}
        self._changed: set[tuple[int, str]] = set()

    def window(self, second: int, scenario: str) -> MetricWindow:
        """The window of a second since 1970, to be changed by the caller before windows are told again."""
        start = second - second % self._seconds
        self._changed.add((start, scenario))
        of_start = self._windows.get(start)
        if of_start is None:
            of_start = self._windows[start] = _unfolded(self._folded.pop(start, None))
        found = of_start.get(scenario)
        if found is None:
            found = of_start[scenario] = MetricWindow(start, scenario)
        return found

    def due(self, now: float, *, is_over: bool = False) -> Iterator[MetricWindow]:
        """The windows to tell at that time, the oldest first, each in its next revision; all that changed where k6's run is over.

        Of those of one time that of the set-up comes last: told without the others it looks like a window without requests.
        """
        for key in sorted(self._changed, key=lambda key: (key[0], key[1] == SET_UP, key[1])):
            if is_over or now >= key[0] + self._seconds + self._settle_seconds:
                self._changed.discard(key)
                window = self._windows[key[0]][key[1]]
                window.revision += 1
                yield window
        if not is_over:
            self._fold(now - self._seconds - self._keep_seconds)

    def _fold(self, before: float) -> None:
        """Compress the windows that begin before that time, those of one start together, if all of them were told."""
        changed = {start for start, _ in self._changed}
        for start in [each for each in self._windows if each <= before and each not in changed]:
            documents = [window.as_json() for window in self._windows.pop(start).values()]
            self._folded[start] = zlib.compress(json.dumps(documents, separators=(",", ":")).encode(), level=1)


def _unfolded(folded: bytes | None) -> dict[str, MetricWindow]:
    """The windows of one start by scenario, as they were when they were folded; none for None."""
    documents = [] if folded is None else json.loads(zlib.decompress(folded))
    return {document["scenario"]: MetricWindow.of(document) for document in documents}

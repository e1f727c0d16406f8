"""Reading k6's stream of samples (`k6 run --out json`), a line each, into windows.

Source: k6's documentation of its JSON output, version 1.1; the metrics' meanings are those of its built-in metrics.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from domain.metric_window import SET_UP, MetricWindow, WindowSums

SAMPLE, DEFINITION = b'{"metric":"', b'{"type":"Metric"'
METRIC_AT = len(SAMPLE)


class K6Samples:
    """Sums lines up into windows, with `ahead` seconds added to their times. `unread` counts lines that are no samples of k6."""

    def __init__(self, sums: WindowSums, ahead: int = 0) -> None:
        self._sums = sums
        self._ahead = ahead
        self.unread = 0

    def take(self, line: bytes) -> None:
        """Count what a line says, if it is of a metric that PLOG shows."""
        if not line.startswith(SAMPLE):
            self.unread += not line.startswith(DEFINITION)
            return
        take = TAKERS.get(line[METRIC_AT : line.find(b'"', METRIC_AT)])
        if take is None:
            return
        try:
            document = orjson.loads(line)
            if document["type"] != "Point":
                return
            data = document["data"]
            tags = data["tags"] or {}
            second = second_of(data["time"]) + self._ahead
            take(self._sums.window(second, tags.get("scenario", SET_UP)), data["value"], tags)
        except (ValueError, KeyError, TypeError):
            self.unread += 1


def second_of(time: str) -> int:
    """The second since 1970 in which a time of k6's (RFC 3339, to the nanosecond, of any zone) lies."""
    return _second(time[:19], "Z" if time.endswith("Z") else time[-6:])


@lru_cache(maxsize=64)
def _second(date_and_time: str, zone: str) -> int:
    return int(datetime.fromisoformat(date_and_time + zone).timestamp())


def _duration(window: MetricWindow, value: float, tags: dict[str, Any]) -> None:
    window.times.add(value)
    window.failed += tags.get("expected_response") == "false"


def _iterations(window: MetricWindow, value: float, _tags: dict[str, Any]) -> None:
    window.iterations += int(value)


def _dropped(window: MetricWindow, value: float, _tags: dict[str, Any]) -> None:
    window.dropped += int(value)


def _checks(window: MetricWindow, value: float, _tags: dict[str, Any]) -> None:
    if value:
        window.checks_passed += 1
    else:
        window.checks_failed += 1


def _vus(window: MetricWindow, value: float, _tags: dict[str, Any]) -> None:
    window.count_vus(int(value))


def _max_vus(window: MetricWindow, value: float, _tags: dict[str, Any]) -> None:
    window.max_vus = max(window.max_vus or 0, int(value))


TAKERS = {
    b"http_req_duration": _duration,
    b"iterations": _iterations,
    b"dropped_iterations": _dropped,
    b"checks": _checks,
    b"vus": _vus,
    b"vus_max": _max_vus,
}

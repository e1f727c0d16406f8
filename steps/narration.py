"""What a step reports, once more in plain words on its standard output, so that its log can be followed by reading it.

Standard library only, as `steps.reports`.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

MAX_LENGTH = 300
STEP_PERCENT = 10
PHRASES = {"RUNNING": "begins", "SUCCEEDED": "is done"}


class Narration:
    """Writes a line for each report that is news to a reader; of progress every ten per cent."""

    def __init__(self) -> None:
        self.scenarios: Mapping[str, str] = {}  # the names of the scenarios of a load test, by those in its script
        self._told_percent: dict[str, int] = {}

    def tell(self, report: Mapping[str, Any]) -> None:
        """Write the lines of one report (docs/steps.md), with the time of day in UTC."""
        for line in self._lines(report):
            sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {' '.join(line.split())[:MAX_LENGTH]}\n")
        sys.stdout.flush()

    def _lines(self, report: Mapping[str, Any]) -> Iterator[str]:
        task, status = report.get("task"), report.get("status")
        prefix = f"{task}: " if task else ""
        metadata = report.get("metadata") or {}
        if status == "FAILED":
            yield f"{task} failed: {metadata.get('message')}"
        elif status is not None:
            yield f"{task} {PHRASES[status]}"
        elif facts := ", ".join(_facts(metadata)):
            yield prefix + facts
        if "artifact" in report:
            yield f"{prefix}{report['artifact']['name']} is finished"
        if "trial" in report:
            yield f"{prefix}trial {', '.join(_facts(report['trial']))}"
        if report.get("point", {}).get("error") is not None:
            yield f"{prefix}point {report['point'].get('index')} failed: {report['point']['error']}"
        if "window" in report:
            yield from self._window(report["window"])
        percent = int(report.get("progress", 0) * 100) // STEP_PERCENT * STEP_PERCENT
        if task and percent > self._told_percent.get(task, 0):
            self._told_percent[task] = percent
            yield f"{task}: {percent} %"

    def _window(self, window: Mapping[str, Any]) -> Iterator[str]:
        """A scenario's window of a load test, in figures; the set-up's only where it sent something."""
        requests = sum(count for _, count in window["times"]["ranges"])
        if requests or window["scenario"]:
            name = self.scenarios.get(window["scenario"], window["scenario"]) or "set-up"
            mean = f", {window['times']['total'] / requests:.1f} ms on average" if requests else ""
            begins = f"{datetime.fromtimestamp(window['start'], UTC):%H:%M:%S}"
            yield f"{begins} {name}: {requests} requests, {window['failed']} failed{mean}"


def _facts(document: Mapping[str, Any]) -> Iterator[str]:
    """The entries that fit into a line; lists and objects don't."""
    for name, value in document.items():
        if isinstance(value, float):
            yield f"{name} {value:.6g}"
        elif isinstance(value, str | int):
            yield f"{name} {value}"

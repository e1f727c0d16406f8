"""Windows as points of an InfluxDB 2 bucket, beside PLOG's own database.

A window is one point, at its start: a higher revision of it has the same time and tags, and so takes its place. Whatever is
sent again changes nothing. See docs/adr/0009-influxdb-is-written-by-the-intake.md.
"""

import json
from collections.abc import Sequence
from typing import Any

from adapters.samples.bucket import InfluxBucket, unavailable
from domain.load_test_run import LoadTestRun
from domain.metric_series import SHARES
from domain.metric_window import SET_UP, MetricWindow

SECOND = 10**9  # nanoseconds
MEASUREMENT = "plog_load_test"
OF_VUS = ("vus", "vus_least", "vus_total", "vus_count", "max_vus")
COUNTED = ("revision", "requests", "failed", "iterations", "dropped", "checks_passed", "checks_failed", *OF_VUS)


class InfluxSamples:
    """Implements `domain.ports.Samples` over an open bucket, which gets what the generators tell."""

    k6_output = None

    def __init__(self, bucket: InfluxBucket) -> None:
        self._bucket = bucket

    async def check(self) -> None:
        """As `InfluxBucket.check`."""
        await self._bucket.check()

    async def take(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[MetricWindow]:
        """The windows as they are, once InfluxDB has them."""
        points = [_point(run, window) for window in windows]
        if points:
            with unavailable(f"takes no windows of run {run.id}"):
                await self._bucket.client.write_api().write(self._bucket.name, record=points)
        return list(windows)


def _point(run: LoadTestRun, window: MetricWindow) -> dict[str, Any]:
    """The client leaves out tags and fields without a value.

    `scenario` is for people: line protocol has no line feeds and no backslash at the end of a tag, so names can become alike.
    """
    tags = {"run": run.uuid, "project": run.project_id, "load_test": run.load_test_id, "target": run.target_id}
    if window.scenario != SET_UP:
        tags |= {"scenario": run.names.get(window.scenario), "scenario_key": window.scenario}
    return {
        "measurement": MEASUREMENT,
        "time": window.start * SECOND,
        "tags": tags,
        "fields": {name: getattr(window, name) for name in COUNTED} | _figures(run, window),
    }


def _figures(run: LoadTestRun, window: MetricWindow) -> dict[str, Any]:
    """What dashboards show of a window; `times` is the histogram, which can be added to others."""
    times, requests = window.times, window.requests
    if not requests:
        return {"tps": 0.0}
    p50, p90, p95, p99 = times.percentiles(SHARES)
    return {
        "tps": requests / run.window_seconds,
        "error_rate": window.failed / requests,
        **{"min": times.least, "avg": times.mean, "max": times.greatest, "p50": p50, "p90": p90, "p95": p95, "p99": p99},
        "times": json.dumps(times.as_json(), separators=(",", ":")),
    }

"""The figures of load tests in an InfluxDB 2 bucket: windows that PLOG writes there, or samples that k6 writes and PLOG reads.

A window is one point, at its start: a higher revision of it has the same time and tags, and so takes its place. Whatever is
sent again changes nothing. See docs/adr/0009-influxdb-is-written-by-the-intake.md and 0013-k6-may-feed-influxdb-itself.md.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from influxdb_client.rest import ApiException

from adapters.samples.bucket import BucketRefused, InfluxBucket, unavailable
from adapters.samples.k6_points import read_windows
from domain.k6_output import K6Output
from domain.load_test_run import LoadTestRun
from domain.metric_series import SHARES
from domain.metric_window import SET_UP, MetricWindow

SECOND = 10**9  # nanoseconds
MEASUREMENT = "plog_load_test"
OF_VUS = ("vus", "vus_least", "vus_total", "vus_count", "max_vus")
COUNTED = ("revision", "requests", "failed", "iterations", "dropped", "checks_passed", "checks_failed", *OF_VUS)
READ_SECONDS = 20  # how much of a run is read at once, if its windows are not longer
ENOUGH_SECONDS = 4.0  # whoever waits for an answer gives up at some time


class InfluxSamples:
    """Implements `domain.ports.Samples` over an open bucket. Runs may be fed either way, whatever way new ones are."""

    def __init__(self, bucket: InfluxBucket, *, is_fed_by_k6: bool = False) -> None:
        self._bucket = bucket
        self.k6_output = K6Output(address=bucket.url, bucket=bucket.name, token=bucket.token) if is_fed_by_k6 else None

    async def check(self) -> None:
        """As `InfluxBucket.check`; `BucketRefused` too where k6 is to write and can't.

        It speaks the protocol of InfluxDB 1, in which a bucket is a database of the same name.
        """
        await self._bucket.check()
        if self.k6_output is None:
            return
        with unavailable("can't be asked whether k6 may write to the bucket"):
            client, query = self._bucket.client.api_client, [("db", self._bucket.name)]
            try:
                await client.call_api("/write", "POST", query_params=query)  # type: ignore[no-untyped-call]
            except ApiException as error:
                if error.status == 404:
                    reason = f"k6 finds no bucket {self._bucket.name!r}; give its name and not its ID, without a slash in it"
                    raise BucketRefused("BUCKET", reason) from error
                raise

    async def take(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[list[MetricWindow]]:
        """Figures as they are, once InfluxDB has them; of a window that is elsewhere, what InfluxDB has, of all scenarios."""
        points = [_point(run, window) for window in windows if not window.is_elsewhere]
        if points:
            with unavailable(f"takes no windows of run {run.id}"):
                await self._bucket.client.write_api().write(self._bucket.name, record=points)
        found = [[] if window.is_elsewhere else [window] for window in windows]
        last = {window.start: place for place, window in enumerate(windows) if window.is_elsewhere}
        began = time.monotonic()
        for number, places in enumerate(_spans(last, max(READ_SECONDS, run.window_seconds))):
            if number and time.monotonic() - began > ENOUGH_SECONDS:
                return found[: min(places.values())]
            offset = windows[places[min(places)]].clock_offset
            for each in await read_windows(self._bucket, run, min(places), max(places) + run.window_seconds, offset):
                if each.start in places:
                    place = places[each.start]
                    found[place].append(replace(each, revision=windows[place].revision))
        return found


def _spans(places: Mapping[int, int], seconds: int) -> Iterator[dict[int, int]]:
    """Windows that follow one another and begin within so many seconds, together, in the order of their places."""
    span: dict[int, int] = {}
    for start, place in sorted(places.items(), key=lambda each: each[1]):
        if span and not min(span) <= start < min(span) + seconds:
            yield span
            span = {}
        span[start] = place
    if span:
        yield span


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

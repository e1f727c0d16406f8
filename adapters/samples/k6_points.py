"""The points that k6 writes to InfluxDB, one for each sample, summed up in windows.

Points of one series that share a nanosecond are one; the tags `vu` (set by the script) and `generator` keep virtual users apart,
so that none is lost by that. See docs/adr/0013-k6-may-feed-influxdb-itself.md.
"""

import asyncio
import csv
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from influxdb_client.domain.dialect import Dialect

from adapters.samples.bucket import InfluxBucket, unavailable
from domain.load_test_run import LoadTestRun
from domain.metric_window import SET_UP, MetricWindow

# One read of everything: each further one would cost as much again, as the virtual users have a series each.
POINTS = """
from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: (r) => r.run == run and r._field == "value")
    |> filter(fn: (r) => r._measurement == "http_req_duration" or r._measurement == "iterations"
        or r._measurement == "dropped_iterations" or r._measurement == "checks"
        or r._measurement == "vus" or r._measurement == "vus_max")
    |> group(columns: ["_measurement", "scenario", "expected_response"])
    |> keep(columns: ["_time", "_value", "_measurement", "scenario", "expected_response"])
"""
PLAIN = Dialect(annotations=[], header=True)  # type: ignore[no-untyped-call]
FAILED = "false"  # k6's tag `expected_response`


async def read_windows(bucket: InfluxBucket, run: LoadTestRun, start: int, stop: int, clock_offset: int) -> list[MetricWindow]:
    """The windows of the run from `start` to `stop` (seconds since 1970) in which there is anything, of all scenarios.

    That is by the server's clock, which is `clock_offset` seconds ahead of the one by which k6 gave points their times.
    """
    given = {"bucket": bucket.name, "run": str(run.uuid), "start": start - clock_offset, "stop": stop - clock_offset}
    with unavailable(f"can't be read for run {run.id}"):
        text = await bucket.client.query_api().query_raw(POINTS, dialect=PLAIN, params=given)
    return await asyncio.to_thread(_summed, text, run.window_seconds, clock_offset)


def _summed(text: str, seconds: int, clock_offset: int) -> list[MetricWindow]:
    found: dict[tuple[int, str], MetricWindow] = {}
    for row in _rows(text):
        second = _second(row["_time"][:19]) + clock_offset
        key = second - second % seconds, row.get("scenario") or SET_UP
        window = found.get(key) or found.setdefault(key, MetricWindow(*key))
        value, measurement = float(row["_value"]), row["_measurement"]
        if measurement == "http_req_duration":
            window.times.add(value)
            window.failed += row["expected_response"] == FAILED
        elif measurement == "iterations":
            window.iterations += round(value)
        elif measurement == "dropped_iterations":
            window.dropped += round(value)
        elif measurement == "checks":
            window.checks_passed += bool(value)
            window.checks_failed += not value
        elif measurement == "vus":
            window.count_vus(round(value))
        else:
            window.max_vus = max(window.max_vus or 0, round(value))
    return list(found.values())


def _rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of all tables, by column. Tables with the same columns share a header; an empty line comes before the next one."""
    columns: list[str] = []
    for row in csv.reader(text.splitlines()):
        if not row:
            columns = []
        elif columns:
            yield dict(zip(columns, row, strict=True))
        else:
            columns = row


@lru_cache(maxsize=256)
def _second(time: str) -> int:
    """The second since 1970 of a time to the second, in UTC."""
    return round(datetime.fromisoformat(f"{time}+00:00").timestamp())

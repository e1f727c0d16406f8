"""Samples that k6 itself writes to an InfluxDB 2 bucket, read from there when their windows are over.

k6 writes a point for each sample. Points of one series that share a nanosecond are one; the tags `vu` (set by the script) and
`generator` keep virtual users apart, so that none is lost by that. What InfluxDB does not take k6 drops, and the run's count
of requests then differs from k6's own. See docs/adr/0013-k6-may-feed-influxdb-itself.md.
"""

import asyncio
import csv
from collections.abc import Iterator, Sequence

from influxdb_client.domain.dialect import Dialect
from influxdb_client.rest import ApiException

from adapters.samples.bucket import BucketRefused, InfluxBucket, unavailable
from domain.k6_output import K6Output
from domain.load_test_run import LoadTestRun
from domain.metric_window import SET_UP, MetricWindow

SAMPLES = """
points = from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: (r) => r.run == run and r._field == "value")
of = (measurement) => points |> filter(fn: (r) => r._measurement == measurement)
total = (name, tables=<-) => tables |> group(columns: ["scenario"]) |> sum() |> yield(name: name)

of(measurement: "http_req_duration") |> keep(columns: ["_value", "scenario", "expected_response"]) |> yield(name: "times")
of(measurement: "iterations") |> sum() |> total(name: "iterations")
of(measurement: "dropped_iterations") |> sum() |> total(name: "dropped")
of(measurement: "checks") |> sum() |> total(name: "checks_passed")
of(measurement: "checks") |> filter(fn: (r) => r._value == 0.0) |> count() |> toFloat() |> total(name: "checks_failed")
of(measurement: "vus") |> max() |> total(name: "vus")
of(measurement: "vus") |> min() |> total(name: "vus_least")
of(measurement: "vus") |> sum() |> total(name: "vus_total")
of(measurement: "vus") |> count() |> toFloat() |> total(name: "vus_count")
of(measurement: "vus_max") |> max() |> total(name: "max_vus")
"""
PLAIN = Dialect(annotations=[], header=True)  # type: ignore[no-untyped-call]
FAILED = "false"  # k6's tag `expected_response`


class K6InfluxSamples:
    """Implements `domain.ports.Samples` over an open bucket that k6 writes to."""

    def __init__(self, bucket: InfluxBucket) -> None:
        self._bucket = bucket
        self.k6_output = K6Output(address=bucket.url, bucket=bucket.name, token=bucket.token)

    async def check(self) -> None:
        """As `InfluxBucket.check`; `BucketRefused` too where k6 can't write, which names buckets as InfluxDB 1 does databases."""
        await self._bucket.check()
        with unavailable("can't be asked whether k6 may write to the bucket"):
            client, query = self._bucket.client.api_client, [("db", self._bucket.name)]
            try:
                await client.call_api("/write", "POST", query_params=query)  # type: ignore[no-untyped-call]
            except ApiException as error:
                if error.status == 404:
                    reason = f"k6 finds no bucket {self._bucket.name!r}; give its name and not its ID, without a slash in it"
                    raise BucketRefused("BUCKET", reason) from error
                raise

    async def take(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[MetricWindow]:
        """What InfluxDB has of the windows that are told, of all scenarios; of one in which it has nothing, nothing."""
        revisions: dict[int, int] = {}
        for window in windows:
            revisions[window.start] = max(window.revision, revisions.get(window.start, 0))
        return [each for start, revision in revisions.items() for each in await self._read(run, start, revision)]

    async def _read(self, run: LoadTestRun, start: int, revision: int) -> list[MetricWindow]:
        given = {"bucket": self._bucket.name, "run": str(run.uuid), "start": start, "stop": start + run.window_seconds}
        with unavailable(f"can't be read for run {run.id}"):
            text = await self._bucket.client.query_api().query_raw(SAMPLES, dialect=PLAIN, params=given)
        return await asyncio.to_thread(_windows, text, start, revision)


def _windows(text: str, start: int, revision: int) -> list[MetricWindow]:
    """The windows of all scenarios from the answer to `SAMPLES`."""
    found: dict[str, MetricWindow] = {}
    for row in _rows(text):
        scenario, name, value = row.get("scenario") or SET_UP, row["result"], float(row["_value"])
        window = found.setdefault(scenario, MetricWindow(start, scenario, revision))
        if name == "times":
            window.times.add(value)
            window.failed += row.get("expected_response") == FAILED
        else:
            setattr(window, name, round(value))
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

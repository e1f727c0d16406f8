"""Windows as points of an InfluxDB 2 bucket, beside PLOG's own database.

A window is one point, at its start: a higher revision of it has the same time and tags, and so takes its place. Whatever is
sent again changes nothing. See docs/adr/0009-influxdb-is-written-by-the-intake.md.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientError
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException

from domain.errors import Unavailable
from domain.load_test_run import LoadTestRun
from domain.metric_series import SHARES
from domain.metric_window import SET_UP, MetricWindow

log = logging.getLogger(__name__)
SECOND = 10**9  # nanoseconds
MEASUREMENT = "plog_load_test"
TIMEOUT_SECONDS = 10.0
COUNTED = ("revision", "requests", "failed", "iterations", "dropped", "checks_passed", "checks_failed", "vus", "max_vus")


class BucketRefused(ValueError):
    """InfluxDB answers and does not let PLOG use the bucket; `setting` is the end of the variable that is to blame."""

    def __init__(self, setting: str, reason: str) -> None:
        super().__init__(reason)
        self.setting = setting


class InfluxSamples:
    """Implements `domain.ports.Samples` over the bucket at `url`; open it as a context."""

    def __init__(self, url: str, org: str, bucket: str, token: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._given: dict[str, Any] = {"url": url, "org": org, "token": token, "timeout": round(timeout_seconds * 1000)}
        self._bucket = bucket
        self._client: InfluxDBClientAsync | None = None

    async def __aenter__(self) -> Self:
        self._client = InfluxDBClientAsync(**self._given)  # needs a running loop
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]

    async def check(self) -> None:
        """`BucketRefused` where the bucket can't be used; `Unavailable` where InfluxDB does not answer."""
        with _unavailable("can't be asked for the bucket"):
            try:
                query = "buckets() |> filter(fn: (r) => r.name == name or r.id == name)"
                found = await self._opened.query_api().query(query, params={"name": self._bucket})
            except ApiException as error:
                if error.status in (401, 403):
                    raise BucketRefused("TOKEN", "InfluxDB does not know the token") from error
                if "organization" in str(error.body):
                    raise BucketRefused("ORG", "InfluxDB knows no such organisation") from error
                raise
        if not any(table.records for table in found):
            raise BucketRefused("BUCKET", f"the organisation has no bucket {self._bucket!r} that the token may read")

    async def take(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> list[MetricWindow]:
        """The windows as they are, once InfluxDB has them."""
        points = [_point(run, window) for window in windows]
        if points:
            with _unavailable(f"takes no windows of run {run.id}"):
                await self._opened.write_api().write(self._bucket, record=points)
        return list(windows)

    @property
    def _opened(self) -> InfluxDBClientAsync:
        if self._client is None:
            raise RuntimeError("InfluxSamples is used as a context")
        return self._client


@contextmanager
def _unavailable(what: str) -> Iterator[None]:
    """Any failure of InfluxDB as `Unavailable`; the log has its words, which are for whoever runs the server."""
    try:
        yield
    except (ClientError, OSError, TimeoutError, ApiException) as error:
        told = f"{error.status} {error.reason}" if isinstance(error, ApiException) else f"{type(error).__name__}: {error}"
        log.warning("InfluxDB %s: %s", what, told)
        raise Unavailable("InfluxDB does not answer as it should; what was told to it is kept and told again.") from error


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

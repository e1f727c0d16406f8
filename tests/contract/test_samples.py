"""One suite for windows that only PLOG keeps and for those that InfluxDB gets too."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from adapters.samples.embedded import EmbeddedSamples
from adapters.samples.influx import COUNTED, BucketRefused, InfluxSamples
from domain.errors import Unavailable
from domain.histogram import Histogram
from domain.load_test_run import LoadTestRun
from domain.metric_window import SET_UP, MetricWindow
from domain.ports import Samples
from tests.services import InfluxServer
from tests.synthetic_runs import constant, load_test_run, scenario, windows

NAMES = (
    "browse",
    "a b,c=d",
    "\\",
    "\"'`${x}\\",
    "Einkauf 結帳 \U0001f6d2",
    "zwei\nZeilen\r\t",
    "zwei\\nZeilen\\r\\t",
    "\u0085\u2028",
    "#",
    "  rand  ",
    "set-up",
)


def opened(server: InfluxServer, **given: Any) -> InfluxSamples:
    values = {"url": server.url, "org": server.ORG, "bucket": server.BUCKET, "token": server.TOKEN}
    return InfluxSamples(**{**values, **given})


@pytest.fixture(params=["embedded", "influx"])
async def samples(request: pytest.FixtureRequest) -> AsyncIterator[Samples]:
    if request.param == "embedded":
        yield EmbeddedSamples()
        return
    async with opened(request.getfixturevalue("influx")) as found:
        yield found


@pytest.fixture
def run() -> LoadTestRun:
    return load_test_run(*(scenario(constant(60), name) for name in NAMES), uuid=uuid4())


def told(run: LoadTestRun, count: int = 4) -> list[MetricWindow]:
    """Windows of all scenarios of a run, and of its set-up."""
    chance = np.random.default_rng(4)
    found = [window for key in run.names for window in windows(chance, count, key=key)]
    empty = MetricWindow(found[0].start, SET_UP, 1, vus=10, max_vus=20)
    return [*found, empty, replace(empty, start=empty.start + 5, vus=None, max_vus=None)]


async def test_windows_come_out_as_they_were_told(samples: Samples, run: LoadTestRun) -> None:
    given = told(run)
    assert await samples.take(run, given) == given
    assert await samples.take(run, given) == given, "again"
    assert await samples.take(run, []) == []


def kept(server: InfluxServer, run: LoadTestRun) -> dict[tuple[int, str], MetricWindow]:
    """What InfluxDB has of a run."""
    points: dict[tuple[int, str], dict[str, Any]] = defaultdict(dict)
    for row in server.query(f'|> filter(fn: (r) => r.run == "{run.uuid}")'):
        points[round(row["_time"].timestamp()), row.get("scenario_key", SET_UP)][row["_field"]] = row["_value"]
    found = {}
    for (start, key), fields in points.items():
        times = Histogram.of(json.loads(fields["times"])) if fields["requests"] else Histogram()
        figures = {name: fields.get(name) for name in COUNTED if name != "requests"}
        found[start, key] = MetricWindow(start, key, times=times, **figures)  # type: ignore[arg-type]
    return found


async def test_influxdb_has_the_last_revision_of_each_window(influx: InfluxServer, run: LoadTestRun) -> None:
    given, other = told(run), replace(run, uuid=uuid4())
    async with opened(influx) as samples:
        await samples.take(run, given)
        await samples.take(other, given[:1])
        assert kept(influx, run) == {(each.start, each.scenario): each for each in given}
        later = [replace(each, revision=each.revision + 1, failed=each.failed + 1) for each in given[:3]]
        await samples.take(run, later)
        expected = {(each.start, each.scenario): each for each in (*given, *later)}
        assert kept(influx, run) == expected
        influx.kill()
        with pytest.raises(Unavailable, match="InfluxDB"):
            await samples.take(run, given)
        influx.start()
        await samples.take(run, later)
    assert kept(influx, run) == expected and len(kept(influx, other)) == 1


async def test_dashboards_find_the_figures_of_each_window(influx: InfluxServer, run: LoadTestRun) -> None:
    window = told(run)[0]
    async with opened(influx) as samples:
        await samples.take(run, [window])
    rows = influx.query(f'|> filter(fn: (r) => r.run == "{run.uuid}")')
    figures = {row["_field"]: row["_value"] for row in rows}
    assert figures["tps"] == window.requests / 5 and figures["error_rate"] == window.failed / window.requests
    assert [figures[name] for name in ("p50", "p99")] == window.times.percentiles((0.5, 0.99))
    assert (figures["min"], figures["avg"], figures["max"]) == (window.times.least, window.times.mean, window.times.greatest)
    tags = {"project": "1", "load_test": "1", "target": "1", "scenario": "browse", "_measurement": "plog_load_test"}
    assert tags.items() <= rows[0].items()


async def test_an_influxdb_that_does_not_answer_is_noticed(influx: InfluxServer, run: LoadTestRun) -> None:
    async with opened(influx, timeout_seconds=0.5) as samples:
        influx.pause()
        try:
            with pytest.raises(Unavailable, match="InfluxDB"):
                await samples.take(run, told(run))
            with pytest.raises(Unavailable, match="InfluxDB"):
                await samples.check()
        finally:
            influx.resume()
        await samples.check()


@pytest.mark.parametrize(
    ("given", "setting"),
    [({"token": "wrong"}, "TOKEN"), ({"token": ""}, "TOKEN"), ({"org": "nobody"}, "ORG"), ({"bucket": "none"}, "BUCKET")],
)
async def test_what_influxdb_refuses_is_named_at_the_start(influx: InfluxServer, given: dict[str, str], setting: str) -> None:
    async with opened(influx, **given) as samples:
        with pytest.raises(BucketRefused) as refused:
            await samples.check()
    assert refused.value.setting == setting

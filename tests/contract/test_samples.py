"""One suite for samples that only PLOG gets, for windows that InfluxDB gets too, and for samples that k6 writes to InfluxDB."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from adapters.samples import influx as influx_samples
from adapters.samples.bucket import BucketRefused, InfluxBucket
from adapters.samples.embedded import EmbeddedSamples
from adapters.samples.influx import COUNTED, InfluxSamples
from domain.endpoint import Method
from domain.errors import Unavailable
from domain.executor import Executor, ExecutorKind
from domain.histogram import Histogram
from domain.k6_script import ScriptScenario, write_script
from domain.load_test_run import LoadTestRun
from domain.metric_window import SET_UP, MetricWindow
from domain.ports import Samples
from domain.request import Request
from tests.generator import Generator
from tests.services import InfluxServer
from tests.sites import Site, serving
from tests.synthetic_runs import constant, load_test_run, scenario, windows
from tests.waiting import eventually

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


FEEDS = pytest.mark.parametrize("is_fed_by_k6", [False, True])


def opened(server: InfluxServer, **given: Any) -> InfluxBucket:
    values = {"url": server.url, "org": server.ORG, "name": server.BUCKET, "token": server.TOKEN}
    return InfluxBucket(**{**values, **given})


@pytest.fixture(params=["embedded", "influx", "k6"])
async def samples(request: pytest.FixtureRequest) -> AsyncIterator[Samples]:
    if request.param == "embedded":
        yield EmbeddedSamples()
        return
    async with opened(request.getfixturevalue("influx")) as bucket:
        yield InfluxSamples(bucket, is_fed_by_k6=request.param == "k6")


def of_path(site: Site, path: str, rate: int, duration: int) -> ScriptScenario:
    """So many requests a second for so many seconds."""
    executor = Executor(
        kind=ExecutorKind.CONSTANT_ARRIVAL_RATE, rate=rate, duration=duration, vus=20, max_vus=40, graceful_stop=5
    )
    request = Request(name=f"GET {path}", method=Method.GET, url=site.address + path)
    return ScriptScenario(title=path, executor=executor, requests=(request,))


@pytest.fixture
def run() -> LoadTestRun:
    return load_test_run(*(scenario(constant(60), name) for name in NAMES), uuid=uuid4())


def told(run: LoadTestRun, count: int = 4) -> list[MetricWindow]:
    """Windows of all scenarios of a run, and of its set-up."""
    chance = np.random.default_rng(4)
    found = [window for key in run.names for window in windows(chance, count, key=key)]
    empty = MetricWindow(found[0].start, SET_UP, 1, vus=10, vus_least=1, vus_total=24, vus_count=5, max_vus=20)
    return [*found, empty, MetricWindow(empty.start + 5, SET_UP, 1)]


async def taken(samples: Samples, run: LoadTestRun, given: Sequence[MetricWindow]) -> list[MetricWindow]:
    """What is to be kept of all windows, told again and again as the shim does."""
    found: list[MetricWindow] = []
    while given:
        part = await samples.take(run, given)
        assert part, "at least one"
        found += chain.from_iterable(part)
        given = given[len(part) :]
    return found


async def test_a_run_of_k6_comes_out_as_k6_counts_it(samples: Samples, run: LoadTestRun, tmp_path: Path) -> None:
    with serving({"/": b"{}", "/bad": 500}) as site:
        scenarios = [of_path(site, "/", rate=150, duration=4), of_path(site, "/bad", rate=30, duration=2)]
        generator = Generator(tmp_path, write_script(scenarios), 1, k6_output=samples.k6_output, run=run.uuid)
        code, output = await asyncio.to_thread(generator.end)
    assert code == 0, output
    run = replace(run, window_seconds=1)
    windows = {(each.start, each.scenario): each for each in await taken(samples, run, generator.told)}
    metrics, found = generator.summary["metrics"], list(windows.values())
    times = Histogram.merged(each.times for each in found)
    assert times.count == sum(each.requests for each in found) == metrics["http_reqs"]["count"] >= 600
    assert sum(each.failed for each in found) == metrics["http_req_failed"]["passes"] > 50
    assert sum(each.iterations for each in found) == metrics["iterations"]["count"]
    assert sum(each.checks_passed for each in found) == metrics["checks"]["passes"]
    assert sum(each.checks_failed for each in found) == metrics["checks"]["fails"] > 50
    assert times.greatest == pytest.approx(metrics["http_req_duration"]["max"], rel=1e-6)
    assert times.mean == pytest.approx(metrics["http_req_duration"]["avg"], rel=1e-6)
    assert {each.scenario for each in found} == {"s1", "s2", SET_UP}
    gauges = [each for each in found if each.scenario == SET_UP and each.vus is not None]
    assert max(each.max_vus or 0 for each in gauges) == metrics["vus_max"]["max"] and len(gauges) >= 3
    assert max(each.vus or 0 for each in gauges) == metrics["vus"]["max"]
    assert min(each.vus_least or 0 for each in gauges) == metrics["vus"]["min"]
    assert sum(each.vus_count for each in gauges) in (3, 4, 5), "k6 counts once a second"
    again = {(each.start, each.scenario): each for each in await taken(samples, run, generator.told)}
    assert again == windows, "again"
    assert await samples.take(run, []) == []


@pytest.mark.parametrize("ahead", [7, -3_600])
async def test_windows_have_the_servers_time_whatever_the_clock_of_k6s_machine_says(
    samples: Samples, run: LoadTestRun, tmp_path: Path, ahead: int
) -> None:
    server_time = time.time() - ahead
    with serving({"/": b"{}"}) as site:
        script = write_script([of_path(site, "/", rate=50, duration=4)])
        generator = Generator(tmp_path, script, 1, k6_output=samples.k6_output, run=run.uuid, clock_offset=-ahead - 0.3)
        await eventually(lambda: generator.told, deadline=20)
        assert generator.process.poll() is None, "windows are told when they are over"
        code, output = await asyncio.to_thread(generator.end)
    assert code == 0, output
    found = {(each.start, each.scenario): each for each in await taken(samples, replace(run, window_seconds=1), generator.told)}
    assert sum(each.requests for each in found.values()) == generator.summary["metrics"]["http_reqs"]["count"] > 100
    starts = sorted({start for start, scenario in found if scenario == "s1"})
    assert starts == list(range(starts[0], starts[-1] + 1)), "without a hole"
    assert server_time - 1 <= starts[0] <= starts[-1] <= time.time() - ahead


async def test_windows_with_figures_come_out_as_they_were_told(samples: Samples, run: LoadTestRun) -> None:
    given = told(run)
    assert await samples.take(run, given) == [[each] for each in given]
    assert await samples.take(run, given) == [[each] for each in given], "again"
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
    async with opened(influx) as bucket:
        samples = InfluxSamples(bucket)
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
    async with opened(influx) as bucket:
        samples = InfluxSamples(bucket)
        await samples.take(run, [window])
    rows = influx.query(f'|> filter(fn: (r) => r.run == "{run.uuid}")')
    figures = {row["_field"]: row["_value"] for row in rows}
    assert figures["tps"] == window.requests / 5 and figures["error_rate"] == window.failed / window.requests
    assert [figures[name] for name in ("p50", "p99")] == window.times.percentiles((0.5, 0.99))
    assert (figures["min"], figures["avg"], figures["max"]) == (window.times.least, window.times.mean, window.times.greatest)
    tags = {"project": "1", "load_test": "1", "target": "1", "scenario": "browse", "_measurement": "plog_load_test"}
    assert tags.items() <= rows[0].items()


@FEEDS
async def test_an_influxdb_that_does_not_answer_is_noticed(is_fed_by_k6: bool, influx: InfluxServer, run: LoadTestRun) -> None:
    async with opened(influx, timeout_seconds=0.5) as bucket:
        samples = InfluxSamples(bucket, is_fed_by_k6=is_fed_by_k6)
        influx.pause()
        try:
            with pytest.raises(Unavailable, match="InfluxDB"):
                await samples.take(run, told(run))
            with pytest.raises(Unavailable, match="InfluxDB"):
                await samples.check()
        finally:
            influx.resume()
        await samples.check()


@FEEDS
@pytest.mark.parametrize(
    ("given", "setting"),
    [({"token": "wrong"}, "TOKEN"), ({"token": ""}, "TOKEN"), ({"org": "nobody"}, "ORG"), ({"name": "none"}, "BUCKET")],
)
async def test_what_influxdb_refuses_is_named_at_the_start(
    is_fed_by_k6: bool, influx: InfluxServer, given: dict[str, str], setting: str
) -> None:
    async with opened(influx, **given) as bucket:
        with pytest.raises(BucketRefused) as refused:
            await InfluxSamples(bucket, is_fed_by_k6=is_fed_by_k6).check()
    assert refused.value.setting == setting


async def test_what_takes_too_long_to_read_is_read_in_parts(
    influx: InfluxServer, run: LoadTestRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_samples, "ENOUGH_SECONDS", 0.0)
    elsewhere = [MetricWindow(start, SET_UP, 1, is_elsewhere=True) for start in range(1000, 1100, 5)]
    async with opened(influx) as bucket:
        samples = InfluxSamples(bucket)
        given = [*elsewhere[:1], *told(run)[:2], *elsewhere]
        assert await samples.take(run, given) == [[], *([each] for each in told(run)[:2])] + [[]] * 4
        assert await taken(samples, run, [*reversed(elsewhere)]) == []


async def test_a_server_without_influxdb_says_that_figures_are_there(run: LoadTestRun) -> None:
    with pytest.raises(Unavailable, match="PLOG_INFLUXDB__URL"):
        await EmbeddedSamples().take(run, [MetricWindow(1000, SET_UP, 1, is_elsewhere=True)])

"""Short runs at high rates, held against k6's raw output: no request is lost or doubled, no percentile more than 1 % off."""

import json
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from steps.k6_samples import second_of
from tests.e2e.server import PlogServer
from tests.e2e.test_load_test_run import VERDICTS, load_test, reaches, start, target
from tests.endurance import SHARE, Tell
from tests.k6 import K6
from tests.quick_site import quick_site

SECONDS = 3
LOAD = {
    "name": "quick",
    "requests": [{"endpoint": "GET /mixed"}],
    "executor": {"kind": "CONSTANT_VUS", "vus": 12, "duration": SECONDS, "gracefulStop": 5},
}
PERCENTILES = {"p95": 0.95, "p99": 0.99}
MOST_ERROR = 0.01


@pytest.fixture(params=["embedded", "influx", "k6"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PlogServer]:
    """A server whose k6 also writes `raw/<pid>.json`."""
    (raw := tmp_path / "raw").mkdir()
    k6 = tmp_path / "k6"
    k6.write_text(f'#!/bin/sh\n[ "$1" = run ] && set -- "$@" --out "json={raw}/$$.json"\nexec {K6} "$@"\n')
    k6.chmod(0o755)
    settings = {"K6__WINDOW_SECONDS": "1", "K6__BINARY": str(k6)}
    if request.param != "embedded":
        settings |= request.getfixturevalue("influx").settings | {"INFLUXDB__FEED": "k6" if request.param == "k6" else "runner"}
    server = PlogServer(tmp_path / "plog", settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def raw_times(folder: Path) -> dict[int, list[float]]:
    """The response times that k6 wrote, sorted, by the second in which the request ended; the file is gone then."""
    (file,) = folder.iterdir()
    found: defaultdict[int, list[float]] = defaultdict(list)
    for line in file.open():
        if line.startswith('{"metric":"http_req_duration","type":"Point"'):
            data = json.loads(line)["data"]
            found[second_of(data["time"])].append(data["value"])
    file.unlink()
    return {second: sorted(times) for second, times in found.items()}


def error(stored: float, times: Sequence[float], share: float) -> float:
    """How far a stored percentile is from the sample of its rank, relatively."""
    exact = sorted(times)[math.floor(share * (len(times) - 1))]
    return abs(stored - exact) / exact


def worst_error(run: Mapping[str, Any], raw: Mapping[int, Sequence[float]], seconds: int = 1) -> float:
    """The greatest error of any percentile, of the whole run and of each of its windows of so many seconds.

    What is counted has to agree everywhere.
    """
    whole, series = run["figures"][0], run["metrics"][0]
    times = [time for each in raw.values() for time in each]
    assert whole["requests"] == run["k6Requests"] == len(times) == sum(series["requests"])
    errors = [error(whole[name], times, share) for name, share in PERCENTILES.items()]
    starts = [int(datetime.fromisoformat(each).timestamp()) for each in series["windowStart"]]
    for place, begin in enumerate(starts):
        inside = [time for second in range(begin, begin + seconds) for time in raw.get(second, ())]
        assert series["requests"][place] == len(inside)
        errors += [error(series[name][place], inside, share) for name, share in PERCENTILES.items() if inside]
    return max(errors)


@pytest.mark.endurance
@pytest.mark.timeout(900)
async def test_figures_are_those_of_the_raw_output(server: PlogServer, tmp_path: Path, tell: Tell) -> None:
    errors, requests = [], 0
    with quick_site() as address:
        test = await load_test(server, await target(server, f"{address}/openapi.json"), LOAD)
        for _ in range(max(2, round(20 * SHARE))):
            run = await reaches(server, await start(server, test), *VERDICTS)
            assert run["status"] == "PASSED", run["message"]
            errors.append(worst_error(run, raw_times(tmp_path / "raw")))
            assert run["figures"][0]["requests"] >= 1_000 * SECONDS
            requests += run["k6Requests"]
    tell(f"{len(errors)} runs, {requests:,.0f} requests, each count equal to k6's; p95 and p99 at most {max(errors):.2%} off")
    assert max(errors) <= MOST_ERROR

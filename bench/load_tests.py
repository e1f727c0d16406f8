"""What watching a load test costs and how exact it is, by each way of the samples (docs/adr/0020-…).

The cost is the CPU of k6 with PLOG at its side, against `k6 run` of the same script without any output. All ways take turns, so
that whatever else the machine does weighs on each. The ratio of a way is the median over the rounds of its CPU against k6's of
the plain run in the same round, both for each request. So are those of what runs beside k6: PLOG (the shim with the program that
reads samples, and the server) and InfluxDB.

How exact the figures are is told by further runs, in which k6 writes its raw samples to a file as well.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.server import PlogServer
from tests.e2e.test_exact_samples import MOST_ERROR, raw_times, worst_error
from tests.e2e.test_load_test_run import load_test, read, start, target
from tests.k6 import K6
from tests.quick_site import quick_site
from tests.services import InfluxServer

LIMIT = 1.15
WINDOW_SECONDS = 5
EXACT_ROUNDS = 2
POLL_SECONDS = 0.1
WATCH = "subscription ($id: ID!) { loadTestMetrics(runId: $id) { series { windowStart tps p95 } run { status } } }"
# Runs k6, and writes what a run used when it has ended, and its samples where there is a folder for them.
WRAPPER = """#!{python}
import json, os, signal, subprocess, sys
if sys.argv[1] != "run":
    os.execv("{k6}", ["{k6}", *sys.argv[1:]])
raw = ["--out", "json={raw}/samples.json"] if os.path.isdir("{raw}") else []
process = subprocess.Popen(["{k6}", *sys.argv[1:], *raw], close_fds=False)  # samples go through a pipe that it is given
signal.signal(signal.SIGINT, lambda *_: process.send_signal(signal.SIGINT))
_, status, usage = os.wait4(process.pid, 0)
with open("{usage}", "w") as file:
    json.dump(usage.ru_utime + usage.ru_stime, file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


async def compare_load_tests(folder: Path, influx: InfluxServer, seconds: int, users: int, rounds: int) -> dict[str, Any]:
    """Of each way: how exact it is, and the CPU for each request against the plain run's."""
    used, raw = folder / "used.json", folder / "raw"
    k6 = folder / "k6"
    k6.write_text(WRAPPER.format(python=sys.executable, k6=K6, usage=used, raw=raw))
    k6.chmod(0o755)
    ways: dict[str, dict[str, str]] = {
        "embedded": {},
        "InfluxDB, runner": influx.settings,
        "InfluxDB, k6": influx.settings | {"INFLUXDB__FEED": "k6"},
    }
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in ("plain", *ways)}
    async with contextlib.AsyncExitStack() as stack:
        site = stack.enter_context(quick_site())
        common = {"K6__BINARY": str(k6), "K6__WINDOW_SECONDS": str(WINDOW_SECONDS)}
        servers = {name: PlogServer(folder / name, settings | common) for name, settings in ways.items()}
        tests = {}
        for name, server in servers.items():
            await server.start()
            stack.push_async_callback(server.stop)
            tests[name] = await load_test(server, await target(server, f"{site}/openapi.json"), scenario(seconds, users))
        for _ in range(rounds):
            for name, server in servers.items():
                run, found = await watched(server, tests[name], influx)
                figures[name].append({"k6": json.loads(used.read_text()), **found, "requests": run["k6Requests"]})
            figures["plain"].append(await asyncio.to_thread(plain, run["script"], folder, k6, used))
        raw.mkdir()
        exact = {name: await exactness(server, tests[name], influx, raw) for name, server in servers.items()}
    return shown(figures, exact)


async def exactness(server: PlogServer, test: str, influx: InfluxServer, raw: Path) -> tuple[float, float, float]:
    """How many requests of `EXACT_ROUNDS` runs were stored, how many k6 counted, and the worst error of a percentile.

    AssertionError where a count is not that of the raw samples, of a run or of a window.
    """
    stored, counted, errors = 0.0, 0.0, []
    for _ in range(EXACT_ROUNDS):
        run, _ = await watched(server, test, influx)
        errors.append(worst_error(run, raw_times(raw), WINDOW_SECONDS))
        stored, counted = stored + run["figures"][0]["requests"], counted + run["k6Requests"]
    return stored, counted, max(errors)


def scenario(seconds: int, users: int) -> dict[str, Any]:
    """So many virtual users that think most of the time: some 20 requests a second each."""
    executor = {"kind": "CONSTANT_VUS", "vus": users, "duration": seconds, "gracefulStop": 5}
    think = {"shortest": 0.03, "longest": 0.05}
    return {"name": "s", "requests": [{"endpoint": "GET /mixed"}], "executor": executor, "thinkTime": think}


async def watched(server: PlogServer, test: str, influx: InfluxServer) -> tuple[dict[str, Any], dict[str, float]]:
    """A run, and the CPU seconds of what PLOG did for it."""
    of_server, of_influx = psutil.Process(server.pid), psutil.Process(influx.pid)
    before, influx_before = cpu(of_server), cpu(of_influx)
    run, runners = await start(server, test), dict[int, float]()
    ending = asyncio.create_task(verdict(server, run))
    while not ending.done():
        for process in server.attempt_processes():
            with contextlib.suppress(psutil.Error):
                if process.name() != "k6":
                    runners[process.pid] = cpu(process)
        await asyncio.wait({ending}, timeout=POLL_SECONDS)
    await ending
    found = await read(server, run)
    if found["status"] != "PASSED":
        raise RuntimeError(f"the load test is {found['status']}: {found['message']}")
    return found, {
        "runner": sum(runners.values()),
        "server": cpu(of_server) - before,
        "InfluxDB": cpu(of_influx) - influx_before,
    }


async def verdict(server: PlogServer, run: str) -> None:
    """Wait until the run has one, by the subscription."""
    async with contextlib.aclosing(server.client.stream(WATCH, id=run)) as frames:
        async for _ in frames:
            pass


def cpu(process: psutil.Process) -> float:
    """The seconds of CPU that a process has used, its children not counted."""
    times = process.cpu_times()
    return float(times.user + times.system)


def plain(script: str, folder: Path, k6: Path, used: Path) -> dict[str, float]:
    """The same script, by k6 alone."""
    path, summary = folder / "script.js", folder / "summary.json"
    path.write_text(script, "utf-8")
    command = [str(k6), "run", "--address", "", "--no-usage-report", "--quiet", "--summary-export", str(summary), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    requests = json.loads(summary.read_text())["metrics"]["http_reqs"]["count"]
    return {"k6": json.loads(used.read_text()), "requests": requests}


def shown(figures: Mapping[str, list[dict[str, float]]], exact: Mapping[str, tuple[float, float, float]]) -> dict[str, Any]:
    """The medians, for people; `holds` where the embedded way stays below the limit, and no percentile is too far off."""
    of = {
        name: [{part: value / each["requests"] * 1e6 for part, value in each.items() if part != "requests"} for each in rounds]
        for name, rounds in figures.items()
    }
    alone = [each["k6"] for each in of.pop("plain")]
    table = {"k6 without output": f"{statistics.median(alone):.0f} ms of CPU for 1,000 requests"}
    ratios = {}
    for name, rounds in of.items():
        stored, counted, error = exact[name]
        parts = {part: statistics.median(each[part] for each in rounds) for part in rounds[0]}
        ratios[name] = statistics.median(each["k6"] / k6 for each, k6 in zip(rounds, alone, strict=True))
        plog = statistics.median((each["runner"] + each["server"]) / k6 for each, k6 in zip(rounds, alone, strict=True))
        influx = statistics.median(each["InfluxDB"] / k6 for each, k6 in zip(rounds, alone, strict=True))
        table[f"{name}: exactness"] = f"{stored:,.0f} of k6's {counted:,.0f} requests; p95, p99 at most {error:.2%} off"
        table[f"{name}: CPU by that of k6 without output"] = f"k6 {ratios[name]:.2f}, PLOG {plog:.2f}, InfluxDB {influx:.2f}"
        table[f"{name}: CPU ms for 1,000 requests"] = ", ".join(f"{part} {value:.0f}" for part, value in parts.items())
    holds = ratios["embedded"] <= LIMIT and all(error <= MOST_ERROR for *_, error in exact.values())
    return {**table, "requests of a run": round(figures["plain"][0]["requests"]), "holds": holds}

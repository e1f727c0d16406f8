"""The price of watching a load test: CPU of k6 with PLOG at its side, against `k6 run` of the same script without any output.

All ways take turns, so that whatever else the machine does weighs on each. The ratio of a way is the median over the rounds of
its CPU of k6 against that of the plain run in the same round, both for each request. Beside it stands PLOG's own CPU in the
same unit: of the shim with the program that reads samples, of the server, and of InfluxDB.
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
from tests.e2e.test_load_test_run import load_test, read, start, target
from tests.k6 import K6
from tests.quick_site import quick_site
from tests.services import InfluxServer

LIMIT = 1.15
POLL_SECONDS = 0.1
WATCH = "subscription ($id: ID!) { loadTestMetrics(runId: $id) { series { windowStart tps p95 } run { status } } }"
# Runs k6, and writes what it used when it has ended.
WRAPPER = """#!{python}
import json, os, signal, subprocess, sys
process = subprocess.Popen(["{k6}", *sys.argv[1:]], close_fds=False)  # samples go through a pipe that it is given
signal.signal(signal.SIGINT, lambda *_: process.send_signal(signal.SIGINT))
_, status, usage = os.wait4(process.pid, 0)
with open("{usage}", "w") as file:
    json.dump(usage.ru_utime + usage.ru_stime, file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


async def compare_load_tests(folder: Path, influx: InfluxServer, seconds: int, users: int, rounds: int) -> dict[str, Any]:
    """CPU milliseconds for 1,000 requests of each way, and the ratios of k6's to the plain run."""
    used = folder / "used.json"
    k6 = folder / "k6"
    k6.write_text(WRAPPER.format(python=sys.executable, k6=K6, usage=used))
    k6.chmod(0o755)
    ways: dict[str, dict[str, str]] = {
        "embedded": {},
        "InfluxDB, runner": influx.settings,
        "InfluxDB, k6": influx.settings | {"INFLUXDB__FEED": "k6"},
    }
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in ("plain", *ways)}
    async with contextlib.AsyncExitStack() as stack:
        site = stack.enter_context(quick_site())
        servers = {name: PlogServer(folder / name, settings | {"K6__BINARY": str(k6)}) for name, settings in ways.items()}
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
    return shown(figures)


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


def shown(figures: Mapping[str, list[dict[str, float]]]) -> dict[str, Any]:
    """The medians, for people; `holds` where the embedded way stays below the limit."""
    of = {
        name: [{part: value / each["requests"] * 1e6 for part, value in each.items() if part != "requests"} for each in rounds]
        for name, rounds in figures.items()
    }
    ratios = {
        name: statistics.median(each["k6"] / alone["k6"] for each, alone in zip(rounds, of["plain"], strict=True))
        for name, rounds in of.items()
    }
    table = {}
    for name, rounds in of.items():
        parts = {part: statistics.median(each[part] for each in rounds) for part in rounds[0]}
        told = ", ".join(f"{part} {value:.0f}" for part, value in parts.items())
        table[f"{name}: CPU ms for 1,000 requests"] = f"{told}; k6 is {ratios[name]:.2f} times the plain one"
    return {**table, "requests of a run": round(figures["plain"][0]["requests"]), "holds": ratios["embedded"] <= LIMIT}

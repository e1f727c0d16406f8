"""Load tests from a terminal: what is printed, and exit codes that scripts can rely on."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.server import PlogServer
from tests.e2e.test_cli import watching
from tests.e2e.test_load_test_run import API, load_test, reaches, scenario, start, target
from tests.sites import Site, serving
from tests.waiting import eventually


@pytest.fixture
def site() -> Iterator[Site]:
    with serving({"/openapi.json": json.dumps(API), "/fast": b"{}", "/bad": 500}) as found:
        yield found


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlogServer]:
    server = PlogServer(tmp_path / "plog", {"K6__WINDOW_SECONDS": "1"})
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def plog(server: PlogServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command while the server serves."""
    return await asyncio.to_thread(server.run, "load-test", *arguments)


async def test_a_run_from_the_terminal(server: PlogServer, site: Site) -> None:
    of = await target(server, site.address + "/openapi.json")
    await load_test(server, of, scenario(responseTime=5000))
    await load_test(server, of, scenario("/bad", errorRate=0.1), title="bad")
    passed = await plog(server, "start", "1", "--watch")
    lines = passed.stdout.splitlines()
    assert passed.returncode == 0 and lines[-1] == "Run 1 · t · PASSED: All thresholds were met.", passed
    assert any("TPS" in line and "p95 ms" in line and "VUs 2" in line for line in lines)
    assert any(line.startswith("Run 1 met: größe http_req_duration p(95.0)<=5000.0, measured ") for line in lines), lines
    failed = await plog(server, "start", "2", "--watch", "--json")
    assert failed.returncode == 1 and json.loads(failed.stdout)["status"] == "FAILED", failed
    again = await plog(server, "watch", "1")
    assert again.returncode == 0 and "PASSED" in again.stdout
    assert (await plog(server, "watch", "2")).returncode == 1
    reports = [await plog(server, "report", number, "--format", "markdown", "--output", "-") for number in ("1", "2")]
    assert [each.returncode for each in reports] == [0, 1]
    assert "| met | größe | http\\_req\\_duration |" in reports[0].stdout and "CPU of " in reports[0].stdout, reports
    assert "| MISSED | größe | http\\_req\\_failed |" in reports[1].stdout
    short = await plog(server, "compare", "1", "2")
    assert short.returncode == 2 and "at least 8 are needed" in short.stdout, short


async def test_a_run_that_is_stopped_is_no_success(server: PlogServer, site: Site) -> None:
    await load_test(server, await target(server, site.address + "/openapi.json"), scenario(seconds=300))
    started = await plog(server, "start", "1", "--idempotency-key", "once")
    again = await plog(server, "start", "1", "--idempotency-key", "once")
    assert started.stdout.startswith("Run 1 is ") and again.stdout.startswith("Run 1 is "), (started, again)
    late = await plog(server, "watch", "1", "--timeout", "0.5")
    assert late.returncode == 2 and "it goes on" in late.stderr
    interrupted = watching(server, "load-test")
    assert interrupted.stdout is not None
    assert (await asyncio.to_thread(interrupted.stdout.readline)).startswith("Run 1 ")
    interrupted.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(interrupted.wait, 15) == 130, "no verdict was seen, and none is claimed"
    interrupted.stdout.close()
    watch = asyncio.create_task(plog(server, "watch", "1"))
    stopped = await plog(server, "stop", "1")
    assert stopped.returncode == 0 and stopped.stdout in ("Run 1 is STOPPING.\n", "Run 1 is ABORTED.\n"), stopped
    watched = await watch
    assert watched.returncode == 2 and "ABORTED: Stopped by demo:ada" in watched.stdout, watched


async def test_from_an_address_to_a_run(server: PlogServer, site: Site) -> None:
    done = await plog(server, "quick-start", site.address)
    assert done.returncode == 0 and done.stdout.startswith("Run 1 is "), done
    assert done.stderr == "Load test 1: Made by loadTestQuickStart.\n"
    await eventually(lambda: "/fast" in site.asked, deadline=20)
    assert (await plog(server, "stop", "1")).returncode == 0


async def test_what_is_refused_has_an_exit_code_of_its_own(server: PlogServer, site: Site) -> None:
    for command in (("start", "9"), ("watch", "9"), ("stop", "9"), ("quick-start", "http://127.0.0.1:1/")):
        done = await plog(server, *command)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done
    unusable = await plog(server, "start", "1", "--token", "ü")
    assert unusable.returncode == 2 and "other characters than those of ASCII" in unusable.stderr, unusable
    elsewhere = await plog(server, "quick-start", site.address, "--target-server", "nowhere")
    assert elsewhere.returncode == 2 and "server" in elsewhere.stderr, elsewhere
    of = await target(server, site.address + "/openapi.json")
    await load_test(server, of)
    run = await start(server, await load_test(server, of, scenario(seconds=300), title="second"))
    assert (await plog(server, "stop", "1")).returncode == 0
    await reaches(server, run, "ABORTED")
    assert "has ended" in (await plog(server, "stop", "1")).stderr

"""What `plog load-test …` does on a server: starting, watching and stopping runs, as any client would."""

import asyncio
from contextlib import aclosing
from typing import Any

from rich.console import Console

from app.client import Client, ServerRefused
from app.load_test_view import WatchedRun
from app.progress import Progress, followed, shown_on

VERDICTS = ("PASSED", "FAILED", "ABORTED", "ERROR", "INVALID")
EXIT_CODES = {"PASSED": 0, "FAILED": 1}
OTHERWISE = 2

FIELDS = "id number title status message placeInQueue"
RUN = f"run {{ {FIELDS} }}"
REFUSED = "... on UserError { code message } ... on ValidationFailed { problems { field message } }"
START = f"""mutation LoadTestStart($id: ID!, $key: String) {{ loadTestStart(id: $id, idempotencyKey: $key) {{
  ... on LoadTestRunPayload {{ {RUN} }} {REFUSED} }} }}"""
QUICK_START = f"""mutation LoadTestQuickStart($url: String!, $key: String) {{
  loadTestQuickStart(url: $url, idempotencyKey: $key) {{ ... on LoadTestRunPayload {{ {RUN} }} {REFUSED} }} }}"""
STOP = f"""mutation LoadTestStop($id: ID!, $key: String) {{ loadTestStop(id: $id, idempotencyKey: $key) {{
  ... on LoadTestRunPayload {{ {RUN} }} {REFUSED} }} }}"""
FIND = "query FindLoadTest($number: Int!) { loadTestByNumber(number: $number) { id number } }"
FIND_RUN = f"query FindRun($number: Int!) {{ loadTestRunByNumber(number: $number) {{ {FIELDS} }} }}"
WATCH = f"""subscription WatchRun($id: ID!) {{ loadTestMetrics(runId: $id) {{ {RUN}
  series {{ scenario windowStart tps p50 p95 errorRate vus }}
  pods {{ windowStart actualUsage {{ cpuMillicores memoryMb }} }} }} }}"""


async def start(client: Client, number: int, key: str | None = None) -> dict[str, Any]:
    """Queue a run of the load test of that number."""
    load_test = (await client.run(FIND, number=number))["loadTestByNumber"]
    if load_test is None:
        raise ServerRefused(f"No load test {number} exists.")
    return await start_by_id(client, load_test["id"], key)


async def start_by_id(client: Client, load_test_id: str, key: str | None = None) -> dict[str, Any]:
    """Queue a run of the load test with that id."""
    run: dict[str, Any] = (await client.command("loadTestStart", START, id=load_test_id, key=key))["run"]
    return run


async def quick_start(client: Client, url: str, key: str | None = None) -> dict[str, Any]:
    """Queue a first run against the API at an address."""
    run: dict[str, Any] = (await client.command("loadTestQuickStart", QUICK_START, url=url, key=key))["run"]
    return run


async def stop(client: Client, number: int, key: str | None = None) -> dict[str, Any]:
    """End the run of that number before its end."""
    run: dict[str, Any] = (await client.command("loadTestStop", STOP, id=(await find_run(client, number))["id"], key=key))["run"]
    return run


async def find_run(client: Client, number: int) -> dict[str, Any]:
    """The run of that number."""
    run: dict[str, Any] | None = (await client.run(FIND_RUN, number=number))["loadTestRunByNumber"]
    if run is None:
        raise ServerRefused(f"No run {number} exists.")
    return run


async def watch(client: Client, console: Console, run_id: str, within_seconds: float | None = None) -> dict[str, Any]:
    """Show the windows of a run until its verdict; returns it as it is then.

    `ServerRefused` when the server was away for five minutes, or when there is no verdict within the time given.
    """
    try:
        async with asyncio.timeout(within_seconds):
            with shown_on(console) as progress:
                return await follow(client, progress, run_id)
    except TimeoutError:
        raise ServerRefused(f"The run has no verdict within {within_seconds:g} s; it goes on.") from None


async def follow(client: Client, progress: Progress, run_id: str) -> dict[str, Any]:
    """As `watch`, beside other things that are shown."""
    watched = WatchedRun()
    async with aclosing(followed(client, progress, WATCH, id=run_id)) as frames:
        async for frame in frames:
            run: dict[str, Any] = frame["loadTestMetrics"]["run"]
            progress.show(run_id, watched.take(frame["loadTestMetrics"]))
            if run["status"] in VERDICTS:
                return run
    raise AssertionError("frames come without end")

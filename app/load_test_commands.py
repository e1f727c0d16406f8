"""What `plog load-test …` does on a server, as any client would: runs are started, watched, stopped, compared and reported."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from rich.console import Console

from app.client import Client, ServerRefused
from app.load_test_view import WatchedRun
from app.progress import Progress, followed, shown_on

VERDICTS = ("PASSED", "FAILED", "ABORTED", "ERROR", "INVALID")
EXIT_CODES = {"PASSED": 0, "FAILED": 1}
OTHERWISE = 2

FIELDS = """id number title label status message placeInQueue waitsFor { reason behind { number } } windowSeconds lastSecond
  deadline warnedAt"""
RUN = f"run {{ {FIELDS} }}"
THRESHOLDS = "thresholds { scenario metric condition value isMet }"
REFUSED = "... on UserError { code message } ... on ValidationFailed { problems { field message } }"
START = f"""mutation LoadTestStart($id: ID!, $label: String, $key: String) {{
  loadTestStart(id: $id, label: $label, idempotencyKey: $key) {{
  ... on LoadTestRunPayload {{ {RUN} }} {REFUSED} }} }}"""
QUICK_START = f"""mutation LoadTestQuickStart($url: String!, $server: String, $label: String, $key: String) {{
  loadTestQuickStart(url: $url, server: $server, label: $label, idempotencyKey: $key) {{
  ... on LoadTestRunPayload {{ run {{ {FIELDS} loadTest {{ number description }} }} }} {REFUSED} }} }}"""
STOP = f"""mutation LoadTestStop($id: ID!, $key: String) {{ loadTestStop(id: $id, idempotencyKey: $key) {{
  ... on LoadTestRunPayload {{ {RUN} }} {REFUSED} }} }}"""
FIND = "query FindLoadTest($number: Int!) { loadTestByNumber(number: $number) { id number } }"
FIND_RUN = f"query FindRun($number: Int!) {{ loadTestRunByNumber(number: $number) {{ {FIELDS} }} }}"
WATCH = f"""subscription WatchRun($id: ID!) {{ loadTestMetrics(runId: $id) {{ run {{ {FIELDS} {THRESHOLDS} }}
  series {{ scenario windowStart tps p50 p95 errorRate vus }}
  pods {{ windowStart actualUsage {{ cpuMillicores memoryMb }} }} }} }}"""
REPORT = f"""mutation LoadTestRunReport($id: ID!, $format: RunReportFormat!, $key: String) {{
  loadTestRunReport(runId: $id, format: $format, idempotencyKey: $key) {{
  ... on LoadTestRunReportPayload {{ report {{ name mediaType size sha256 downloadUrl }} }} {REFUSED} }} }}"""
COMPARE = """query CompareRuns($ids: [ID!]!, $scenarios: [String!], $confidence: Float!) {
  loadTestComparison(runIds: $ids, scenarios: $scenarios, confidence: $confidence) {
    confidence baseline { id number title label status message }
    runs { run { id number title label status message } isSameLoad remarks scenarios {
      scenario windows baselineWindows differences {
        figure unit verdict baseline value difference low high pValue reason } } } } }"""


async def start(client: Client, number: int, key: str | None = None, label: str | None = None) -> dict[str, Any]:
    """Queue a run of the load test of that number."""
    load_test = (await client.run(FIND, number=number))["loadTestByNumber"]
    if load_test is None:
        raise ServerRefused(f"No load test {number} exists.")
    return await start_by_id(client, load_test["id"], key, label)


async def start_by_id(client: Client, load_test_id: str, key: str | None = None, label: str | None = None) -> dict[str, Any]:
    """Queue a run of the load test with that id."""
    run: dict[str, Any] = (await client.command("loadTestStart", START, id=load_test_id, label=label, key=key))["run"]
    return run


async def quick_start(
    client: Client, url: str, server: str | None = None, *, key: str | None = None, label: str | None = None
) -> dict[str, Any]:
    """Queue a first run against the API at an address, which is called at `server` where its document names one elsewhere."""
    given = {"url": url, "server": server, "label": label, "key": key}
    run: dict[str, Any] = (await client.command("loadTestQuickStart", QUICK_START, **given))["run"]
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


async def report(client: Client, number: int, form: str, key: str | None = None) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The run of that number, its report in that format (`HTML`, `MARKDOWN`) as the server tells of it, and its content."""
    run = await find_run(client, number)
    made = (await client.command("loadTestRunReport", REPORT, id=run["id"], format=form, key=key))["report"]
    return run, made, await client.download(made["downloadUrl"], made["sha256"])


async def compare(client: Client, numbers: Sequence[int], scenarios: Sequence[str] | None, confidence: float) -> dict[str, Any]:
    """The runs after the first held against the first."""
    ids = [(await find_run(client, number))["id"] for number in numbers]
    found = await client.run(COMPARE, ids=ids, scenarios=scenarios or None, confidence=confidence)
    comparison: dict[str, Any] = found["loadTestComparison"]
    return comparison


def comparison_code(comparison: Mapping[str, Any]) -> int:
    """The exit code: 0 where nothing is worse, 1 where something is, 2 where that can't be said.

    Of a run that is neither PASSED nor FAILED no figure can be relied on, and of one without a single verdict there is none.
    """
    runs = comparison["runs"]
    if any(run["status"] not in EXIT_CODES for run in (comparison["baseline"], *(each["run"] for each in runs))):
        return OTHERWISE
    verdicts = [{one["verdict"] for each in run["scenarios"] for one in each["differences"]} for run in runs]
    if any("WORSE" in each for each in verdicts):
        return EXIT_CODES["FAILED"]
    return EXIT_CODES["PASSED"] if all(each - {"UNKNOWN"} for each in verdicts) else OTHERWISE

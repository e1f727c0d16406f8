"""The demo: a kit, and a load test of the sample API, side by side on one terminal."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console

from app import kit_commands, load_test_commands
from app.client import Client, ServerRefused
from app.progress import Progress, shown_on

PROJECT = "Demo"
USUAL_PORT = 8810  # so that what an earlier run has left still finds the sample API
REFUSED = load_test_commands.REFUSED
FIND_PROJECT = "query FindProject($name: String!) { projects(first: 10, filter: {namePrefix: $name}) { nodes { id name } } }"
CREATE_PROJECT = f"""mutation DemoProject($name: String!) {{ projectCreate(input: {{name: $name}}) {{
  ... on ProjectCreatePayload {{ project {{ id }} }} {REFUSED} }} }}"""
FIND_TARGET = """query FindTarget($project: ID!, $name: String!) {
  targets(first: 10, filter: {projectId: $project, namePrefix: $name}) { nodes { id name } }
}"""
ADD_TARGET = f"""mutation DemoTarget($project: ID!, $url: String!, $name: String!) {{
  targetAdd(projectId: $project, input: {{url: $url, name: $name}}) {{
    ... on TargetPayload {{ target {{ id }} }} {REFUSED} }} }}"""
ANALYZE = f"""mutation DemoAnalysis($id: ID!) {{ targetAnalyze(id: $id) {{
  ... on TargetPayload {{ target {{ id analysis {{ title endpointCount }} }} }} {REFUSED} }} }}"""
FIND_LOAD_TEST = """query FindDemo($target: ID!) { loadTests(first: 1, filter: {targetId: $target}) { nodes { id number } } }"""
FIND_RUN = """query FindDemoRun($loadTest: ID!) {
  loadTestRuns(first: 1, filter: {loadTestId: $loadTest}) {
    nodes { id number title status message placeInQueue waitsFor { reason behind { number } } windowSeconds lastSecond } }
}"""
CREATE = f"""mutation DemoLoadTest($target: ID!, $input: LoadTestInput!) {{ loadTestCreate(targetId: $target, input: $input) {{
  ... on LoadTestPayload {{ loadTest {{ id number }} }} {REFUSED} }} }}"""
LOAD_TEST: dict[str, Any] = {
    "description": "More and more customers, until the shop's workers are all busy: from there on it only gets slower.",
    "scenarios": [
        {
            "name": "browse",
            "requests": [{"endpoint": "GET /books"}, {"endpoint": "GET /books/{id}"}],
            "executor": {
                "kind": "RAMPING_VUS",
                "startVUs": 1,
                "stages": [{"duration": 45, "target": 12}, {"duration": 15, "target": 12}],
                "gracefulStop": 2,
                "gracefulRampDown": 2,
            },
            "responseTime": 1000,
            "errorRate": 0.01,
        }
    ],
}


@asynccontextmanager
async def sample_api() -> AsyncIterator[str]:
    """The sample API as a process of its own, until the block ends; yields the address of its Swagger-UI page."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "app.cli",
        "sample-api",
        "--port",
        str(USUAL_PORT),
        "--or-any-port",
        "--until-input-ends",
    ]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    try:
        address = (await process.stdout.readline()).decode().strip() if process.stdout is not None else ""
        if not address:
            raise ServerRefused("The sample API did not start.")
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def run_demo(client: Client, console: Console, sample_url: str) -> tuple[str, str]:
    """Watch the demo kit and the demo load test; returns the last status of each."""
    with shown_on(console) as progress:
        try:
            async with asyncio.TaskGroup() as group:
                kit = group.create_task(kit_commands.run_demo_kit(client, progress))
                run = group.create_task(run_demo_load_test(client, progress, sample_url))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
    return kit.result(), run.result()


async def run_demo_load_test(client: Client, progress: Progress, url: str) -> str:
    """Watch a run of the demo load test, made and started where no earlier one has passed; returns its last status."""
    target = await _target(client, url)
    found = (await client.run(FIND_LOAD_TEST, target=target))["loadTests"]["nodes"]
    if not found:
        analysis = (await client.command("targetAnalyze", ANALYZE, id=target))["target"]["analysis"]
        progress.say(f"{url}: {analysis['title']}, {analysis['endpointCount']} endpoints.")
        document = {**LOAD_TEST, "title": f"Rising load on {url}"}
        found = [(await client.command("loadTestCreate", CREATE, target=target, input=document))["loadTest"]]
    earlier = (await client.run(FIND_RUN, loadTest=found[0]["id"]))["loadTestRuns"]["nodes"]
    if earlier and earlier[0]["status"] in ("PASSED", "QUEUED", "STARTING", "RUNNING"):
        run = earlier[0]
        progress.say(f"Demo load test {found[0]['number']}: run {run['number']} is {run['status']} from an earlier start.")
    else:
        run = await load_test_commands.start_by_id(client, found[0]["id"])
        progress.say(f"Demo load test {found[0]['number']} of {url}: run {run['number']}.")
    return str((await load_test_commands.follow(client, progress, run["id"]))["status"])


async def _target(client: Client, url: str) -> str:
    """The id of the target at that address, made where there is none."""
    projects = (await client.run(FIND_PROJECT, name=PROJECT))["projects"]["nodes"]
    project = next((each["id"] for each in projects if each["name"] == PROJECT), None)
    if project is None:
        project = (await client.command("projectCreate", CREATE_PROJECT, name=PROJECT))["project"]["id"]
    targets = (await client.run(FIND_TARGET, project=project, name=url))["targets"]["nodes"]
    target = next((each["id"] for each in targets if each["name"] == url), None)
    if target is None:
        target = (await client.command("targetAdd", ADD_TARGET, project=project, url=url, name=url))["target"]["id"]
    return str(target)

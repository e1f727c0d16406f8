"""A real run of k6 watched by the clients that SPAs use: every window, what came late, the verdict, on memory and on Redis."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.api.metric_frames import INCLUDES, METRICS, SeenMetrics, starts_of
from tests.api.node_programs import Program, installed_scripts, node
from tests.api.test_real_clients import endpoint, next_frame
from tests.e2e.server import PlogServer
from tests.e2e.test_load_test_run import VERDICTS, load_test, reaches, scenario, start, target
from tests.e2e.test_sample_api import sample_api
from tests.waiting import eventually

LIST = "subscription { loadTests { order isSnapshot changed { isSnapshot loadTest { lastRun { status } } } } }"
TRANSPORTS = ("ws", "sse")
LIVES = ["QUEUED", "STARTING", "RUNNING", "PASSED"]
pytestmark = pytest.mark.timeout(300)
Pair = tuple[PlogServer, PlogServer]


@pytest.fixture(scope="module")
def scripts() -> Path:
    return installed_scripts()


@pytest.fixture
def shop() -> Iterator[str]:
    """The sample API, in a process of its own."""
    with sample_api("--service-ms", "5") as (address, _):
        yield address


@pytest.fixture(params=["memory", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What the settings of servers that share everything have in common; nothing for one that is alone."""
    if request.param == "memory":
        return {}
    database, redis = request.getfixturevalue("migrated_postgres_url"), request.getfixturevalue("redis_server").url
    keys = '["k:%s"]' % ("a" * 43 + "=")
    artifacts = str(tmp_path / "artifacts")
    return {"DATABASE__URL": database, "REDIS__URL": redis, "ARTIFACTS__URL": artifacts, "SECRETS__KEYS": keys}


@pytest.fixture
async def servers(shared: dict[str, str], tmp_path: Path) -> AsyncIterator[Pair]:
    """The server that runs load tests and the one that is watched: another where they can share a bus, else the same."""
    settings = {"K6__WINDOW_SECONDS": "1", **shared}
    made = [PlogServer(tmp_path / "a", settings)]
    if shared:
        made.append(PlogServer(tmp_path / "b", {**settings, "K6__CAPACITY": "0"}))
    try:
        for server in made:
            await server.start()
        yield made[0], made[-1]
    finally:
        for server in made:
            await server.stop()


class Watching:
    """A client over that transport, and all that it was sent of a run."""

    def __init__(self, program: Program, include: str) -> None:
        self.seen = SeenMetrics(include, 1)
        self._program = program

    async def until_the_end(self) -> None:
        """Take frame after frame, until the stream says that it is complete."""
        while not self.seen.is_over:
            self.seen.take(await next_frame(self._program, "loadTestMetrics"))
        assert await self._program.until("complete")


async def is_listed(program: Program) -> None:
    """The list's snapshot is there: one load test, that has never run."""
    frame = await next_frame(program, "loadTests")
    assert frame["isSnapshot"] and [each["loadTest"]["lastRun"] for each in frame["changed"]] == [None]


async def lives_of(program: Program) -> list[str]:
    """What a list says of its only load test's run, until that has ended."""
    said: list[str] = []
    while not said or said[-1] not in VERDICTS:
        frame = await next_frame(program, "loadTests", deadline=60)
        assert not frame["isSnapshot"] and len(frame["order"]) == 1
        said += [each["loadTest"]["lastRun"]["status"] for each in frame["changed"]]
    return said


def generator_of(server: PlogServer) -> psutil.Process:
    """The process that reads k6's samples."""
    (found,) = [each for each in server.attempt_processes() if "steps.load_generator" in each.cmdline()]
    return found


async def hold_up_samples(generator: psutil.Process, watching: list[Watching]) -> None:
    """Let nobody read k6's samples, until each client was told that nothing arrived in a window; then they come, late."""
    known = [each.seen.last or 0 for each in watching]
    generator.send_signal(signal.SIGSTOP)
    try:

        def is_silent() -> bool:
            later = [
                [requests for start, requests in each.seen.requests.items() if start > last]
                for each, last in zip(watching, known, strict=True)
            ]
            return all(0 in requests for requests in later)

        await eventually(is_silent, deadline=30)
    finally:
        generator.send_signal(signal.SIGCONT)


async def test_every_client_of_a_run_sees_the_same_windows_those_that_came_late_too(
    servers: Pair, shop: str, scripts: Path
) -> None:
    runner, watched = servers
    browse = scenario("/books", seconds=20, thinkTime={"shortest": 0.02, "longest": 0.05})
    test = await load_test(runner, await target(runner, f"{shop}/docs"), browse)
    token = runner.token
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:

        async def client(transport: str, query: str) -> Program:
            arguments = (transport, endpoint(watched.url, transport), token, query)
            return await stack.enter_async_context(node(scripts, "subscribe.mjs", *arguments))

        async def watching(transport: str, include: str) -> Watching:
            return Watching(await client(transport, METRICS % (run, include)), include)

        lists = [await client(transport, LIST) for transport in TRANSPORTS]
        for each in lists:
            await is_listed(each)
        run = await start(runner, test)
        lives = [group.create_task(lives_of(each)) for each in lists]
        clients = [await watching(transport, include) for transport in TRANSPORTS for include in INCLUDES]
        watches = [group.create_task(each.until_the_end()) for each in clients]
        of_k6 = [each for each in clients if each.seen.include != "RESOURCES_ONLY"]
        await eventually(lambda: all(sum(each.seen.requests.values()) > 0 for each in of_k6), deadline=30)
        await hold_up_samples(generator_of(runner), of_k6)
        await eventually(lambda: all(each.seen.replaced for each in of_k6), deadline=15)
        late = await watching("ws", "ALL")
        watches.append(group.create_task(late.until_the_end()))
        await asyncio.gather(*watches, *lives)
        found = await reaches(watched, run, *VERDICTS)
        check_lives(*[await each for each in lives])
    assert found["status"] == "PASSED", found
    for seen in [each.seen for each in (*clients, late)]:
        check_the_whole(seen, found)
    for seen in [each.seen for each in of_k6]:
        assert any(before["requests"] == 0 and after["requests"] > 0 for before, after in seen.replaced)
    assert late.seen.frames[0]["series"], "who comes later begins with the windows so far"


def check_lives(*seen: list[str]) -> None:
    """Each list has shown the run's states in order, the last of them last.

    Some may have been merged, and one shown again: a frame says of the last run what holds when it is made.
    """
    for said in seen:
        places = [LIVES.index(status) for status in said]
        assert places == sorted(places) and said[-1] == "PASSED", said


def check_the_whole(seen: SeenMetrics, run: dict[str, Any]) -> None:
    """What a client has put together is what the API says of the run."""
    if seen.include == "RESOURCES_ONLY":
        assert not seen.windows
    else:
        stored = {(series["scenario"], each): place for series in run["metrics"] for place, each in enumerate(starts_of(series))}
        columns = {series["scenario"]: series for series in run["metrics"]}
        for (scenario, start), said in seen.windows.items():
            place = stored.get((scenario, start))
            expected = {name: columns[scenario][name][place] for name in said} if place is not None else {"requests": 0}
            assert {name: said[name] for name in expected} == expected, (scenario, start)
        assert set(stored) <= set(seen.windows)
        assert sum(seen.requests.values()) == run["k6Requests"]
    if seen.include == "K6_ONLY":
        assert not seen.usages
    else:
        (pod,) = run["resources"]
        columns = {**pod["actualUsage"], **pod["usage"]}
        measured = [place for place, is_predicted in enumerate(columns["cpuPredicted"]) if not is_predicted]
        assert len(measured) > 10
        for place in measured:
            said = seen.usages[pod["pod"], starts_of(pod)[place]]
            assert {name: said[name] for name in columns} == {name: columns[name][place] for name in columns}

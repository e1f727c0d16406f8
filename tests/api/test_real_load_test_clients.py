"""The clients that SPAs use on runs and lists of load tests: every frame in order, told by the bus alone, with each `include`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from domain.load_test_run import RunStatus
from domain.visibility import EVERY_PROJECT
from resolvers import live_list, live_load_test
from resolvers.load_test_run import tell
from tests.api.in_process import Plog, serving
from tests.api.metric_frames import INCLUDES, METRICS, SeenMetrics
from tests.api.node_programs import Program, installed_scripts, node
from tests.api.test_load_test import ARCHIVE, UPDATE, load_test
from tests.api.test_load_test_report import STOP, Run, started, window
from tests.api.test_load_test_subscription import become, measure
from tests.api.test_real_clients import endpoint, next_frame
from tests.waiting import eventually

SECONDS = 60
LIST = """subscription { loadTests(first: 5) { order isSnapshot changed { fromVersion toVersion isSnapshot
  loadTest { title lastRun { status } } } } }"""
TRANSPORTS = ("ws", "sse")
Pair = tuple[Plog, Plog]
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(params=["memory", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The settings of servers that share everything; none for one that is alone."""
    if request.param == "memory":
        return {}
    return {
        "database": {"url": request.getfixturevalue("migrated_postgres_url")},
        "redis": {"url": request.getfixturevalue("redis_server").url},
        "secrets": {"keys": ["k:" + "a" * 43 + "="]},
        "artifacts": {"url": str(tmp_path / "artifacts")},
    }


@pytest.fixture
async def servers(shared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    """The server on which things happen and the one that is watched: another, with a bus between them, or the same.

    They look at the database once a minute at most: what is seen sooner was told by the bus.
    """
    monkeypatch.setattr(live_list, "POLL_SECONDS", 600)
    monkeypatch.setattr(live_load_test, "POLL_SECONDS", 600)
    settings = {"k6": {"capacity": 0, "window_seconds": SECONDS}, **shared}
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(serving(tmp_path / name, settings)) for name in ("a", "b")[: 1 + bool(shared)]]
        await eventually(lambda: all(each.container.services.bus.is_linked for each in made))
        yield made[0], made[-1]


@pytest.fixture(scope="module")
def scripts() -> Path:
    return installed_scripts()


class Clients:
    """Clients by transport and a word of the test's own."""

    def __init__(self, scripts: Path, plog: Plog, stack: AsyncExitStack) -> None:
        self._scripts, self._plog, self._stack = scripts, plog, stack
        self.programs: dict[tuple[str, str], Program] = {}

    async def subscribe(self, word: str, query: str) -> None:
        """One over each transport."""
        for transport in TRANSPORTS:
            arguments = (transport, endpoint(self._plog.url, transport), self._plog.token(), query)
            self.programs[transport, word] = await self._stack.enter_async_context(
                node(self._scripts, "subscribe.mjs", *arguments)
            )


class Watching:
    """Six clients on one run: each transport with each `include`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.seen = {key: SeenMetrics(key[1], SECONDS) for key in clients.programs}

    async def frames(self, kind: str, k6: list[int] | None, pods: list[float | None] | None, *includes: str) -> None:
        """Each client with one of these `include`s gets a frame of that kind; the others get none, as their next one shows.

        `k6` and `pods` are the requests and millicores in it, as far as `include` lets them through.
        """
        for key, program in self._clients.programs.items():
            if key[1] not in includes:
                continue
            frame = await next_frame(program, "loadTestMetrics")
            self.seen[key].take(frame)
            kinds = {"snapshot": frame["isSnapshot"], "revision": frame["isRevision"], "end": frame["isEnd"]}
            assert [name for name, is_so in kinds.items() if is_so] == ([kind] if kind != "windows" else []), (key, frame)
            requests = [series["requests"] for series in frame["series"]]
            expected = [] if k6 is None or key[1] == "RESOURCES_ONLY" else [k6, k6]
            assert requests == expected, (key, frame)
            cpu = [pod["actualUsage"]["cpuMillicores"] for pod in frame["pods"]]
            assert cpu == ([] if pods is None or key[1] == "K6_ONLY" else [pods]), (key, frame)


async def test_frames_of_a_run_in_order_with_revisions_and_the_end(scripts: Path, servers: Pair) -> None:
    plog, watched = servers
    run = await started(plog)
    await measure(run, (0, "api", 100.0), (120, "api", 300.0))
    await run.report(window(1, 0, 10.0), window(2, 120, 10.0))
    async with AsyncExitStack() as stack:
        clients = Clients(scripts, watched, stack)
        for include in INCLUDES:
            await clients.subscribe(include, METRICS % (run.id, include))
        watching = Watching(clients)
        await watching.frames("snapshot", [1, 0, 1], [100.0, 100.0, 300.0], *INCLUDES)
        await measure(run, (180, "api", 400.0))
        await watching.frames("windows", None, [400.0], "RESOURCES_ONLY")
        await run.report(window(3, 240, 1.0, 2.0))
        await watching.frames("windows", [0, 2], [400.0, 400.0], "ALL")
        await watching.frames("windows", [0, 2], None, "K6_ONLY")
        await measure(run, (60, "api", 200.0))
        await watching.frames("revision", None, [200.0], "ALL", "RESOURCES_ONLY")
        await run.report(window(4, 0, 10.0, 20.0, revision=2), window(5, 240, 1.0, 2.0, 3.0, revision=2))
        for requests in ([2], [3]):
            await watching.frames("revision", requests, None, "ALL", "K6_ONLY")
        await plog.answer(STOP, id=run.id)
        await watching.frames("end", None, None, *INCLUDES)
        for program in clients.programs.values():
            assert await program.until("complete")
    for (_, include), seen in watching.seen.items():
        assert seen.requests == ({} if include == "RESOURCES_ONLY" else {0: 2, 60: 0, 120: 1, 180: 0, 240: 3})
        cpu = {start: said["cpuMillicores"] for (_, start), said in seen.usages.items() if not said["cpuPredicted"]}
        assert cpu == ({} if include == "K6_ONLY" else {0: 100.0, 60: 200.0, 120: 300.0, 180: 400.0})


async def test_who_comes_after_the_end_gets_all_of_it_in_one_frame(scripts: Path, servers: Pair) -> None:
    plog, watched = servers
    run = await started(plog)
    await measure(run, (0, "api", 100.0))
    await run.report(window(1, 0, 10.0), window(2, 120, 10.0))
    await plog.answer(STOP, id=run.id)
    async with AsyncExitStack() as stack:
        clients = Clients(scripts, watched, stack)
        for include in INCLUDES:
            await clients.subscribe(include, METRICS % (run.id, include))
        for (_, include), program in clients.programs.items():
            seen = SeenMetrics(include, SECONDS)
            seen.take(await next_frame(program, "loadTestMetrics"))
            assert seen.is_over and await program.until("complete")
            assert seen.requests == ({} if include == "RESOURCES_ONLY" else {0: 1, 60: 0, 120: 1})


async def test_a_list_of_load_tests_from_its_snapshot_on(scripts: Path, servers: Pair) -> None:
    plog, watched = servers
    run = await started(plog)
    test = str((await plog.answer("query ($id: ID!) { loadTestRun(id: $id) { loadTest { id } } }", id=run.id))["loadTest"]["id"])
    async with AsyncExitStack() as stack:
        clients = Clients(scripts, watched, stack)
        await clients.subscribe("list", LIST)

        async def frames(**expected: Any) -> None:
            for program in clients.programs.values():
                frame = await next_frame(program, "loadTests")
                assert (frame["order"], frame["isSnapshot"]) == (expected["order"], expected.get("is_snapshot", False))
                shown = [
                    (each["loadTest"]["title"], each["fromVersion"], each["toVersion"], each["loadTest"]["lastRun"]["status"])
                    for each in frame["changed"]
                ]
                assert shown == expected["shown"], frame

        await frames(order=[test], is_snapshot=True, shown=[("nightly", 1, 1, "QUEUED")])
        await told(run, RunStatus.STARTING)
        await frames(order=[test], shown=[("nightly", 1, 1, "STARTING")])
        await told(run, RunStatus.RUNNING)
        await frames(order=[test], shown=[("nightly", 1, 1, "RUNNING")])
        await plog.answer(UPDATE, id=test, input=load_test(title="renamed"))
        await frames(order=[test], shown=[("renamed", 2, 2, "RUNNING")])
        await plog.answer(STOP, id=run.id)
        await frames(order=[test], shown=[("renamed", 2, 2, "STOPPING")])
        await told(run, RunStatus.ABORTED)
        await frames(order=[test], shown=[("renamed", 2, 2, "ABORTED")])
        assert "loadTest" in await plog.answer(ARCHIVE, id=test)
        await frames(order=[], shown=[])


async def told(run: Run, status: RunStatus) -> None:
    """Do to a run what the reconciler does, and tell as it does."""
    await become(run, status)
    services = run.plog.container.services
    async with services.database.snapshot() as work:
        changed = (await work.load_test_runs.get_many([run.run.id], EVERY_PROJECT))[run.run.id]
    await tell(services, changed)

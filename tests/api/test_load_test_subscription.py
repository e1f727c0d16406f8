"""Watching a run: the snapshot first, each window once, revisions said to be such, the verdict last."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from domain.live import Notice, Topic
from domain.load_test_run import RunStatus
from domain.resource_usage import PodSpecs, ResourceUsage
from domain.visibility import EVERY_PROJECT
from gql import ids
from resolvers import live_load_test
from resolvers.load_test_run import tell
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_kit_subscription import Frames, watching
from tests.api.test_load_test_report import START, STOP, Run, started, window

METRICS = """subscription ($id: ID!, $include: MetricsInclude! = ALL, $after: DateTime) {
  loadTestMetrics(runId: $id, include: $include, after: $after) {
  isSnapshot isRevision isEnd run { status message deadline warnedAt version }
  series { scenario windowStart requests failed vus p95 }
  pods { pod windowStart sampledAt usage { cpuPercent memoryPercent cpuPredicted memoryPredicted }
    actualUsage { cpuMillicores memoryMb }
    specs { cpuRequestMillicores cpuLimitMillicores memoryRequestMb memoryLimitMb } } } }"""
LISTED = "subscription { loadTests { changed { loadTest { lastRun { warnedAt } } } } }"
RESOURCES = """query ($id: ID!, $first: Int! = 100, $after: DateTime) { loadTestRun(id: $id) {
  resources(first: $first, after: $after) { pod windowStart usage { cpuPredicted } actualUsage { cpuMillicores } } } }"""


async def become(run: Run, *statuses: RunStatus) -> None:
    """Do to a run what the reconciler does."""
    services = run.plog.container.services
    for status in statuses:
        async with services.database.transaction() as work:
            now = (await work.load_test_runs.get_many([run.run.id], EVERY_PROJECT))[run.run.id]
            assert await work.load_test_runs.change(now, status, "runner") is not None


def shown(frame: dict[str, Any]) -> tuple[str, list[str], list[int]]:
    """The kind of a frame, the seconds of its windows, and the requests of all scenarios together."""
    kinds = {"isSnapshot": "snapshot", "isRevision": "revision", "isEnd": "end"}
    kind = next((name for key, name in kinds.items() if frame[key]), "windows")
    overall = frame["series"][0] if frame["series"] else {"windowStart": [], "requests": []}
    return kind, [each[14:19] for each in overall["windowStart"]], overall["requests"]


async def measure(run: Run, *figures: tuple[int, str, float | None]) -> None:
    """Do what the resource watcher does: start, pod and millicores of each measurement."""
    services = run.plog.container.services
    specs = PodSpecs(cpu_limit=1000, memory_limit=200_000_000)
    usages = [
        ResourceUsage(
            start=start, pod=pod, sampled_at=datetime.now(UTC), cpu_millicores=cpu, memory_bytes=50_000_000, specs=specs
        )
        for start, pod, cpu in figures
    ]
    async with services.database.transaction() as work:
        await work.resource_usages.add(run.run.id, usages)
    await services.bus.publish([Notice(Topic.LOAD_TEST_RUN, str(run.run.id), run.run.version)])


def pods_shown(frame: dict[str, Any]) -> dict[str, tuple[list[str], list[float | None], list[bool]]]:
    """For each pod the seconds of its windows, its millicores, and which of them are predicted."""
    return {
        each["pod"]: (
            [at[14:19] for at in each["windowStart"]],
            each["actualUsage"]["cpuMillicores"],
            each["usage"]["cpuPredicted"],
        )
        for each in frame["pods"]
    }


async def next_with_windows(frames: Frames) -> dict[str, Any]:
    while not (frame := await frames.next())["series"]:
        pass
    return frame


@BOTH_DATABASES
async def test_a_run_is_watched_to_its_verdict(plog: Plog) -> None:
    run = await started(plog)
    await run.report(window(1, 1000, 10.0), window(2, 1000, scenario="", vus=3))
    async with watching(plog, METRICS, id=run.id) as frames:
        first = await frames.next()
        assert shown(first) == ("snapshot", ["16:40"], [1]) and first["run"]["status"] == "QUEUED"
        assert first["series"][0]["vus"] == [3] and [each["scenario"] for each in first["series"]] == [None, "browse"]
        await run.report(window(3, 1010, 1.0, 2.0))
        assert shown(await frames.next()) == ("windows", ["16:45", "16:50"], [0, 2])
        same = window(5, 1000, 10.0, 20.0, revision=3), window(6, 1000, scenario="", vus=3, revision=2)  # tell nothing new
        await run.report(window(4, 1000, 10.0, 20.0, revision=2), *same, window(7, 1010, 1.0, 2.0, 3.0, revision=2))
        assert [shown(await frames.next()) for _ in range(2)] == [("revision", ["16:40"], [2]), ("revision", ["16:50"], [3])]
        await run.report(window(8, 1000, 10.0, 20.0, revision=4), window(9, 1010, 1.0, 2.0, 3.0, revision=3))
        await plog.answer(STOP, id=run.id)
        last = await frames.next()
        assert shown(last) == ("end", [], []) and last["run"]["status"] == "ABORTED"
        assert await frames.rest() == []
    async with watching(plog, METRICS, id=run.id) as frames:
        (only,) = await frames.rest()
        assert (only["isSnapshot"], only["isEnd"]) == (True, True)
        assert only["series"][0]["requests"] == [2, 0, 3]


async def test_nothing_is_said_of_a_window_before_its_report_can_be_there(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_load_test, "time", SimpleNamespace(time=lambda: 1014.9))
    run = await started(plog)
    await become(run, RunStatus.STARTING, RunStatus.RUNNING)
    await run.report(window(1, 1000, 10.0))
    async with watching(plog, METRICS, id=run.id) as frames:
        assert shown(await frames.next()) == ("snapshot", ["16:40"], [1])
        await run.report(window(2, 1005, 10.0, 20.0))
        assert shown(await frames.next()) == ("windows", ["16:45"], [2])


async def test_windows_in_which_nothing_arrives_are_sent_while_it_runs(plog: Plog) -> None:
    run = await started(plog)
    await become(run, RunStatus.STARTING, RunStatus.RUNNING)
    begun = int(time.time()) // 5 * 5 - 25
    await run.report(window(1, begun, 10.0))
    async with watching(plog, METRICS, id=run.id) as frames:
        await frames.next()
        frame = await next_with_windows(frames)
        overall = frame["series"][0]
        assert set(overall["requests"]) == {0} and set(overall["p95"]) == {None} and not frame["isRevision"]


@BOTH_DATABASES
async def test_a_warning_is_told_to_who_watches_the_run_or_its_list(plog: Plog) -> None:
    run = await started(plog)
    await become(run, RunStatus.STARTING, RunStatus.RUNNING)
    services = plog.container.services
    async with watching(plog, METRICS, id=run.id) as frames, watching(plog, LISTED) as lists:
        first = (await frames.next())["run"]
        assert first["warnedAt"] is None and first["deadline"] is not None
        assert (await lists.next())["changed"][0]["loadTest"]["lastRun"]["warnedAt"] is None
        async with services.database.transaction() as work:
            now = (await work.load_test_runs.get_many([run.run.id], EVERY_PROJECT))[run.run.id]
            warned = await work.load_test_runs.warn(now, "runner")
            assert warned is not None and await work.load_test_runs.warn(now, "runner") is None
        await tell(services, warned)
        told = (await frames.next())["run"]
        assert told["warnedAt"] is not None and {**told, "warnedAt": None, "version": first["version"]} == first
        assert (await lists.next())["changed"][0]["loadTest"]["lastRun"]["warnedAt"] == told["warnedAt"]
    await become(run, RunStatus.STOPPING)


@BOTH_DATABASES
async def test_resources_are_watched_beside_the_windows_of_k6(plog: Plog) -> None:
    run = await started(plog)
    await measure(run, (1000, "api", 100.0), (1005, "api", 200.0))
    await run.report(window(1, 1000, 10.0))
    async with watching(plog, METRICS, id=run.id) as frames:
        first = await frames.next()
        assert shown(first) == ("snapshot", ["16:40"], [1]), "what is measured of the pods waits for k6's figures"
        assert pods_shown(first) == {"api": (["16:40"], [100.0], [False])}
        assert first["pods"][0]["usage"] | {"cpuPredicted": 0} == {
            "cpuPercent": [10.0],
            "memoryPercent": [25.0],
            "cpuPredicted": 0,
            "memoryPredicted": [False],
        }
        assert first["pods"][0]["actualUsage"]["memoryMb"] == [50.0] and first["pods"][0]["sampledAt"][0]
        assert first["pods"][0]["specs"] == {
            "cpuRequestMillicores": [None],
            "cpuLimitMillicores": [1000],
            "memoryRequestMb": [None],
            "memoryLimitMb": [200.0],
        }
        await run.report(window(2, 1010, 10.0))
        second = await frames.next()
        assert shown(second) == ("windows", ["16:45", "16:50"], [0, 1])
        assert pods_shown(second) == {"api": (["16:45", "16:50"], [200.0, 200.0], [False, True])}
        await measure(run, (1010, "api", 300.0), (1000, "api", 999.0))
        third = await frames.next()
        assert shown(third) == ("revision", [], []) and pods_shown(third) == {"api": (["16:50"], [300.0], [False])}
        await run.report(window(3, 1010, 10.0, 20.0, revision=2))
        fourth = await frames.next()
        assert shown(fourth) == ("revision", ["16:50"], [2]) and fourth["pods"] == []
        await plog.answer(STOP, id=run.id)
        assert shown(await frames.next()) == ("end", [], [])
    found = await plog.answer(RESOURCES, id=run.id, first=2)
    assert pods_shown({"pods": found["resources"]})["api"][1] == [100.0, 200.0]
    found = await plog.answer(RESOURCES, id=run.id, after="1970-01-01T00:16:45Z")
    assert pods_shown({"pods": found["resources"]})["api"] == (["16:50"], [300.0], [False])


async def test_one_may_watch_k6_or_the_pods_alone(plog: Plog) -> None:
    run = await started(plog)
    await run.report(window(1, 1000, 10.0))
    await measure(run, (1005, "api", 200.0), (1005, "db", None))
    async with watching(plog, METRICS, id=run.id, include="K6_ONLY") as frames:
        frame = await frames.next()
        assert shown(frame) == ("snapshot", ["16:40"], [1]) and frame["pods"] == []
    async with watching(plog, METRICS, id=run.id, include="RESOURCES_ONLY") as frames:
        frame = await frames.next()
        assert frame["isSnapshot"] and frame["series"] == []
        assert pods_shown(frame) == {"api": (["16:45"], [200.0], [False]), "db": (["16:45"], [None], [False])}
        await measure(run, (1010, "db", 5.0))
        assert pods_shown(await frames.next()) == {"api": (["16:50"], [200.0], [True]), "db": (["16:50"], [5.0], [False])}
        await plog.answer(STOP, id=run.id)
        assert (await frames.next())["isEnd"]


async def test_the_pods_of_a_later_page_begin_with_what_was_known(plog: Plog) -> None:
    run = await started(plog)
    await measure(run, (1000, "api", 1.0), (1000, "db", 2.0), (1005, "db", 3.0))
    found = await plog.answer(RESOURCES, id=run.id, after="1970-01-01T00:16:40Z")
    assert pods_shown({"pods": found["resources"]}) == {"api": (["16:45"], [1.0], [True]), "db": (["16:45"], [3.0], [False])}
    assert (await plog.answer(RESOURCES, id=run.id, after="1970-01-01T00:16:45Z"))["resources"] == []


def at(second: float) -> str:
    """A time as clients send it."""
    return datetime.fromtimestamp(second, UTC).isoformat()


def columns(frame: dict[str, Any], last: int = 10**6) -> list[tuple[str | None, list[Any]]]:
    """What a frame says of its last windows, by scenario and pod; nothing where these are none."""
    found: list[tuple[str | None, list[Any]]] = [
        (each["scenario"], list(zip(each["windowStart"], each["requests"], strict=True))) for each in frame["series"]
    ]
    for pod in frame["pods"]:
        usage = (pod["actualUsage"]["cpuMillicores"], pod["usage"]["cpuPredicted"], pod["sampledAt"])
        found.append((pod["pod"], list(zip(pod["windowStart"], *usage, strict=True))))
    return [(name, values[-last:]) for name, values in found if last]


@BOTH_DATABASES
@pytest.mark.parametrize("include", ["ALL", "K6_ONLY", "RESOURCES_ONLY"])
async def test_the_first_frame_has_the_windows_after_the_last_one_seen(plog: Plog, include: str) -> None:
    run = await started(plog)
    await run.report(window(1, 1000, 10.0), window(2, 1005, 1.0), window(3, 1020, 1.0, 2.0), window(4, 1025, 1.0))
    await measure(run, (1000, "api", 1.0), (1005, "db", 2.0), (1015, "api", 3.0), (1025, "new", 4.0))
    await plog.answer(STOP, id=run.id)
    async with watching(plog, METRICS, id=run.id, include=include) as frames:
        (whole,) = await frames.rest()
    begun, until = (columns(whole)[0][1][place][0] for place in (0, -1))
    assert (begun[14:19], until[14:19]) == ("16:40", "17:05")
    for after in [-1, 0, 995, 999.5, *range(1000, 1030), 10**9, 10**11]:
        async with watching(plog, METRICS, id=run.id, include=include, after=at(after)) as frames:
            (frame,) = await frames.rest()
        assert frame["isSnapshot"] and frame["isEnd"] and not frame["isRevision"]
        assert columns(frame) == columns(whole, sum(start > after for start in range(1000, 1030, 5))), after


@BOTH_DATABASES
async def test_who_goes_on_from_a_window_is_sent_what_follows_and_what_comes_late(plog: Plog) -> None:
    run = await started(plog)
    await measure(run, (1005, "api", 200.0), (1000, "api", 100.0))
    await run.report(window(1, 1000, 10.0), window(2, 1005, 1.0))
    async with watching(plog, METRICS, id=run.id, after=at(1005)) as frames:
        first = await frames.next()
        assert shown(first) == ("snapshot", [], []) and first["pods"] == []
        await run.report(window(3, 1015, 1.0, 2.0))
        second = await frames.next()
        assert shown(second) == ("windows", ["16:50", "16:55"], [0, 2])
        assert pods_shown(second) == {"api": (["16:50", "16:55"], [200.0, 200.0], [True, True])}
        await run.report(window(4, 1000, 10.0, 20.0, revision=2))
        assert shown(await frames.next()) == ("revision", ["16:40"], [2])
        await measure(run, (1005, "db", 7.0))
        assert pods_shown(await frames.next()) == {"db": (["16:45"], [7.0], [False])}
        await plog.answer(STOP, id=run.id)
        assert shown(await frames.next()) == ("end", [], [])


async def test_a_time_before_the_run_fills_no_hole_up_to_it(plog: Plog) -> None:
    run = await started(plog)
    async with watching(plog, METRICS, id=run.id, after=at(0)) as frames:
        assert shown(await frames.next()) == ("snapshot", [], [])
        await run.report(window(1, 1000, 10.0))
        assert shown(await frames.next()) == ("windows", ["16:40"], [1])


@pytest.mark.parametrize("id", ["", "nonsense", "TG9hZFRlc3RSdW46OTk5"])
async def test_a_run_that_does_not_exist_ends_the_subscription_with_its_error(plog: Plog, id: str) -> None:
    async with watching(plog, METRICS, id=id) as frames:
        with pytest.raises(Exception, match="exists"):
            await frames.next()


QUEUE = """subscription ($id: ID!) { loadTestMetrics(runId: $id) {
  isSnapshot run { status placeInQueue waitsFor { reason behind { number } } } } }"""


async def test_who_watches_a_run_that_waits_is_told_when_that_changes(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_load_test, "POLL_SECONDS", 0.05)
    first = await started(plog)
    second = (await plog.answer(START, id=ids.encode("LoadTest", first.run.load_test_id)))["run"]

    def waiting(frame: dict[str, Any]) -> tuple[Any, ...]:
        run = frame["run"]
        wait = run["waitsFor"]
        return run["placeInQueue"], wait and wait["reason"], wait and [each["number"] for each in wait["behind"]]

    async with watching(plog, QUEUE, id=second["id"]) as frames:
        assert waiting(await frames.next()) == (2, "ROOM", [])
        await become(first, RunStatus.STARTING)
        assert waiting(await frames.next()) == (1, "TARGET", [first.run.id])
        await become(first, RunStatus.RUNNING, RunStatus.ERROR)
        assert waiting(await frames.next()) == (1, "SERVER", [])

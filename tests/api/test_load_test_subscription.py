"""Watching a run: the snapshot first, each window once, revisions said to be such, the verdict last."""

import time
from typing import Any

import pytest

from domain.load_test_run import RunStatus
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_kit_subscription import Frames, watching
from tests.api.test_load_test_report import STOP, Run, started, window

METRICS = """subscription ($id: ID!) { loadTestMetrics(runId: $id) { isSnapshot isRevision isEnd run { status message }
  series { scenario windowStart requests failed vus p95 } } }"""


async def become(run: Run, *statuses: RunStatus) -> None:
    """Do to a run what the reconciler does."""
    services = run.plog.container.services
    for status in statuses:
        async with services.database.transaction() as work:
            now = (await work.load_test_runs.get_many([run.run.id]))[run.run.id]
            assert await work.load_test_runs.change(now, status, "runner") is not None


def shown(frame: dict[str, Any]) -> tuple[str, list[str], list[int]]:
    """The kind of a frame, the seconds of its windows, and the requests of all scenarios together."""
    kinds = {"isSnapshot": "snapshot", "isRevision": "revision", "isEnd": "end"}
    kind = next((name for key, name in kinds.items() if frame[key]), "windows")
    overall = frame["series"][0] if frame["series"] else {"windowStart": [], "requests": []}
    return kind, [each[14:19] for each in overall["windowStart"]], overall["requests"]


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
        await run.report(window(4, 1000, 10.0, 20.0, revision=2), window(5, 1010, 1.0, 2.0, 3.0, revision=2))
        assert [shown(await frames.next()) for _ in range(2)] == [("revision", ["16:40"], [2]), ("revision", ["16:50"], [3])]
        await plog.answer(STOP, id=run.id)
        last = await frames.next()
        assert shown(last) == ("end", [], []) and last["run"]["status"] == "ABORTED"
        assert await frames.rest() == []
    async with watching(plog, METRICS, id=run.id) as frames:
        (only,) = await frames.rest()
        assert (only["isSnapshot"], only["isEnd"]) == (True, True)
        assert only["series"][0]["requests"] == [2, 0, 3]


async def test_windows_in_which_nothing_arrives_are_sent_while_it_runs(plog: Plog) -> None:
    run = await started(plog)
    await become(run, RunStatus.STARTING, RunStatus.RUNNING)
    begun = int(time.time()) // 5 * 5 - 15
    await run.report(window(1, begun, 10.0))
    async with watching(plog, METRICS, id=run.id) as frames:
        await frames.next()
        frame = await next_with_windows(frames)
        overall = frame["series"][0]
        assert set(overall["requests"]) == {0} and set(overall["p95"]) == {None} and not frame["isRevision"]


@pytest.mark.parametrize("id", ["", "nonsense", "TG9hZFRlc3RSdW46OTk5"])
async def test_a_run_that_does_not_exist_ends_the_subscription_with_its_error(plog: Plog, id: str) -> None:
    async with watching(plog, METRICS, id=id) as frames:
        with pytest.raises(Exception, match="exists"):
            await frames.next()

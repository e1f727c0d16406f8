"""Watching lists of load tests: first what is there, then whatever they show that has changed, and what that costs."""

import asyncio
import copy
import gc
import json
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from app.client import Client, ServerRefused
from domain.load_test_run import RunStatus
from gql import ids
from resolvers import live_list
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_kit_subscription import Frames, watching
from tests.api.test_load_test import API, ARCHIVE, UPDATE, analysed, created, load_test
from tests.api.test_load_test_report import START, STOP, started, window
from tests.api.test_load_test_subscription import become
from tests.api.test_project import create as create_project
from tests.api.test_target import ANALYZE, add
from tests.sites import serving
from tests.statements import statements
from tests.waiting import eventually

LIST = """subscription ($filter: LoadTestFilter, $order: NamedOrder! = NUMBER, $descending: Boolean! = true, $first: Int! = 50) {
  loadTests(filter: $filter, orderBy: $order, descending: $descending, first: $first) { order isSnapshot
    changed { fromVersion toVersion isMerged isSnapshot
      loadTest { id title version staleScenarios { name } lastRun { number status } } } } }"""
ONE = "query ($id: ID!) { loadTest(id: $id) { lastRun { number status version } } }"


def shown(frame: dict[str, Any]) -> list[tuple[str, int, str | None]]:
    """Title, version and the last run's status of each load test that is new in a frame."""
    changed = [each["loadTest"] for each in frame["changed"]]
    return [(each["title"], each["version"], each["lastRun"] and each["lastRun"]["status"]) for each in changed]


async def until(frames: Frames, *expected: tuple[str, int, str | None]) -> dict[str, Any]:
    """The first frame that shows this; what came before it may have been merged or not."""
    while shown(frame := await frames.next()) != list(expected):
        pass
    return frame


@pytest.fixture
def unpolled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found by looking: it has to be told."""
    monkeypatch.setattr(live_list, "POLL_SECONDS", 600)


@BOTH_DATABASES
async def test_a_list_shows_what_comes_changes_runs_and_goes(unpolled: None, plog: Plog) -> None:
    target = await analysed(plog)
    old = await created(plog, target, load_test(title="old"))
    async with watching(plog, LIST, filter={"targetId": target["id"]}, first=2) as frames:
        first = await frames.next()
        assert (first["order"], first["isSnapshot"], shown(first)) == ([old["id"]], True, [("old", 1, None)])
        (snapshot,) = first["changed"]
        assert {name: snapshot[name] for name in ("fromVersion", "toVersion", "isMerged", "isSnapshot")} == {
            "fromVersion": 1,
            "toVersion": 1,
            "isMerged": False,
            "isSnapshot": True,
        }
        new = await created(plog, target, load_test(title="new"))
        frame = await frames.next()
        assert (frame["order"], frame["isSnapshot"], shown(frame)) == ([new["id"], old["id"]], False, [("new", 1, None)])
        await plog.answer(UPDATE, id=old["id"], input=load_test(title="older"))
        (changed,) = (await until(frames, ("older", 2, None)))["changed"]
        assert (changed["fromVersion"], changed["toVersion"], changed["isSnapshot"]) == (2, 2, False)
        run = (await plog.answer(START, id=old["id"]))["run"]
        (changed,) = (await until(frames, ("older", 2, "QUEUED")))["changed"]
        assert (changed["fromVersion"], changed["toVersion"], changed["isSnapshot"], changed["isMerged"]) == (2, 2, False, False)
        await plog.answer(STOP, id=run["id"])
        (changed,) = (await until(frames, ("older", 2, "ABORTED")))["changed"]
        again = (await plog.answer(START, id=old["id"]))["run"]
        (changed,) = (await until(frames, ("older", 2, "QUEUED")))["changed"]
        assert changed["loadTest"]["lastRun"]["number"] == again["number"]
        await created(plog, await analysed(plog, project=await create_project(plog, "other")), load_test(title="elsewhere"))
        await plog.answer(ARCHIVE, id=new["id"])
        assert await frames.next() == {"order": [old["id"]], "isSnapshot": False, "changed": []}


async def test_versions_that_come_at_once_are_merged_and_said_to_be(plog: Plog) -> None:
    made = await created(plog, await analysed(plog), load_test())
    async with watching(plog, LIST) as frames:
        await frames.next()
        await asyncio.gather(*(plog.answer(UPDATE, id=made["id"], input=load_test(title=str(each))) for each in range(9)))
        known = 1
        while known < 10:
            (changed,) = (await frames.next())["changed"]
            assert (changed["fromVersion"], changed["isMerged"]) == (known + 1, changed["toVersion"] > known + 1)
            known = changed["toVersion"]


async def test_what_a_run_measures_changes_no_list_and_its_state_does(plog: Plog) -> None:
    run = await started(plog)
    async with watching(plog, LIST) as frames:
        assert shown(await frames.next()) == [("nightly", 1, "QUEUED")]
        for number in range(1, 6):
            await run.report(window(number, 1000 + 5 * number, 10.0))
        await become(run, RunStatus.STARTING)
        assert shown(await frames.next()) == [("nightly", 1, "STARTING")], "found by looking: nobody was told"


async def test_scenarios_that_become_stale_are_pushed(plog: Plog) -> None:
    changed = copy.deepcopy(API)
    del changed["paths"]["/pets"]
    with serving({"/openapi.json": json.dumps(API)}) as site:
        target = await add(plog, site.address + "/openapi.json")
        target = (await plog.answer(ANALYZE, id=target["id"]))["target"]
        await created(plog, target, load_test())
        async with watching(plog, LIST) as frames:
            assert (await frames.next())["changed"][0]["loadTest"]["staleScenarios"] == []
            site.pages["/openapi.json"] = json.dumps(changed)
            await plog.answer(ANALYZE, id=target["id"])
            (found,) = (await frames.next())["changed"]
            assert found["loadTest"]["staleScenarios"] == [{"name": "browse"}]


async def test_a_list_by_title_of_those_that_begin_so(plog: Plog) -> None:
    target = await analysed(plog)
    async with watching(plog, LIST, order="NAME", descending=False, filter={"titlePrefix": "a"}) as frames:
        assert await frames.next() == {"order": [], "isSnapshot": True, "changed": []}
        ab = await created(plog, target, load_test(title="ab"))
        await frames.next()
        await created(plog, target, load_test(title="b"))
        aa = await created(plog, target, load_test(title="aa"))
        assert (await frames.next())["order"] == [aa["id"], ab["id"]]


async def test_what_can_not_be_watched(plog: Plog) -> None:
    for first in (0, 101, -1):
        async with watching(plog, LIST, first=first) as frames:
            with pytest.raises(ServerRefused, match="first: must be from 1 to 100"):
                await frames.next()
    for nothing in ("", "nonsense", ids.encode("Project", 999)):
        async with watching(plog, LIST, filter={"projectId": nothing}) as frames:
            assert (await frames.next())["order"] == []
    run = await started(plog)
    generator = plog.holding(run.generator)["authorization"].removeprefix("Bearer ")
    with pytest.raises(ServerRefused, match="worker's token"):
        await anext(Client(plog.url, generator).stream(LIST))


async def test_a_list_ends_with_the_token(plog: Plog) -> None:
    stream = Client(plog.url, plog.token(lifetime=timedelta(seconds=2))).stream(LIST)
    async with asyncio.timeout(10):
        assert (await anext(stream))["loadTests"]["isSnapshot"]
        with pytest.raises(ServerRefused, match="token expired"):
            await anext(stream)
    await eventually(lambda: not plog.container.live.load_tests._of_lists)


async def test_watchers_of_lists_that_go_leave_nothing_behind(plog: Plog) -> None:
    watched = plog.container.live.load_tests
    async with watching(plog, LIST) as frames:
        await frames.next()
        assert watched._of_lists and watched._page_reads
    await eventually(lambda: not watched._of_lists)
    await eventually(lambda: gc.collect() >= 0 and not watched._page_reads)


async def test_a_notice_that_never_came_costs_time_only(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lose(notices: object) -> None:
        return None

    target = await analysed(plog)
    async with watching(plog, LIST) as frames:
        await frames.next()
        monkeypatch.setattr(plog.container.services.bus, "publish", lose)
        made = await created(plog, target, load_test())
        assert (await frames.next())["order"] == [made["id"]]


@BOTH_DATABASES
async def test_the_last_run_of_each_is_read_in_one_statement(plog: Plog) -> None:
    target = await analysed(plog)
    tests = [await created(plog, target, load_test(title=title)) for title in ("a", "b", "c")]
    runs = [(await plog.answer(START, id=tests[number]["id"]))["run"] for number in (0, 1, 0)]
    page = "{ loadTests(orderBy: NAME, descending: false) { nodes { lastRun { number loadTest { title } } } } }"
    with statements(()) as seen:
        nodes = (await plog.answer(page))["nodes"]
    expected = [{"number": runs[run]["number"], "loadTest": {"title": title}} for run, title in ((2, "a"), (1, "b"))]
    assert [each["lastRun"] for each in nodes] == [*expected, None]
    assert sum("max(" in each for each in seen) == 1
    assert (await plog.answer(ONE, id=tests[2]["id"])) == {"lastRun": None}


@pytest.mark.parametrize(("of_run", "is_shared"), [("status", True), ("status placeInQueue", False)])
async def test_a_change_is_read_once_for_all_who_watch_it_alike(plog: Plog, of_run: str, is_shared: bool) -> None:
    viewers = 6
    made = await created(plog, await analysed(plog), load_test())
    query = f"subscription {{ loadTests {{ changed {{ loadTest {{ lastRun {{ {of_run} }} }} }} }} }}"
    async with AsyncExitStack() as stack:
        watched = [await stack.enter_async_context(watching(plog, query, user)) for user in ["ada", "bela"] * (viewers // 2)]
        for each in watched:
            await each.next()
        with statements(()) as seen:
            await plog.answer(START, id=made["id"])
            for each in watched:
                assert (await each.next())["changed"][0]["loadTest"]["lastRun"]["status"] == "QUEUED"
    loads = [each for each in seen if "max(" in each and "load_test_run" in each]
    assert len(loads) == (1 if is_shared else viewers), loads

"""Watching kits, lists of kits and logs: first what is there, then every change, in order, until there is nothing more to see."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from app.client import Client, ServerRefused
from domain import commands
from domain.attempt import AttemptKey, Ending
from domain.change import Change
from domain.live import Notice, Topic
from domain.runner import LogChunk
from gql import ids
from resolvers.job_log import LOG_CHUNKS
from tests.api.in_process import BOTH_DATABASES, KIT, Plog, job_command
from tests.waiting import eventually

STATE = f"""{KIT} subscription ($id: ID!) {{ kitState(id: $id) {{
  fromVersion toVersion isSnapshot isMerged kit {{ ...KitParts }} }} }}"""
LIST = """subscription ($filter: KitFilter, $order: KitOrder! = NUMBER, $descending: Boolean! = true, $first: Int! = 50) {
  kits(filter: $filter, orderBy: $order, descending: $descending, first: $first) {
    order isSnapshot changed { fromVersion toVersion isMerged isSnapshot kit { id name status } } } }"""
LOG = """subscription ($id: ID!, $attempt: Int, $after: Int! = 0) { jobLog(jobId: $id, attempt: $attempt, after: $after) {
  attempt offset end text isLast } }"""
READ = f"{KIT} query ($id: ID!) {{ kit(id: $id) {{ ...KitParts }} }}"
REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) {
  ... on TaskReportPayload { results { state } } ... on UserError { code message } } }"""


class Frames:
    """What a subscription gives, frame by frame."""

    def __init__(self, stream: AsyncIterator[dict[str, Any]]) -> None:
        self._stream = stream

    async def next(self) -> dict[str, Any]:
        """The next frame; fails after a few seconds without one."""
        async with asyncio.timeout(10):
            (frame,) = (await anext(self._stream)).values()
        read: dict[str, Any] = frame
        return read

    async def rest(self) -> list[dict[str, Any]]:
        """All frames up to the end of the subscription."""
        async with asyncio.timeout(10):
            return [frame for each in [values async for values in self._stream] for frame in each.values()]


@asynccontextmanager
async def watching(plog: Plog, query: str, user: str = "ada", **variables: Any) -> AsyncIterator[Frames]:
    stream = Client(plog.url, plog.token(user)).stream(query, **variables)
    async with aclosing(stream):
        yield Frames(stream)


def begin(change: Change) -> None:
    commands.begin_attempt(change, change.kit.jobs[0].id, 1, "runner")


def succeed(change: Change) -> None:
    commands.settle_attempt(change, change.kit.jobs[0].id, 1, Ending(exit_code=0, reports=0))


def fail(change: Change) -> None:
    commands.settle_attempt(change, change.kit.jobs[0].id, 1, Ending(exit_code=1, reports=0))


@BOTH_DATABASES
async def test_a_kit_is_watched_through_its_life(plog: Plog) -> None:
    kit = await plog.create()
    async with watching(plog, STATE, id=kit["id"]) as frames:
        first = await frames.next()
        assert first == {
            "fromVersion": kit["version"],
            "toVersion": kit["version"],
            "isSnapshot": True,
            "isMerged": False,
            "kit": kit,
        }
        known = kit["version"]
        for step in (lambda: plog.command("kitStart", kit), lambda: plog.change(kit, begin), lambda: plog.change(kit, succeed)):
            await step()
            now = (await plog.ask(READ, id=kit["id"]))["kit"]
            while known < now["version"]:
                frame = await frames.next()
                assert (frame["fromVersion"], frame["isSnapshot"]) == (known + 1, False)
                assert frame["isMerged"] == (frame["toVersion"] > frame["fromVersion"])
                known = frame["toVersion"]
            assert frame["kit"] == now


async def test_every_viewer_of_a_kit_sees_the_same(plog: Plog) -> None:
    kit = await plog.create()
    async with watching(plog, STATE, id=kit["id"]) as first, watching(plog, STATE, "bela", id=kit["id"]) as second:
        assert await first.next() == await second.next()
        await plog.command("kitCancel", kit)
        ends = []
        for frames in (first, second):
            while (frame := await frames.next())["kit"]["status"] != "CANCELLED":
                pass
            ends.append(frame["kit"])
        assert ends[0] == ends[1]


@pytest.mark.parametrize("id", ["", "nonsense", ids.encode("Kit", 999), ids.encode("Job", UUID(int=5)), ids.encode("Kit", 2**40)])
async def test_a_kit_that_does_not_exist_ends_the_subscription_with_its_error(plog: Plog, id: str) -> None:
    async with watching(plog, STATE, id=id) as frames:
        with pytest.raises(ServerRefused, match="exists"):
            await frames.next()
    assert not plog.container.live.kits._of_kit


async def test_a_list_shows_what_comes_changes_and_goes(plog: Plog) -> None:
    old = await plog.create("old")
    async with watching(plog, LIST, filter={"status": ["PENDING", "CANCELLED"]}, first=2) as frames:
        first = await frames.next()
        version = old["version"]
        assert first == {
            "order": [old["id"]],
            "isSnapshot": True,
            "changed": [
                {
                    "fromVersion": version,
                    "toVersion": version,
                    "isMerged": False,
                    "isSnapshot": True,
                    "kit": {"id": old["id"], "name": "old", "status": "PENDING"},
                }
            ],
        }
        new = await plog.create("new")
        frame = await frames.next()
        assert (frame["order"], names(frame), frame["isSnapshot"]) == ([new["id"], old["id"]], ["new"], False)
        await plog.command("kitCancel", old)
        (changed,) = (await frames.next())["changed"]
        cancelled = (await plog.ask(READ, id=old["id"]))["kit"]["version"]
        assert (changed["fromVersion"], changed["toVersion"], changed["isMerged"]) == (version + 1, cancelled, True)
        assert (changed["kit"]["name"], changed["kit"]["status"], changed["isSnapshot"]) == ("old", "CANCELLED", False)
        newest = await plog.create("newest")
        assert (await frames.next())["order"] == [newest["id"], new["id"]]
        await plog.command("kitArchive", newest)
        frame = await frames.next()
        assert frame["order"] == [new["id"], old["id"]]
        assert [(each["kit"]["name"], each["isSnapshot"]) for each in frame["changed"]] == [("old", True)]
        await plog.command("kitStart", new)
        assert await frames.next() == {"order": [old["id"]], "isSnapshot": False, "changed": []}


def names(frame: dict[str, Any]) -> list[str]:
    return [each["kit"]["name"] for each in frame["changed"]]


async def test_a_list_by_name(plog: Plog) -> None:
    async with watching(plog, LIST, order="NAME", descending=False) as frames:
        assert await frames.next() == {"order": [], "isSnapshot": True, "changed": []}
        b = await plog.create("b")
        await frames.next()
        a = await plog.create("a")
        assert (await frames.next())["order"] == [a["id"], b["id"]]


@pytest.mark.parametrize("first", [0, 101, -1])
async def test_a_list_has_a_size_from_1_to_100(plog: Plog, first: int) -> None:
    async with watching(plog, LIST, first=first) as frames:
        with pytest.raises(ServerRefused, match="first: must be from 1 to 100"):
            await frames.next()


async def write(plog: Plog, kit: dict[str, Any], attempt: int, offset: int, data: bytes) -> None:
    key = AttemptKey(UUID(kit["jobs"][0]["uuid"]), attempt)
    async with plog.container.services.database.transaction() as work:
        await work.logs.add(key, LogChunk(offset, data), await work.kits.now())
    await plog.container.services.bus.publish([Notice(Topic.LOG, str(key), offset + len(data))])


@BOTH_DATABASES
async def test_a_log_is_shown_as_it_is_written_and_ends_with_the_attempt(plog: Plog) -> None:
    kit = await plog.run()
    job = kit["jobs"][0]
    await write(plog, kit, 1, 0, "grüß".encode())
    async with watching(plog, LOG, id=job["id"]) as frames:
        assert await frames.next() == {"attempt": 1, "offset": 0, "end": 6, "text": "grüß", "isLast": False}
        await write(plog, kit, 1, 6, b" dich\n")
        assert await frames.next() == {"attempt": 1, "offset": 6, "end": 12, "text": " dich\n", "isLast": False}
        await plog.change(kit, succeed)
        assert await frames.rest() == [{"attempt": 1, "offset": 12, "end": 12, "text": "", "isLast": True}]
    async with watching(plog, LOG, id=job["id"], after=7) as frames:
        assert await frames.rest() == [{"attempt": 1, "offset": 7, "end": 12, "text": "dich\n", "isLast": True}]


async def test_a_long_log_comes_in_pieces(plog: Plog) -> None:
    kit = await plog.run()
    piece = "€".encode() * 1000
    for number in range(40):
        await write(plog, kit, 1, number * len(piece), piece)
    await plog.change(kit, succeed)
    async with watching(plog, LOG, id=kit["jobs"][0]["id"]) as frames:
        found = await frames.rest()
    assert len(found) >= 40 / LOG_CHUNKS and [frame["isLast"] for frame in found] == [False] * (len(found) - 1) + [True]
    assert [frame["offset"] for frame in found] == [0, *(frame["end"] for frame in found[:-1])]
    assert "".join(frame["text"] for frame in found) == "€" * 40_000


async def test_the_log_of_an_earlier_attempt_and_of_none(plog: Plog) -> None:
    kit = await plog.run()
    job = kit["jobs"][0]
    await write(plog, kit, 1, 0, b"first\n")
    await plog.change(kit, fail)
    assert (await plog.answer(job_command("jobRetry"), id=job["id"]))["__typename"] == "JobCommandPayload"
    async with watching(plog, LOG, id=job["id"], attempt=1) as frames:
        assert await frames.rest() == [{"attempt": 1, "offset": 0, "end": 6, "text": "first\n", "isLast": True}]
    async with watching(plog, LOG, id=job["id"]) as frames:
        await write(plog, kit, 2, 0, b"second\n")
        assert await frames.next() == {"attempt": 2, "offset": 0, "end": 7, "text": "second\n", "isLast": False}
    for attempt in (0, 3, -1):
        async with watching(plog, LOG, id=job["id"], attempt=attempt) as frames:
            with pytest.raises(ServerRefused, match=f"No attempt {job['uuid']}/{attempt} exists"):
                await frames.next()


async def test_a_log_has_no_byte_before_its_first(plog: Plog) -> None:
    kit = await plog.run()
    async with watching(plog, LOG, id=kit["jobs"][0]["id"], after=-1) as frames:
        with pytest.raises(ServerRefused, match="after: must be 0 or more"):
            await frames.next()


async def test_watchers_that_go_leave_nothing_behind(plog: Plog) -> None:
    kit = await plog.run()
    await write(plog, kit, 1, 0, b"a line\n")
    watched = plog.container.live.kits

    def is_forgotten() -> bool:
        """A page that was asked for just before is still read, and kept as long."""
        gc.collect()
        return not watched._kit_reads and not watched._page_reads

    for query, variables in ((STATE, {"id": kit["id"]}), (LOG, {"id": kit["jobs"][0]["id"]}), (LIST, {})):
        async with watching(plog, query, **variables) as frames:
            await frames.next()
            assert watched._of_kit or watched._of_lists
        await eventually(lambda: not watched._of_kit and not watched._of_lists)
        await eventually(is_forgotten)


async def test_a_notice_that_never_came_costs_time_only(plog: Plog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that dies between commit and notice: the poll finds the version in the database."""
    kit = await plog.create()

    async def lose(notices: object) -> None:
        return None

    async with watching(plog, STATE, id=kit["id"]) as frames:
        await frames.next()
        monkeypatch.setattr(plog.container.services.bus, "publish", lose)
        await plog.command("kitCancel", kit)
        while (frame := await frames.next())["kit"]["status"] != "CANCELLED":
            pass
        assert frame["isMerged"]

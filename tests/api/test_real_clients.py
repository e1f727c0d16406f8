"""The clients that SPAs use (npm graphql-ws, graphql-sse) on PLOG's own schema: kits change, servers go, logs grow."""

import signal
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import UUID

import psutil
import pytest

from domain import commands
from domain.attempt import AttemptKey, Ending
from domain.live import Notice, Topic
from domain.runner import LogChunk
from tests.api.in_process import Plog
from tests.api.node_programs import Program, installed_scripts, node
from tests.e2e.server import PlogServer
from tests.e2e.test_kill import quick_document, started
from tests.waiting import eventually

STATE = """subscription { kitState(id: "%s") { fromVersion toVersion isSnapshot isMerged
  kit { version status percent jobs { type status } } } }"""
COPIES = " ".join(f"copy{number}: metadata" for number in range(16))
WIDE = 'subscription { kitState(id: "%s") { fromVersion toVersion isSnapshot isMerged kit { version ' + COPIES + " } } }"
LOG = 'subscription { jobLog(jobId: "%s", after: %d) { attempt offset end text isLast } }'
EVENTS = """query ($number: Int!, $after: Int!) { kitByNumber(number: $number) {
  events(first: 100, afterVersion: $after) { nodes { version } pageInfo { hasNextPage } } } }"""
REPORT = """mutation ($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) {
  ... on TaskReportPayload { results { state version } } ... on UserError { code message } } }"""
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def scripts() -> Path:
    return installed_scripts()


def endpoint(url: str, transport: str) -> str:
    address = f"{url}/graphql"
    return address.replace("http", "ws", 1) if transport == "ws" else address


async def next_frame(program: Program, field: str = "kitState", deadline: float = 20.0) -> dict[str, Any]:
    result = await program.until("result", deadline)
    assert "errors" not in result, result
    frame: dict[str, Any] = result["data"][field]
    return frame


def check_snapshot(frame: dict[str, Any]) -> int:
    version = int(frame["toVersion"])
    assert frame["isSnapshot"] and not frame["isMerged"]
    assert frame["fromVersion"] == frame["kit"]["version"] == version
    return version


def check_follows(frame: dict[str, Any], known: int) -> int:
    assert not frame["isSnapshot"]
    assert frame["fromVersion"] == known + 1 <= frame["toVersion"] == frame["kit"]["version"]
    assert frame["isMerged"] == (frame["toVersion"] > frame["fromVersion"])
    return int(frame["toVersion"])


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_a_snapshot_then_every_version_in_order(scripts: Path, plog: Plog, transport: str) -> None:
    kit = await plog.run()
    arguments = (transport, endpoint(plog.url, transport), plog.token(), STATE % kit["id"])
    async with node(scripts, "subscribe.mjs", *arguments) as program:
        known = check_snapshot(await next_frame(program))
        for number in range(1, 31):
            report = {"sequence": number, "kind": "NOTE", "metadata": {"number": number}}
            told = await plog.answer(REPORT, plog.worker(kit), reports=[report])
            assert told["results"][0]["state"] == "RECORDED", told
            if number % 3 == 0:  # the versions between may come merged
                while known < told["results"][0]["version"]:
                    known = check_follows(await next_frame(program), known)


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_a_slow_client_gets_merged_frames_and_costs_no_memory(scripts: Path, plog: Plog, transport: str) -> None:
    """Its frames would be 120 MB; what the sockets can't hold is not made, and the frame after the pause says what it merges."""
    kit = await plog.create(metadata={"text": token_hex(30_000)})  # nothing that a websocket could compress away
    await plog.command("kitStart", kit)
    await plog.change(kit, lambda change: commands.begin_attempt(change, UUID(kit["jobs"][0]["uuid"]), 1, "runner"))
    arguments = (transport, endpoint(plog.url, transport), plog.token(), WIDE % kit["id"])
    process, reports = psutil.Process(), 120
    async with node(scripts, "subscribe.mjs", *arguments) as program:
        known = check_snapshot(await next_frame(program))
        program.signal(signal.SIGSTOP)
        before = process.memory_info().rss
        for number in range(1, reports + 1):
            report = {"sequence": number, "kind": "NOTE", "metadata": {"number": number}}
            told = await plog.answer(REPORT, plog.worker(kit), reports=[report])
        grown = process.memory_info().rss - before
        last = told["results"][0]["version"]
        program.signal(signal.SIGCONT)
        merged = []
        while known < last:
            frame = await next_frame(program)
            merged.append(frame["toVersion"] - known)
            known = check_follows(frame, known)
    assert max(merged) > reports / 2, merged
    assert grown < 60e6, f"{grown / 1e6:.0f} MB"


async def all_versions(server: PlogServer, number: int, after: int) -> list[int]:
    versions: list[int] = []
    while True:
        kit = (await server.client.run(EVENTS, number=number, after=max([after, *versions])))["kitByNumber"]
        versions += [event["version"] for event in kit["events"]["nodes"]]
        if not kit["events"]["pageInfo"]["hasNextPage"]:
            return versions


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_after_a_restart_comes_a_snapshot_and_nothing_is_lost(scripts: Path, tmp_path: Path, transport: str) -> None:
    server = await started(tmp_path, {}, seconds=1.5)
    try:
        kit = await server.create_kit(quick_document())
        token = server.token
        async with node(
            scripts, "subscribe.mjs", transport, endpoint(server.url, transport), token, STATE % kit["id"]
        ) as program:
            first = known = check_snapshot(await next_frame(program))
            while known < first + 5:
                known = check_follows(await next_frame(program), known)
            await server.kill()
            await server.start()
            frame = await next_frame(program)
            while not frame["isSnapshot"]:  # sent by the old server before it was killed
                known = check_follows(frame, known)
                frame = await next_frame(program)
            shown = check_snapshot(frame)
            assert shown >= known
            skipped = await all_versions(server, kit["number"], known)
            assert skipped[: shown - known] == list(range(known + 1, shown + 1))
            while frame["kit"]["status"] != "SUCCEEDED":
                frame = await next_frame(program)
                shown = check_follows(frame, shown)
        ended = await server.ended(kit["number"])
        assert await all_versions(server, kit["number"], 0) == list(range(1, ended["version"] + 1))
    finally:
        await server.stop()


class Output:
    """What a pretended program writes, in pieces."""

    def __init__(self, plog: Plog, job: str) -> None:
        self._services = plog.container.services
        self._key = AttemptKey(UUID(job), 1)
        self.written = b""

    async def write(self, data: bytes) -> None:
        chunk = LogChunk(len(self.written), data)
        self.written += data
        async with self._services.database.transaction() as work:
            await work.logs.add(self._key, chunk, await work.kits.now())
        await self._services.bus.publish([Notice(Topic.LOG, str(self._key), chunk.end)])


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_a_log_is_read_on_from_a_byte_without_gap_or_overlap(scripts: Path, plog: Plog, transport: str) -> None:
    kit = await plog.run()
    job = kit["jobs"][0]
    output = Output(plog, job["uuid"])
    await output.write("Übung 1\n€".encode()[:-1])  # ends in the middle of a character
    text, after, is_last = "", 0, False
    connections = 0
    while not is_last:
        connections += 1
        arguments = (transport, endpoint(plog.url, transport), plog.token(), LOG % (job["id"], after))
        async with node(scripts, "subscribe.mjs", *arguments) as program:
            for number in range(3):
                frame = await next_frame(program, "jobLog")
                assert (frame["offset"], frame["attempt"]) == (after, 1)
                text, after, is_last = text + frame["text"], frame["end"], frame["isLast"]
                if is_last:
                    assert await program.until("complete")
                    break
                await output.write(f"{connections}{number}é ü\n".encode().rjust(6, b"\xac")[: 6 + number])
        await output.write(b"between\n")
        if connections == 3:
            await end_first_job(plog, kit)
    assert after == len(output.written) - len(b"between\n")
    assert text.encode("utf-8", "replace").decode() == output.written[:after].decode(errors="replace")


async def end_first_job(plog: Plog, kit: dict[str, Any]) -> None:
    ending = Ending(exit_code=0, reports=0)
    await plog.change(kit, lambda change: commands.settle_attempt(change, UUID(kit["jobs"][0]["uuid"]), 1, ending))


async def test_streams_are_ended_when_the_client_goes(scripts: Path, plog: Plog) -> None:
    kit = await plog.create()
    watchers = plog.container.live.kits._of_kit
    for transport in ("ws", "sse"):
        arguments = (transport, endpoint(plog.url, transport), plog.token(), STATE % kit["id"])
        async with node(scripts, "subscribe.mjs", *arguments) as program:
            check_snapshot(await next_frame(program))
            assert len(watchers[kit["number"]]) == 1
        await eventually(lambda: kit["number"] not in watchers)

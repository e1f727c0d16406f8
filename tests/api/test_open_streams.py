"""What is open ends soon after the permission behind it: websockets, event streams, downloads, whatever their peers do."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from domain.actor import Person, Worker
from domain.artifact import Artifact, RunArtifact, TargetArtifact
from domain.attempt import AttemptKey
from domain.errors import Unavailable
from domain.permission_kind import DRAM_GENERAL, LOGIC_GENERAL, LOGIC_SET_UP, Right
from domain.project import ProjectMember, ProjectRole
from domain.visibility import EVERY_PROJECT
from gql.ids import encode
from resolvers.open_streams import SILENCE_SECONDS, Confirmed, OpenStreams, StreamEnd
from tests.api.in_process import BOTH_DATABASES, HOST, Plog
from tests.api.permissions import granted, revoke
from tests.api.test_artifact import with_artifact
from tests.api.test_kit_subscription import STATE
from tests.api.test_project import UPDATE
from tests.api.test_websocket import closed_with, deaf_websocket
from tests.api.toy_server import PROTOCOL, ToyServer, deaf_connection, receive, send, toy_server
from tests.factories import store_load_tests, store_run
from tests.waiting import eventually

PERSON = Person(subject="ann", name="Ann", expires_at=datetime.now(UTC) + timedelta(hours=1))
NUMBERS = "subscription { numbers { sent } }"


@asynccontextmanager
async def watched() -> AsyncIterator[ToyServer]:
    """A server whose open streams are looked at."""
    async with toy_server() as server:
        looking = asyncio.create_task(server.world.streams.run())
        yield server
        looking.cancel()


class Answers:
    """What people may do, as it is told: rights, or an error."""

    def __init__(self, *rights: Right) -> None:
        self.rights: frozenset[Right] | Exception = frozenset(rights)
        self.asked: list[Collection[str]] = []
        self.sessions: set[UUID] = set()
        self.access: set[int] = set()
        self.members: set[tuple[str, int]] = set()

    async def __call__(
        self,
        subjects: Collection[str],
        sessions: Collection[UUID],
        access: Collection[int],
        members: Collection[tuple[str, int]],
    ) -> Confirmed:
        self.asked.append(subjects)
        if isinstance(self.rights, Exception):
            raise self.rights
        theirs = self.sessions & set(sessions), self.access & set(access), self.members & set(members)
        return Confirmed(dict.fromkeys(subjects, self.rights), *theirs)


async def test_a_stream_ends_when_something_that_it_holds_is_lost_and_not_before() -> None:
    answers = Answers(LOGIC_GENERAL, LOGIC_SET_UP)
    streams = OpenStreams(answers)
    with streams.holding(PERSON) as general, streams.holding(PERSON) as both, streams.holding(PERSON) as nothing:
        general.hold(frozenset({LOGIC_GENERAL}))
        both.hold(frozenset({LOGIC_GENERAL}))
        both.hold(frozenset({LOGIC_SET_UP}))
        await streams.look()
        answers.rights = frozenset({LOGIC_GENERAL, DRAM_GENERAL})
        await streams.look()
        assert both.ended.done() and both.ended.result() is StreamEnd.LOST
        assert not general.ended.done()
        answers.rights = frozenset()
        await streams.look()
        assert general.ended.result() is StreamEnd.LOST and not nothing.ended.done()
        assert [set(each) for each in answers.asked] == [{"ann"}] * 3, "of all in one read, and of none that holds nothing"
    await streams.look()
    assert len(answers.asked) == 3


async def test_what_was_granted_while_the_answer_was_on_its_way_is_not_taken_for_lost() -> None:
    streams: OpenStreams

    async def late(subjects: Collection[str], *_: object) -> Confirmed:
        stream.hold(frozenset({DRAM_GENERAL}))
        return Confirmed(dict.fromkeys(subjects, frozenset({LOGIC_GENERAL})))

    streams = OpenStreams(late)
    with streams.holding(PERSON) as stream:
        stream.hold(frozenset({LOGIC_GENERAL}))
        await streams.look()
        assert not stream.ended.done()


@pytest.mark.parametrize("outage", [Unavailable("The database does not answer."), TimeoutError()])
async def test_what_can_not_be_confirmed_for_some_seconds_ends(outage: Exception) -> None:
    answers = Answers(LOGIC_GENERAL)
    streams = OpenStreams(answers)
    with streams.holding(PERSON) as stream:
        stream.hold(frozenset({LOGIC_GENERAL}))
        answers.rights = outage
        await streams.look()
        assert not stream.ended.done(), "a moment's silence ends nothing"
        stream.confirmed_at = time.monotonic() - SILENCE_SECONDS - 0.01
        await streams.look()
        assert stream.ended.result() is StreamEnd.UNCONFIRMED


async def test_a_stream_ends_with_its_session_and_goes_on_with_its_permissions() -> None:
    answers, (one, other) = Answers(LOGIC_GENERAL), (uuid4(), uuid4())
    answers.sessions = {one, other}
    streams = OpenStreams(answers)
    with (
        streams.holding(replace(PERSON, session_id=one)) as first,
        streams.holding(replace(PERSON, session_id=other)) as second,
    ):
        second.hold(frozenset({LOGIC_GENERAL}))
        await streams.look()
        assert not first.ended.done() and not second.ended.done()
        answers.sessions = {other}
        await streams.look()
        assert first.ended.result() is StreamEnd.SIGNED_OUT and not second.ended.done()


async def test_a_stream_ends_with_the_access_that_it_holds() -> None:
    answers = Answers(LOGIC_GENERAL)
    answers.access = {1, 2}
    streams = OpenStreams(answers)
    with streams.holding(PERSON) as first, streams.holding(PERSON) as second, streams.holding(PERSON) as without:
        for stream, access in ((first, {1}), (second, {2}), (without, set())):
            stream.hold(frozenset({LOGIC_GENERAL}), frozenset(access))
        await streams.look()
        assert not first.ended.done() and not second.ended.done()
        answers.access = {2}
        await streams.look()
        assert first.ended.result() is StreamEnd.LOST
        assert not second.ended.done() and not without.ended.done()


async def test_a_stream_ends_with_the_membership_that_it_holds() -> None:
    """Also where its person has no permission at all."""
    answers = Answers()
    answers.members = {("ann", 1), ("bob", 2)}
    streams = OpenStreams(answers)
    with streams.holding(PERSON) as first, streams.holding(replace(PERSON, subject="bob")) as second:
        first.hold(frozenset(), members=frozenset({("ann", 1)}))
        second.hold(frozenset(), members=frozenset({("bob", 2)}))
        await streams.look()
        assert not first.ended.done() and not second.ended.done()
        answers.members = {("bob", 2), ("ann", 2)}
        await streams.look()
        assert first.ended.result() is StreamEnd.LOST and not second.ended.done()


async def test_a_worker_depends_on_no_permission() -> None:
    answers = Answers()
    streams = OpenStreams(answers)
    worker = Worker(attempt=AttemptKey.parse("00000000-0000-0000-0000-000000000001/1"), kit_id=1, expires_at=PERSON.expires_at)
    with streams.holding(worker):
        await streams.look()
    assert not answers.asked


async def test_a_websocket_closes_with_a_reason() -> None:
    async with watched() as server, server.socket() as socket:
        await send(socket, {"id": "s", "type": "subscribe", "payload": {"query": NUMBERS}})
        await receive(socket)
        server.world.rights = frozenset()
        assert await closed_with(socket, 5) == (4403, StreamEnd.LOST.value)
        await eventually(lambda: server.world.open_streams == 0)


async def test_a_websocket_without_a_subscription_stays_open() -> None:
    """It holds nothing; what it asks next is refused or not by what is permitted then."""
    async with watched() as server, server.socket() as socket:
        await send(socket, {"id": "q", "type": "subscribe", "payload": {"query": "{ viewer }"}})
        await receive(socket)
        await send(socket, {"type": "ping"})
        assert {(await receive(socket))["type"] for _ in range(2)} == {"complete", "pong"}


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
async def test_an_event_stream_ends_with_the_reason_as_its_last_word(accept: str) -> None:
    async with watched() as server:
        headers = {"authorization": "Bearer ann", "accept": accept}
        async with server.client.stream("POST", server.url, json={"query": NUMBERS}, headers=headers) as response:
            text = ""
            async with asyncio.timeout(6):
                async for part in response.aiter_text():
                    text += part
                    if "sent" in text:
                        server.world.rights = frozenset()
        assert "PERMISSION_DENIED" in text and StreamEnd.LOST.value in text
        assert text.rstrip().endswith("data:" if "event" in accept else "--graphql--")


@pytest.mark.parametrize("kind", ["websocket", "event stream"])
async def test_a_peer_that_stopped_reading_is_cut_off(kind: str) -> None:
    async with watched() as server:
        body = json.dumps({"query": "subscription { large }"})
        head = "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ann\r\nAccept: text/event-stream\r\n"
        request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        is_socket = kind == "websocket"
        with await deaf_websocket(server, "subscription { large }") if is_socket else deaf_connection(server.port, request):
            await eventually(lambda: server.world.produced > 0)
            began = time.monotonic()
            server.world.rights = frozenset()
            await eventually(lambda: server.connections == 0, deadline=6)
            assert time.monotonic() - began < 5


async def test_a_revocation_ends_what_watches_a_kit_and_nobody_elses(plog: Plog) -> None:
    kit, grant = await plog.create(), await granted(plog, "LOGIC_GENERAL")
    url = plog.url.replace("http", "ws") + "/graphql"
    async with connect(url, subprotocols=[PROTOCOL]) as socket, connect(url, subprotocols=[PROTOCOL]) as other:  # type: ignore[list-item]
        for each, user in ((socket, "dana"), (other, "ada")):
            await send(each, {"type": "connection_init", "payload": {"Authorization": f"Bearer {plog.token(user)}"}})
            await receive(each)
            await send(each, {"id": "s", "type": "subscribe", "payload": {"query": STATE, "variables": {"id": kit["id"]}}})
            assert (await receive(each))["type"] == "next"
        await revoke(plog, grant)
        assert await closed_with(socket, 5) == (4403, StreamEnd.LOST.value)
        await send(other, {"type": "ping"})
        assert (await receive(other))["type"] == "pong"


async def test_a_permission_that_ends_by_the_clock_closes_what_it_opened(plog: Plog) -> None:
    kit = await plog.create()
    end = datetime.now(UTC) + timedelta(seconds=3)
    await granted(plog, "LOGIC_GENERAL", expires=end.isoformat())
    headers = {**plog.signed_in("dana"), "accept": "text/event-stream"}
    body = {"query": STATE, "variables": {"id": kit["id"]}}
    async with plog.http.stream("POST", "/graphql", json=body, headers=headers) as response:
        async with asyncio.timeout(8):
            text = "".join([part async for part in response.aiter_text()])
    assert '"isSnapshot":true' in text and "PERMISSION_DENIED" in text
    assert (datetime.now(UTC) - end).total_seconds() < 5


async def test_a_download_is_the_viewers_and_ends_with_the_permission(plog: Plog) -> None:
    artifact = await with_artifact(plog)
    grant = await granted(plog, "LOGIC_GENERAL")
    document = "query ($id: ID!) { node(id: $id) { ... on Artifact { downloadUrl } } }"
    url = (await plog.answer(document, plog.signed_in("dana"), id=artifact["id"]))["downloadUrl"]
    assert url != artifact["downloadUrl"] and (await plog.http.get(url)).status_code == 200
    await revoke(plog, grant)
    assert (await plog.http.get(url)).status_code == 404
    assert (await plog.http.get(artifact["downloadUrl"])).status_code == 200, "Ada's link goes on"
    bent = url.replace(url.split("?")[0].rsplit("/", 1)[1], artifact["downloadUrl"].split("?")[0].rsplit("/", 1)[1])
    assert (await plog.http.get(bent)).status_code == 403


@asynccontextmanager
async def unread_download(plog: Plog, link: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A download of Dana's that has begun and is read no further; to be called for how much of it came when it was cut off."""
    url = httpx.URL(link)
    request = f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    loop = asyncio.get_running_loop()
    with deaf_connection(url.port or 80, request.encode()) as peer:
        peer.setblocking(False)
        assert (await loop.sock_recv(peer, 12)) == b"HTTP/1.1 200"

        async def received() -> int:
            await eventually(lambda: all(each.subject != "demo:dana" for each in plog.container.open_streams), deadline=5)
            count = 0
            with suppress(ConnectionResetError):
                while part := await loop.sock_recv(peer, 2**20):
                    count += len(part)
            return count

        yield received


async def test_a_download_under_way_is_cut_off(plog: Plog) -> None:
    content = bytes(range(256)) * 2**18  # more than the kernels of both sides take
    artifact = await with_artifact(plog, content=content)
    grant = await granted(plog, "LOGIC_GENERAL")
    document = "query ($id: ID!) { node(id: $id) { ... on Artifact { downloadUrl } } }"
    link = (await plog.answer(document, plog.signed_in("dana"), id=artifact["id"]))["downloadUrl"]
    async with unread_download(plog, link) as received:
        await revoke(plog, grant)
        assert await received() < len(content)


@BOTH_DATABASES
@pytest.mark.parametrize("of", ["run", "target"])
async def test_a_download_of_a_project_is_cut_off_with_the_membership(plog: Plog, of: str) -> None:
    """Of the report of a run, or a target's document; somebody else's, who stays a member, goes on."""
    content = bytes(range(256)) * 2**18
    artifact, project_id = await of_a_project(plog, of, content)
    document = "query ($id: ID!) { node(id: $id) { ... on Artifact { downloadUrl } } }"
    links = {}
    for user in ("dana", "ada"):
        links[user] = (await plog.answer(document, plog.signed_in(user), id=encode("Artifact", artifact.id)))["downloadUrl"]
    owners = [{"subject": "demo:ada", "role": "OWNER"}]
    async with unread_download(plog, links["dana"]) as received, plog.http.stream("GET", links["ada"]) as response:
        changed = await plog.answer(UPDATE, id=encode("Project", project_id), input={"name": "p", "members": owners})
        assert changed["__typename"] == "ProjectCommandPayload", changed
        assert await received() < len(content)
        assert sum([len(part) async for part in response.aiter_bytes()]) == len(content)
    assert (await plog.http.get(links["dana"])).status_code == 404


async def of_a_project(plog: Plog, of: str, content: bytes) -> tuple[Artifact, int]:
    """An artifact of a load test's run or target, and its project, of which Dana is a member without any permission."""
    database, sha256 = plog.container.services.database, hashlib.sha256(content).hexdigest()
    (test,) = await store_load_tests(database, 1)
    run = await store_run(database, test)
    made: dict[str, Any] = {"id": uuid4(), "name": "f", "media_type": "text/html", "sha256": sha256, "size": len(content)}
    made |= {"actor": "demo:ada", "created_at": datetime.now(UTC)}
    artifact: Artifact = (
        RunArtifact(**made, run_id=run.id, analysis_id=None) if of == "run" else TargetArtifact(**made, target_id=test.target_id)
    )

    async def whole() -> AsyncIterator[bytes]:
        yield content

    store = plog.container.services.artifacts
    await store.append(artifact.location, 0, whole())
    await store.complete(artifact.location, sha256=sha256, size=len(content))
    members = (ProjectMember("demo:ada", ProjectRole.OWNER), ProjectMember("demo:dana", ProjectRole.VIEWER))
    async with database.transaction() as work:
        await work.artifacts.add_once(artifact)
        project = (await work.projects.get_many([test.project_id], EVERY_PROJECT))[test.project_id]
        definition = replace(project.definition, name="p", members=members)
        assert await work.projects.change(project, definition, "ada") is not None
    return artifact, test.project_id

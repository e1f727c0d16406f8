"""How long what a permission opened stays open after its end: on two servers, whatever the peer does, with and without a bus."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from domain.attempt import AttemptKey
from domain.runner import LogChunk
from tests.api.in_process import HOST, Plog, serving
from tests.api.permissions import granted, revoke
from tests.api.test_kit_subscription import LOG, STATE
from tests.api.toy_server import PROTOCOL, deaf_connection, receive, send
from tests.endurance import SHARE, Tell
from tests.services import RedisServer
from tests.waiting import eventually

pytestmark = [pytest.mark.endurance, pytest.mark.timeout(600)]
TRIES = 20
MOST_SECONDS = 5.0
MUCH = 8_000_000  # of a log: more than the kernels of both ends take for a peer that does not read
Closed = Callable[[], Awaitable[None]]
Pair = tuple[Plog, Plog]


@pytest.fixture
async def pair(tmp_path: Path, migrated_postgres_url: str, redis_server: RedisServer) -> AsyncIterator[Pair]:
    """The server at which a permission ends, and the one at which something is open."""
    settings = {
        "database": {"url": migrated_postgres_url},
        "redis": {"url": redis_server.url},
        "secrets": {"keys": ["k:" + "a" * 43 + "="]},
        "artifacts": {"url": str(tmp_path / "artifacts")},
    }
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(serving(tmp_path / name, settings)) for name in ("a", "b")]
        yield made[0], made[1]


@asynccontextmanager
async def websocket(plog: Plog, kit: dict[str, Any]) -> AsyncIterator[Closed]:
    """Somebody watches a kit."""
    async with connect(plog.url.replace("http", "ws") + "/graphql", subprotocols=[PROTOCOL]) as socket:  # type: ignore[list-item]
        await send(socket, {"type": "connection_init", "payload": {"Authorization": f"Bearer {plog.token('dana')}"}})
        assert await receive(socket) == {"type": "connection_ack"}
        await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": STATE, "variables": {"id": kit["id"]}}})
        assert (await receive(socket))["type"] == "next"

        async def closed() -> None:
            with pytest.raises(ConnectionClosed) as ended:
                await socket.recv()
            assert ended.value.rcvd is not None and ended.value.rcvd.code == 4403

        yield closed


@asynccontextmanager
async def event_stream(plog: Plog, kit: dict[str, Any]) -> AsyncIterator[Closed]:
    """The same by server-sent events."""
    headers = {**plog.signed_in("dana"), "accept": "text/event-stream"}
    body = {"query": STATE, "variables": {"id": kit["id"]}}
    async with plog.http.stream("POST", "/graphql", json=body, headers=headers) as response:
        lines = response.aiter_lines()
        assert any([line.startswith("data: {") async for line in _until(lines, "data: {")])

        async def closed() -> None:
            assert "PERMISSION_DENIED" in "\n".join([line async for line in lines])

        yield closed


async def _until(lines: AsyncIterator[str], beginning: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line.startswith(beginning):
            return


@asynccontextmanager
async def deaf_peer(plog: Plog, kit: dict[str, Any]) -> AsyncIterator[Closed]:
    """Somebody asks for a long log and reads nothing of it; what counts is when the server has let go."""
    body = json.dumps({"query": LOG, "variables": {"id": kit["jobs"][0]["id"]}})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {plog.token('dana')}\r\nAccept: text/event-stream\r\n"
    )
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    port = int(plog.url.rpartition(":")[2])
    with deaf_connection(port, request.encode()):
        await eventually(lambda: any(stream.rights for stream in plog.container.open_streams))

        async def closed() -> None:
            await eventually(lambda: len(plog.container.open_streams) == 0)

        yield closed


WAYS = {"websocket": websocket, "event stream": event_stream, "peer that does not read": deaf_peer}


async def with_long_log(plog: Plog) -> dict[str, Any]:
    """A kit whose first job runs and has written much."""
    kit = await plog.run()
    key = AttemptKey(UUID(kit["jobs"][0]["uuid"]), 1)
    piece = b"x" * 1_000_000
    async with plog.container.services.database.transaction() as work:
        for number in range(MUCH // len(piece)):
            await work.logs.add(key, LogChunk(number * len(piece), piece), await work.kits.now())
    return kit


async def seconds_open(pair: Pair, kit: dict[str, Any], way: str, ending: str, phase: float) -> float:
    """How long it is open after the permission has ended, at the other server; `phase` varies when within a second that is."""
    acting, watched = pair
    end = datetime.now(UTC) + timedelta(seconds=2 + phase)
    grant = await granted(acting, "LOGIC_GENERAL", **({"expires": end.isoformat()} if ending == "expired" else {}))
    async with WAYS[way](watched, kit) as closed:
        if ending == "revoked":
            assert (await revoke(acting, grant))["__typename"] == "GrantPayload"
            end = datetime.now(UTC)
        async with asyncio.timeout(20):
            await closed()
        return (datetime.now(UTC) - end).total_seconds()


async def test_what_a_permission_opened_closes_within_five_seconds(pair: Pair, redis_server: RedisServer, tell: Tell) -> None:
    kit = await with_long_log(pair[0])
    kinds = list(product(WAYS, ("revoked", "expired")))
    tries = max(len(kinds), round(TRIES * SHARE))
    slowest: dict[str, float] = {}
    try:
        for bus in ("Redis there", "Redis dead"):
            if bus == "Redis dead":
                redis_server.stop()
            for number, (way, ending) in enumerate(islice(cycle(kinds), tries)):
                name = f"{way}, {ending}, {bus}"
                seconds = await seconds_open(pair, kit, way, ending, number % 7 / 7)
                slowest[name] = max(seconds, slowest.get(name, 0.0))
                assert seconds <= MOST_SECONDS, name
    finally:
        redis_server.start()
    tell(f"slowest of {2 * tries} closings: {max(slowest.values()):.2f} s")
    for name, seconds in slowest.items():
        tell(f"{name}: {seconds:.2f} s at most")

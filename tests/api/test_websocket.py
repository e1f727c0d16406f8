"""graphql-transport-ws against real sockets: contexts, wrong messages, sign-in, pings, and peers that stopped reading."""

import asyncio
import json
import socket as sockets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gql.gateway import TransportSettings
from tests.api.toy_server import HOST, PROTOCOL, ToyServer, deaf_connection, receive, send, toy_server
from tests.waiting import eventually


@pytest.fixture
async def server() -> AsyncIterator[ToyServer]:
    async with toy_server(TransportSettings(max_body=200_000, origins=["https://spa.example"])) as running:
        yield running


async def closed_with(socket: ClientConnection, deadline: float = 10.0) -> tuple[int, str]:
    """The code and reason with which the server closes."""
    async with asyncio.timeout(deadline):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the server closed without a word"
            return closed.rcvd.code, closed.rcvd.reason


async def test_each_operation_on_a_websocket_and_each_event_has_a_fresh_context(server: ToyServer) -> None:
    async with server.socket() as socket:
        await send(socket, {"id": "s", "type": "subscribe", "payload": {"query": "subscription { numbers { sent loaded } }"}})
        assert (await receive(socket))["payload"]["data"] == {"numbers": {"sent": 0, "loaded": 0}}
        for number in (1, 2):
            await send(socket, {"id": "m", "type": "subscribe", "payload": {"query": "mutation { change }"}})
            arrived = [await receive(socket) for _ in range(3)]
            data = {message["id"]: message["payload"]["data"] for message in arrived if message["type"] == "next"}
            assert data == {"m": {"change": number}, "s": {"numbers": {"sent": number, "loaded": number}}}


async def test_syntax_errors_and_limits_reach_a_websocket_client(server: ToyServer) -> None:
    async with server.socket() as socket:
        for document, code in (
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
            ("{ " + "node { " * 30 + "id" + " }" * 31, "LIMIT_EXCEEDED"),
            ("query A { viewer } query B { viewer }", "OPERATION_NAME_REQUIRED"),
        ) * 2:
            await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": document}})
            message = await receive(socket)
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code)


@pytest.mark.parametrize(("known", "code"), [(True, "NOT_FOUND"), (False, "INTERNAL_ERROR")])
async def test_a_source_that_breaks_ends_the_operation_with_its_error(server: ToyServer, known: bool, code: str) -> None:
    async with server.socket() as socket:
        query = {"query": "subscription($known: Boolean!) { breaks(known: $known) }", "variables": {"known": known}}
        await send(socket, {"id": "1", "type": "subscribe", "payload": query})
        assert (await receive(socket))["payload"]["data"] == {"breaks": 1}
        message = await receive(socket)
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code)
        assert "secret" not in json.dumps(message)


WRONG_MESSAGES: dict[str, Any] = {
    "not JSON": "{",
    "binary": b"{}",
    "null": "null",
    "number": "1",
    "list": "[]",
    "100,000 brackets": "[" * 100_000,
    "no type": "{}",
    "type is a list": '{"type": []}',
    "unknown type": '{"type": "start"}',
    "init payload is a list": '{"type": "connection_init", "payload": []}',
    "ping payload is text": '{"type": "ping", "payload": "x"}',
    "no id": '{"type": "subscribe", "payload": {"query": "{ viewer }"}}',
    "id is a number": '{"type": "subscribe", "id": 1, "payload": {"query": "{ viewer }"}}',
    "id is a list": '{"type": "complete", "id": []}',
    "no payload": '{"type": "subscribe", "id": "1"}',
    "payload is a list": '{"type": "subscribe", "id": "1", "payload": []}',
    "query is null": '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
    "variables are text": '{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer }", "variables": "x"}}',
    "name is an object": '{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer }", "operationName": {}}}',
}


async def test_a_message_of_the_wrong_shape_closes_with_4400(server: ToyServer) -> None:
    for name, message in WRONG_MESSAGES.items():
        async with server.socket() as socket:
            await socket.send(message)
            code, reason = await closed_with(socket)
            assert (code, bool(reason)) == (4400, True), name


async def test_a_message_beyond_the_limit_closes_with_1009(server: ToyServer) -> None:
    async with server.socket() as socket:
        await socket.send(" " * 200_001)
        assert (await closed_with(socket))[0] == 1009


async def raw_socket(server: ToyServer, *messages: object, **options: Any) -> tuple[int, str]:
    """How a websocket ends that begins with these messages."""
    async with connect(server.socket_url, **{"subprotocols": [PROTOCOL], **options}) as socket:
        for message in messages:
            await send(socket, message)
        return await closed_with(socket)


def init(authorization: object = "Bearer ann", key: str = "Authorization") -> dict[str, Any]:
    return {"type": "connection_init", "payload": {key: authorization}}


async def test_how_websockets_are_refused(server: ToyServer) -> None:
    subscribe = {"type": "subscribe", "id": "1", "payload": {"query": "subscription { numbers { sent } }"}}
    assert await raw_socket(server, {"type": "connection_init"}) == (4401, "No valid token came with the request.")
    assert (await raw_socket(server, init("Bearer bob")))[0] == 4403
    assert (await raw_socket(server, init(["Bearer ann"])))[0] == 4403
    assert (await raw_socket(server, init("ann")))[0] == 4403
    assert (await raw_socket(server, init("Bearer nobody-home")))[0] == 1013
    code, reason = await raw_socket(server, init("Bearer broken"))
    assert (code, "secret" in reason) == (1011, False)
    assert (await raw_socket(server, subscribe))[0] == 4401
    assert (await raw_socket(server, init(), init()))[0] == 4429
    assert (await raw_socket(server, init(key="authorization"), subscribe, subscribe))[0] == 4409
    assert (await raw_socket(server, subprotocols=["graphql-ws"]))[0] == 4406
    assert (await raw_socket(server, subprotocols=None))[0] == 4406


async def test_a_websocket_without_init_is_closed_in_time() -> None:
    async with toy_server(TransportSettings(init_timeout=0.3)) as server:
        assert (await raw_socket(server))[0] == 4408


async def test_only_allowed_origins_open_websockets(server: ToyServer) -> None:
    for origin in ("https://spa.example", f"http://{HOST}:{server.port}"):
        async with server.socket(origin=origin):
            pass
    for origin in ("https://evil.example", "null", "https://spa.example.evil"):
        with pytest.raises(InvalidStatus) as refused:
            await raw_socket(server, origin=origin)
        assert refused.value.response.status_code == 403


async def test_ids_are_free_again_after_complete_from_either_side(server: ToyServer) -> None:
    async with server.socket() as socket:
        subscribe = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { numbers { sent } }"}}
        await send(socket, subscribe)
        assert (await receive(socket))["type"] == "next"
        await send(socket, {"id": "1", "type": "complete"})
        await send(socket, {"id": "unknown", "type": "complete"})
        await eventually(lambda: server.world.open_streams == 0)
        for _ in range(3):
            await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": "{ viewer }"}})
            assert [(await receive(socket))["type"] for _ in range(2)] == ["next", "complete"]
        await send(socket, {"type": "ping", "payload": {"a": 1}})
        assert await receive(socket) == {"type": "pong"}


async def test_operations_on_one_websocket_are_bounded() -> None:
    async with toy_server(TransportSettings(max_operations=2)) as server, server.socket() as socket:
        for name in "abc":
            payload = {"query": "subscription { numbers { sent } }"}
            await send(socket, {"id": name, "type": "subscribe", "payload": payload})
        answers = {message["id"]: message["type"] for message in [await receive(socket) for _ in range(3)]}
        assert answers == {"a": "next", "b": "next", "c": "error"}


async def test_an_expired_token_closes_the_websocket_with_4401(server: ToyServer) -> None:
    server.world.lifetime = timedelta(seconds=1)
    async with server.socket() as socket:
        await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": "subscription { numbers { sent } }"}})
        assert await closed_with(socket, deadline=6) == (4401, "token expired")
    await eventually(lambda: server.world.open_streams == 0)


async def test_a_subscription_that_an_outage_breaks_closes_the_websocket_with_1013(server: ToyServer) -> None:
    server.world.outages = 1
    async with server.socket() as socket:
        await send(socket, {"id": "0", "type": "subscribe", "payload": {"query": "{ away }"}})
        assert [(await receive(socket))["type"] for _ in range(2)] == ["next", "complete"]
        await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": "subscription { interrupted }"}})
        assert (await receive(socket))["payload"]["data"] == {"interrupted": 1}
        assert await closed_with(socket) == (1013, "The database does not answer.")


async def test_a_peer_that_answers_no_ping_is_closed_and_one_that_does_stays() -> None:
    async with toy_server(TransportSettings(ping_interval=0.2, pong_timeout=0.4)) as server, server.socket() as socket:
        for _ in range(5):
            assert await receive(socket) == {"type": "ping"}
            await send(socket, {"type": "pong"})
        assert (await closed_with(socket))[0] == 4499


async def deaf_websocket(server: ToyServer, query: str) -> sockets.socket:
    """A websocket peer that subscribes and reads nothing after the handshake."""
    handshake = (
        f"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    )
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": query}}
    client = deaf_connection(server.port, handshake.encode())
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    head = b""
    while b"\r\n\r\n" not in head:
        head += await loop.sock_recv(client, 4096)
    for message in (init(), subscribe):
        text = json.dumps(message).encode()
        # A client's frame is masked; a mask of zeroes leaves the text as it is.
        length = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + len(text).to_bytes(2, "big")
        await loop.sock_sendall(client, b"\x81" + length + bytes(4) + text)
    return client


@pytest.mark.parametrize(
    ("settings", "lifetime"),
    [
        pytest.param(TransportSettings(write_timeout=1.0), 3600.0, id="write timeout"),
        pytest.param(TransportSettings(), 1.0, id="token expires meanwhile"),
    ],
)
async def test_a_websocket_peer_that_stopped_reading_is_cut_off(settings: TransportSettings, lifetime: float) -> None:
    async with toy_server(settings) as server:
        server.world.lifetime = timedelta(seconds=lifetime)
        with await deaf_websocket(server, "subscription { large }"):
            await eventually(lambda: server.world.produced > 0)
            await eventually(lambda: server.world.open_streams == 0, deadline=6)
            assert server.world.produced < 100
            await eventually(lambda: server.connections == 0, deadline=4)


async def test_a_peer_that_does_not_take_part_in_closing_is_cut_off(server: ToyServer) -> None:
    server.world.lifetime = timedelta(seconds=1)
    with await deaf_websocket(server, "subscription { numbers { sent } }"):
        await eventually(lambda: server.world.open_streams == 1)
        await eventually(lambda: server.connections == 0, deadline=5)  # uvicorn alone: 10 s

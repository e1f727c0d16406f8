"""The transport against real sockets: what comes back for every request a client can get wrong, and how streams end."""

import asyncio
import json
import logging
import socket as sockets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gql.gateway import TransportSettings
from tests.api.toy_server import HOST, PROTOCOL, SIGNED_IN, ToyServer, receive, send, toy_server
from tests.waiting import eventually

URQL_QUERY = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
APOLLO_SUBSCRIPTION = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json'


@pytest.fixture
async def server() -> AsyncIterator[ToyServer]:
    async with toy_server(TransportSettings(max_body=200_000, max_batch=3, origins=["https://spa.example"])) as running:
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


async def test_a_query_answers_and_shows_its_cost(server: ToyServer) -> None:
    response = await server.post("{ viewer node { nodes { id } } }")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert response.json() == {
        "data": {"viewer": "Ann", "node": {"nodes": [{"id": "2"}]}},
        "extensions": {"cost": {"requested": 2, "maximum": 20_000}},
    }


async def test_text_beyond_ascii_and_lone_surrogates_arrive(server: ToyServer) -> None:
    response = await server.post("query($t: String!) { echo(text: $t) }", variables={"t": "한글 🏃\u2028"})
    assert response.json()["data"] == {"echo": "한글 🏃\u2028"}
    assert (await server.post("{ surrogate }")).text.startswith('{"data":{"surrogate":"\\ud800"}')


BAD_BODIES = {
    "null": b"null",
    "number": b"1",
    "text": b'"x"',
    "empty": b"",
    "not UTF-8": b'{"query": "\xff"}',
    "lone surrogate": b'{"query": "{ viewer }", "operationName": "\\ud800"}',
    "100,000 brackets": b"[" * 100_000,
    "not a number": b'{"query": "{ viewer }", "variables": {"a": NaN}}',
    "query is a list": b'{"query": ["{ viewer }"]}',
    "query is blank": b'{"query": " "}',
    "variables are a list": b'{"query": "{ viewer }", "variables": []}',
    "name is a number": b'{"query": "{ viewer }", "operationName": 1}',
    "empty batch": b"[]",
    "batch of numbers": b"[1]",
    "batch beyond the limit": b"[" + b",".join([b'{"query": "{ viewer }"}'] * 4) + b"]",
}


async def test_a_body_of_the_wrong_shape_is_a_400_with_a_json_error(server: ToyServer) -> None:
    headers = {**SIGNED_IN, "content-type": "application/json"}
    for name, body in BAD_BODIES.items():
        response = await server.client.post(server.url, content=body, headers=headers)
        assert response.status_code == 400, f"{name}: {response.text}"
        [error] = response.json()["errors"]
        assert error["message"] and error["extensions"]["code"], name


async def test_a_body_beyond_the_limit_is_a_413_whether_its_length_is_told_or_not(server: ToyServer) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    headers = {**SIGNED_IN, "content-type": "application/json"}
    for content in (b" " * 300_000, chunks()):
        response = await server.client.post(server.url, content=content, headers=headers)
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_other_media_types_and_methods_are_refused_in_json(server: ToyServer) -> None:
    form = await server.client.post(server.url, data={"query": "{ viewer }"}, headers=SIGNED_IN)
    latin = await server.client.post(
        server.url, content=b"{}", headers={**SIGNED_IN, "content-type": "application/json; charset=latin-1"}
    )
    put = await server.client.put(server.url, json={}, headers=SIGNED_IN)
    image = await server.post("{ viewer }", accept="image/png")
    assert [form.status_code, latin.status_code, put.status_code, image.status_code] == [415, 415, 405, 406]
    assert put.headers["allow"] == "GET, POST"
    assert all(response.json()["errors"] for response in (form, latin, put, image))


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer bob"}, {"authorization": "Basic YTpi"}])
async def test_without_a_valid_token_there_is_a_401(server: ToyServer, headers: dict[str, str]) -> None:
    for accept in ("application/json", "text/event-stream", "application/graphql-response+json"):
        response = await server.client.post(server.url, json={"query": "{ viewer }"}, headers={**headers, "accept": accept})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        [error] = response.json()["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_an_expired_token_is_refused_at_once(server: ToyServer) -> None:
    server.world.lifetime = timedelta(seconds=-1)
    assert (await server.post("{ viewer }")).status_code == 401


async def test_a_verifier_that_fails_is_not_the_callers_fault(server: ToyServer, caplog: pytest.LogCaptureFixture) -> None:
    for token, status, code in (("nobody-home", 503, "UNAVAILABLE"), ("broken", 500, "INTERNAL_ERROR")):
        headers = {"authorization": f"Bearer {token}"}
        response = await server.client.post(server.url, json={"query": "{ viewer }"}, headers=headers)
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (status, code)
        assert "secret" not in response.text


async def test_a_browser_gets_the_page_without_a_token_and_programs_do_not(server: ToyServer) -> None:
    html = await server.client.get(server.url, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (html.status_code, html.text) == (200, "<p>GraphiQL</p>")
    assert (await server.client.get(server.url)).status_code == 401


async def test_get_reads_and_never_writes(server: ToyServer) -> None:
    query = {"query": "query($t: String!) { echo(text: $t) }", "variables": '{"t": "hi"}'}
    assert (await server.client.get(server.url, params=query, headers=SIGNED_IN)).json()["data"] == {"echo": "hi"}
    refused = await server.client.get(server.url, params={"query": "mutation { change }"}, headers=SIGNED_IN)
    assert (refused.status_code, server.world.number) == (405, 0)


async def test_several_operations_need_a_name(server: ToyServer) -> None:
    document = "query A { viewer } mutation B { change }"
    for accept in ("application/graphql-response+json", "application/json", "text/event-stream"):
        assert "OPERATION_NAME_REQUIRED" in (await server.post(document, accept=accept)).text
    assert server.world.number == 0
    assert (await server.post(document, operationName="A")).json()["data"] == {"viewer": "Ann"}
    unknown = await server.post(document, operationName="C")
    assert (unknown.status_code, "Unknown operation" in unknown.text) == (400, True)


async def test_a_subscription_by_plain_post_is_told_what_to_do(server: ToyServer) -> None:
    for accept in ("application/json", "application/graphql-response+json", "*/*"):
        response = await server.post("subscription { count(to: 2) }", accept=accept)
        assert response.status_code == 400
        assert "text/event-stream" in response.json()["errors"][0]["message"]
    assert server.world.produced == 0


async def test_batches_are_bounded_and_each_operation_has_its_own_context(server: ToyServer) -> None:
    operations = [{"query": "{ number }"}, {"query": "mutation { change }"}, {"query": "{ number }"}]
    response = await server.client.post(server.url, json=operations, headers=SIGNED_IN)
    assert [answer["data"] for answer in response.json()] == [{"number": 0}, {"change": 1}, {"number": 1}]
    async with toy_server() as strict:
        refused = await strict.client.post(strict.url, json=operations[:1], headers=SIGNED_IN)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (400, "BATCHING_NOT_ALLOWED")


async def test_unexpected_errors_are_masked_and_logged_under_their_id(
    server: ToyServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        response = await server.post("query Mine { crash missing }")
    crash, missing = response.json()["errors"]
    error_id = crash["extensions"]["id"]
    assert crash["message"] == f"Internal error, id {error_id}"
    assert crash["path"] == ["crash"]
    assert "secret" not in response.text
    assert (missing["message"], missing["extensions"]) == ("No kit 7 exists.", {"code": "NOT_FOUND"})
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert error_id in record.getMessage()
    assert record.__dict__["error_id"] == error_id
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "secret detail"


async def test_the_callers_own_mistakes_are_shown(server: ToyServer) -> None:
    invalid = (await server.post("{ invalid }")).json()["errors"][0]["extensions"]
    assert invalid == {"code": "VALIDATION_FAILED", "problems": [{"field": "design.low", "message": "must be a number"}]}
    for query, variables, code in (
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { things(first: $n) { edges { cursor } } }", {"n": "x"}, "GRAPHQL_VALIDATION_FAILED"),
    ):
        response = await server.post(query, variables=variables)
        assert (response.status_code, "data" in response.json()) == (400, False)
        assert response.json()["errors"][0]["extensions"]["code"] == code


# --- event streams -------------------------------------------------------------------------------------------------


async def test_urqls_accept_header_gets_json_for_a_query_and_events_for_a_subscription(server: ToyServer) -> None:
    query = await server.post("{ viewer }", accept=URQL_QUERY)
    assert query.headers["content-type"].startswith("application/graphql-response+json")
    for accept in (URQL_QUERY, "text/event-stream, multipart/mixed"):
        stream = await server.post("subscription { count(to: 1) }", accept=accept)
        assert stream.headers["content-type"].startswith("text/event-stream")


async def test_events_are_separated_by_line_feeds_alone(server: ToyServer) -> None:
    response = await server.post("subscription { count(to: 2) }", accept="text/event-stream")
    assert b"\r" not in response.content
    head, first, second, last, rest = response.content.split(b"\n\n")
    assert (head, rest) == (b":", b"")
    assert [json.loads(event.removeprefix(b"event: next\ndata: "))["data"] for event in (first, second)] == [
        {"count": 0},
        {"count": 1},
    ]
    assert last == b"event: complete\ndata:"


async def test_a_query_and_a_refused_document_are_streams_too_where_only_events_are_taken(server: ToyServer) -> None:
    assert '"viewer":"Ann"' in (await server.post("{ viewer }", accept="text/event-stream")).text
    for document, code in (("subscription {", "GRAPHQL_PARSE_FAILED"), ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED")):
        refused = await server.post(document, accept="text/event-stream")
        assert refused.status_code == 200
        assert code in refused.text and refused.text.endswith("event: complete\ndata:\n\n")


async def test_multipart_subscriptions_are_parts_that_end_with_their_boundary(server: ToyServer) -> None:
    response = await server.post("subscription { count(to: 2) }", accept=APOLLO_SUBSCRIPTION)
    assert response.headers["content-type"] == 'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"'
    preamble, first, second, end = response.text.split("\r\n--graphql")
    assert (preamble, end) == ("", "--\r\n")
    payloads = [json.loads(part.split("\r\n\r\n", 1)[1])["payload"]["data"] for part in (first, second)]
    assert payloads == [{"count": 0}, {"count": 1}]
    assert (await server.post("{ viewer }", accept=APOLLO_SUBSCRIPTION)).json()["data"] == {"viewer": "Ann"}


async def lines_of(server: ToyServer, query: str) -> AsyncIterator[str]:
    headers = {**SIGNED_IN, "accept": "text/event-stream"}
    async with server.client.stream("POST", server.url, json={"query": query}, headers=headers) as response:
        async for line in response.aiter_lines():
            yield line


async def test_a_quiet_stream_sends_heartbeats_and_ends_with_the_token() -> None:
    async with toy_server(TransportSettings(heartbeat=0.1)) as server:
        server.world.lifetime = timedelta(seconds=1)
        async with asyncio.timeout(6):
            lines = [line async for line in lines_of(server, "subscription { numbers { sent } }")]
        assert lines.count(":") >= 4
        assert json.loads(lines[-5].removeprefix("data: "))["errors"][0] == {
            "message": "token expired",
            "extensions": {"code": "UNAUTHENTICATED"},
        }
        assert lines[-3:] == ["event: complete", "data:", ""]
        await eventually(lambda: server.world.open_streams == 0)


async def test_a_client_that_leaves_ends_its_subscription(server: ToyServer) -> None:
    lines = lines_of(server, "subscription { numbers { sent } }")
    async for line in lines:
        if line.startswith("data"):
            break
    assert server.world.open_streams == 1
    await lines.aclose()  # type: ignore[attr-defined]
    await eventually(lambda: server.world.open_streams == 0)


def deaf_connection(port: int, request: bytes) -> sockets.socket:
    """A client that sends a request and never reads."""
    client = sockets.socket()
    client.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    client.connect((HOST, port))
    client.sendall(request)
    return client


async def test_a_reader_that_stopped_costs_a_bounded_number_of_frames_and_is_cut_off() -> None:
    async with toy_server(TransportSettings(write_timeout=1.0)) as server:
        body = b'{"query": "subscription { large }"}'
        head = (
            "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ann\r\nAccept: text/event-stream\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with deaf_connection(server.port, head.encode() + body):
            await eventually(lambda: server.world.produced > 0)
            await eventually(lambda: server.world.open_streams == 0, deadline=5)
            assert server.world.produced < 100  # 100 kB each: what the kernel's buffers hold
            await eventually(lambda: server.connections == 0, deadline=4)


# --- websockets ----------------------------------------------------------------------------------------------------


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


async def test_a_peer_that_answers_no_ping_is_closed_and_one_that_does_stays() -> None:
    async with toy_server(TransportSettings(ping_interval=0.2, pong_timeout=0.4)) as server, server.socket() as socket:
        for _ in range(5):
            assert await receive(socket) == {"type": "ping"}
            await send(socket, {"type": "pong"})
        assert (await closed_with(socket))[0] == 4499


async def deaf_websocket(server: ToyServer) -> sockets.socket:
    """A websocket peer that subscribes to large frames and reads nothing after its acknowledgement."""
    handshake = (
        f"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    )
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { large }"}}
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
        with await deaf_websocket(server):
            await eventually(lambda: server.world.produced > 0)
            await eventually(lambda: server.world.open_streams == 0, deadline=6)
            assert server.world.produced < 100
            await eventually(lambda: server.connections == 0, deadline=4)

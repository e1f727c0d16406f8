"""GraphQL over HTTP against real sockets: what comes back for every request a client can get wrong, and how streams end."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gql.gateway import TransportSettings
from tests.api.toy_server import SIGNED_IN, ToyServer, deaf_connection, toy_server
from tests.waiting import eventually

URQL_QUERY = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
APOLLO_SUBSCRIPTION = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json'


@pytest.fixture
async def server() -> AsyncIterator[ToyServer]:
    async with toy_server(TransportSettings(max_body=200_000, max_batch=3)) as running:
        yield running


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


async def test_an_exception_that_many_fields_waited_for_is_logged_once(
    server: ToyServer, caplog: pytest.LogCaptureFixture
) -> None:
    errors = (await server.post("{ a: crashTogether b: crashTogether crash c: crashTogether }")).json()["errors"]
    ids = {error["path"][0]: error["extensions"]["id"] for error in errors}
    assert ids["a"] == ids["b"] == ids["c"] != ids["crash"]
    assert sorted(record.__dict__["error_id"] for record in caplog.records if record.exc_info) == sorted(set(ids.values()))


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


@pytest.mark.parametrize("accept", ["text/event-stream", APOLLO_SUBSCRIPTION])
async def test_a_stream_that_an_outage_breaks_does_not_say_that_it_is_complete(server: ToyServer, accept: str) -> None:
    """Clients take it as a lost connection and subscribe again; a query's answer is an answer all the same."""
    server.world.outages = 1
    broken = await server.post("subscription { interrupted }", accept=accept)
    assert '"interrupted":1' in broken.text and "UNAVAILABLE" not in broken.text
    assert not broken.text.endswith(("complete\ndata:\n\n", "--graphql--\r\n"))
    half = await server.post("subscription { halves { whole rest } }", accept=accept)
    assert "whole" not in half.text and not half.text.endswith(("complete\ndata:\n\n", "--graphql--\r\n"))
    whole = await server.post("subscription { interrupted }", accept=accept)
    assert whole.text.endswith(("complete\ndata:\n\n", "--graphql--\r\n"))


async def test_an_outage_is_an_answer_to_a_query_whatever_carries_it(server: ToyServer) -> None:
    for accept in ("application/json", "text/event-stream"):
        answer = await server.post("{ away }", accept=accept)
        assert "UNAVAILABLE" in answer.text, accept
    assert answer.text.endswith("complete\ndata:\n\n")


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

"""GraphQL over HTTP (the GraphQL-over-HTTP specification): POST, GET for queries, and streams for who asks for them."""

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.types.graphql import OperationType

from domain.actor import Actor
from domain.errors import Unauthenticated, Unavailable, UserError
from gql.event_stream import MULTIPART, SERVER_SENT_EVENTS, EventStream, Framing
from gql.execution import ALL_OPERATIONS, QUERIES, SINGLE_ANSWER, SUBSCRIPTIONS, Answer, BadRequest, OperationRequest
from gql.gateway import ForgedRequest, Gateway
from gql.masking import refusal, unexpected
from gql.peer import Peer
from gql.wire import NotJSON, decode, encode

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
NO_PLAIN_SUBSCRIPTION = (
    "A subscription has no single answer: send it with `Accept: text/event-stream` or over a graphql-transport-ws websocket."
)


class Refused(Exception):
    """The request ends here, with this status and this error."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.status = status
        self.error: dict[str, Any] = {"message": message, "extensions": {"code": code}}
        self.headers = headers
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the client takes: the JSON media type and the framing of streams that it likes best, and whether it is a browser."""

    json: str | None
    stream: Framing | None
    page: bool

    @classmethod
    def read(cls, accept: str | None) -> "Accepted":
        """Of an Accept header; without one plain JSON is taken, as clients older than the specification expect."""
        if not accept or not accept.strip():
            return cls(PLAIN_JSON, None, False)
        json: str | None = None
        stream: Framing | None = None
        page = False
        for kind, parameters in _by_preference(accept):
            if kind in (GRAPHQL_JSON, PLAIN_JSON, "application/*", "*/*"):
                json = json or (GRAPHQL_JSON if kind == GRAPHQL_JSON else PLAIN_JSON)
            elif kind == "text/event-stream":
                stream = stream or SERVER_SENT_EVENTS
            elif kind == "multipart/mixed" and parameters.get("subscriptionspec", "").startswith("1"):
                stream = stream or MULTIPART
            elif kind == "text/html":
                page = True
        return cls(json, stream, page)


def _by_preference(accept: str) -> list[tuple[str, dict[str, str]]]:
    ranges: list[tuple[float, str, dict[str, str]]] = []
    for part in accept.split(","):
        kind, *rest = (piece.strip() for piece in part.split(";"))
        pairs = (piece.partition("=") for piece in rest)
        parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            quality = 1.0
        if quality > 0:
            ranges.append((quality, kind.lower(), parameters))
    return [(kind, parameters) for _, kind, parameters in sorted(ranges, key=lambda entry: -entry[0])]


class GraphQLOverHTTP:
    """The ASGI application for `http` scopes; a browser that asks for a page gets `graphiql`, which needs no sign-in."""

    def __init__(self, gateway: Gateway, graphiql: ASGIApp | None) -> None:
        self._gateway = gateway
        self._graphiql = graphiql
        self._open_peers: set[Peer] = set()

    def end_streams(self) -> None:
        """Cut all open event streams off, without a word that they are complete: clients then connect again."""
        for peer in tuple(self._open_peers):
            peer.abort()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every refusal is a GraphQL error in JSON."""
        request = Request(scope, receive)
        accepted = Accepted.read(request.headers.get("accept"))
        if request.method == "GET" and accepted.page and self._graphiql is not None:
            await self._graphiql(scope, receive, send)
            return
        try:
            response = await self._answer(request, accepted)
        except ClientDisconnect:
            return
        except Refused as refused:
            response = _json({"errors": [refused.error]}, accepted.json, refused.status, refused.headers)
        except Exception as error:
            response = _json({"errors": [unexpected(error, None)]}, accepted.json, 500)
        await response(scope, receive, send)

    async def _answer(self, request: Request, accepted: Accepted) -> ASGIApp:
        if request.method not in ("GET", "POST"):
            raise Refused(405, "METHOD_NOT_ALLOWED", "GraphQL is asked by GET or POST.", allow="GET, POST")
        actor = await self._sign_in(request)
        if accepted.json is None and accepted.stream is None:
            raise Refused(406, "NOT_ACCEPTABLE", f"The answer can be {GRAPHQL_JSON}, {PLAIN_JSON} or text/event-stream.")
        raw = _from_query(request) if request.method == "GET" else await self._from_body(request)
        if isinstance(raw, list):
            return await self._batch(raw, actor, accepted)
        operation = _read(raw)
        is_get = request.method == "GET"
        if accepted.json is not None:
            answer = await self._single(operation, actor, QUERIES if is_get else SINGLE_ANSWER)
            if answer.denied is OperationType.MUTATION:
                raise Refused(405, "METHOD_NOT_ALLOWED", "A mutation is sent by POST.", allow="POST")
            if answer.denied is None:
                # Plain JSON is the older form of the protocol, where any well-formed request is answered with 200.
                failed = answer.refused and accepted.json == GRAPHQL_JSON
                return _json(answer.payload, accepted.json, 400 if failed else 200)
            if accepted.stream is None:
                raise Refused(400, "SUBSCRIPTION_NEEDS_STREAM", NO_PLAIN_SUBSCRIPTION)
        assert accepted.stream is not None
        kinds = SUBSCRIPTIONS | QUERIES if is_get else ALL_OPERATIONS
        settings = self._gateway.settings
        return EventStream(
            accepted.stream,
            lambda stream: self._gateway.run(operation, actor, kinds, stream),
            actor,
            self._gateway.open_streams,
            self._open_peers,
            heartbeat=settings.heartbeat,
            write_timeout=settings.write_timeout,
        )

    async def _sign_in(self, request: Request) -> Actor:
        # What is read by GET no other site's page gets to see, and nothing is changed by it.
        is_trusted = request.method == "GET" or self._gateway.trusts_request(request)
        try:
            return await self._gateway.sign_in(request.headers.get("authorization"), request, is_trusted=is_trusted)
        except UserError as error:
            status = 503 if isinstance(error, Unavailable) else 403 if isinstance(error, ForgedRequest) else 401
            refused = Refused(status, error.code, error.message)
            refused.error = refusal(error)
            if isinstance(error, Unauthenticated):
                refused.headers = {"www-authenticate": "Bearer"}
            raise refused from error

    async def _from_body(self, request: Request) -> Any:
        kind, _, rest = request.headers.get("content-type", "").partition(";")
        if kind.strip().lower() != PLAIN_JSON:
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", f"The body must be {PLAIN_JSON}.")
        if "charset" in rest.lower() and "utf-8" not in rest.lower():
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be in UTF-8.")
        limit = self._gateway.settings.max_body
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise Refused(413, "PAYLOAD_TOO_LARGE", f"The body may be {limit} bytes long.")
        return _decode(bytes(body))

    async def _batch(self, raw: list[Any], actor: Actor, accepted: Accepted) -> Response:
        most = self._gateway.settings.max_batch
        if most <= 1 or accepted.json is None:
            raise Refused(400, "BATCHING_NOT_ALLOWED", "One operation is sent at a time; batches are off.")
        if not 1 <= len(raw) <= most:
            raise Refused(400, "BATCH_TOO_LARGE", f"A batch holds from 1 to {most} operations; this one holds {len(raw)}.")
        payloads = []
        for operation in [_read(item) for item in raw]:
            answer = await self._single(operation, actor, SINGLE_ANSWER)
            payloads.append(answer.payload)
        return _json(payloads, accepted.json, 200)

    async def _single(self, operation: OperationRequest, actor: Actor, kinds: Iterable[OperationType]) -> Answer:
        async with aclosing(self._gateway.run(operation, actor, kinds)) as answers:
            return await anext(answers)


def _from_query(request: Request) -> dict[str, Any]:
    raw: dict[str, Any] = {name: value for name, value in request.query_params.items() if name in ("query", "operationName")}
    for name in ("variables", "extensions"):
        if text := request.query_params.get(name):
            raw[name] = _decode(text)
    return raw


def _decode(text: bytes | str) -> Any:
    try:
        return decode(text)
    except NotJSON as error:
        raise Refused(400, "BAD_REQUEST", str(error)) from error


def _read(raw: object) -> OperationRequest:
    try:
        return OperationRequest.read(raw)
    except BadRequest as error:
        raise Refused(400, "BAD_REQUEST", str(error)) from error


def _json(payload: Any, media_type: str | None, status: int, headers: dict[str, str] | None = None) -> Response:
    # What is read with a cookie looks to a cache on the way as if it were the same for everybody.
    headers = {"cache-control": "no-store", **(headers or {})}
    return Response(encode(payload), status, headers, media_type=f"{media_type or PLAIN_JSON}; charset=utf-8")

"""GraphQL over a websocket (the graphql-transport-ws protocol), for many operations at a time on one connection.

Written here because Strawberry's keeps one context a socket, closes with 1006 on messages of the wrong shape, knows no
token that expires, sends no pings and waits for peers that stopped reading.
"""

import asyncio
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from domain.actor import Actor
from domain.errors import Unavailable, UserError
from gql.execution import ALL_OPERATIONS, BadRequest, OperationRequest
from gql.gateway import Gateway, has_session, how_it_ended, seconds_left
from gql.masking import unexpected
from gql.peer import Peer, PeerGone
from gql.wire import NotJSON, decode, encode
from resolvers.open_streams import OpenStream, StreamEnd

PROTOCOL = "graphql-transport-ws"
CLOSE_SECONDS = 2.0

BAD_REQUEST = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
WRONG_PROTOCOL = 4406
INIT_TIMEOUT = 4408
ID_IN_USE = 4409
INIT_TWICE = 4429
TERMINATED = 4499  # graphql-ws takes it as "try again", other codes of ours as final
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013


@dataclass(frozen=True, slots=True)
class Closing(Exception):
    """Ends the connection with this code and reason."""

    code: int
    reason: str


CLOSINGS = {
    StreamEnd.LOST: Closing(FORBIDDEN, StreamEnd.LOST.value),
    StreamEnd.SIGNED_OUT: Closing(UNAUTHORIZED, StreamEnd.SIGNED_OUT.value),
    StreamEnd.UNCONFIRMED: Closing(TRY_AGAIN_LATER, StreamEnd.UNCONFIRMED.value),
}


class GraphQLOverWebSocket:
    """The ASGI application for `websocket` scopes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end; a page of another origin is refused with 403 before it opens."""
        peer = Peer(scope, send, self._gateway.settings.write_timeout)
        connection = HTTPConnection(scope)
        await receive()  # websocket.connect
        try:
            if not self._gateway.admits_origin(connection):
                await peer.send({"type": "websocket.close", "code": FORBIDDEN, "reason": "origin not allowed"})
                return
            is_spoken = PROTOCOL in scope["subprotocols"]
            await peer.send({"type": "websocket.accept", "subprotocol": PROTOCOL if is_spoken else None})
            if is_spoken:
                await Conversation(self._gateway, connection, peer, receive).run()
            else:
                await _close(peer, Closing(WRONG_PROTOCOL, "Subprotocol not acceptable"))
        except PeerGone:
            return


class Conversation:
    """One open websocket: who speaks, which operations run, and when the connection has to end."""

    def __init__(self, gateway: Gateway, connection: HTTPConnection, peer: Peer, receive: Receive) -> None:
        self._gateway = gateway
        self._settings = gateway.settings
        self._connection = connection
        self._peer = peer
        self._receive = receive
        self._actor: Actor | None = None
        self._stream: OpenStream | None = None
        self._holding = ExitStack()
        self._is_initialised = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._clock = asyncio.get_running_loop().time
        self._opened_at = self._heard_at = self._clock()
        self._pinged_at: float | None = None
        self._broken_off: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Read messages and keep the deadlines until one side closes."""
        with self._holding:
            try:
                await self._listen()
            except Closing as closing:
                await self._stop_operations()
                await _close(self._peer, closing)
            finally:
                await self._stop_operations()

    async def _listen(self) -> None:
        receiving: asyncio.Task[Message] | None = None
        try:
            while True:
                receiving = receiving or asyncio.create_task(self._next_message())
                waited_for: set[asyncio.Future[Any]] = {receiving, self._broken_off}
                await asyncio.wait(waited_for, timeout=await self._patience(), return_when=asyncio.FIRST_COMPLETED)
                if self._broken_off.done():
                    raise self._broken_off.result()
                if not receiving.done():
                    continue
                message, receiving = receiving.result(), None
                if message["type"] == "websocket.disconnect":
                    return
                self._heard_at = self._clock()
                await self._handle(self._decode(message))
        finally:
            if receiving is not None:
                receiving.cancel()

    async def _next_message(self) -> Message:
        return await self._receive()

    async def _patience(self) -> float:
        """How many seconds there is nothing to do unless a message comes; sends a due ping, raises Closing when time is up."""
        if self._actor is None:
            return self._remaining(
                self._opened_at + self._settings.init_timeout, INIT_TIMEOUT, "Connection initialisation timeout"
            )
        signed_in = seconds_left(self._actor)
        if signed_in <= 0:
            # Of a token that has run out the client may have a fresh one; a session is over for good.
            raise Closing(FORBIDDEN if has_session(self._actor) else UNAUTHORIZED, how_it_ended(self._actor))
        if self._pinged_at is not None and self._heard_at < self._pinged_at:
            answer_by = self._pinged_at + self._settings.pong_timeout
            return min(signed_in, self._remaining(answer_by, TERMINATED, "No answer to a ping"))
        ping_in = max(self._heard_at, self._pinged_at or 0.0) + self._settings.ping_interval - self._clock()
        if ping_in <= 0:
            self._pinged_at = self._clock()
            await self._send({"type": "ping"})
            ping_in = self._settings.pong_timeout
        return min(signed_in, ping_in)

    def _remaining(self, deadline: float, code: int, reason: str) -> float:
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise Closing(code, reason)
        return remaining

    def _decode(self, message: Message) -> dict[str, Any]:
        text = message.get("text")
        if text is None:
            raise Closing(BAD_REQUEST, "Messages are text, not binary")
        if len(text) > self._settings.max_body:
            raise Closing(MESSAGE_TOO_BIG, f"A message may be {self._settings.max_body} bytes long")
        try:
            decoded = decode(text)
        except NotJSON as error:
            raise Closing(BAD_REQUEST, str(error)) from error
        if not isinstance(decoded, dict) or not isinstance(decoded.get("type"), str):
            raise Closing(BAD_REQUEST, "A message is a JSON object with a `type`")
        return decoded

    async def _handle(self, message: dict[str, Any]) -> None:
        kind, payload = message["type"], message.get("payload")
        if kind == "subscribe":
            self._subscribe(_id(message), payload)
        elif kind == "complete":
            if task := self._operations.pop(_id(message), None):
                task.cancel()
        elif kind not in ("connection_init", "ping", "pong"):
            raise Closing(BAD_REQUEST, f"Unknown message type {kind}")
        elif not isinstance(payload, dict | None):
            raise Closing(BAD_REQUEST, f"The payload of {kind} must be an object")
        elif kind == "connection_init":
            await self._initialise(payload or {})
        elif kind == "ping":
            await self._send({"type": "pong"})

    async def _initialise(self, payload: dict[str, Any]) -> None:
        if self._is_initialised:
            raise Closing(INIT_TWICE, "Too many initialisation requests")
        self._is_initialised = True
        # Header names know no case; the payload's keys should not either.
        authorization = next((value for key, value in payload.items() if key.lower() == "authorization"), None)
        try:
            async with asyncio.timeout(self._settings.init_timeout):
                is_trusted = self._gateway.trusts_websocket(self._connection)
                self._actor = await self._gateway.sign_in(authorization, self._connection, is_trusted=is_trusted)
        except (Unavailable, TimeoutError) as error:
            raise Closing(TRY_AGAIN_LATER, str(error) or "Signing in took too long") from error
        except UserError as error:
            is_nobody = authorization is None and self._gateway.session_token(self._connection) is None
            raise Closing(UNAUTHORIZED if is_nobody else FORBIDDEN, error.message) from error
        except Exception as error:
            raise Closing(INTERNAL_ERROR, unexpected(error, None)["message"]) from error
        self._stream = self._holding.enter_context(self._gateway.open_streams.holding(self._actor))
        self._stream.ended.add_done_callback(lambda ended: self._break_off(CLOSINGS[ended.result()]))
        await self._send({"type": "connection_ack"})

    def _subscribe(self, operation_id: str, payload: object) -> None:
        if self._actor is None:
            raise Closing(UNAUTHORIZED, "Unauthorized")
        try:
            request = OperationRequest.read(payload)
        except BadRequest as error:
            raise Closing(BAD_REQUEST, str(error)) from error
        if operation_id in self._operations:
            raise Closing(ID_IN_USE, f"Subscriber for {operation_id} already exists")
        task = asyncio.create_task(self._operate(operation_id, request, self._actor, len(self._tasks)))
        self._operations[operation_id] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _operate(self, operation_id: str, request: OperationRequest, actor: Actor, others: int) -> None:
        """Run one operation; its id is free again before its last message is sent, as the client may reuse it from there."""
        try:
            if others >= self._settings.max_operations:
                error = {"message": "Too many operations on this connection", "extensions": {"code": "TOO_MANY_OPERATIONS"}}
                await self._send_last(operation_id, {"id": operation_id, "type": "error", "payload": [error]})
                return
            async with aclosing(self._gateway.run(request, actor, ALL_OPERATIONS, self._stream)) as answers:
                async for answer in answers:
                    if answer.interrupted:
                        self._break_off(Closing(TRY_AGAIN_LATER, answer.payload["errors"][0]["message"]))
                        return
                    if answer.refused:
                        errors = answer.payload["errors"]
                        await self._send_last(operation_id, {"id": operation_id, "type": "error", "payload": errors})
                        return
                    await self._send({"id": operation_id, "type": "next", "payload": answer.payload})
            await self._send_last(operation_id, {"id": operation_id, "type": "complete"})
        except PeerGone:
            return
        except Exception as error:
            errors = [unexpected(error, request.operation_name)]
            await self._send_last(operation_id, {"id": operation_id, "type": "error", "payload": errors})

    def _break_off(self, closing: Closing) -> None:
        """Let the conversation end: an operation can't go on, and its client has to connect again."""
        if not self._broken_off.done():
            self._broken_off.set_result(closing)

    async def _send_last(self, operation_id: str, message: dict[str, Any]) -> None:
        self._operations.pop(operation_id, None)
        await self._send(message)

    async def _send(self, message: dict[str, Any]) -> None:
        # A peer that reads too slowly must not outlive its sign-in by the whole write timeout.
        within = max(0.0, seconds_left(self._actor)) + CLOSE_SECONDS if self._actor is not None else None
        await self._peer.send({"type": "websocket.send", "text": encode(message).decode()}, within=within)

    async def _stop_operations(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _id(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise Closing(BAD_REQUEST, f"The id of {message['type']} must be a string that is not empty")
    return operation_id


async def _close(peer: Peer, closing: Closing) -> None:
    """Say why and close; a peer that does not take part in closing is cut off soon."""
    reason = closing.reason.encode()[:120].decode(errors="ignore")
    await peer.send({"type": "websocket.close", "code": closing.code, "reason": reason}, within=CLOSE_SECONDS)
    peer.abort_later(CLOSE_SECONDS)

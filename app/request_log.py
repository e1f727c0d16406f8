"""A record for every request, websocket and operation: who asked for what, how it ended and how long it took.

An operation over HTTP stands in the record of its request, one over a websocket has a record of its own.
"""

import logging
from collections.abc import Iterator
from time import perf_counter
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.extensions import SchemaExtension

from app.logs import REQUEST, RequestFacts
from domain.actor import Actor, Person

log = logging.getLogger(__name__)
HEADER = b"x-request-id"
MAX_LENGTH = 100
HEALTH_CHECKS = frozenset({"/healthz", "/readyz"})


def logging_requests(app: ASGIApp) -> ASGIApp:
    """Give each request an id, the caller's own where it sent a usable one, answer with it, and log how it ended."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        request = RequestFacts(_request_id(scope), is_websocket=scope["type"] == "websocket")
        REQUEST.set(request)
        exchange = _Exchange(scope, receive, send, request)
        try:
            await app(scope, exchange.receive, exchange.send)
        finally:
            exchange.log_end()

    return wrapped


class OperationLog(SchemaExtension):
    """Notes each operation in the record of its request, or logs it where many share a websocket."""

    def on_operation(self) -> Iterator[None]:
        """Around one operation; a subscription's lasts until it has ended."""
        started = perf_counter()
        try:
            yield
        finally:
            request = REQUEST.get()
            if request is not None:
                self._note(request, perf_counter() - started)

    def _note(self, request: RequestFacts, seconds: float) -> None:
        request.subject = subject_of(self.execution_context.context.actor)
        operation = self._operation()
        if request.is_websocket:
            log.info("operation", extra={"operation": operation, "ms": _milliseconds(seconds), "subject": request.subject})
        else:
            request.operations.append(operation)

    def _operation(self) -> str:
        """Its type and name; what could not be read has neither."""
        try:
            kind = self.execution_context.operation_type.value
        except Exception:  # no document, or none of that name: Strawberry has a dozen ways of saying so
            return "(unreadable)"
        return f"{kind} {self.execution_context.operation_name or '(unnamed)'}"[:MAX_LENGTH]


def subject_of(actor: Actor) -> str:
    """How an actor stands in the log."""
    return actor.subject if isinstance(actor, Person) else f"attempt:{actor.attempt}"


class _Exchange:
    """One request and what is sent back, as far as the log tells of it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request: RequestFacts) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._request = request
        self._began = perf_counter()
        self._outcome: int | None = None

    async def receive(self) -> Message:
        """The next message of the client; it may end a websocket."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and self._outcome is None:
            self._outcome = message.get("code")
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on to the client, with the request's id where it is the first."""
        if message["type"] == "http.response.start":
            self._outcome = message["status"]
            message["headers"] = [*message.get("headers", ()), (HEADER, self._request.id.encode("latin-1"))]
        elif message["type"] == "websocket.accept":
            log.info("websocket opened", extra={"path": self._scope["path"]})
        elif message["type"] == "websocket.close":
            self._outcome = message.get("code", 1000)
        await self._send(message)

    def log_end(self) -> None:
        """Log the request; one that was given up by its client before an answer began has no status."""
        facts = {
            "method": self._scope.get("method"),
            "path": self._scope["path"],
            "code" if self._request.is_websocket else "status": self._outcome,
            "ms": _milliseconds(perf_counter() - self._began),
            "subject": self._request.subject,
            "operation": ", ".join(self._request.operations) or None,
        }
        level = logging.DEBUG if self._scope["path"] in HEALTH_CHECKS else logging.INFO
        log.log(level, "websocket closed" if self._request.is_websocket else "request", extra=facts)


def _request_id(scope: Scope) -> str:
    sent: str = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
    return sent if 0 < len(sent) <= MAX_LENGTH and sent.isprintable() else uuid4().hex


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)

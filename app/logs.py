"""Structured logs: one line a record, as text for people or as JSON for programs, with the id of the request they belong to."""

import logging
import logging.config
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import LogSettings

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
HEADER = b"x-request-id"
MAX_LENGTH = 100


class JsonFormatter(logging.Formatter):
    """A record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "requestId": REQUEST_ID.get(),
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return orjson.dumps({key: value for key, value in document.items() if value is not None}).decode()


class TextFormatter(logging.Formatter):
    """A record as a line of text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        request_id = REQUEST_ID.get()
        line = super().format(record)
        return f"{line} [{request_id}]" if request_id else line


def configure_logging(settings: LogSettings) -> None:
    """Send all records to standard error in the form wanted."""
    handler = logging.StreamHandler()
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if settings.json_lines else text)
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)
    for name in ("uvicorn", "httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def naming_requests(app: ASGIApp) -> ASGIApp:
    """Give each request an id, the caller's own where it sent a usable one, and answer with it."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
        request_id = sent if 0 < len(sent) <= MAX_LENGTH and sent.isprintable() else uuid4().hex
        REQUEST_ID.set(request_id)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id.encode("latin-1"))]
            await send(message)

        await app(scope, receive, tell)

    return wrapped

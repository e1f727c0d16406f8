"""Structured logs: one line a record, as text for people or as JSON for programs, with the id of the request they belong to.

What a record is about stands in fields of its own (`extra=`), so that programs need not read messages. Tokens, documents and
variables of operations are in none.
"""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from app.setting_groups import LogSettings

OWN_LOGGERS = ("adapters", "app", "controllers", "domain", "gql", "persistence", "plog", "resolvers")
FOREIGN_FIELDS = frozenset({"color_message"})
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"} | FOREIGN_FIELDS


@dataclass(slots=True)
class RequestFacts:
    """What becomes known of a request while it is answered: who sent it, and which operations it ran (type and name)."""

    id: str
    is_websocket: bool = False
    subject: str | None = None
    operations: list[str] = field(default_factory=list)


REQUEST: ContextVar[RequestFacts | None] = ContextVar("request", default=None)


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """What the record says beside its message, and the id of the request in which it was made."""
    fields = {name: value for name, value in vars(record).items() if name not in STANDARD and value is not None}
    request = REQUEST.get()
    return fields if request is None else {**fields, "request_id": request.id}


class JsonFormatter(logging.Formatter):
    """A record as one JSON object; its fields stand beside `time`, `level`, `logger` and `message`, in camel case."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{_camel_case(name): value for name, value in fields_of(record).items()},
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(document, default=str).decode()
        except orjson.JSONEncodeError:  # a lone surrogate, or a number beyond 64 bits
            return json.dumps(document, default=str)


class TextFormatter(logging.Formatter):
    """A record as a line of text that ends in `name=value` for each of its fields."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without the traceback; what others have sent can't begin a line of its own in it."""
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        fields = [f"{name}={_shown(value)}" for name, value in fields_of(record).items()]
        return " ".join([super().formatMessage(record), *fields])


class StandardError(logging.Handler):
    """Writes to what standard error is at the time: a progress display stands in for it, to keep lines out of its picture."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


def configure_logging(settings: LogSettings, usual_level: str) -> None:
    """Send all records to standard error in the form wanted; `usual_level` holds where no setting names one."""
    handler = StandardError()
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if settings.json_lines else text)
    # Libraries write what they send and receive at DEBUG, tokens and values of queries too: the level is for PLOG's own.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(settings.level if "level" in settings.model_fields_set else usual_level)


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and not set(' "=') & set(text) else json.dumps(text)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return "".join([first, *(part.capitalize() for part in others)])

"""The log of requests: who asked for what, how it ended, under which id; and what never stands in it."""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from app.logs import OWN_LOGGERS, REQUEST, JsonFormatter, RequestFacts, TextFormatter, configure_logging
from app.setting_groups import LogSettings
from tests.api.in_process import Plog
from tests.waiting import eventually

SECRET_TEXT = "nobody-reads-this"


class Lines(logging.Handler):
    """The lines of the log, as a program reads them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    def of(self, message: str) -> list[dict[str, Any]]:
        """The lines with that message."""
        return [line for line in self.lines if line["message"] == message]


@pytest.fixture
def log() -> Iterator[Lines]:
    lines = Lines()
    for logger in map(logging.getLogger, OWN_LOGGERS):
        logger.addHandler(lines)
        logger.setLevel(logging.DEBUG)
    yield lines
    for logger in map(logging.getLogger, OWN_LOGGERS):
        logger.removeHandler(lines)
        logger.setLevel(logging.NOTSET)


async def test_a_request_is_one_line_with_its_facts(plog: Plog, log: Lines) -> None:
    query = f'query Mine {{ viewer {{ subject }} kits(filter: {{namePrefix: "{SECRET_TEXT}"}}) {{ totalCount }} }}'
    response = await plog.http.post("/graphql", json={"query": query}, headers={**plog.signed_in(), "x-request-id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    (line,) = log.of("request")
    assert line.pop("ms") > 0 and line.pop("time")
    assert line == {
        "level": "INFO",
        "logger": "app.request_log",
        "message": "request",
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "subject": "demo:ada",
        "operation": "query Mine",
        "requestId": "mine-1",
    }


async def test_what_is_secret_or_long_stands_in_no_line(plog: Plog, log: Lines) -> None:
    token = plog.token()
    headers = {"authorization": f"Bearer {token}"}
    body = {"query": "query A($p: String) { kits(filter: {namePrefix: $p}) { totalCount } }", "variables": {"p": SECRET_TEXT}}
    await plog.http.post("/graphql", json=body, headers=headers)
    await plog.http.post("/graphql", json={"query": f"{{ {SECRET_TEXT} }}"}, headers=headers)
    await plog.http.get("/graphql", params={"query": "{ viewer { name } }"}, headers=headers)
    await plog.http.get("/artifacts/00000000-0000-0000-0000-000000000000", params={"signature": SECRET_TEXT})
    told = json.dumps(log.lines)
    assert len(log.of("request")) == 4
    assert SECRET_TEXT not in told and token not in told and "viewer" not in told
    assert [line["operation"] for line in log.of("request")[:3]] == ["query A", "(unreadable)", "query (unnamed)"]


async def test_commands_tell_of_the_kit(plog: Plog, log: Lines) -> None:
    kit = await plog.start()
    (created,), (started,) = log.of("kitCreate"), log.of("kitStart")
    assert (created["kit"], created["subject"], started["kit"]) == (kit["number"], "demo:ada", kit["number"])
    assert started["requestId"] == log.of("request")[-1]["requestId"]


async def test_health_checks_are_quiet(plog: Plog, log: Lines) -> None:
    for path in ("/healthz", "/readyz", "/nope"):
        await plog.http.get(path)
    assert [(line["path"], line["level"]) for line in log.of("request")] == [
        ("/healthz", "DEBUG"),
        ("/readyz", "DEBUG"),
        ("/nope", "INFO"),
    ]


async def test_a_websocket_tells_when_it_opens_and_closes_and_what_it_ran(plog: Plog, log: Lines) -> None:
    url = plog.url.replace("http", "ws") + "/graphql"
    async with connect(url, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {plog.token()}"}}))
        await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "query B { viewer { name } }"}}))
        await socket.recv()
        await eventually(lambda: len(log.of("operation")) == 1)
    await eventually(lambda: len(log.of("websocket closed")) == 1)
    (opened,), (operation,), (closed,) = log.of("websocket opened"), log.of("operation"), log.of("websocket closed")
    assert (operation["operation"], operation["subject"]) == ("query B", "demo:ada")
    assert (closed["code"], closed["subject"], closed["path"]) == (1000, "demo:ada", "/graphql")
    assert opened["requestId"] == operation["requestId"] == closed["requestId"]


async def test_an_upload_that_breaks_off_is_no_error(plog: Plog, log: Lines) -> None:
    content = b"x" * 100_000
    digest = hashlib.sha256(content).hexdigest()
    address = urlsplit(plog.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PUT /uploads/{digest}?size={len(content)} HTTP/1.1\r\nHost: plog\r\nAuthorization: Bearer {plog.token()}\r\n"
    writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content[:60_000])
    await writer.drain()

    async def is_kept() -> bool:
        answer = await plog.http.head(f"/uploads/{digest}", headers=plog.signed_in())
        return answer.headers["upload-offset"] == "60000"

    await eventually(is_kept)
    writer.transport.abort()
    await eventually(lambda: any(line.get("status") == 499 for line in log.of("request")))
    assert [line for line in log.lines if line["level"] in ("ERROR", "WARNING") or "exception" in line] == []


@pytest.fixture
async def spa(plog_settings: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
    """What a page of an allowed origin sends; the server must be made after it."""
    plog_settings["server"] = {"origins": ["https://App.example/"]}
    yield {"origin": "https://app.example"}


async def test_a_page_of_an_allowed_origin_can_resume_an_upload(spa: dict[str, str], plog: Plog) -> None:
    path = f"/uploads/{'ab' * 32}"
    asked = {"access-control-request-method": "PUT", "access-control-request-headers": "authorization,upload-offset"}
    allowed = await plog.http.options(path, headers={**spa, **asked})
    assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == spa["origin"]
    answer = await plog.http.head(path, headers={**spa, **plog.signed_in()})
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert answer.headers["upload-offset"] == "0" and {"upload-offset", "x-request-id"} <= exposed
    assert allowed.headers["access-control-allow-credentials"] == "true", "it may use a browser's session as well"
    other = await plog.http.options(path, headers={**asked, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_text_lines_show_fields_and_stay_lines() -> None:
    formatter = TextFormatter("%(levelname)s %(name)s: %(message)s")
    REQUEST.set(RequestFacts("r-1"))
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "request\nERROR forged"})
    record.__dict__.update(path="/x y\n", status=200, subject=None)
    assert formatter.format(record) == 'INFO a: request\\nERROR forged path="/x y\\n" status=200 request_id=r-1'


def test_the_level_is_for_plogs_own_records(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries write headers and values at DEBUG."""
    before = logging.getLogger().handlers[:]
    try:
        configure_logging(LogSettings(level="DEBUG", json_lines=True), "INFO")
        logging.getLogger("aiosqlite").debug("a value")
        logging.getLogger("app.request_log").debug("ours", extra={"kit": 3})
    finally:
        logging.basicConfig(handlers=before, force=True)
        for name in OWN_LOGGERS:
            logging.getLogger(name).setLevel(logging.NOTSET)
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["message"], line["kit"]) == ("ours", 3)


def test_json_lines_hold_whatever_comes() -> None:
    record = logging.makeLogRecord({"msg": "m", "levelname": "INFO"})
    record.__dict__.update(error_id="e", big=2**80, odd={1, 2}, broken="\ud800")
    line = json.loads(JsonFormatter().format(record))
    assert line["errorId"] == "e" and line["big"] == 2**80

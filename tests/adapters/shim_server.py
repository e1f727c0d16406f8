"""A small real HTTP server for the shim's tests: PLOG's endpoints for attempts, and ways to fail, hang, drop answers and die.

It judges reports as `domain.report` does: numbered without gaps, a repeat gets the first answer.
"""

import hashlib
import json
import socket
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.services import free_port

TOKEN = "the-attempt-token"
SUPERSEDED = {"code": "ATTEMPT_SUPERSEDED", "message": "Attempt 1 is closed."}


@dataclass
class Faults:
    """What the server does wrong. Counters are used up one by one; -1 means until it is set otherwise."""

    report_status: int | None = None
    upload_refusal: bytes | None = None
    input_refusal: dict[str, str] | None = None
    is_hanging: bool = False
    is_superseded: bool = False
    is_unauthorized: bool = False
    drop_answers: int = 0
    drop_before: int = 0
    close_upload_after: int | None = None
    is_hiding_uploads: bool = False
    close_download_after: int | None = None
    poison: str | None = None
    not_consumed: int = 0
    refused: frozenset[str] = frozenset()


@dataclass
class State:
    """What the server has taken."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    faulty: int = 0  # answers with `report_status`
    repeats: int = 0
    gaps: int = 0
    uploads: dict[str, bytearray] = field(default_factory=dict)
    upload_starts: list[int] = field(default_factory=list)
    wrong_offsets: int = 0
    download_ranges: list[str | None] = field(default_factory=list)
    last_sequence: int = 0

    @property
    def sequences(self) -> list[int]:
        """The numbers of the accepted reports, in the order of acceptance."""
        return [report["sequence"] for report in self.reports]


class ShimServer:
    """One attempt's server on a fixed port; `start` and `stop` may alternate, what was taken stays."""

    def __init__(self) -> None:
        self.port = free_port()
        self.faults = Faults()
        self.state = State()
        self.document: dict[str, Any] = {"kit": {"number": 1}, "job": {"type": "DOE"}}
        self.blobs: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.is_stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where the shim reaches it."""
        return f"http://127.0.0.1:{self.port}"

    def add_input(self, name: str, content: bytes) -> None:
        """Announce one more input."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs[f"/blobs/{sha256}"] = content
        entry = {"name": name, "url": f"{self.url}/blobs/{sha256}?signature=x", "sha256": sha256, "size": len(content)}
        self.document.setdefault("inputs", []).append(entry)

    def start(self) -> None:
        """Begin to answer."""
        owner = self

        class Handler(_Handler):
            server_owner = owner

        self.is_stopping.clear()
        self._http = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Die: close the port and all connections."""
        if self._http is None:
            return
        self.is_stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._http = None
        for connection in list(self._connections):
            close_abruptly(connection)

    def judge(self, report: dict[str, Any]) -> dict[str, Any]:
        """The answer to one report."""
        sequence = report["sequence"]
        answer: dict[str, Any] = {"sequence": sequence, "state": "RECORDED", "consumed": True}
        if self.faults.is_superseded:
            return {**answer, "state": "REFUSED", "consumed": False, **SUPERSEDED}
        if sequence <= self.state.last_sequence:
            self.state.repeats += 1
            return answer
        if sequence != self.state.last_sequence + 1:
            self.state.gaps += 1
            return {**answer, "state": "REFUSED", "consumed": False, "code": "SEQUENCE_GAP", "message": "a gap"}
        if self.faults.not_consumed > 0:
            self.faults.not_consumed -= 1
            return {**answer, "state": "REFUSED", "consumed": False, "code": "UNAVAILABLE", "message": "later"}
        self.state.last_sequence = sequence
        self.state.reports.append(report)
        if report.get("task") in self.faults.refused:
            return {**answer, "state": "REFUSED", "code": "ILLEGAL_TRANSITION", "message": "not now"}
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that the tests break are no news; any other error is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_owner: ShimServer

    def setup(self) -> None:
        super().setup()
        self.server_owner._connections.add(self.connection)

    def finish(self) -> None:
        self.server_owner._connections.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self._is_faulty(needs_token=self.path == "/attempt/input"):
            return
        path = urlsplit(self.path).path
        if path == "/attempt/input":
            refusal = self.server_owner.faults.input_refusal
            self._json(200 if refusal is None else 400, refusal or self.server_owner.document)
        elif path in self.server_owner.blobs:
            self._blob(self.server_owner.blobs[path])
        else:
            self._json(404, {})

    def do_HEAD(self) -> None:
        if self._is_faulty():
            return
        held = self.server_owner.state.uploads.get(self.path.split("?")[0].rsplit("/", 1)[1])
        if self.server_owner.faults.is_hiding_uploads:
            held = None
        self._empty(404 if held is None else 200, {"Upload-Offset": str(len(held or b""))})

    def do_PUT(self) -> None:
        if self._is_faulty():
            return
        parts = urlsplit(self.path)
        sha256, size = parts.path.rsplit("/", 1)[1], int(parse_qs(parts.query)["size"][0])
        state, faults = self.server_owner.state, self.server_owner.faults
        held = state.uploads.setdefault(sha256, bytearray())
        start = int(self.headers.get("Upload-Offset", "0"))
        if start != len(held):
            self.close_connection = True
            state.wrong_offsets += 1
            self._empty(409, {"Upload-Offset": str(len(held)), "Connection": "close"})
            return
        state.upload_starts.append(start)
        left = int(self.headers["Content-Length"])
        while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
            held += chunk
            left -= len(chunk)
            if faults.close_upload_after is not None and len(held) >= faults.close_upload_after:
                faults.close_upload_after = None
                close_abruptly(self.connection)
                self.close_connection = True
                return
        complete = len(held) == size and hashlib.sha256(held).hexdigest() == sha256
        self._empty(201 if complete else 422, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_faulty():
            return
        owner = self.server_owner
        document = json.loads(body)
        reports = document["variables"]["reports"]
        assert "taskReport(input:" in document["query"]
        if owner.faults.poison is not None and any(report.get("task") == owner.faults.poison for report in reports):
            self._json(400, {"errors": [{"message": "a report can't be read"}]})
            return
        with owner.lock:
            owner.state.calls += 1
            results = [owner.judge(report) for report in reports]
        if owner.faults.drop_answers:
            owner.faults.drop_answers -= 1
            close_abruptly(self.connection)
            self.close_connection = True
            return
        self._json(200, {"data": {"taskReport": {"__typename": "TaskReportPayload", "results": results}}})

    def _is_faulty(self, *, needs_token: bool = True) -> bool:
        faults = self.server_owner.faults
        if faults.drop_before:
            faults.drop_before -= 1
            close_abruptly(self.connection)
            self.close_connection = True
            return True
        if faults.is_hanging:
            self.server_owner.is_stopping.wait()
            self.close_connection = True
            return True
        if faults.report_status is not None and self.command == "POST":
            self.server_owner.state.faulty += 1
            self._json(faults.report_status, {})
            return True
        if faults.upload_refusal is not None and self.command == "PUT":
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(413)
            self.send_header("Content-Length", str(len(faults.upload_refusal)))
            self.end_headers()
            self.wfile.write(faults.upload_refusal)
            return True
        if self.path.startswith("/attempt/") and faults.is_superseded:
            self._json(409, SUPERSEDED)
            return True
        if needs_token and (faults.is_unauthorized or self.headers.get("Authorization") != f"Bearer {TOKEN}"):
            self._json(401, {})
            return True
        return False

    def _blob(self, content: bytes) -> None:
        wanted = self.headers.get("Range")
        self.server_owner.state.download_ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        limit = self.server_owner.faults.close_download_after
        if limit is not None:
            self.server_owner.faults.close_download_after = None
            self.wfile.write(content[start : start + limit])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def _json(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _empty(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


def close_abruptly(connection: socket.socket) -> None:
    """End a connection as a killed process does."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already

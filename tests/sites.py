"""A web site of a test's own on a free port of loopback: what it answers at which path, and what it was asked for."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass
class Site:
    """What is answered at which path (a page may be a function of the request), and what was asked for."""

    pages: dict[str, Any]
    asked: list[str] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(pages: dict[str, Any]) -> Iterator[Site]:
    site = Site(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked = Asked(self.command, self.path, {name.lower(): text for name, text in self.headers.items()}, body)
            site.requests.append(asked)
            given = site.pages.get(self.path.partition("?")[0], site.pages.get("*", 404))
            given = given(asked) if callable(given) else given
            if isinstance(given, int):
                given = (given, {}, b"")
            status, headers, content = given if isinstance(given, tuple) else (200, {}, given)
            content = content.encode() if isinstance(content, str) else content
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        site.address = f"http://localhost:{server.server_port}"
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()

"""One HTTP request at a time, with what the shim needs and `http.client` leaves open.

That is: a kept connection that may have been closed meanwhile, the many errors of a network as one, bodies of a fixed length
from a file, pauses between tries. Standard library only.
"""

import http.client
import json
import random
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHUNK = 1 << 16
SHOWN = 200


class Unreachable(Exception):
    """No usable answer came; asking again later makes sense."""


class Dropped(Unreachable):
    """The other side closed the connection instead of answering."""


class Rejected(Exception):
    """The server will never accept this very request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object in the body; empty where there is none."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def summary(self) -> str:
        """What to tell people about an answer that was not the hoped-for one."""
        return f"status {self.status}: {self.body[:SHOWN].decode('utf-8', 'replace')}"


@dataclass(frozen=True, slots=True)
class FilePart:
    """The bytes of a file from `start` to before `end`, as a request's body: exactly so many, or an error."""

    path: Path
    start: int
    end: int

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.end - self.start
            while left > 0:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise Unreachable(f"{self.path.name} became shorter while it was sent")
                left -= len(chunk)
                yield chunk


class Backoff:
    """Growing, jittered pauses, in seconds: about 0.05, 0.1, 0.2 … 2."""

    def __init__(self, first: float = 0.05, most: float = 2.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def pause(self) -> float:
        """The pause to make now; the next one is twice as long."""
        pause = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._most, self._next * 2)
        return pause

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._next = self._first


class Exchange:
    """Requests to one server, on one connection where the server keeps it open; `timeout` is that of each network operation."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        self._timeout = timeout
        self._kept: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | FilePart | None, headers: Mapping[str, str]) -> Answer:
        """The answer to one request, whatever its status; `Unreachable` where none comes.

        It is repeated once where the kept connection turned out to be closed, unless it may have moved an upload on.
        """
        if self._kept is not None and not isinstance(body, FilePart):
            with suppress(Dropped):
                return self._once(method, path, body, headers)
        return self._once(method, path, body, headers)

    def close(self) -> None:
        """Give up the kept connection."""
        if self._kept is not None:
            self._kept.close()

    def _once(self, method: str, path: str, body: bytes | FilePart | None, headers: Mapping[str, str]) -> Answer:
        connection, self._kept = self._kept or connect(self.url, self._timeout), None
        try:
            with network_errors():
                # The server may have answered, and closed, before it had read everything: then the answer counts.
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, target(self.url.rstrip("/") + path), body, headers)
                response = connection.getresponse()
                answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._kept = connection
        return answer


def connect(url: str, timeout: float) -> http.client.HTTPConnection:
    """An open connection to the URL's host; `Unreachable` where there is none, `Rejected` for what is no http(s) URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Rejected("the address is no http(s) URL")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    with network_errors():
        connection.connect()
        if connection.sock.getsockname() == connection.sock.getpeername():
            connection.close()  # asking for a dead port of the outgoing range, TCP connected the socket to itself
            raise ConnectionRefusedError("nothing listens there")
    return connection


def target(url: str) -> str:
    """What stands in the request line for this URL."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


@contextmanager
def network_errors() -> Iterator[None]:
    """Whatever the network does to a request becomes `Unreachable`."""
    try:
        yield
    except ConnectionError as error:
        raise Dropped(f"{type(error).__name__}: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error

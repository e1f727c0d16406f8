"""PLOG's endpoints as the shim uses them: what is asked and how answers are read. Standard library only.

Nothing here retries or waits; callers do, because they also have to hear that the attempt is to end.
"""

import hashlib
import http.client
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from steps.shim.http_exchange import CHUNK, Answer, Exchange, FilePart, Rejected, Unreachable, connect, network_errors, target

SUPERSEDED = "ATTEMPT_SUPERSEDED"
PERMANENT = frozenset({400, 413, 422})
TRANSIENT = frozenset({408, 425, 429})
GRAPHQL_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/graphql-response+json, application/json;q=0.9",
}
RESULTS = "results { sequence state version code message consumed } } ... on UserError { code message } } }"
MUTATIONS = {
    "JOB": (
        "taskReport",
        "mutation($reports: [TaskReportInput!]!) { taskReport(input: {reports: $reports}) "
        "{ __typename ... on TaskReportPayload { " + RESULTS,
    ),
    "LOAD_TEST_RUN": (
        "loadTestReport",
        "mutation($reports: [LoadTestReportInput!]!) { loadTestReport(reports: $reports) "
        "{ __typename ... on LoadTestReportPayload { " + RESULTS,
    ),
}


class Superseded(Exception):
    """The attempt was replaced or has ended on the server: nothing of it is wanted any more."""


class Access(NamedTuple):
    """Where the server is, and the token to show there."""

    url: str
    token: str


class ServerClient:
    """The server, for one attempt. Not for several threads at once.

    `access` is asked before each request, because another address or a newer token may have come. `timeout` is how long, in
    seconds, one network operation may take. `subject` decides over which mutation takes the reports. Every method raises
    `Unreachable` where asking again makes sense, and `Superseded`.
    """

    def __init__(self, access: Callable[[], Access], timeout: float, subject: str = "JOB") -> None:
        self._access = access
        self.subject = subject
        self._field, self._mutation = MUTATIONS[subject]
        self._timeout = timeout
        self._exchange = Exchange("", timeout)

    def input_document(self) -> dict[str, Any]:
        """The input document, with a `url` for each of its inputs; `Rejected` where the server can't make it."""
        answer = self._ask("GET", "/attempt/input", headers={"Accept": "application/json"})
        document = answer.document()
        if answer.status in PERMANENT:
            raise Rejected(f"the input document was answered with {answer.summary}")
        if answer.status != 200 or not document:
            raise Unreachable(f"the input document was answered with {answer.summary}")
        return document

    def send_reports(self, reports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The results, one for each report; `Rejected` where the request as such can't be read."""
        body = json.dumps({"query": self._mutation, "variables": {"reports": reports}}, ensure_ascii=False).encode()
        answer = self._ask("POST", "/graphql", body, GRAPHQL_HEADERS)
        document = answer.document()
        if answer.status in PERMANENT or (answer.status == 200 and document.get("errors") and "data" not in document):
            raise Rejected(answer.summary)
        payload = (document.get("data") or {}).get(self._field) or {}
        if payload.get("code") == SUPERSEDED:
            raise Superseded(str(payload.get("message")))
        if answer.status != 200 or not isinstance(payload.get("results"), list):
            raise Unreachable(f"reports were answered with {answer.summary}")
        return list(payload["results"])

    def upload(self, file: Path, sha256: str, size: int) -> None:
        """Store the content of an artifact, going on after the bytes that the server already holds.

        `Rejected` where the server does not accept this content under this checksum and size.
        """
        path = f"/attempt/artifacts/{sha256}?size={size}"
        held = _held(self._ask("HEAD", path)) or 0
        corrected = self._put(path, FilePart(file, min(held, size), size))
        if corrected is not None and self._put(path, FilePart(file, min(corrected, size), size)) is not None:
            raise Unreachable("the server and the client don't agree how much of an upload is there")

    def _put(self, path: str, content: FilePart) -> int | None:
        """Send the content from its start on; None, or the start that the server wants instead."""
        headers = {
            "Upload-Offset": str(content.start),
            "Content-Length": str(content.end - content.start),
            "Content-Type": "application/octet-stream",
        }
        answer = self._ask("PUT", path, content, headers)
        held = _held(answer)
        if answer.status == 409 and held is not None:
            return held
        if answer.status in PERMANENT:
            raise Rejected(answer.summary)
        if answer.status not in (200, 201, 204):
            raise Unreachable(f"an upload was answered with {answer.summary}")
        return None

    def download(self, url: str, file: Path, sha256: str) -> None:
        """Fetch a signed URL into `file`, going on after the bytes that are there already.

        `Rejected` where the URL is not good (any more) or the content is not what was announced; `file` is then gone.
        """
        offset = file.stat().st_size if file.exists() else 0
        connection = connect(url, self._timeout)
        try:
            with network_errors():
                connection.request("GET", target(url), headers={"Range": f"bytes={offset}-"} if offset else {})
                response = connection.getresponse()
            if response.status in (200, 206):
                with file.open("ab" if response.status == 206 else "wb") as sink:
                    for chunk in _chunks(response):
                        sink.write(chunk)
            elif response.status >= 500 or response.status in TRANSIENT:
                raise Unreachable(f"a download was answered with status {response.status}")
            elif response.status != 416 or not offset:
                raise Rejected(f"a download was answered with status {response.status}")
        finally:
            connection.close()
        if digest(file)[0] != sha256:
            file.unlink()
            raise Rejected("the content of a download has another checksum than was announced")

    def _ask(
        self, method: str, path: str, body: bytes | FilePart | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        url, token = self._access()
        if url != self._exchange.url:
            self._exchange.close()
            self._exchange = Exchange(url, self._timeout)
        answer = self._exchange.ask(method, path, body, {"Authorization": f"Bearer {token}", **(headers or {})})
        if answer.status == 410 or answer.document().get("code") == SUPERSEDED:
            raise Superseded(answer.summary)
        return answer


def digest(file: Path) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and size in bytes of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest(), content.tell()


def _held(answer: Answer) -> int | None:
    """The number of bytes that the server says it holds of an upload."""
    offset = answer.headers.get("upload-offset", "")
    return int(offset) if offset.isascii() and offset.isdecimal() else None


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        with network_errors():
            chunk = response.read(CHUNK)
        if not chunk:
            break
        yield chunk
    if response.length:
        raise Unreachable(f"a download stopped {response.length} bytes before its end")

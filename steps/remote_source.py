"""Fetching one file from an http(s) or S3 address that a user typed, without being sent where the user must not reach."""

import socket
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx
from obstore import get as get_object
from obstore.exceptions import BaseError as ObjectStoreError
from obstore.store import S3Store

from domain.deck_archive import MAX_TOTAL_BYTES
from domain.remote_address import address_problem
from steps.reports import StepFailed

MAX_REDIRECTS = 5
MAX_SECONDS = 300.0
IDLE_SECONDS = 30.0
_CHUNK = 2**20


def fetch(url: str, *, allows_private: bool) -> tuple[str, bytes]:
    """The file at `url`, as its name and content; StepFailed where it can't or must not be fetched."""
    if urlsplit(url).scheme == "s3":
        return _name_of(url), _fetch_object(url)
    return _fetch_http(url, allows_private=allows_private)


def _fetch_http(url: str, *, allows_private: bool) -> tuple[str, bytes]:
    """Follows redirects itself and connects to the very address it checked, so that a name can't change its mind in between."""
    deadline = time.monotonic() + MAX_SECONDS
    # No proxy from the environment: it would resolve the name again, and elsewhere.
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=IDLE_SECONDS) as client:
        for _ in range(MAX_REDIRECTS + 1):
            request = _request(client, url, allows_private=allows_private)
            try:
                response = client.send(request, stream=True)
                if not response.has_redirect_location:
                    return _name_of(url), _body(response, url, deadline)
                response.close()
                url = str(httpx.URL(url).join(response.headers["location"]))
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise StepFailed(f"{url} can't be fetched: {error or type(error).__name__}") from error
    raise StepFailed(f"{url} redirects more than {MAX_REDIRECTS} times")


def _request(client: httpx.Client, url: str, *, allows_private: bool) -> httpx.Request:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise StepFailed(f"{url!r} is not a valid address") from error
    if target.scheme not in ("http", "https") or not target.host or target.userinfo:
        raise StepFailed(f"{url!r} is not fetched: only http and https without a user are")
    address = _checked_address(target, allows_private=allows_private)
    headers = {"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": "plog"}
    name = target.raw_host.decode("ascii")
    return client.build_request("GET", target.copy_with(host=address), headers=headers, extensions={"sni_hostname": name})


def _checked_address(target: httpx.URL, *, allows_private: bool) -> str:
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(target.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise StepFailed(f"the host {target.host!r} can't be found: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if problem := address_problem(address, allows_private=allows_private):
            raise StepFailed(f"{target.host} ({address}) {problem}")
    return addresses[0]


def _body(response: httpx.Response, url: str, deadline: float) -> bytes:
    with closing(response):
        if response.status_code != httpx.codes.OK:
            raise StepFailed(f"{url} answers {response.status_code} {response.reason_phrase}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise StepFailed(f"{url} sends compressed content that was not asked for")
        return _limited(response.iter_raw(_CHUNK), url, deadline)


def _fetch_object(url: str) -> bytes:
    """Credentials, region and endpoint are those of the environment, as any S3 client reads them (AWS_…)."""
    parts = urlsplit(url)
    try:
        found = get_object(S3Store(parts.netloc), unquote(parts.path).lstrip("/"))
        if found.meta["size"] > MAX_TOTAL_BYTES:
            raise StepFailed(f"{url} is larger than {MAX_TOTAL_BYTES} bytes")
        return _limited((bytes(chunk) for chunk in found.stream()), url, time.monotonic() + MAX_SECONDS)
    except (ObjectStoreError, FileNotFoundError, PermissionError, OSError) as error:
        raise StepFailed(f"{url} can't be fetched: {str(error).splitlines()[0]}") from error


def _limited(chunks: Iterable[bytes], url: str, deadline: float) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_TOTAL_BYTES:
            raise StepFailed(f"{url} is larger than {MAX_TOTAL_BYTES} bytes")
        if time.monotonic() > deadline:
            raise StepFailed(f"{url} was not complete after {MAX_SECONDS:g} s")
    return bytes(content)


def _name_of(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name or "deck"

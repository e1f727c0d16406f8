"""Fetching one file from an http(s) or S3 address that a user typed, without being sent where the user must not reach."""

import asyncio
import socket
from collections.abc import AsyncIterable, Mapping
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import httpx
from obstore import get_async
from obstore.exceptions import BaseError as ObjectStoreError
from obstore.store import S3Store

from domain.deck import bucket_of
from domain.deck_archive import MAX_TOTAL_BYTES
from domain.remote_address import address_problem
from steps.reports import StepFailed

MAX_REDIRECTS = 5
MAX_SECONDS = 300.0
IDLE_SECONDS = 30.0


def fetch(url: str, *, allows_private: bool, buckets: Mapping[str, Mapping[str, str]] | None = None) -> tuple[str, bytes]:
    """The file at `url`, as its name and content; StepFailed where it can't or must not be fetched.

    `buckets` are the S3 buckets that may be read, each with what `obstore.store.S3Config` lists: endpoint, region, keys.
    """
    return asyncio.run(_fetch(url, allows_private, buckets or {}))


async def _fetch(url: str, allows_private: bool, buckets: Mapping[str, Mapping[str, str]]) -> tuple[str, bytes]:
    try:
        async with asyncio.timeout(MAX_SECONDS):  # of everything, as a server may send a byte now and then for days
            if (bucket := bucket_of(url)) is not None:
                return _name_of(url), await _fetch_object(url, bucket, buckets)
            return await _fetch_http(url, allows_private=allows_private)
    except TimeoutError:
        raise StepFailed(f"{url} was not complete after {MAX_SECONDS:g} s") from None


async def _fetch_http(url: str, *, allows_private: bool) -> tuple[str, bytes]:
    """Follows redirects itself and connects to the very address it checked, so that a name can't change its mind in between."""
    # No proxy from the environment: it would resolve the name again, and elsewhere.
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=IDLE_SECONDS) as client:
        for _ in range(MAX_REDIRECTS + 1):
            request = await _request(client, url, allows_private=allows_private)
            try:
                response = await client.send(request, stream=True)
                if not response.has_redirect_location:
                    return _name_of(url), await _body(response, url)
                await response.aclose()
                url = str(httpx.URL(url).join(response.headers["location"]))
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise StepFailed(f"{url} can't be fetched: {error or type(error).__name__}") from error
    raise StepFailed(f"{url} redirects more than {MAX_REDIRECTS} times")


async def _request(client: httpx.AsyncClient, url: str, *, allows_private: bool) -> httpx.Request:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise StepFailed(f"{url!r} is not a valid address") from error
    if target.scheme not in ("http", "https") or not target.host or target.userinfo:
        raise StepFailed(f"{url!r} is not fetched: only http and https without a user are")
    address = await _checked_address(target, allows_private=allows_private)
    headers = {"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity", "User-Agent": "plog"}
    name = target.raw_host.decode("ascii")
    return client.build_request("GET", target.copy_with(host=address), headers=headers, extensions={"sni_hostname": name})


async def _checked_address(target: httpx.URL, *, allows_private: bool) -> str:
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        found = await asyncio.to_thread(socket.getaddrinfo, target.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise StepFailed(f"the host {target.host!r} can't be found: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if problem := address_problem(address, allows_private=allows_private):
            raise StepFailed(f"{target.host} ({address}) {problem}")
    return addresses[0]


async def _body(response: httpx.Response, url: str) -> bytes:
    try:
        if response.status_code != httpx.codes.OK:
            raise StepFailed(f"{url} answers {response.status_code} {response.reason_phrase}")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise StepFailed(f"{url} sends compressed content that was not asked for")
        return await _limited(response.aiter_raw(), url)
    finally:
        await response.aclose()


async def _fetch_object(url: str, bucket: str, buckets: Mapping[str, Mapping[str, str]]) -> bytes:
    """The environment is not asked for credentials: on a cloud machine they would be those of the machine itself."""
    if bucket not in buckets:
        raise StepFailed(f"the bucket {bucket!r} is not among those that this server reads decks from")
    unsigned = {"region": "us-east-1", "access_key_id": "none", "secret_access_key": "none"}
    options = {**unsigned, **buckets[bucket]}
    try:
        store = S3Store(
            bucket,
            config=cast(Any, {**options, "skip_signature": "access_key_id" not in buckets[bucket]}),
            client_options={"allow_http": options.get("endpoint", "").startswith("http://")},
        )
        found = await get_async(store, unquote(urlsplit(url).path).lstrip("/"))
        return await _limited(found.stream(), url)
    except (ObjectStoreError, FileNotFoundError, PermissionError, OSError, ValueError) as error:
        raise StepFailed(f"{url} can't be fetched: {str(error).splitlines()[0]}") from error


async def _limited(chunks: AsyncIterable[Any], url: str) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > MAX_TOTAL_BYTES:
            raise StepFailed(f"{url} is larger than {MAX_TOTAL_BYTES} bytes")
    return bytes(content)


def _name_of(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name or "deck"

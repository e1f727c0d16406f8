"""Fetching one deck from an http(s) or S3 address that a user typed."""

import asyncio
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from obstore import get_async
from obstore.exceptions import BaseError as ObjectStoreError
from obstore.store import S3Store

from domain.deck import bucket_of
from domain.deck_archive import MAX_TOTAL_BYTES
from outbound import guarded_http
from outbound.guarded_http import FetchFailed, Limits, limited
from outbound.names import NameLookup
from steps.reports import StepFailed

MAX_SECONDS = 300.0
OK = 200


def fetch(url: str, *, allows_private: bool, buckets: Mapping[str, Mapping[str, str]] | None = None) -> tuple[str, bytes]:
    """The file at `url`, as its name and content; StepFailed where it can't or must not be fetched.

    `buckets` are the S3 buckets that may be read, each with what `obstore.store.S3Config` lists: endpoint, region, keys.
    """
    bucket = bucket_of(url)
    try:
        if bucket is None:
            return asyncio.run(_fetch_http(url, allows_private=allows_private))
        return _name_of(url), asyncio.run(_fetch_object(url, bucket, buckets or {}))
    except FetchFailed as error:
        raise StepFailed(str(error)) from error


async def _fetch_http(url: str, *, allows_private: bool) -> tuple[str, bytes]:
    limits = Limits(allows_private=allows_private, max_bytes=MAX_TOTAL_BYTES, max_seconds=MAX_SECONDS)
    with NameLookup() as names:
        answer = await guarded_http.fetch(url, limits, names)
    if answer.status != OK:
        raise StepFailed(f"{answer.url} answers {answer.status} {answer.reason}")
    if answer.encoding != "identity":
        raise StepFailed(f"{answer.url} sends compressed content that was not asked for")
    return _name_of(answer.url), answer.content


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
        async with asyncio.timeout(MAX_SECONDS):
            found = await get_async(store, unquote(urlsplit(url).path).lstrip("/"))
            return await limited(cast(Any, found.stream()), url, MAX_TOTAL_BYTES)
    except TimeoutError:
        raise StepFailed(f"{url} was not complete after {MAX_SECONDS:g} s") from None
    except (ObjectStoreError, FileNotFoundError, PermissionError, OSError, ValueError) as error:
        raise StepFailed(f"{url} can't be fetched: {str(error).splitlines()[0]}") from error


def _name_of(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name or "deck"

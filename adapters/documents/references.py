"""Fetching the documents that a document's references lead to, with the same guard as itself."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import orjson

from adapters.documents.reading import MAX_BYTES, NEXT_VALUE, VALUE_BYTES, Unreadable, read_document, text_of
from domain.api_document import FoundDocument
from domain.bundle import MAX_PROBLEMS, Bundle
from domain.json_pointer import BUNDLE, DOCUMENTS
from domain.uncollected import uncollected
from outbound.guarded_http import Answer, FetchFailed, Limits, TooLarge, Unreachable, fetch, origin_of
from outbound.names import NameLookup

MAX_DOCUMENTS = 200
MAX_TOO_LARGE = 5  # each of which may have cost as much as all others together
MAX_SECONDS = 10.0  # for one of them
MAX_REASON = 300  # characters, where it is told of many addresses
ACCEPT = "application/json, application/yaml, */*;q=0.8"


async def bundled(found: FoundDocument, asked: str, names: NameLookup, *, allows_private: bool, deadline: float) -> FoundDocument:
    """The document with all in it that its references to other documents lead to; as it is where it has none.

    `asked` is the address that has led to it. `deadline` is of the monotonic clock. What can't be had is named in `problems`, and
    its references say why they are not followed. `ValidationFailed` of `url` where it becomes too large.
    """
    document = cast(dict[str, Any], found.raw)
    bundle = await asyncio.to_thread(_bundle, document, found, asked)
    if not bundle.is_needed:
        return found
    problems = list(found.problems)
    left, fetched, too_large = MAX_BYTES - len(found.content), 0, 0
    silent: dict[str, Unreachable] = {}
    while (address := await asyncio.to_thread(_wanted, bundle, silent)) is not None:
        seconds = min(deadline - time.monotonic(), MAX_SECONDS)
        if reason := _exhausted(fetched, too_large, left, seconds):
            await asyncio.to_thread(bundle.leave_all, reason)
            break
        fetched += 1
        try:
            limits = Limits(allows_private=allows_private, max_bytes=left, max_seconds=seconds)
            answer = await fetch(address, limits, names, accept=ACCEPT)
            size, twice = await asyncio.to_thread(_add, bundle, address, answer, left)
            left -= size
            problems += [f"{address:.300}: {each}" for each in twice]
        except TooLarge:
            too_large += 1  # what is left is for those that are smaller
            bundle.leave(address, _too_many_bytes())
        except Unreadable as error:
            left -= len(answer.content)
            bundle.leave(address, str(error))
        except FetchFailed as error:
            if isinstance(error, Unreachable):
                silent[error.origin] = error
            bundle.leave(address, error.fact, str(error))
    content, more = await asyncio.to_thread(_close, bundle, document)
    listed = _listed([*problems, *more], bundle.unlisted)
    return replace(found, content=content, media_type="application/json", problems=listed)


def _wanted(bundle: Bundle, silent: Mapping[str, Unreachable]) -> str | None:
    """The next address to be fetched; those of servers that gave no answer are left."""
    while (address := bundle.wanted) is not None and (error := silent.get(origin_of(address))) is not None:
        bundle.leave(address, error.fact[:MAX_REASON], str(error)[:MAX_REASON])
    return address


def _exhausted(fetched: int, too_large: int, left: int, seconds: float) -> str:
    """Why no more is fetched; empty where more may be."""
    if fetched == MAX_DOCUMENTS:
        return f"more than {MAX_DOCUMENTS} other documents are not fetched"
    if left <= 0:
        return _too_many_bytes()
    if too_large == MAX_TOO_LARGE:
        return f"no more is fetched after {MAX_TOO_LARGE} other documents that were too large"
    return "the time for an analysis is over" if seconds <= 0 else ""


def _too_many_bytes() -> str:
    said = f"the document and others that it leads to have more than {MAX_BYTES} bytes together"
    return f"{said}, where each value counts as {VALUE_BYTES} or more"


def _listed(problems: Sequence[str], unlisted: int) -> tuple[str, ...]:
    """The first problems, and how many more there are."""
    rest = unlisted + max(0, len(problems) - MAX_PROBLEMS)
    return (*problems[:MAX_PROBLEMS], *([f"{rest} more problems are not listed."] if rest else []))


@uncollected()
def _bundle(document: dict[str, Any], found: FoundDocument, asked: str) -> Bundle:
    return Bundle(document, (found.url, asked), MAX_BYTES)


@uncollected()
def _add(bundle: Bundle, address: str, answer: Answer, left: int) -> tuple[int, tuple[str, ...]]:
    """Take an answer in; how many bytes it has, as it came or as JSON, and what is wrong with it.

    `Unreadable` where it is no document, `TooLarge` where it has more than are left.
    """
    said = f"{address} answers {answer.status} {answer.reason}".rstrip()
    if not 200 <= answer.status < 300:
        raise Unreadable(said)
    try:
        document, problems = read_document(text_of(answer))
        size = max(len(answer.content), _size(address, document))
    except Unreadable as problem:
        raise Unreadable(f"{said}, which {problem}") from None
    if size > left:
        raise TooLarge(said)
    bundle.add(address, cast(dict[str, Any], document), answer.url)
    return size, problems


def _size(address: str, document: Mapping[str, Any]) -> int:
    """How much a document takes up; small values take much more to hold than to write."""
    try:
        written = orjson.dumps({BUNDLE: {DOCUMENTS: {address: document}}})
        values = sum(map(written.count, (b",", b"[", b"{")))
        if VALUE_BYTES * values > len(written):  # some may stand in texts
            values = sum(1 for _ in NEXT_VALUE.finditer(written.decode()))
        return max(len(written), VALUE_BYTES * values)
    except TypeError as error:
        raise Unreadable(f"is nested too deeply: {error}") from None


@uncollected()
def _close(bundle: Bundle, document: dict[str, Any]) -> tuple[bytes, tuple[str, ...]]:
    """The whole document's text, and what of it leads nowhere."""
    problems = bundle.close()
    return orjson.dumps(document), problems

"""Finding an OpenAPI document from any address of an API: the document's own, its documentation page's, or just its base."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from adapters.documents.reading import MAX_BYTES, Unreadable, document_of, text_of
from adapters.documents.references import bundled
from adapters.documents.strategies import (
    Place,
    Strategy,
    SwaggerUi,
    SwaggerUiSetUp,
    WellKnownPaths,
    direct,
    inline,
    is_meant_as_document,
)
from domain.api_document import FoundDocument, NamedAddress, TriedAddress
from domain.errors import ValidationFailed
from domain.json_pointer import BUNDLE, UNFOLLOWED
from outbound.guarded_http import Answer, FetchFailed, Limits, fetch
from outbound.names import NameLookup

MAX_FETCHES = 60
MAX_SHOWN = 20
MAX_DEPTH = 4  # a page at a well-known path, its initializer, a configuration, the document
ACCEPT = "application/vnd.oai.openapi+json, application/json, application/yaml, text/html;q=0.9, */*;q=0.8"
NEXT: dict[str, tuple[Strategy, ...]] = {
    "direct": (SwaggerUi(), WellKnownPaths()),
    "Swagger UI": (SwaggerUi(), SwaggerUiSetUp()),
    "well-known paths": (SwaggerUi(),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lead:
    """A place to look at, how one came to it, and what else was offered beside it."""

    place: Place
    strategy: str
    depth: int
    choices: tuple[NamedAddress, ...] = ()


class DocumentFinder:
    """Looks for documents over http(s), guarded; with `allows_references` for those that their references lead to as well."""

    def __init__(self, names: NameLookup, *, allows_private: bool, max_seconds: float, allows_references: bool = False) -> None:
        self._names = names
        self._allows_private = allows_private
        self._allows_references = allows_references
        self._max_seconds = max_seconds

    async def find(self, url: str) -> FoundDocument:
        """The document that `url` is or leads to; `ValidationFailed` of `url` lists what was tried and what answered."""
        deadline = time.monotonic() + self._max_seconds
        leads = deque([_Lead(place=Place(url=url), strategy="direct", depth=0)])
        tried: dict[str, str] = {}
        while leads and len(tried) < MAX_FETCHES and (left := deadline - time.monotonic()) > 0:
            lead = leads.popleft()
            if lead.place.url in tried:
                continue
            limits = Limits(allows_private=self._allows_private, max_bytes=MAX_BYTES, max_seconds=left)
            try:
                answer = await fetch(lead.place.url, limits, self._names, accept=ACCEPT)
            except FetchFailed as error:
                tried[lead.place.url] = f"was not fetched: {error}"
                continue
            read, outcome = await asyncio.to_thread(_read, answer)
            tried[lead.place.url] = outcome
            if read is not None:
                found = await asyncio.to_thread(_found, read, answer, lead, tried)
                if self._allows_references:
                    found = await bundled(
                        found, lead.place.url, self._names, allows_private=self._allows_private, deadline=deadline
                    )
                return found
            if lead.strategy == "direct" and is_meant_as_document(answer):
                break
            await asyncio.to_thread(_follow, leads, lead, url, answer)
        raise ValidationFailed.of("url", _not_found(url, tried))

    def read(self, content: bytes) -> Mapping[str, Any]:
        """What the text of a document that was found says."""
        return document_of(content.decode())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A document, its text, what is wrong with it, and whether a page has it in itself."""

    document: Mapping[str, Any]
    text: str
    problems: tuple[str, ...]
    is_inline: bool = False


def _read(answer: Answer) -> tuple[_Read | None, str]:
    """The document, or None, and what the answer was."""
    said = f"answers {answer.status} {answer.reason}".rstrip()
    if not 200 <= answer.status < 300:
        return None, said
    try:
        return _read_text(text_of(answer)), f"{said} with the document"
    except Unreadable as problem:
        outcome = f"{said}, which {problem}"
    with suppress(Unreadable):
        if found := inline(answer):
            return _read_text(found, is_inline=True), f"{said} with the document in it"
    return None, outcome


def _read_text(text: str, *, is_inline: bool = False) -> _Read:
    """The document without reasons for what is not followed: those are given here, and by nobody else."""
    document, problems = direct(text)
    bundle = document.get(BUNDLE)
    if isinstance(bundle, dict) and bundle.pop(UNFOLLOWED, None) is not None:
        text = orjson.dumps(document).decode()
    return _Read(document=document, text=text, problems=problems, is_inline=is_inline)


def _found(read: _Read, answer: Answer, lead: _Lead, tried: Mapping[str, str]) -> FoundDocument:
    return FoundDocument(
        url=answer.url,
        strategy=SwaggerUi.name if read.is_inline else lead.strategy,
        media_type="application/json" if read.text.lstrip().startswith("{") else "application/yaml",
        content=read.text.encode(),
        raw=read.document,
        problems=read.problems,
        tried=tuple(TriedAddress(url=url, outcome=outcome) for url, outcome in tried.items()),
        choices=lead.choices,
    )


def _follow(leads: deque[_Lead], lead: _Lead, asked: str, answer: Answer) -> None:
    """Put what the answer leads to before all else, and what may be tried in any case behind it."""
    if lead.depth == MAX_DEPTH:
        return
    for strategy in NEXT[lead.strategy]:
        is_guess = isinstance(strategy, WellKnownPaths)
        if not is_guess and not 200 <= answer.status < 300:
            continue
        places = strategy.places(asked, answer)
        choices = tuple(NamedAddress(name=place.name, url=place.url) for place in places if place.name)
        found = [_Lead(place=each, strategy=strategy.name, depth=lead.depth + 1, choices=choices) for each in places]
        if is_guess:
            leads.extend(found)
        else:
            leads.extendleft(reversed(found))


def _not_found(url: str, tried: Mapping[str, str]) -> str:
    shown = [f"{each} {outcome}" for each, outcome in list(tried.items())[:MAX_SHOWN]]
    rest = f"; and {len(tried) - MAX_SHOWN} more" if len(tried) > MAX_SHOWN else ""
    return f"no OpenAPI document was found from {url}: {'; '.join(shown)}{rest}"

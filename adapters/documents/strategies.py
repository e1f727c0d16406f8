"""Ways from what an address answers to an OpenAPI document; each is chosen by the answer itself."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice
from typing import Any, Protocol
from urllib.parse import parse_qs, urljoin, urlsplit

from adapters.documents.reading import Unreadable, document_of, text_of
from domain.openapi import is_openapi
from outbound.guarded_http import Answer

MAX_PLACES = 20
MAX_PAGE = 200_000  # characters: whatever names a document does so near the page's beginning
MAX_SCRIPT = 2_000_000
STRING = r"""["'`]((?:[^"'`\\\n]|\\.)*)["'`]"""
KEY = r"""(?<![\w$]){}\\?["']?\s*:\s*"""
URL = re.compile(KEY.format("url") + STRING)
CONFIG_URL = re.compile(KEY.format("configUrl") + STRING)
PRIMARY_NAME = re.compile(KEY.format(r"urls\.primaryName\\?") + STRING)
URLS = re.compile(KEY.format("urls") + r"\[")
NAMED = re.compile(r"\{([^{}]*)\}")
NAME = re.compile(KEY.format("name") + STRING)
SET_UP = re.compile("swagger|init|config|index", re.IGNORECASE)
WELL_KNOWN = (
    "openapi.json",
    "openapi.yaml",
    "openapi.yml",
    "swagger.json",
    "swagger.yaml",
    "v3/api-docs",
    "v2/api-docs",
    "api-docs",
    "swagger/v1/swagger.json",
    "api/openapi.json",
    "api/swagger.json",
    "docs",
    "swagger-ui/index.html",
    "swagger-ui.html",
    "swagger/index.html",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a document may be: its address and, among several, its name."""

    url: str
    name: str = ""


class Strategy(Protocol):
    """One way. `name` is what people read."""

    name: str

    def places(self, asked: str, answer: Answer) -> list[Place]:
        """Where to look next for what `asked` was asked for, the best place first; none where the answer does not lead on."""
        ...


class SwaggerUi:
    """A page that shows a document: Swagger UI, FastAPI's `/docs`, springdoc's page; ReDoc's and Scalar's too."""

    name = "Swagger UI"

    def places(self, asked: str, answer: Answer) -> list[Place]:
        """What the page names in its address, its attributes and its scripts; then scripts that may name a document."""
        page = _Page.of(answer)
        if page is None:
            return []
        (base,) = _places(answer.url, [page.base]) or [Place(url=answer.url)]
        query = parse_qs(urlsplit(asked).query)
        found = _places(base.url, [*query.get("configUrl", []), *query.get("url", []), *page.documents])
        for script in page.scripts:
            found += _named_in(script, base.url, _chosen(asked))
        found += _places(base.url, [each for each in page.sources if SET_UP.search(each)])
        return list(dict.fromkeys(found))[:MAX_PLACES]


class SwaggerUiSetUp:
    """What a page of Swagger UI has led to, if it is no document: its initializer, or a configuration as `configUrl` names it."""

    name = "Swagger UI"

    def places(self, asked: str, answer: Answer) -> list[Place]:
        """The documents and configurations that it names; its addresses are relative to the page, which lies beside it."""
        try:
            return _named_in(text_of(answer)[:MAX_SCRIPT], answer.url, _chosen(asked))[:MAX_PLACES]
        except Unreadable:
            return []


class WellKnownPaths:
    """The paths at which frameworks serve their documents, below the address and below its host."""

    name = "well-known paths"

    def places(self, asked: str, answer: Answer) -> list[Place]:
        """Those places, whatever was answered."""
        bases = (urljoin(asked, urlsplit(asked).path.rstrip("/") + "/"), urljoin(asked, "./"), urljoin(asked, "/"))
        return [Place(url=urljoin(base, path)) for base in dict.fromkeys(bases) for path in WELL_KNOWN]


def direct(answer: Answer) -> Mapping[str, Any]:
    """The document that the answer itself is; `Unreadable` where it is none."""
    document = document_of(text_of(answer))
    if not is_openapi(document):
        raise Unreadable("is a document, but none of OpenAPI: it has neither `openapi` nor `swagger`")
    return document


def _named_in(script: str, base: str, chosen: str) -> list[Place]:
    """What a set-up of Swagger UI names: of several `urls` first the one that is chosen, then the primary one."""
    several: list[Place] = []
    rest = script
    for listed in islice(URLS.finditer(script), MAX_PLACES):
        entries = script[listed.end() : script.find("]", listed.end())]
        rest = rest.replace(entries, "", 1)
        for entry in NAMED.findall(entries):
            if url := URL.search(entry):
                name = NAME.search(entry)
                several += _places(base, [url[1]], _plain(name[1]) if name else "")
    primary = PRIMARY_NAME.search(script)
    wanted = chosen or (_plain(primary[1]) if primary else "")
    several.sort(key=lambda place: place.name != wanted)
    single = [match[1] for pattern in (CONFIG_URL, URL) for match in islice(pattern.finditer(rest), MAX_PLACES)]
    return several + _places(base, single)


def _chosen(asked: str) -> str:
    """The name of the document that an address of Swagger UI chooses of several."""
    return parse_qs(urlsplit(asked).query).get("urls.primaryName", [""])[0]


def _places(base: str, addresses: Iterable[str], name: str = "") -> list[Place]:
    """The places of these addresses, which may be relative to `base`; what is no address is left out."""
    found = []
    for address in addresses:
        with suppress(ValueError):
            found.append(Place(url=urljoin(base, _plain(address)), name=name))
    return found


def _plain(text: str) -> str:
    """The text of a JavaScript string without its escapes, of which addresses and names have the simplest alone."""
    return re.sub(r"\\(.)", r"\1", text)


@dataclass(slots=True)
class _Page:
    """What matters of an HTML page."""

    base: str = ""
    scripts: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, answer: Answer) -> "_Page | None":
        try:
            text = text_of(answer)
        except Unreadable:
            return None
        start = text[:MAX_PAGE].lower()
        if not any(tag in start for tag in ("<!doctype html", "<html", "<head", "<body", "<script")):
            return None
        reader = _PageReader()
        reader.feed(text[:MAX_PAGE])
        return reader.page


class _PageReader(HTMLParser):
    """Gathers scripts, and attributes that name a document."""

    def __init__(self) -> None:
        super().__init__()
        self.page = _Page()
        self._is_in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._is_in_script = tag == "script"
        if tag == "base" and not self.page.base:
            self.page.base = given.get("href", "")
        if tag == "script" and given.get("src"):
            self.page.sources.append(given["src"])
        self.page.documents += [given[name] for name in ("spec-url", "data-url", "apidescriptionurl") if given.get(name)]

    def handle_data(self, data: str) -> None:
        if self._is_in_script:
            self.page.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._is_in_script = False

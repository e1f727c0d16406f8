"""Ways from what an address answers to an OpenAPI document; each is chosen by the answer itself."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice
from json import JSONDecoder
from typing import Any, Protocol
from urllib.parse import parse_qs, urljoin, urlsplit

from adapters.documents.reading import Unreadable, check_values, read_document, text_of
from domain.openapi import is_openapi
from outbound.guarded_http import Answer

MAX_PLACES = 20
MAX_TOKENS = 10_000
MAX_INLINE = 3
MAX_PAGE = 200_000  # characters: whatever names a document does so near the page's beginning
MAX_SCRIPT = 2_000_000
QUOTED = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)"""
STRING = rf"(?:(?:window\.)?location\.origin\s*\+\s*)?({QUOTED})"
KEY = r"""(?<![\w$]){}\\?["']?\s*:\s*"""
URL = re.compile(KEY.format("url") + STRING)
CONFIG_URL = re.compile(KEY.format("configUrl") + STRING)
PRIMARY_NAME = re.compile(KEY.format(r"urls\.primaryName\\?") + STRING)
URLS = re.compile(KEY.format("urls") + r"\[")
NAME = re.compile(KEY.format("name") + STRING)
INLINE = re.compile(KEY.format("(?:swaggerDoc|spec)") + r"(?=\{)")
OPEN = r"""(?:"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\]|\\.)*`?)"""  # or never closed: no text is looked at twice
COMMENT = re.compile(rf"({OPEN})|/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
TOKEN = re.compile(rf"{OPEN}|[\[\]{{}}]")
MEANT = re.compile(rb"""^[ \t]*(?:\{[ \t]*)?["']?(?:openapi|swagger)["']?[ \t]*:""", re.MULTILINE)
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


def direct(text: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The document that the text itself is, and what is wrong with it; `Unreadable` where it is none."""
    document, problems = read_document(text)
    if not is_openapi(document):
        raise Unreadable("is a document, but none of OpenAPI: it has neither `openapi` nor `swagger`")
    return document, problems


def is_meant_as_document(answer: Answer) -> bool:
    """Whether an answer that can't be read was to be a document of OpenAPI: it says so of itself, and is no page."""
    return MEANT.search(answer.content) is not None and answer.content.lstrip()[:1] != b"<"


def inline(answer: Answer) -> str | None:
    """The document that a page or its initializer has in itself, as swagger-ui-express writes it; None where there is none."""
    with suppress(Unreadable):
        text = text_of(answer)
        check_values(text)
        for found in islice(INLINE.finditer(text), MAX_INLINE):
            with suppress(ValueError, RecursionError):
                _, end = JSONDecoder().raw_decode(text, found.end())
                return text[found.end() : end]
    return None


def _named_in(script: str, base: str, chosen: str) -> list[Place]:
    """What a set-up of Swagger UI names: of several `urls` first the one that is chosen, then the primary one."""
    several: list[Place] = []
    script = COMMENT.sub(lambda match: match[1] or " ", script)
    rest = script
    for listed in islice(URLS.finditer(script), MAX_PLACES):
        for entry in _objects(script, listed.end()):
            rest = rest.replace(entry, "", 1)
            if url := URL.search(entry):
                name = NAME.search(entry)
                several += _places(base, [_plain(url[1])], _plain(name[1]) if name else "")
    primary = PRIMARY_NAME.search(script)
    wanted = chosen or (_plain(primary[1]) if primary else "")
    several.sort(key=lambda place: place.name != wanted)
    single = [_plain(match[1]) for pattern in (CONFIG_URL, URL) for match in islice(pattern.finditer(rest), MAX_PLACES)]
    return several + _places(base, single)


def _objects(script: str, start: int) -> list[str]:
    """The objects in a list that begins there, as they are written."""
    found: list[str] = []
    depth, begin = 0, start
    for token in islice(TOKEN.finditer(script, start), MAX_TOKENS):
        if token[0] in ("{", "["):
            begin = token.start() if depth == 0 else begin
            depth += 1
        elif token[0] in ("}", "]"):
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                found.append(script[begin : token.end()])
    return found


def _chosen(asked: str) -> str:
    """The name of the document that an address of Swagger UI chooses of several."""
    return parse_qs(urlsplit(asked).query).get("urls.primaryName", [""])[0]


def _places(base: str, addresses: Iterable[str], name: str = "") -> list[Place]:
    """The places of these addresses, which may be relative to `base`; what is no address is left out."""
    found = []
    for address in addresses:
        with suppress(ValueError):
            found.append(Place(url=urljoin(base, address), name=name))
    return found


def _plain(quoted: str) -> str:
    """What a JavaScript string says, without its quotes and the escapes that addresses and names have."""
    escapes = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
    return escapes.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], quoted[1:-1])


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

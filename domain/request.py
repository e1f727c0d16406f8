"""From an endpoint and the values of its parameters to the request that a load test sends.

Source: OpenAPI 3.0.4, "Style Values" and "Style Examples"; percent-encoding by RFC 3986, header fields by RFC 9110.
"""

import json
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from domain.answer import Check, Extraction, ExtractionSource
from domain.endpoint import Endpoint, FormField, Method, Parameter, ParameterLocation
from domain.errors import FieldProblem, ValidationFailed
from domain.target import origin, with_ascii_host
from domain.template import Reference, Text, references

# Of queries by OpenAPI 3; by Swagger 2.0, whose `ssv`, `pipes` and `tsv` they are, of paths and headers as well.
DELIMITERS = {"spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}
RESERVED = ":/?@!$'()*,;="  # without `&` and `+`, which mean something there, and `#[]`, which stand in no query (RFC 3986)
MAX_DEPTH = 1_000  # of values: JSON is not read much deeper
STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
ENCODED = re.compile("%25([0-9A-Fa-f]{2})")
FRAMING = frozenset({"content-length", "transfer-encoding", "trailer"})  # headers of which k6 writes its own, whatever it is told
TOKEN = frozenset(f"!#$%&'*+-.^_`|~{string.ascii_letters}{string.digits}")
PREFIXES = {"label": ".", "matrix": ";"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: `name` is method and path with its parameters in braces, `headers` are in the order in which they are sent.

    `expected_statuses` are those of a good answer; none stand for 200 to 399. `checks` have to hold of the answer besides, and
    `extractions` are taken from it.
    """

    name: str
    method: Method
    url: Text
    headers: tuple[tuple[str, Text], ...] = ()
    body: Text | None = None
    expected_statuses: tuple[int, ...] = ()
    checks: tuple[Check, ...] = ()
    extractions: tuple[Extraction, ...] = ()

    @property
    def references(self) -> Iterator[Reference]:
        """All that its texts refer to."""
        for text in (self.url, *(text for _, text in self.headers), self.body or ""):
            yield from references(text)

    @property
    def keeps_body(self) -> bool:
        """Whether something is looked for in the body of the answer."""
        return any(each.is_of_body for each in self.checks) or any(
            each.source is ExtractionSource.JSON for each in self.extractions
        )


def build_request(
    endpoint: Endpoint,
    server: str,
    values: Mapping[tuple[ParameterLocation, str], Any],
    headers: Sequence[tuple[str, str]] = (),
    body: str | None = None,
    media_type: str | None = None,
) -> Request:
    """The request to `endpoint` at the base address `server`.

    Args:
        endpoint: what is called.
        server: the base address; an endpoint with servers of its own is called at the first of them there, unless it is one.
        values: of parameters, as JSON, by place and name; those without a value are left out, which the path does not allow.
        headers: names and texts that the user adds; they take the place of parameters and of the media type, whatever their case.
        body: the body's text.
        media_type: what the body is, as the document says; else `application/json`.

    Raises:
        ValidationFailed: with a path parameter that has no value or leads to another path, a header that HTTP can't carry, or
            where all servers of the endpoint are elsewhere. Parameters are named as `parameters.limit`, headers by their place.
    """
    problems: list[FieldProblem] = []
    path, query, sent, cookies = endpoint.path, [], dict[str, _Header](), []
    for parameter in endpoint.parameters:
        if parameter.location is ParameterLocation.HEADER and parameter.name.lower() in FRAMING:
            continue
        if (key := (parameter.location, parameter.name)) not in values:
            if parameter.location is ParameterLocation.PATH:
                problems.append(FieldProblem(f"parameters.{parameter.name}", "has no value, and the path needs one"))
            continue
        value = _document(values[key]) if parameter.media_type else values[key]
        match parameter.location:
            case ParameterLocation.PATH:
                text = _in_path(parameter, value)
                path = path.replace(f"{{{parameter.name}}}", text)
                if text in ("", ".") or not {".", ".."}.isdisjoint(path.split("/")):
                    problems.append(FieldProblem(f"parameters.{parameter.name}", f"{value!r:.100} would lead to another path"))
            case ParameterLocation.QUERY:
                query += list(pairs(parameter, value))
            case ParameterLocation.HEADER:
                delimiter = unquote(DELIMITERS.get(parameter.style, ","))
                text = _simple(parameter, value, plain, delimiter).strip(" \t")
                sent[parameter.name.lower()] = _Header(parameter.name, text, f"parameters.{parameter.name}")
            case ParameterLocation.COOKIE:
                cookies += [f"{name}={text}" for name, text in pairs(parameter, value)]
    if cookies:
        sent["cookie"] = _Header("Cookie", "; ".join(cookies), "parameters")
    if body is not None:
        sent["content-type"] = _Header("Content-Type", media_type or "application/json", "mediaType")
    for place, (name, text) in enumerate(headers):
        sent[name.lower()] = _Header(name, text.strip(" \t"), f"headers.{place}")
    problems += (problem for each in sent.values() for problem in each.problems())
    base = base_address(endpoint, server)
    if base is None:
        problems.append(FieldProblem("endpoint", f"is served at {endpoint.servers[0]!r:.300}, not where the test calls"))
    if problems or base is None:
        raise ValidationFailed(problems)
    written, url = tuple((each.name, each.text) for each in sent.values()), _url(base, path, query)
    return Request(name=endpoint.key, method=endpoint.method, url=url, headers=written, body=body)


def _url(base: str, path: str, query: Iterable[tuple[str, str]]) -> str:
    url = with_ascii_host(base).rstrip("/") + STRAY_PERCENT.sub("%25", quote(path, safe="/%:@!$&'()*+,;=~"))
    return "?".join(filter(None, (url, "&".join(f"{name}={text}" for name, text in query))))


def base_address(endpoint: Endpoint, server: str) -> str | None:
    """Where the endpoint is called by who calls `server`: never at another origin; None where all of its own servers are."""
    if not endpoint.servers or server in endpoint.servers:
        return server
    return next((each for each in endpoint.servers if origin(each) == origin(server)), None)


@dataclass(frozen=True, slots=True)
class _Header:
    """A header, and the field that says it."""

    name: str
    text: str
    field: str

    def problems(self) -> Iterator[FieldProblem]:
        """Why HTTP can't carry it."""
        name, value = (f"{self.field}.name", f"{self.field}.value") if self.field.startswith("headers.") else [self.field] * 2
        if not self.name or not TOKEN.issuperset(self.name):
            yield FieldProblem(name[:200], "is no name of a header")
        elif self.name.lower() in FRAMING:
            yield FieldProblem(name[:200], "is said by HTTP itself, by what is sent")
        elif not all(" " <= character <= "~" or character == "\t" for character in self.text):
            yield FieldProblem(value[:200], "may have printable ASCII characters alone in a header")


def _in_path(parameter: Parameter, value: Any) -> str:
    prefix = PREFIXES.get(parameter.style, "")
    if prefix == ";":
        return "".join(f";{name}={text}" if text else f";{name}" for name, text in pairs(parameter, value))
    delimiter = "." if prefix and parameter.explode else DELIMITERS.get(parameter.style, ",")
    return prefix + _simple(parameter, value, quoted, delimiter)


def _simple(parameter: Parameter, value: Any, write: Any, delimiter: str) -> str:
    if isinstance(value, list):
        return delimiter.join(write(each) for each in value)
    if isinstance(value, Mapping):
        joined = "=" if parameter.explode else delimiter
        return delimiter.join(f"{write(name)}{joined}{write(each)}" for name, each in value.items())
    return str(write(value))


def pairs(parameter: Parameter | FormField, value: Any) -> Iterator[tuple[str, str]]:
    """A parameter of `form` and its relatives as names and values, encoded."""
    name, write = quoted(parameter.name), _reserving if parameter.allows_reserved else quoted
    delimiter = DELIMITERS.get(parameter.style or "", ",")
    if parameter.style == "deepObject" and isinstance(value, Mapping | list):
        yield from _deep(name, value, write)
    elif isinstance(value, Mapping):
        if parameter.explode:
            yield from ((quoted(key), write(each)) for key, each in value.items())
        else:
            yield name, delimiter.join(part for key, each in value.items() for part in (quoted(key), write(each)))
    elif isinstance(value, list) and parameter.explode:
        yield from ((name, write(each)) for each in value)
    elif isinstance(value, list):
        yield name, delimiter.join(map(write, value))
    else:
        yield name, write(value)


def _deep(name: str, value: Any, write: Callable[[Any], str]) -> Iterator[tuple[str, str]]:
    """A value and all that is in it by the way to each; OpenAPI leaves open how, and servers agree on brackets and numbers."""
    if isinstance(value, Mapping | list):
        for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _deep(f"{name}%5B{quoted(key)}%5D", each, write)
    else:
        yield name, write(value)


def text_levels(style: str) -> int:
    """How deep in a value of that style texts stand as they are: what is deeper is written as JSON."""
    return MAX_DEPTH if style == "deepObject" else 2


def quoted(value: Any) -> str:
    """A value as text, percent-encoded but for letters, digits and `-._~`."""
    return quote(plain(value), safe="")


def _reserving(value: Any) -> str:
    """The same, but for reserved characters that change nothing in a query or form, and what is percent-encoded already."""
    return ENCODED.sub(r"%\1", quote(plain(value), safe=RESERVED))


def plain(value: Any) -> str:
    """A value as text: as JSON, but a text without its quotes and nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _document(value)


def _document(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

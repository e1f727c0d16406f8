"""Reading OpenAPI documents: Swagger 2.0, OpenAPI 3.0 and 3.1 become the same `ApiDocument`.

Sources: the OpenAPI specifications 2.0, 3.0.4 and 3.1.1. A document from the wild is rarely without fault: what can't be read is
left out and named in `problems`, everything else stands. Only references inside the document are followed; `domain.bundle` takes
others into it before.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit

from domain.api_document import ApiDocument, OAuthFlow, OAuthGrant, SecurityKind, SecurityScheme, Tag
from domain.endpoint import Endpoint, FormField, Method, Parameter, ParameterLocation, RequestBody, Response
from domain.errors import ValidationFailed
from domain.form import MULTIPART, URLENCODED, essence
from domain.json_pointer import Unresolvable, resolve
from domain.request import DELIMITERS
from domain.schema_fingerprint import OF_REQUESTS, SchemaFingerprints, all_of
from domain.swagger2 import as_openapi3
from domain.target import MAX_URL, is_base_address, with_encoded_path

MAX_ENDPOINTS = 20_000
MAX_PARTS = 300_000  # parameters, bodies, fields, tags and so on of all endpoints: references can make few bytes many parts
MAX_ITEMS = 500  # of one kind in one endpoint
MAX_PROBLEMS = 100
MAX_NAME, MAX_DESCRIPTION = 500, 10_000
METHODS = {method.lower(): method for method in Method}
STYLES = {  # the first is the default
    ParameterLocation.PATH: ("simple", "label", "matrix"),
    ParameterLocation.QUERY: ("form", "deepObject"),
    ParameterLocation.HEADER: ("simple",),
    ParameterLocation.COOKIE: ("form",),
}
STYLED = frozenset({"style", "explode", "allowReserved"})  # with one of them a field is not written by its media type
IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})  # by OpenAPI 3: what they are is said elsewhere
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(?:; ?[\w-]{1,100}=[\w.-]{1,100})?", re.ASCII)
STATUS = re.compile("[1-5](?:[0-9][0-9]|XX)|default")
VARIABLE = re.compile(r"\{([^{}]*)\}")
GRANTS = {
    "clientCredentials": OAuthGrant.CLIENT_CREDENTIALS,
    "password": OAuthGrant.PASSWORD,
    "authorizationCode": OAuthGrant.AUTHORIZATION_CODE,
    "implicit": OAuthGrant.IMPLICIT,
}
KINDS = {
    ("http", "basic"): SecurityKind.BASIC,
    ("http", "bearer"): SecurityKind.BEARER,
    ("apiKey", ""): SecurityKind.API_KEY,
    ("oauth2", ""): SecurityKind.OAUTH2,
    ("openIdConnect", ""): SecurityKind.OPEN_ID_CONNECT,
}
Json = Mapping[str, Any]


def is_openapi(raw: object) -> bool:
    """Whether a parsed document says of itself that it is one of these, of whatever version."""
    return isinstance(raw, Mapping) and any(isinstance(raw.get(key), str | float | int) for key in ("openapi", "swagger"))


def read_openapi(raw: Json, url: str) -> ApiDocument:
    """What the document found at `url` says; `ValidationFailed` of the field `url` where it is of no version known."""
    if str(raw.get("swagger", "")).startswith("2"):
        return _Reader(as_openapi3(raw, url), url).read("Swagger 2.0")
    if str(raw.get("openapi", "")).startswith("3"):
        return _Reader(raw, url).read(f"OpenAPI {_text(str(raw['openapi']), 20)}")
    version = str(raw.get("openapi", raw.get("swagger", "")))[:50]
    raise ValidationFailed.of("url", f"{url} is of version {version!r}; Swagger 2.0, OpenAPI 3.0 and 3.1 are read")


class _Reader:
    """Walks one document and notes on the way what it could not read."""

    def __init__(self, raw: Json, url: str) -> None:
        self._raw = raw
        self._url = url
        self._problems: list[str] = []
        self._parts = 0
        self._fingerprints = SchemaFingerprints(raw)

    def read(self, dialect: str) -> ApiDocument:
        info = self._object(self._raw.get("info"), "info")
        servers = self._servers(self._raw.get("servers"), "servers") or (urljoin(self._url, "/"),)
        components = self._object(self._raw.get("components"), "components")
        schemes = self._object(components.get("securitySchemes"), "security schemes")
        return ApiDocument(
            dialect=dialect,
            title=_text(info.get("title"), MAX_NAME),
            version=_text(str(info.get("version", "")), MAX_NAME),
            description=_text(info.get("description"), MAX_DESCRIPTION),
            servers=servers,
            endpoints=tuple(self._endpoints(servers)),
            tags=tuple(self._tags()),
            security_schemes=tuple(self._security_scheme(str(name), given) for name, given in schemes.items()),
            problems=tuple(self._problems),
        )

    def _problem(self, where: str, message: str) -> None:
        sentence = _text(f"{where}: {message}.", MAX_NAME)
        if len(self._problems) < MAX_PROBLEMS and sentence not in self._problems:
            self._problems.append(sentence)

    def _object(self, value: object, where: str) -> Json:
        """The object, references followed; empty where it is missing or something else."""
        try:
            found = resolve(self._raw, value)
        except Unresolvable as problem:
            self._problem(where, str(problem))
            return {}
        if found is not None and not isinstance(found, Mapping):
            self._problem(where, "is no object")
        return found if isinstance(found, Mapping) else {}

    def _items(self, value: object, where: str) -> Sequence[Any]:
        """The list; empty where it is missing or something else, and never without end."""
        if value is not None and not isinstance(value, list):
            self._problem(where, "is no list")
        return self._few(value, where) if isinstance(value, list) else ()

    def _few(self, values: Iterable[Any], where: str) -> list[Any]:
        """The first of the values, as many as are read of one kind in one place."""
        found = list(islice(values, MAX_ITEMS + 1))
        if len(found) > MAX_ITEMS:
            self._problem(where, f"only the first {MAX_ITEMS} are read")
        self._parts += len(found)
        return found[:MAX_ITEMS]

    def _servers(self, given: object, where: str) -> tuple[str, ...]:
        found: list[str] = []
        for each in self._items(given, where):
            server = self._object(each, where)
            template = server.get("url")
            if not isinstance(template, str) or len(template) > MAX_URL:
                self._problem(where, f"a server has no address, or one of more than {MAX_URL} characters")
                continue
            address = _joined(self._url, self._filled_in(template, server, where))
            if address is None or len(address) > MAX_URL or not is_base_address(address := with_encoded_path(address)):
                self._problem(where, f"{template!r} is no http address to which paths can be added")
            else:
                found.append(_text(address, MAX_NAME))
        return tuple(dict.fromkeys(found))

    def _filled_in(self, template: str, server: Json, where: str) -> str:
        """The address with the default of each variable in it."""
        variables = self._object(server.get("variables"), where)
        parts = VARIABLE.split(template)
        for place in self._few(range(1, len(parts), 2), where):
            given = self._object(variables.get(parts[place]), where)
            choices = [given.get("default"), *self._items(given.get("enum"), where)]
            chosen = next((str(each) for each in choices if isinstance(each, str | int)), None)
            if chosen is None:
                self._problem(where, f"the variable {parts[place]!r} has no default")
            parts[place] = (chosen or "")[: MAX_URL + 1]
        return "".join(parts)

    def _endpoints(self, servers: tuple[str, ...]) -> Iterator[Endpoint]:
        count = 0
        for path, given in self._object(self._raw.get("paths"), "paths").items():
            name = str(path)
            if name.startswith("x-"):
                continue
            if not name.startswith("/") or len(name) > MAX_NAME:
                self._problem(f"path {name!r}", f"does not begin with / or is longer than {MAX_NAME} characters")
                continue
            item = self._object(given, name)
            for key, method in METHODS.items():
                if key in item and not isinstance(item[key], Mapping):
                    self._problem(f"{method} {name}", "is no operation")
                elif key in item:
                    count += 1
                    is_full = self._parts > MAX_PARTS
                    if count > MAX_ENDPOINTS or is_full:
                        self._problem("paths", f"only the first {count - 1} endpoints are read")
                        return
                    yield self._endpoint(_text(name, MAX_NAME), method, item, servers)

    def _endpoint(self, path: str, method: Method, item: Json, servers: tuple[str, ...]) -> Endpoint:
        where = f"{method} {path}"
        operation = self._object(item.get(method.lower()), where)
        own = self._servers(operation.get("servers") or item.get("servers"), f"{where}, servers")
        security = operation["security"] if "security" in operation else self._raw.get("security")
        parameters = tuple(self._parameters(path, item, operation, where))
        bodies = tuple(self._bodies(operation, f"{where}, body"))
        alternatives = tuple(
            tuple(_text(str(name), MAX_NAME) for name in self._few(each, where))
            for each in self._items(security, f"{where}, security")
            if isinstance(each, Mapping)
        )
        responses = tuple(self._responses(operation, f"{where}, responses"))
        parts = self._fingerprints.of_parts(parameters, bodies, responses, alternatives)
        if self._fingerprints.is_exhausted:
            self._problem("schemas", "they are too much together, so that not every change in them will be noticed")
        tags = [tag for tag in self._items(operation.get("tags"), f"{where}, tags") if isinstance(tag, str)]
        return Endpoint(
            method=method,
            path=path,
            operation_id=_text(operation.get("operationId"), MAX_NAME),
            summary=_text(operation.get("summary") or item.get("summary"), MAX_NAME),
            description=_text(operation.get("description") or item.get("description"), MAX_DESCRIPTION),
            tags=tuple(dict.fromkeys(_text(tag, MAX_NAME) for tag in tags)),
            is_deprecated=operation.get("deprecated") is True,
            parameters=parameters,
            bodies=bodies,
            responses=responses,
            security=alternatives,
            servers=own if own != servers else (),
            demands=all_of(each for each in parts.items() if each[0].startswith(OF_REQUESTS)),
            parts=json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        )

    def _parameters(self, path: str, item: Json, operation: Json, where: str) -> Iterator[Parameter]:
        """The path's parameters and the operation's, which take the place of those with the same name and location."""
        found: dict[tuple[str, str], Parameter] = {}
        for level in (item, operation):
            for number, each in enumerate(self._items(level.get("parameters"), f"{where}, parameters"), 1):
                given = self._object(each, f"{where}, parameter {number}")
                name, place = given.get("name"), str(given.get("in", "")).upper()
                if not isinstance(name, str) or place not in ParameterLocation.__members__:
                    self._problem(f"{where}, parameter {number}", "has no name or no place that is known")
                elif place == "HEADER" and name.lower() in IGNORED_HEADERS and "openapi" in self._raw:
                    continue
                elif place == "PATH" and f"{{{name}}}" not in path:
                    self._problem(f"{where}, parameter {name!r}", "is not in the path")
                else:
                    parameter = self._parameter(given, ParameterLocation(place), f"{where}, parameter {name!r}")
                    found[name, place] = parameter
        yield from found.values()
        for name in dict.fromkeys(VARIABLE.findall(path)):
            if (name, "PATH") not in found:
                self._problem(f"{where}, parameter {name!r}", "is in the path and not described; it is taken for a text")
                yield Parameter(name=name, location=ParameterLocation.PATH, is_required=True, schema={"type": "string"})

    def _parameter(self, given: Json, location: ParameterLocation, where: str) -> Parameter:
        media_type, holder = None, given
        content = {} if "schema" in given else self._object(given.get("content"), where)
        if content:
            media_type = str(next(iter(content)))
            holder = self._object(content[media_type], where)
        style, explode = self._style(given, location, where), given.get("explode")
        return Parameter(
            name=_text(given["name"], MAX_NAME),
            location=location,
            is_required=given.get("required") is True or location is ParameterLocation.PATH,
            schema=self._schema(holder, where),
            description=_text(given.get("description"), MAX_DESCRIPTION),
            examples=self._examples(holder, where),
            style=style,
            explode=explode if isinstance(explode, bool) else style == "form",
            media_type=media_type,
            allows_reserved=given.get("allowReserved") is True and location is ParameterLocation.QUERY,
        )

    def _bodies(self, operation: Json, where: str) -> Iterator[RequestBody]:
        body = self._object(operation.get("requestBody"), where)
        for media_type, given in self._few(self._object(body.get("content"), where).items(), where):
            content = self._object(given, f"{where} {media_type}")
            yield RequestBody(
                media_type=_text(str(media_type), MAX_NAME),
                is_required=body.get("required") is True,
                schema=self._schema(content, where),
                examples=self._examples(content, where),
                fields=tuple(self._fields(str(media_type), content, f"{where}, form")),
            )

    def _fields(self, media_type: str, content: Json, where: str) -> Iterator[FormField]:
        """Those fields of a form of which the document says how they are written, or which are files."""
        if essence(media_type) not in (URLENCODED, MULTIPART) or self._parts > MAX_PARTS:
            return
        given = {str(name): each for name, each in self._object(content.get("encoding"), where).items()}
        files = {name for name, each in self._properties(content.get("schema"), where).items() if self._is_file(each, where)}
        has_styles = essence(media_type) == URLENCODED or not str(self._raw.get("openapi", "")).startswith("3.0")
        for name in self._few(dict.fromkeys([*given, *sorted(files)]), where):
            encoding = self._object(given.get(name), f"{where}, field {name!r}")
            is_styled = has_styles and not STYLED.isdisjoint(encoding)
            style = self._style(encoding, ParameterLocation.QUERY, f"{where}, field {name!r}") if is_styled else None
            explode = encoding.get("explode")
            types = str(encoding.get("contentType") or "")[:MAX_NAME].split(",")
            yield FormField(
                name=_text(name, MAX_NAME),
                style=style,
                explode=explode if isinstance(explode, bool) else style == "form",
                allows_reserved=is_styled and encoding.get("allowReserved") is True,
                media_type=next((each.strip() for each in types if MEDIA_TYPE.fullmatch(each.strip())), None),
                is_file=name in files,
            )

    def _properties(self, schema: object, where: str) -> dict[str, Any]:
        """The properties of an object, also where it is put together of several; references followed."""
        rules = self._object(schema, where) if isinstance(schema, Mapping) else {}
        parts = [self._object(each, where) for each in self._items(rules.get("allOf"), where) if isinstance(each, Mapping)]
        found = [each["properties"] for each in (*parts, rules) if isinstance(each.get("properties"), Mapping)]
        self._parts += sum(map(len, found))
        return {str(name): each for properties in found for name, each in properties.items()}

    def _is_file(self, schema: object, where: str) -> bool:
        """Whether a property is binary, by the words of OpenAPI 3.0 or of 3.1, or a list of such."""
        rules = self._object(schema, where) if isinstance(schema, Mapping) else {}
        items = rules.get("items")
        if isinstance(items, Mapping):
            rules = self._object(items, where)
        return rules.get("format") == "binary" or ("contentMediaType" in rules and "contentEncoding" not in rules)

    def _style(self, given: Json, location: ParameterLocation, where: str) -> str:
        style = given.get("style", STYLES[location][0])
        if isinstance(style, str) and style in (*STYLES[location], *DELIMITERS):
            return style
        self._problem(where, f"{style!r:.100} is no style there; {STYLES[location][0]!r} is taken")
        return STYLES[location][0]

    def _schema(self, holder: Json, where: str) -> Json | bool:
        """The schema as it stands, for its references to be followed when it is used; true where there is none."""
        given = holder.get("schema", True)
        if not isinstance(given, Mapping | bool):
            self._problem(where, "the schema is no object")
            return True
        return given

    def _examples(self, holder: Json, where: str) -> tuple[Any, ...]:
        found = [holder["example"]] if "example" in holder else []
        for each in self._few(self._object(holder.get("examples"), where).values(), where):
            example = self._object(each, where)
            if "value" in example:
                found.append(example["value"])
        schema = holder.get("schema")
        given = self._object(schema, where) if isinstance(schema, Mapping) else {}
        listed = given.get("examples")
        found += [given["example"]] if "example" in given else []
        found += self._items(listed, where) if isinstance(listed, list) else []
        return (*found, given["default"]) if "default" in given else tuple(found)

    def _responses(self, operation: Json, where: str) -> Iterator[Response]:
        for key, given in self._few(self._object(operation.get("responses"), where).items(), where):
            status = str(key)
            if STATUS.fullmatch(status):
                response = self._object(given, f"{where}, {status}")
                content = self._object(response.get("content"), f"{where}, {status}")
                holders = {str(each): self._object(content[each], where) for each in self._few(content, where)}
                schemas = {name: self._schema(holder, where) for name, holder in holders.items()}
                yield Response(
                    status=status,
                    description=_text(response.get("description"), MAX_DESCRIPTION),
                    media_types=tuple(_text(each, MAX_NAME) for each in schemas),
                    fingerprint=all_of((name, self._fingerprints.of(name, schema)) for name, schema in schemas.items()),
                )
            elif not status.startswith("x-"):
                self._problem(where, f"{status!r} is no status")

    def _tags(self) -> Iterator[Tag]:
        for each in self._items(self._raw.get("tags"), "tags"):
            tag = self._object(each, "tags")
            if isinstance(tag.get("name"), str):
                yield Tag(name=_text(tag["name"], MAX_NAME), description=_text(tag.get("description"), MAX_DESCRIPTION))

    def _security_scheme(self, name: str, raw: object) -> SecurityScheme:
        given = self._object(raw, f"security scheme {name!r}")
        kind, scheme = str(given.get("type", "")), str(given.get("scheme", "")).lower()
        flows = self._object(given.get("flows"), f"security scheme {name!r}") if kind == "oauth2" else {}
        return SecurityScheme(
            name=_text(name, MAX_NAME),
            kind=KINDS.get((kind, scheme if kind == "http" else ""), SecurityKind.OTHER),
            scheme=_text(scheme or kind, MAX_NAME),
            description=_text(given.get("description"), MAX_DESCRIPTION),
            location=_text(given.get("in"), MAX_NAME),
            parameter=_text(given.get("name"), MAX_NAME),
            flows=tuple(
                self._flow(grant, self._object(each, f"security scheme {name!r}"))
                for grant, each in flows.items()
                if grant in GRANTS
            ),
            discovery_url=_joined(self._url, _text(given.get("openIdConnectUrl"), MAX_NAME) or None) or "",
        )

    def _flow(self, grant: str, given: Json) -> OAuthFlow:
        scopes = given.get("scopes")
        return OAuthFlow(
            grant=GRANTS[grant],
            token_url=_joined(self._url, _text(given.get("tokenUrl"), MAX_NAME) or None) or "",
            scopes=tuple(_text(str(scope), MAX_NAME) for scope in scopes) if isinstance(scopes, Mapping) else (),
        )


def _joined(base: str, address: str | None) -> str | None:
    """The absolute address; None where it is none of http."""
    if address is None:
        return None
    try:
        joined = urljoin(base, address)
        parts = urlsplit(joined)
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return None
    return joined if is_http else None


def _text(value: object, most: int) -> str:
    """The text as every database can hold it: NUL and lone surrogates become U+FFFD, what is too long is cut."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", value[:most]) if isinstance(value, str) else ""

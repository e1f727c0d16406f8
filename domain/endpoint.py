"""What can be called: one method on one path of an API, as its OpenAPI document describes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Schema = Mapping[str, Any] | bool
"""A JSON Schema as the document writes it, in its dialect, references included; true and false stand for any and no value."""


class Method(StrEnum):
    """The HTTP methods that an OpenAPI document can describe."""

    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    TRACE = "TRACE"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


SAFE = frozenset({Method.GET, Method.HEAD, Method.OPTIONS, Method.TRACE})
"""Methods that by RFC 9110, section 9.2.1, change nothing on the server."""


class ParameterLocation(StrEnum):
    """Where a request carries a parameter."""

    PATH = "PATH"
    QUERY = "QUERY"
    HEADER = "HEADER"
    COOKIE = "COOKIE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an endpoint.

    `examples` are the document's own values, the best first: the parameter's, then its schema's, then the default. `style` and
    `explode` say how lists and objects are written, as in OpenAPI 3; `media_type` is set where the value is a document in itself.
    With `allows_reserved` the reserved characters that a value of a query may have are sent as they are.
    """

    name: str
    location: ParameterLocation
    is_required: bool
    schema: Schema
    description: str = ""
    examples: tuple[Any, ...] = ()
    style: str = "simple"
    explode: bool = False
    media_type: str | None = None
    allows_reserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """How a field of a form is written: as a parameter of a query with that `style`, or where that is None by its media type."""

    name: str
    style: str | None = None
    explode: bool = False
    allows_reserved: bool = False
    media_type: str | None = None
    is_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBody:
    """One form in which an endpoint takes its body; `examples` as of a parameter.

    `fields` are those of an HTML form of which the document says how they are written, or which are files.
    """

    media_type: str
    is_required: bool
    schema: Schema
    examples: tuple[Any, ...] = ()
    fields: tuple[FormField, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What an endpoint may answer: `status` is three digits, a class as in `2XX`, or `default`.

    `fingerprint` is that of its schemas.
    """

    status: str
    description: str = ""
    media_types: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation.

    `security` lists the alternatives, each the names of the schemes that it needs together: none at all is open to everybody, and
    so is an empty alternative. `servers` are set where they differ from the document's. `demands` is a fingerprint of what its
    parameters and bodies must be, wherever the document says it: two endpoints of the same one take the same requests. `parts`
    is a JSON object, in order, with the fingerprints of each parameter (`query limit`), body (`body application/json`) and
    response (`response 200`), and of `security`: one text, as they are many and seldom looked at.
    """

    method: Method
    path: str
    operation_id: str = ""
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    is_deprecated: bool = False
    parameters: tuple[Parameter, ...] = ()
    bodies: tuple[RequestBody, ...] = ()
    responses: tuple[Response, ...] = ()
    security: tuple[tuple[str, ...], ...] = ()
    servers: tuple[str, ...] = ()
    demands: str = ""
    parts: str = ""

    @property
    def key(self) -> str:
        """What the endpoint is called within its document: method and path."""
        return f"{self.method} {self.path}"

    @property
    def is_safe(self) -> bool:
        """Whether calling it changes nothing."""
        return self.method in SAFE

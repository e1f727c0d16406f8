"""What an OpenAPI document says about an API, whichever version of the format it is written in."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from domain.endpoint import Endpoint


class SecurityKind(StrEnum):
    """How an API wants its callers to identify themselves."""

    BASIC = "BASIC"
    BEARER = "BEARER"
    API_KEY = "API_KEY"
    OAUTH2 = "OAUTH2"
    OPEN_ID_CONNECT = "OPEN_ID_CONNECT"
    OTHER = "OTHER"


class OAuthGrant(StrEnum):
    """The flows of OAuth 2 by their names in OpenAPI 3."""

    CLIENT_CREDENTIALS = "CLIENT_CREDENTIALS"
    PASSWORD = "PASSWORD"
    AUTHORIZATION_CODE = "AUTHORIZATION_CODE"
    IMPLICIT = "IMPLICIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthFlow:
    """One way to a token; `token_url` is absolute, empty where the flow has none."""

    grant: OAuthGrant
    token_url: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityScheme:
    """One way to identify oneself.

    `parameter` and `location` (`header`, `query`, `cookie`) are an API key's; `flows` are OAuth 2's; `discovery_url` is OpenID
    Connect's. `scheme` is the HTTP authentication scheme or type as the document has it.
    """

    name: str
    kind: SecurityKind
    scheme: str = ""
    description: str = ""
    location: str = ""
    parameter: str = ""
    flows: tuple[OAuthFlow, ...] = ()
    discovery_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A group of endpoints."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDocument:
    """An analysed document.

    `dialect` is the format with its version, as in `OpenAPI 3.1.0`. `servers` are absolute addresses, the document's first choice
    first. `problems` say in a sentence each what of the document could not be read; all else of it was.
    """

    dialect: str
    title: str
    version: str
    description: str
    servers: tuple[str, ...]
    tags: tuple[Tag, ...]
    endpoints: tuple[Endpoint, ...]
    security_schemes: tuple[SecurityScheme, ...]
    problems: tuple[str, ...]

    def endpoint(self, key: str) -> Endpoint | None:
        """The endpoint of that method and path."""
        return next((endpoint for endpoint in self.endpoints if endpoint.key == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAddress:
    """An address at which a document was looked for; `outcome` goes on from it, as in `answers 404 Not Found`."""

    url: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAddress:
    """One of several documents that a page offers."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDocument:
    """An OpenAPI document as it was found.

    `content` is its text in UTF-8, `raw` what that says; where other documents were fetched for its references both have them in
    themselves. `strategy` tells how it was found, `tried` all addresses up to its own,
    which is `url`. `choices` are the documents that the page offers, where it offers several. `problems` say in a sentence each
    what of the text `raw` does not have.
    """

    url: str
    strategy: str
    media_type: str
    content: bytes
    raw: Mapping[str, Any]
    tried: tuple[TriedAddress, ...]
    problems: tuple[str, ...] = ()
    choices: tuple[NamedAddress, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What of an endpoint is not what it was, in the words of `Endpoint.parts`; `servers` may be among what has changed."""

    endpoint: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def endpoint_change(key: str, before: str, after: str) -> EndpointChange:
    """How the parts of an endpoint, as of `Endpoint.parts`, differ; nothing where one is not known."""
    old, new = (json.loads(each) if before and after else {} for each in (before, after))
    return EndpointChange(
        endpoint=key,
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and old[name] != new[name]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a document differs from an earlier one, by the endpoints' keys, in the order of the document that has them.

    `servers_added` and `servers_removed` are base addresses. `details` say what of an endpoint has changed, also of those that
    only answer otherwise, which are not in `changed`.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    servers_added: tuple[str, ...] = ()
    servers_removed: tuple[str, ...] = ()
    details: tuple[EndpointChange, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed or self.details or self.servers_added or self.servers_removed)


def drift(
    before: Iterable[Endpoint],
    after: Iterable[Endpoint],
    servers_before: Sequence[str] = (),
    servers_after: Sequence[str] = (),
) -> Drift:
    """What came, went and changed, of endpoints and of base addresses.

    Words (summaries, descriptions, tags) are no change: a request stays right under them.
    """
    old = {endpoint.key: endpoint for endpoint in before}
    new = {endpoint.key: endpoint for endpoint in after}
    both = [key for key in new if key in old]
    return Drift(
        added=tuple(key for key in new if key not in old),
        removed=tuple(key for key in old if key not in new),
        changed=tuple(key for key in both if _request(old[key]) != _request(new[key])),
        servers_added=tuple(each for each in servers_after if each not in servers_before),
        servers_removed=tuple(each for each in servers_before if each not in servers_after),
        details=tuple(_change(old[key], new[key]) for key in both if _described(old[key]) != _described(new[key])),
    )


def _change(old: Endpoint, new: Endpoint) -> EndpointChange:
    change = endpoint_change(new.key, old.parts, new.parts)
    return change if old.servers == new.servers else replace(change, changed=(*change.changed, "servers"))


def _described(endpoint: Endpoint) -> tuple[object, ...]:
    return endpoint.parts, endpoint.servers


def _request(endpoint: Endpoint) -> tuple[object, ...]:
    """What a caller has to know to make a right request."""
    return endpoint.demands, endpoint.access

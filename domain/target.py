"""Targets: the APIs that a project tests, each with what its OpenAPI document said whenever it was analysed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import idna

from domain.api_document import ApiDocument, Drift, NamedAddress, TriedAddress
from domain.artifact import TargetArtifact, document_id
from domain.validation import Problems

MAX_NAME = 200
MAX_URL = 2000
MAX_HOST = 253  # characters, as in the system of names (RFC 1035)
DEFAULT_PORTS = {"http": 80, "https": 443}
BLANK = frozenset(map(chr, (*range(33), 127)))
PATH = re.compile(r"(?:[\w\-.~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*", re.ASCII)
NOT_OF_HOSTS = frozenset('<>"{}|\\^`%')


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDefinition:
    """What people say of a target: `url` is any address of its API from which the OpenAPI document can be found."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAnalysis:
    """What one look at a target's document found.

    `number` counts a target's analyses from 1. `url` was asked for, `document_url` is where the document was, found by `strategy`
    after `tried`. `api` is the document without its endpoints, which are stored by themselves; `sha256` and `size` (bytes) are
    those of its text. `drift` is against the analysis before.
    """

    target_id: int
    number: int
    actor: str
    recorded_at: datetime
    url: str
    document_url: str
    strategy: str
    media_type: str
    sha256: str
    size: int
    endpoint_count: int
    api: ApiDocument
    drift: Drift
    tried: tuple[TriedAddress, ...] = ()
    choices: tuple[NamedAddress, ...] = ()

    @property
    def document(self) -> TargetArtifact:
        """The document's text as an artifact of the target."""
        return TargetArtifact(
            id=document_id(self.target_id, self.sha256),
            name=f"target-{self.target_id}.{self.media_type.removeprefix('application/')}",
            media_type=self.media_type,
            sha256=self.sha256,
            size=self.size,
            created_at=self.recorded_at,
            target_id=self.target_id,
            actor=self.actor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The current state of one target; `analysis` is the latest."""

    id: int
    project_id: int
    definition: TargetDefinition
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    analysis: TargetAnalysis | None = None

    @property
    def servers(self) -> tuple[str, ...]:
        """The base addresses that its last document offers, but those at which the target was and is not any more."""
        if self.analysis is None:
            return ()
        here, before = origin(self.definition.url), origin(self.analysis.url)
        return tuple(each for each in self.analysis.api.servers if here == before or origin(each) != before)


def target_definition(given: Mapping[str, Any]) -> TargetDefinition:
    """The definition that an input document says; the name is the address's host where none is given."""
    problems = Problems("input.")
    url = problems.text(given, "url", most=MAX_URL).strip()
    host = urlsplit(url).netloc[:MAX_NAME] if origin(url) is not None else None
    if url and host is None:
        problems.add("url", "must be an http or https address without a user")
    name = problems.text(given, "name", host or "", most=MAX_NAME).strip()
    problems.check()
    return TargetDefinition(name=name, url=url)


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http address (RFC 6454); None for anything else, also with a user or a blank in it.

    The host is in lower case, an international name as the system of names knows it (`xn--`, RFC 5891).
    """
    if not BLANK.isdisjoint(url):  # which `urlsplit` takes out, and who calls the address does not
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or port == 0:
        return None
    host = _looked_up(_written_host(parts))
    return None if host is None else (parts.scheme, host, port or DEFAULT_PORTS[parts.scheme])


def with_ascii_host(url: str) -> str:
    """The address with the host of its `origin`, so that whoever calls it has no international name to spell in another way."""
    found = origin(url)
    host = "" if found is None else _written_host(urlsplit(url))
    return url if found is None or host.isascii() else url.replace(host, found[1], 1)


def _written_host(parts: SplitResult) -> str:
    """The host of an address without a user as it is written there; `hostname` has what Python takes for lower case."""
    return parts.hostname or "" if parts.netloc.startswith("[") else parts.netloc.partition(":")[0]


def _looked_up(host: str) -> str | None:
    """What is asked for to find the host; None where no name can be so.

    International names are mapped by UTS 46, as browsers and k6 do it: its lower case is not always Python's.
    """
    if host.isascii():
        return host.lower()
    if len(host) > MAX_HOST:
        return None
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:
        return None


def is_base_address(url: str) -> bool:
    """Whether paths can be added to the http address: no query, no fragment, nothing that is not percent-encoded (RFC 3986)."""
    if origin(url) is None or "?" in url or "#" in url:
        return False
    parts = urlsplit(url)
    return PATH.fullmatch(parts.path) is not None and NOT_OF_HOSTS.isdisjoint(parts.netloc)


def with_encoded_path(url: str) -> str:
    """The address with percent-encoded what its path may not have otherwise."""
    parts = urlsplit(url)
    return parts._replace(path=quote(parts.path, safe="/%:@!$&'()*+,;=~")).geturl()


def shown_origin(url: str) -> str:
    """The origin as an address, with its port; empty where there is none."""
    found = origin(url)
    if found is None:
        return ""
    return _written(*found)


def server_origin(url: str) -> str:
    """`shown_origin` with one name for all names and addresses of the own machine: two of the same are one server under load."""
    found = origin(url)
    if found is None:
        return ""
    scheme, host, port = found
    host = host.rstrip(".")
    return _written(scheme, "localhost" if _is_own_machine(host) else host, port)


def _is_own_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _written(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

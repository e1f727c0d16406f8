"""Server-side request forgery: attempts to be led where nobody may go, each refused; pytest lists the reasons at its end."""

import asyncio
import gzip
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.documents.finder import DocumentFinder
from adapters.documents.reading import MAX_BYTES
from domain.errors import ValidationFailed
from outbound.names import NameLookup
from tests.endurance import Tell
from tests.sites import Site, serving

NAMES = {  # what these names resolve to, lookup by lookup; the last answer stays
    "metadata.google.internal": [["169.254.169.254"]],
    "several.test": [["127.0.0.1", "169.254.169.254"]],
    "private.test": [["10.1.2.3"]],
    "changing.test": [["127.0.0.1"], ["169.254.169.254"]],
}
PAGE = "<!DOCTYPE html><html><script>SwaggerUIBundle({url: '%s'})</script></html>"
METADATA = "http://169.254.169.254/latest/meta-data/"
ATTEMPTS: dict[str, tuple[str, bool, str]] = {
    # attempt: the address typed ({site} is a real one on loopback), whether private ones are allowed, the reason
    "metadata": (METADATA, True, "is a link-local or metadata address"),
    "metadata in decimal": ("http://2852039166/", True, "is a link-local or metadata address"),
    "metadata in octal": ("http://0251.0376.0251.0376/", True, "is not a valid address"),
    "metadata in hexadecimal": ("http://0xA9FEA9FE/", True, "is a link-local or metadata address"),
    "metadata in three parts": ("http://169.254.43518/", True, "is a link-local or metadata address"),
    "metadata in other digits": ("http://１６９.254.169.254/", True, "is a link-local or metadata address"),
    "metadata, IPv4-mapped": ("http://[::ffff:169.254.169.254]/", True, "is a link-local or metadata address"),
    "metadata, NAT64": ("http://[64:ff9b::a9fe:a9fe]/", True, "is a link-local or metadata address"),
    "metadata, 6to4": ("http://[2002:a9fe:a9fe::]/", True, "is a link-local or metadata address"),
    "metadata, IPv6": ("http://[fd00:ec2::254]/", True, "is a link-local or metadata address"),
    "metadata by name": ("http://metadata.google.internal/", True, "is a link-local or metadata address"),
    "link-local": ("http://169.254.10.20/", True, "is a link-local or metadata address"),
    "link-local, IPv6": ("http://[fe80::1]/", True, "is a link-local or metadata address"),
    "unspecified": ("http://0.0.0.0/", True, "is not the address of a host"),
    "unspecified, IPv6": ("http://[::]/", True, "is not the address of a host"),
    "broadcast": ("http://255.255.255.255/", True, "is not the address of a host"),
    "multicast": ("http://224.0.0.1/", True, "is not the address of a host"),
    "one bad address of several": ("http://several.test/", True, "several.test (169.254.169.254) is a link-local"),
    "loopback by setting": ("http://127.0.0.1/", False, "is a private address"),
    "loopback in short": ("http://127.1/", False, "is a private address"),
    "loopback by name": ("http://localhost/", False, "is a private address"),
    "loopback, IPv6": ("http://[::1]/", False, "is a private address"),
    "private, IPv4-mapped": ("http://[::ffff:10.0.0.1]/", False, "is a private address"),
    "private by name": ("http://private.test/", False, "is a private address"),
    "shared (carrier's) address": ("http://100.64.0.1/", False, "is a private address"),
    "file": ("file:///etc/passwd", True, "only http and https without a user"),
    "gopher": ("gopher://127.0.0.1:6379/_INFO", True, "only http and https without a user"),
    "ftp": ("ftp://127.0.0.1/", True, "only http and https without a user"),
    "data": ("data:application/json,1", True, "only http and https without a user"),
    "no scheme": ("//169.254.169.254/", True, "only http and https without a user"),
    "a user before the host": ("http://example.com@169.254.169.254/", True, "only http and https without a user"),
    "a backslash": ("http://169.254.169.254\\@example.com/", True, "only http and https without a user"),
    "a newline": ("http://example.com\r\nHost: x/", True, "not a valid address"),
    "redirect to metadata": ("{site}/to-metadata", True, "is a link-local or metadata address"),
    "redirect to a file": ("{site}/to-file", True, "only http and https without a user"),
    "redirect of a redirect": ("{site}/to-redirect", True, "is a link-local or metadata address"),
    "redirect for ever": ("{site}/for-ever", True, "redirects more than 5 times"),
    "page that names metadata": ("{site}/page", True, "is a link-local or metadata address"),
    "page that names a file": ("{site}/page-of-file", True, "only http and https without a user"),
    "decompression bomb": ("{site}/bomb", True, f"is larger than {MAX_BYTES} bytes when unpacked"),
}
PAGES: dict[str, Any] = {
    "/to-metadata": (302, {"Location": METADATA}, b""),
    "/to-file": (302, {"Location": "file:///etc/passwd"}, b""),
    "/to-redirect": (307, {"Location": "/to-metadata"}, b""),
    "/for-ever": (302, {"Location": "/for-ever"}, b""),
    "/page": PAGE % METADATA,
    "/page-of-file": PAGE % "file:///etc/passwd",
    "/bomb": gzip.compress(b" " * (MAX_BYTES + 1)),
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving(PAGES) as found:
        yield found


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; those of the table resolve as it says, everything else as ever."""
    resolve, found = socket.getaddrinfo, list[str]()

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in NAMES:
            return resolve(host, port, *more, **options)
        answers = NAMES[host]
        addresses = answers[min(found.count(host), len(answers) - 1)]
        found.append(host)
        return [entry for address in addresses for entry in resolve(address, port, *more, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return found


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.usefixtures("looked_up")
def test_attempts_are_refused_with_their_reason(attempt: str, site: Site, tell: Tell) -> None:
    address, allows_private, reason = ATTEMPTS[attempt]
    finder = DocumentFinder(NameLookup(), allows_private=allows_private, max_seconds=10)
    with pytest.raises(ValidationFailed) as caught:
        asyncio.run(finder.find(address.format(site=site.address)))
    (problem,) = caught.value.problems
    assert problem.field == "url" and reason in problem.message
    tell(next(each for each in problem.message.split("; ") if reason in each))


def test_a_name_that_changes_after_the_check_leads_to_the_address_that_was_checked(looked_up: list[str]) -> None:
    with serving({"/o.json": b'{"openapi": "3.0.0", "info": {}, "paths": {}}'}) as site:
        port = site.address.rpartition(":")[2]
        found = asyncio.run(
            DocumentFinder(NameLookup(), allows_private=True, max_seconds=10).find(f"http://changing.test:{port}/o.json")
        )
    assert (site.asked, looked_up, found.strategy) == (["/o.json"], ["changing.test"], "direct")
    with pytest.raises(ValidationFailed, match="metadata address"):
        asyncio.run(DocumentFinder(NameLookup(), allows_private=True, max_seconds=10).find("http://changing.test/o.json"))

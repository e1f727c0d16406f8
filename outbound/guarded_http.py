"""Reaching http(s) addresses that users type, without being sent where the user must not reach."""

import asyncio
import ssl
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import httpx

from domain.remote_address import address_problem, refused_networks
from domain.target import with_ascii_host
from outbound.names import NameLookup

MAX_REDIRECTS = 5
IDLE_SECONDS = 30.0
LOOKUP_SECONDS = 10.0  # for a name alone


class FetchFailed(Exception):
    """The address can't or must not be fetched; the message says why, naming the address.

    `fact` is the message without what may be another one next time, as what was measured.
    """

    def __init__(self, message: str, fact: str = "") -> None:
        super().__init__(message)
        self.fact = fact or message


class Unreachable(FetchFailed):
    """A host gives no answer now, neither to this nor to other requests; `origin` is its own, where redirects may have led."""

    def __init__(self, message: str, fact: str, url: str) -> None:
        super().__init__(message, fact)
        self.origin = origin_of(url)


class HostNotFound(Unreachable):
    """The name of the address leads nowhere now."""


class TooLarge(FetchFailed):
    """The answer has more bytes than the limits allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one fetch may reach and take: redirects, addresses of names and time included."""

    allows_private: bool
    max_bytes: int
    max_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: `url` is where the redirects ended, `encoding` the content coding that `content` is still in."""

    url: str
    status: int
    reason: str
    media_type: str
    encoding: str
    content: bytes


async def fetch(url: str, limits: Limits, names: NameLookup, *, accept: str = "*/*") -> Answer:
    """The answer to GET of `url`, whatever its status; `FetchFailed` where there is none.

    Redirects are followed here, each checked as the first address was. A connection goes to the very address that was checked, so
    that a name can't change its mind in between. Content is asked for as it is; one that comes compressed all the same is not
    unpacked.
    """
    way = [url]
    try:
        async with asyncio.timeout(limits.max_seconds):  # of everything, as a server may send a byte now and then for days
            return await _fetch(way, limits, names, accept)
    except TimeoutError:
        said = f"{url} was not complete"
        raise Unreachable(f"{said} after {limits.max_seconds:g} s", f"{said} in time", way[-1]) from None


def origin_of(url: str) -> str:
    """What addresses of the same server begin with; empty where it can't be told."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()


@cache
def _tls() -> ssl.SSLContext:
    """What a connection by TLS trusts, made once: to read the authorities takes some 40 ms, in which nothing else runs."""
    return httpx.create_ssl_context(trust_env=False)


async def _fetch(way: list[str], limits: Limits, names: NameLookup, accept: str) -> Answer:
    """The answer at the end of the way, to which the targets of redirects are added."""
    # No proxy from the environment: it would resolve the name again, and elsewhere.
    async with httpx.AsyncClient(verify=_tls(), trust_env=False, follow_redirects=False, timeout=IDLE_SECONDS) as client:
        for _ in range(MAX_REDIRECTS + 1):
            url = way[-1]
            target = _target(url)
            addresses = await _checked_addresses(target, names, allows_private=limits.allows_private)
            try:
                response = await _send(client, target, addresses, accept)
                try:
                    if not response.has_redirect_location:
                        return await _answer(response, url, limits.max_bytes)
                    way.append(str(target.join(response.headers["location"])))
                finally:
                    await response.aclose()
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                said, kind = f"{url} can't be fetched", type(error).__name__
                if isinstance(error, httpx.ConnectError | httpx.TimeoutException):
                    raise Unreachable(f"{said}: {str(error) or kind}", f"{said}: {kind}", url) from error
                raise FetchFailed(f"{said}: {str(error) or kind}", f"{said}: {kind}") from error
    raise FetchFailed(f"{way[-1]} redirects more than {MAX_REDIRECTS} times")


def _target(url: str) -> httpx.URL:
    try:
        target = httpx.URL(with_ascii_host(url))
        is_named = bool(target.host)  # decodes an international name, which may be none
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchFailed(f"{url[:500]!r} is not a valid address") from error
    if target.port is not None and not 0 < target.port < 65_536:
        raise FetchFailed(f"{url[:500]!r} has no valid port")
    if target.scheme not in ("http", "https") or not is_named or target.userinfo:
        raise FetchFailed(f"{url!r} is not fetched: only http and https without a user are")
    return target


async def _checked_addresses(target: httpx.URL, names: NameLookup, *, allows_private: bool) -> list[str]:
    """All addresses of the host; one that must not be reached refuses them all."""
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        # Not `host`: of an international name, the system's look-up would make another one by the rules of 2003.
        addresses = await names.addresses(target.raw_host.decode("ascii"), port)
    except (OSError, UnicodeError) as error:
        said = f"the host {target.host!r} can't be found"
        raise HostNotFound(f"{said}: {error}", said, str(target)) from error
    for address in addresses:
        if problem := address_problem(address, allows_private=allows_private):
            raise FetchFailed(f"{target.host} ({address}) {problem}", f"{target.host} {problem}")
    return addresses


class ResolvingGuard:
    """Judges addresses by looking their hosts up (`domain.ports.AddressGuard`)."""

    def __init__(self, names: NameLookup, *, allows_private: bool) -> None:
        self._names = names
        self._allows_private = allows_private

    @property
    def refused_networks(self) -> Sequence[str]:
        """See `domain.ports.AddressGuard.refused_networks`."""
        return refused_networks(allows_private=self._allows_private)

    async def problem(self, url: str) -> str | None:
        """See `domain.ports.AddressGuard.problem`."""
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                await _checked_addresses(_target(url), self._names, allows_private=self._allows_private)
        except (HostNotFound, TimeoutError):
            return None
        except FetchFailed as refusal:
            return str(refusal)
        return None


async def _send(client: httpx.AsyncClient, target: httpx.URL, addresses: Sequence[str], accept: str) -> httpx.Response:
    """The answer of the first address that takes the connection, its content still to come."""
    headers = {"Host": target.netloc.decode("ascii"), "Accept": accept, "Accept-Encoding": "identity", "User-Agent": "plog"}
    name = target.raw_host.decode("ascii")
    for place, address in enumerate(addresses, 1):
        request = client.build_request("GET", target.copy_with(host=address), headers=headers, extensions={"sni_hostname": name})
        try:
            return await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if place == len(addresses):
                raise
    raise FetchFailed(f"the host {target.host!r} has no address")


async def _answer(response: httpx.Response, url: str, max_bytes: int) -> Answer:
    return Answer(
        url=url,
        status=response.status_code,
        reason=response.reason_phrase,
        media_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
        encoding=response.headers.get("content-encoding", "identity").strip().lower(),
        content=await limited(response.aiter_raw(), url, max_bytes),
    )


async def limited(chunks: AsyncIterable[bytes], url: str, max_bytes: int) -> bytes:
    """All chunks as one; `TooLarge` as soon as they are too many."""
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > max_bytes:
            raise TooLarge(f"{url} is larger than {max_bytes} bytes")
    return bytes(content)

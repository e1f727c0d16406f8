"""The public keys of an issuer: fetched when needed, kept, and fetched again when an unknown key shows up."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from adapters.identity.discovery import endpoint, read_discovery, read_json
from domain.errors import Unavailable

JwksSource = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives an issuer's current JWKS document (RFC 7517); `Unavailable` where it can't be had."""

MIN_RSA_BITS = 2048
_TYPES: Mapping[str, type[Key]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}
_log = logging.getLogger(__name__)


class DiscoveredKeys:
    """Fetches the JWKS that an issuer's discovery document names (OpenID Connect Discovery 1.0, section 4).

    The document is read anew each time, so that an issuer may move its keys. `client` brings the time limits.
    """

    def __init__(self, client: httpx.AsyncClient, issuer: str) -> None:
        self._client = client
        self._issuer = issuer

    async def __call__(self) -> Mapping[str, Any]:
        """The issuer's JWKS; `Unavailable` where the issuer does not answer, or answers something else."""
        discovery = await read_discovery(self._client, self._issuer)
        return await read_json(self._client, endpoint(discovery, "jwks_uri"))


class JwksCache:
    """Finds the keys that may have signed a token.

    Keys are fetched again when older than `max_age`, and when a token names an unknown one, but never more often than every
    `retry_interval`: a flood of made-up key ids costs one request per interval. While the issuer does not answer, the keys
    at hand stay in use up to `max_stale`.
    """

    def __init__(
        self,
        source: JwksSource,
        *,
        max_age: timedelta = timedelta(minutes=10),
        max_stale: timedelta = timedelta(hours=24),
        retry_interval: timedelta = timedelta(seconds=5),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._max_age = max_age.total_seconds()
        self._max_stale = max_stale.total_seconds()
        self._retry_interval = retry_interval.total_seconds()
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: Sequence[Key] = ()
        self._fetched_at = -float("inf")
        self._tried_at = -float("inf")

    async def find(self, key_id: str | None, algorithm: str) -> Sequence[Key]:
        """The keys of that id that fit `algorithm`; all that fit where a token names no key. `Unavailable` without any keys."""
        age = self._clock() - self._fetched_at
        is_being_fetched = self._lock.locked() and age <= self._max_stale
        if age > self._max_age and not is_being_fetched:
            await self._refresh()
        found = self._matching(key_id, algorithm)
        if not found:
            await self._refresh()
            found = self._matching(key_id, algorithm)
        return found

    def _matching(self, key_id: str | None, algorithm: str) -> Sequence[Key]:
        wanted = _TYPES.get(algorithm[:2])
        fitting = [key for key in self._keys if wanted is not None and isinstance(key, wanted)]
        return [key for key in fitting if key_id is None or key.kid == key_id]

    async def _refresh(self) -> None:
        async with self._lock:
            if self._clock() - self._tried_at >= self._retry_interval:
                await self._fetch()
        if self._clock() - self._fetched_at > self._max_stale:
            raise Unavailable("The sign-in service does not answer.")

    async def _fetch(self) -> None:
        try:
            document = await self._source()
        except Unavailable as error:
            self._tried_at = self._clock()
            _log.warning("the issuer's keys can't be fetched: %s", error, exc_info=error)
            return
        self._keys = usable_keys(document)
        self._fetched_at = self._tried_at = self._clock()


def usable_keys(document: Mapping[str, Any]) -> Sequence[Key]:
    """The public signature keys of a JWKS document; keys of other kinds and broken or short ones are left out (RFC 7517, 5)."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        return ()
    keys = [_import(entry) for entry in entries if isinstance(entry, dict) and entry.get("use", "sig") == "sig"]
    return [key for key in keys if key is not None]


def _import(entry: dict[str, Any]) -> Key | None:
    try:
        key = JWKRegistry.import_key(entry)
        if isinstance(key, RSAKey):
            return key if key.public_key.key_size >= MIN_RSA_BITS else None
        return key if isinstance(key, ECKey | OKPKey) and key.public_key else None
    # One key that the library can't read, for whatever reason, must not make the others unusable.
    except Exception as error:
        _log.info("a key of the issuer is left out: %s", error)
        return None

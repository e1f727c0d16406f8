"""An issuer elsewhere, as a relying party meets it: its discovery document, and what a client of it may ask for."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import httpx

from adapters.identity.discovery import endpoint, json_object, read_discovery, read_json
from domain.errors import Unauthenticated, Unavailable

MAX_AGE_SECONDS = 600.0
RETRY_SECONDS = 5.0
ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_log = logging.getLogger(__name__)


class HttpIssuer:
    """`adapters.identity.relying_party.IssuerClient` over HTTP, as the client `client_id`; public without a secret.

    The discovery document is kept for ten minutes, and while the issuer does not answer it is asked once in five seconds, however
    many people want to sign in.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        issuer: str,
        client_id: str,
        client_secret: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._lock = asyncio.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._read_at = self._failed_at = -float("inf")

    async def metadata(self) -> Mapping[str, Any]:
        """See `IssuerClient.metadata`."""
        async with self._lock:
            if self._clock() - self._read_at > MAX_AGE_SECONDS:
                if self._clock() - self._failed_at < RETRY_SECONDS:
                    raise Unavailable("The sign-in service does not answer.")
                try:
                    self._metadata = await read_discovery(self._client, self._issuer)
                except Unavailable as error:
                    _log.warning("the issuer's discovery document can't be had: %s", error, exc_info=error)
                    self._failed_at = self._clock()
                    raise
                self._read_at = self._clock()
            return self._metadata

    async def redeem(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """See `IssuerClient.redeem`."""
        metadata = await self.metadata()
        address = endpoint(metadata, "token_endpoint")
        fields, auth = self._authenticated(form, metadata)
        try:
            response = await self._client.post(address, data=fields, auth=auth, headers={"Accept": "application/json"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable("The sign-in service does not answer.") from error
        if response.status_code in (400, 401):
            code = json_object(response).get("error")
            code = code if isinstance(code, str) and ERROR_CODE.fullmatch(code) else "unknown error"
            _log.warning("the issuer refused a code: %s", code)
            raise Unauthenticated(f"The sign-in service did not accept the sign-in ({code}).")
        if response.status_code != 200:
            _log.warning("the issuer's token endpoint answers with status %d", response.status_code)
            raise Unavailable("The sign-in service does not answer.")
        return json_object(response)

    async def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """See `IssuerClient.userinfo`."""
        address = endpoint(await self.metadata(), "userinfo_endpoint")
        return await read_json(self._client, address, {"Authorization": f"Bearer {access_token}"})

    def _authenticated(self, form: Mapping[str, str], metadata: Mapping[str, Any]) -> tuple[dict[str, str], httpx.Auth]:
        """The form and credentials of this client, in the way that the issuer prefers (RFC 6749, 2.3.1).

        `client_secret_basic` goes without saying where the issuer names no ways (OpenID Connect Discovery 1.0, section 3).
        """
        if not self._client_secret:
            return {**form, "client_id": self._client_id}, httpx.Auth()
        ways = metadata.get("token_endpoint_auth_methods_supported")
        if isinstance(ways, list) and "client_secret_basic" not in ways:
            return {**form, "client_id": self._client_id, "client_secret": self._client_secret}, httpx.Auth()
        return dict(form), httpx.BasicAuth(quote_plus(self._client_id), quote_plus(self._client_secret))

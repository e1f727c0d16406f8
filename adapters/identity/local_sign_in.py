"""Signing in at the embedded issuer: the authorization code flow of OpenID Connect for one client, PLOG itself.

It is as strict as a real issuer, so that there is one way of signing in; only that anybody may be any demo user.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from adapters.identity.local_issuer import DemoUser, LocalIssuer
from domain.errors import Unauthenticated, ValidationFailed

CLIENT_ID = "plog-browser"
CODE_LIFETIME = timedelta(seconds=60)
TOKEN_LIFETIME = timedelta(minutes=10)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class TokenRefused(Unauthenticated):
    """The token endpoint gives nothing; `error` is the code that RFC 6749, section 5.2, has for the reason."""

    def __init__(self, error: str) -> None:
        self.error = error
        super().__init__(f"The sign-in service did not accept the sign-in ({error}).")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A client's wish to have somebody sign in, found to be in order."""

    state: str
    nonce: str | None
    challenge: str


@dataclass(frozen=True, slots=True)
class _Grant:
    username: str
    request: AuthorizationRequest
    expires_at: datetime


class LocalSignIn:
    """The embedded issuer's endpoints, and the issuer as its client in the same process reaches it (`IssuerClient`).

    Args:
        issuer: makes the tokens.
        base_url: where browsers reach the client, which is answered at `/auth/callback` and `/auth/signed-out` there alone.
        now: the clock.
    """

    def __init__(self, issuer: LocalIssuer, base_url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._issuer = issuer
        self._redirect_uri = f"{base_url}/auth/callback"
        self._signed_out_uri = f"{base_url}/auth/signed-out"
        self._now = now
        self._grants: dict[str, _Grant] = {}

    @property
    def users(self) -> Sequence[DemoUser]:
        """Whom one can sign in as."""
        return self._issuer.users

    def read_request(self, parameters: Mapping[str, str]) -> AuthorizationRequest | str:
        """The request of an authorization endpoint's query, or the address that its error is sent to.

        `ValidationFailed` where the client is not known or wants to be answered elsewhere: then nothing is sent anywhere.
        """
        if parameters.get("client_id") != CLIENT_ID:
            raise ValidationFailed.of("client_id", "is not known here")
        if parameters.get("redirect_uri") != self._redirect_uri:
            raise ValidationFailed.of("redirect_uri", "is not one of this client")
        state, challenge = parameters.get("state", ""), parameters.get("code_challenge", "")
        if parameters.get("response_type") != "code":
            return self._answer(state, error="unsupported_response_type")
        if "openid" not in parameters.get("scope", "").split():
            return self._answer(state, error="invalid_scope")
        if parameters.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
            return self._answer(state, error="invalid_request")
        return AuthorizationRequest(state, parameters.get("nonce"), challenge)

    def grant(self, request: AuthorizationRequest, username: str) -> str:
        """Where the browser of somebody who has signed in goes, with a code; `access_denied` goes there for nobody we know."""
        if username not in {user.username for user in self.users}:
            return self._answer(request.state, error="access_denied")
        now = self._now()
        self._grants = {code: grant for code, grant in self._grants.items() if grant.expires_at > now}
        code = secrets.token_urlsafe(32)
        self._grants[code] = _Grant(username, request, now + CODE_LIFETIME)
        return self._answer(request.state, code=code)

    def exchange(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """What the token endpoint answers; `TokenRefused` for anything but a fresh code from the client that it was made for."""
        if form.get("client_id") != CLIENT_ID:
            raise TokenRefused("invalid_client")
        if form.get("grant_type") != "authorization_code":
            raise TokenRefused("unsupported_grant_type")
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None or grant.expires_at <= self._now() or form.get("redirect_uri") != self._redirect_uri:
            raise TokenRefused("invalid_grant")
        if not hmac.compare_digest(_challenge_of(form.get("code_verifier", "")), grant.request.challenge):
            raise TokenRefused("invalid_grant")
        return {
            "access_token": self._issuer.issue(grant.username, TOKEN_LIFETIME),
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFETIME.total_seconds()),
            "id_token": self._issuer.issue_id_token(grant.username, TOKEN_LIFETIME, CLIENT_ID, grant.request.nonce),
        }

    def after_sign_out(self, parameters: Mapping[str, str]) -> str | None:
        """Where the browser goes once it is signed out: to what the client asks for, if it is the client's; else nowhere."""
        wanted = parameters.get("post_logout_redirect_uri")
        if parameters.get("client_id") != CLIENT_ID or wanted != self._signed_out_uri:
            return None
        state = parameters.get("state")
        return wanted if state is None else f"{wanted}?{urlencode({'state': state})}"

    async def metadata(self) -> Mapping[str, Any]:
        """See `IssuerClient.metadata`."""
        return self._issuer.discovery()

    async def redeem(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """See `IssuerClient.redeem`."""
        return self.exchange({**form, "client_id": CLIENT_ID})

    async def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """See `IssuerClient.userinfo`; there is none, as id tokens say all there is."""
        return {}

    def _answer(self, state: str, **parameters: str) -> str:
        """The client's address with an answer, which says who answers (RFC 9207)."""
        query = {**parameters, "iss": str(self._issuer.discovery()["issuer"])} | ({"state": state} if state else {})
        return f"{self._redirect_uri}?{urlencode(query)}"


def _challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

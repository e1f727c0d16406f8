"""Signing browsers in at an issuer: the authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 9700)."""

from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from adapters.identity.discovery import endpoint
from adapters.identity.verifier import OidcVerifier, claim_at, identity_of
from domain.errors import Unauthenticated, Unavailable
from domain.session import AuthorizationAnswer, Identity, SignIn

ID_TOKEN_TYPES = frozenset({None, "jwt"})
"""Accepted `typ` headers of id tokens, in lower case: never `at+jwt`, so that no access token passes for one."""

DECLINED = {
    "access_denied": "The sign-in was declined.",
    "server_error": "The sign-in service has a problem of its own.",
    "temporarily_unavailable": "The sign-in service is busy.",
}
NOT_FOR_THIS = "The sign-in service's answer is not for this sign-in."


class IssuerClient(Protocol):
    """The issuer as its client PLOG reaches it: over HTTP, or in the same process."""

    async def metadata(self) -> Mapping[str, Any]:
        """The discovery document; `Unavailable` where it can't be had."""
        ...

    async def redeem(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """What the token endpoint gives for the form, to which the client's credentials are added.

        `Unauthenticated` where it refuses, `Unavailable` where it does not answer.
        """
        ...

    async def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """What the userinfo endpoint says; `Unavailable` where it does not answer."""
        ...


class OidcRelyingParty:
    """`domain.ports.RelyingParty` for one client of one issuer.

    Args:
        issuer: the issuer.
        verifier: of id tokens: its audience is `client_id`, its types `ID_TOKEN_TYPES`.
        base_url: where browsers reach PLOG; the redirect URI is `/auth/callback` below it, which the issuer has to know.
        scopes: what is asked for, `openid` among it.
        groups_claim: the claim that lists groups; where the id token has none, the userinfo endpoint is asked, if there is one.
    """

    def __init__(
        self,
        issuer: IssuerClient,
        verifier: OidcVerifier,
        client_id: str,
        *,
        base_url: str,
        scopes: str,
        groups_claim: str = "groups",
    ) -> None:
        self._issuer = issuer
        self._verifier = verifier
        self._client_id = client_id
        self._redirect_uri = f"{base_url}/auth/callback"
        self._signed_out_uri = f"{base_url}/auth/signed-out"
        self._scopes = scopes
        self._groups_claim = groups_claim

    async def authorization_url(self, sign_in: SignIn) -> str:
        """See `domain.ports.RelyingParty.authorization_url`."""
        address = endpoint(await self._issuer.metadata(), "authorization_endpoint")
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._scopes,
            "state": sign_in.state,
            "nonce": sign_in.nonce,
            "code_challenge": sign_in.challenge,
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(address).copy_merge_params(query))

    async def redeem(self, sign_in: SignIn, answer: AuthorizationAnswer) -> Identity:
        """See `domain.ports.RelyingParty.redeem`."""
        metadata = await self._issuer.metadata()
        _check_origin(answer, metadata)
        if answer.error or not answer.code:
            raise Unauthenticated(DECLINED.get(answer.error, "The sign-in service refused, or sent no code."))
        tokens = await self._issuer.redeem(
            {
                "grant_type": "authorization_code",
                "code": answer.code,
                "redirect_uri": self._redirect_uri,
                "code_verifier": sign_in.verifier,
            }
        )
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise Unavailable("The sign-in service sent no id token.")
        claims = await self._verifier.claims(id_token)
        self._check(claims, sign_in)
        return identity_of(await self._with_groups(claims, tokens, metadata), self._groups_claim)

    async def sign_out_url(self) -> str | None:
        """See `domain.ports.RelyingParty.sign_out_url` (OpenID Connect RP-Initiated Logout 1.0)."""
        metadata = await self._issuer.metadata()
        if metadata.get("end_session_endpoint") is None:
            return None
        query = {"client_id": self._client_id, "post_logout_redirect_uri": self._signed_out_uri}
        return str(httpx.URL(endpoint(metadata, "end_session_endpoint")).copy_merge_params(query))

    def _check(self, claims: Mapping[str, Any], sign_in: SignIn) -> None:
        """What an id token has to say beyond any token (OpenID Connect Core 1.0, section 3.1.3.7)."""
        audience, party = claims["aud"], claims.get("azp")
        has_others = isinstance(audience, list) and len(audience) > 1
        if party != self._client_id and (party is not None or has_others):
            raise Unauthenticated("The id token was made for another client.")
        if claims.get("nonce") != sign_in.nonce:
            raise Unauthenticated(NOT_FOR_THIS)
        if claims.get("iat") is None:
            raise Unauthenticated("The id token lacks a claim: iat.")

    async def _with_groups(
        self, claims: Mapping[str, Any], tokens: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The claims, with those of the userinfo endpoint where groups are missing; what the id token says stands."""
        token = tokens.get("access_token")
        is_complete = claim_at(claims, self._groups_claim) is not None
        if is_complete or metadata.get("userinfo_endpoint") is None or not isinstance(token, str):
            return claims
        more = await self._issuer.userinfo(token)
        if more.get("sub") != claims["sub"]:  # OpenID Connect Core 1.0, section 5.3.2
            raise Unauthenticated(NOT_FOR_THIS)
        return {**more, **claims}


def _check_origin(answer: AuthorizationAnswer, metadata: Mapping[str, Any]) -> None:
    """That the answer comes from this issuer, where that can be told (RFC 9207)."""
    is_needed = metadata.get("authorization_response_iss_parameter_supported") is True
    if (is_needed or answer.issuer is not None) and answer.issuer != metadata.get("issuer"):
        raise Unauthenticated("The answer comes from another sign-in service.")

"""What issuers write into access tokens and id tokens, where both name the client that browsers sign in with."""

from typing import Any

import pytest

from adapters.identity.jwks import JwksCache
from adapters.identity.verifier import OidcVerifier
from domain.errors import Unauthenticated
from tests.adapters.forging import forge
from tests.adapters.test_token_checks import GOOD, KEY, NOW, own_keys

CLIENT = "a"  # the audience of `GOOD`

# The claims that tell the kinds apart, as each issuer documents them, or as a token of it was seen to have them.
ACCESS_TOKENS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "RFC 9068": ({"typ": "at+jwt"}, {"client_id": "cli", "jti": "1"}),
    "RFC 9068, in full": ({"typ": "application/at+jwt"}, {"client_id": "cli", "jti": "1"}),
    "Keycloak": ({"typ": "JWT"}, {"typ": "Bearer", "azp": "cli", "scope": "openid profile", "sid": "1", "acr": "1"}),
    "Keycloak before 24": ({"typ": "JWT"}, {"typ": "Bearer", "azp": "cli", "nonce": "n", "scope": "openid"}),
    "Keycloak, lightweight": ({"typ": "JWT"}, {"typ": "Bearer", "azp": "cli"}),
    "Entra ID, of a person": ({"typ": "JWT"}, {"azp": "cli", "azpacr": "0", "scp": "use", "oid": "1", "tid": "2", "ver": "2.0"}),
    "Entra ID, of a program": ({"typ": "JWT"}, {"azp": "cli", "azpacr": "1", "oid": "1", "tid": "2", "ver": "2.0"}),
    "Entra ID, of version 1": ({"typ": "JWT"}, {"appid": "cli", "appidacr": "1", "ver": "1.0"}),
    "Okta": ({}, {"ver": 1, "jti": "AT.1", "cid": "cli", "uid": "1", "scp": ["openid"], "auth_time": 1}),
    "Auth0": ({"typ": "JWT"}, {"aud": ["a", "https://tenant.example/userinfo"], "azp": "cli", "scope": "openid"}),
}
ID_TOKENS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "OpenID Connect Core, with what has to be there alone": ({}, {}),
    "of PLOG's own sign-in": ({"typ": "JWT"}, {"nonce": "n", "at_hash": "h"}),
    "of several audiences": ({"typ": "JWT"}, {"aud": ["b", "a"], "azp": "a"}),
    "Keycloak": ({"typ": "JWT"}, {"typ": "ID", "azp": "a", "nonce": "n", "at_hash": "h", "sid": "1", "acr": "1"}),
    "Keycloak, with a scope that somebody has mapped": ({"typ": "JWT"}, {"typ": "ID", "azp": "a", "scope": "openid"}),
    "Keycloak, to renew": ({"typ": "JWT"}, {"typ": "Refresh", "azp": "a", "scope": "openid"}),
    "Entra ID": ({"typ": "JWT"}, {"nonce": "n", "oid": "1", "tid": "2", "roles": ["r"], "ver": "2.0", "rh": "x", "uti": "y"}),
    "Entra ID, renewed": ({"typ": "JWT"}, {"oid": "1", "tid": "2", "roles": ["r"], "ver": "2.0"}),
    "Okta": ({}, {"ver": 1, "jti": "ID.1", "amr": ["pwd"], "idp": "1", "auth_time": 1, "at_hash": "h"}),
    "Google": ({"typ": "JWT"}, {"azp": "a", "email": "ada@plog.example", "email_verified": True, "at_hash": "h"}),
    "Google, of a service account": ({"typ": "JWT"}, {"azp": "1", "email": "x@y.iam.gserviceaccount.com"}),
    "Dex": ({}, {"nonce": "n", "at_hash": "h", "c_hash": "c", "email": "ada@plog.example"}),
    "one that says its scope": ({"typ": "JWT"}, {"nonce": "n", "scope": "openid"}),
    "one that says its scope, by its hash": ({"typ": "JWT"}, {"at_hash": "h", "scp": ["openid"]}),
    "one that says its scope, by the hash of its code": ({"typ": "JWT"}, {"c_hash": "h", "scope": "openid"}),
    "an odd type": ({"typ": "JWT"}, {"typ": ["Bearer"], "scope": "openid"}),
}


def signed(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return forge({"alg": "ES256", "kid": "k", **header}, {**GOOD, **claims}, KEY)


def verifier(client_id: str) -> OidcVerifier:
    """Of bearer tokens, where browsers sign in with that client."""
    return OidcVerifier("i", "a", JwksCache(own_keys), client_id=client_id, now=lambda: NOW)


@pytest.mark.parametrize("name", ACCESS_TOKENS)
async def test_access_tokens_of_all_issuers_get_in(name: str) -> None:
    assert (await verifier(CLIENT).verify(signed(*ACCESS_TOKENS[name]))).subject == "s"


@pytest.mark.parametrize("name", ID_TOKENS)
async def test_no_id_token_for_the_client_gets_in(name: str) -> None:
    with pytest.raises(Unauthenticated, match="no access token"):
        await verifier(CLIENT).verify(signed(*ID_TOKENS[name]))


@pytest.mark.parametrize("client_id", ["", "another", "aa"])
async def test_where_the_client_has_another_name_the_audience_tells_them_apart(client_id: str) -> None:
    """Programs at Google have no other tokens than those that are made like id tokens, for an audience of their choice."""
    for kind in (ACCESS_TOKENS, ID_TOKENS):
        for token in kind.values():
            assert (await verifier(client_id).verify(signed(*token))).subject == "s"


async def test_a_token_for_the_api_and_the_client_has_to_say_what_it_is() -> None:
    both = verifier("b")
    with pytest.raises(Unauthenticated, match="no access token"):
        await both.verify(signed({}, {"aud": ["a", "b"], "nonce": "n"}))
    assert (await both.verify(signed({}, {"aud": ["a", "b"], "scope": "use"}))).subject == "s"

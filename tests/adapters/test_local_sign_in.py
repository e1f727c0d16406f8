"""The embedded issuer's codes and addresses: one client, one use, one minute, and nothing to anybody else."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.identity.jwks import JwksCache
from adapters.identity.local_issuer import LocalIssuer
from adapters.identity.local_sign_in import CLIENT_ID, AuthorizationRequest, LocalSignIn, TokenRefused
from adapters.identity.relying_party import ID_TOKEN_TYPES, OidcRelyingParty
from adapters.identity.verifier import OidcVerifier
from domain.errors import Unauthenticated, ValidationFailed
from domain.session import AuthorizationAnswer, SignIn

BASE = "http://127.0.0.1:8000"
ADDRESS = f"{BASE}/auth/issuer"
SIGN_IN = SignIn.begin("/")
WISH = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": f"{BASE}/auth/callback",
    "scope": "openid profile",
    "state": SIGN_IN.state,
    "nonce": SIGN_IN.nonce,
    "code_challenge": SIGN_IN.challenge,
    "code_challenge_method": "S256",
}


class House:
    """An issuer with its client, and a clock that moves when told to."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)
        self.issuer = LocalIssuer("http://plog.test", "plog", {"k": b"k" * 64}, host="::1", address=ADDRESS, now=self.now)
        self.sign_in = LocalSignIn(self.issuer, BASE, now=self.now)
        cache = JwksCache(self.issuer.fetch_jwks)
        self.people = OidcVerifier("http://plog.test", "plog", cache, now=self.now)
        self.id_tokens = OidcVerifier(ADDRESS, CLIENT_ID, cache, types=ID_TOKEN_TYPES, now=self.now)
        self.party = OidcRelyingParty(self.sign_in, self.id_tokens, CLIENT_ID, base_url=BASE, scopes="openid")

    def now(self) -> datetime:
        return self.time

    def code(self, username: str = "ada") -> str:
        wish = self.sign_in.read_request(WISH)
        assert isinstance(wish, AuthorizationRequest)
        return query_of(self.sign_in.grant(wish, username))["code"]

    def form(self, **changes: str | None) -> dict[str, str]:
        """What the client sends for a fresh code, with changes; without what is None."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "code": self.code(),
            "redirect_uri": f"{BASE}/auth/callback",
            "code_verifier": SIGN_IN.verifier,
            **changes,
        }
        return {name: value for name, value in form.items() if value is not None}


@pytest.fixture
def house() -> House:
    return House()


def query_of(address: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}


def refusal(house: House, form: Mapping[str, str]) -> str:
    with pytest.raises(TokenRefused) as refused:
        house.sign_in.exchange(form)
    return refused.value.error


async def test_a_code_becomes_tokens_of_both_kinds(house: House) -> None:
    tokens = house.sign_in.exchange(house.form())
    person = await house.people.verify(tokens["access_token"])
    claims = await house.id_tokens.claims(tokens["id_token"])
    assert (person.subject, claims["sub"], claims["nonce"]) == ("demo:ada", "demo:ada", SIGN_IN.nonce)
    with pytest.raises(Unauthenticated):
        await house.people.verify(tokens["id_token"])
    with pytest.raises(Unauthenticated):
        await house.id_tokens.claims(tokens["access_token"])


async def test_the_client_signs_in_without_a_server(house: House) -> None:
    sign_in = SignIn.begin("/")
    wish = house.sign_in.read_request(query_of(await house.party.authorization_url(sign_in)))
    assert isinstance(wish, AuthorizationRequest)
    answer = query_of(house.sign_in.grant(wish, "bela"))
    told = AuthorizationAnswer(state=answer["state"], code=answer["code"], issuer=answer["iss"])
    identity = await house.party.redeem(sign_in, told)
    assert (identity.subject, identity.groups) == ("demo:bela", frozenset({"dram-engineers"}))
    with pytest.raises(Unauthenticated, match="invalid_grant"):
        await house.party.redeem(sign_in, told)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": "x"}, "invalid_grant"),
        ({"code": None}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code_verifier": SIGN_IN.challenge}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": f"{BASE}/auth/callback/"}, "invalid_grant"),
        ({"client_id": None}, "invalid_client"),
        ({"client_id": "another"}, "invalid_client"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
    ],
)
def test_what_is_not_the_clients_gets_nothing(house: House, changes: dict[str, Any], error: str) -> None:
    assert refusal(house, house.form(**changes)) == error


def test_a_code_is_good_once_whatever_comes_with_it(house: House) -> None:
    form = house.form()
    assert house.sign_in.exchange(form)
    assert refusal(house, form) == "invalid_grant"
    form = house.form()
    assert refusal(house, {**form, "code_verifier": "x"}) == "invalid_grant"
    assert refusal(house, form) == "invalid_grant"


def test_a_code_is_good_for_a_minute(house: House) -> None:
    early, late = house.form(), house.form()
    house.time += timedelta(seconds=59)
    assert house.sign_in.exchange(early)
    house.time += timedelta(seconds=1)
    assert refusal(house, late) == "invalid_grant"


@pytest.mark.parametrize(
    "changes", [{"client_id": "another"}, {"client_id": ""}, {"redirect_uri": "https://evil.example"}, {"redirect_uri": ""}]
)
def test_nobody_else_is_answered(house: House, changes: dict[str, str]) -> None:
    with pytest.raises(ValidationFailed):
        house.sign_in.read_request({**WISH, **changes})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x"}, "invalid_request"),
    ],
)
def test_the_client_is_told_what_was_wrong(house: House, changes: dict[str, str], error: str) -> None:
    answer = house.sign_in.read_request({**WISH, **changes})
    assert isinstance(answer, str) and answer.startswith(f"{BASE}/auth/callback?")
    assert query_of(answer) == {"error": error, "state": SIGN_IN.state, "iss": ADDRESS}


def test_who_is_no_demo_user_declines(house: House) -> None:
    wish = house.sign_in.read_request(WISH)
    assert isinstance(wish, AuthorizationRequest)
    for username in ("", "eve", "Ada"):
        assert query_of(house.sign_in.grant(wish, username))["error"] == "access_denied"


def test_where_a_sign_out_leads(house: House) -> None:
    own = {"client_id": CLIENT_ID, "post_logout_redirect_uri": f"{BASE}/auth/signed-out"}
    assert house.sign_in.after_sign_out(own) == f"{BASE}/auth/signed-out"
    assert house.sign_in.after_sign_out({**own, "state": "a b"}) == f"{BASE}/auth/signed-out?state=a+b"
    for changes in ({"client_id": "x"}, {"post_logout_redirect_uri": "https://evil.example"}):
        assert house.sign_in.after_sign_out({**own, **changes}) is None
    assert house.sign_in.after_sign_out({}) is None

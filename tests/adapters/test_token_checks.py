"""Tokens that are rightly signed and still wrong, odd or not tokens at all: each is refused in one way."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from adapters.identity.compact import MAX_TOKEN_LENGTH
from adapters.identity.jwks import JwksCache
from adapters.identity.verifier import OidcVerifier
from domain.actor import Person
from domain.errors import Unauthenticated
from tests.adapters.forging import forge

NOW = datetime(2030, 1, 1, tzinfo=UTC)
KEY = ECKey.generate_key("P-256", {"kid": "k"})
GOOD: dict[str, Any] = {"iss": "i", "aud": "a", "sub": "s", "exp": NOW.timestamp() + 60, "iat": NOW.timestamp()}


async def own_keys() -> Mapping[str, Any]:
    return {"keys": [KEY.as_dict(private=False)]}


def verify(token: str, groups_claim: str = "groups") -> Person:
    return asyncio.run(OidcVerifier("i", "a", JwksCache(own_keys), groups_claim=groups_claim, now=lambda: NOW).verify(token))


@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"exp": NOW.timestamp() - 31},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**30},
        {"exp": [1]},
        {"nbf": NOW.timestamp() + 31},
        {"nbf": "x"},
        {"iat": NOW.timestamp() + 31},
        {"iss": None},
        {"iss": "I"},
        {"iss": ["i"]},
        {"aud": None},
        {"aud": []},
        {"aud": ["b"]},
        {"aud": "ab"},
        {"aud": {"a": 1}},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "x" * 256},
        {"sub": "a\x00"},
        {"sub": "\ud800"},
    ],
)
def test_claims_that_are_not_good(change: dict[str, Any]) -> None:
    assert verify(forge({"alg": "ES256", "kid": "k"}, GOOD, KEY)).subject == "s"
    with pytest.raises(Unauthenticated):
        verify(forge({"alg": "ES256", "kid": "k"}, {**GOOD, **change}, KEY))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"b64": False},
        {"kid": 5},
        {"kid": ["k"]},
        {"alg": ["ES256"]},
        {"alg": None},
        {"alg": "ES384"},
        {"alg": "RS256"},
        {"alg": "es256"},
        {"typ": 1},
        {"typ": "logout+jwt"},
        {"typ": "plog-attempt+jwt"},
        {"typ": ""},
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b'{"alg":"ES256","kid":"x","kid":"k"}',
        b'{"alg":"none","alg":"ES256","kid":"k"}',
        b'{"alg":"ES256","kid":"k","x":NaN}',
        b'{"alg":"ES256","kid":"k","x":' + b"[" * 9000 + b"]" * 9000 + b"}",
    ],
)
def test_headers_that_are_not_good(header: bytes | dict[str, Any]) -> None:
    whole = header if isinstance(header, bytes) else {"alg": "ES256", "kid": "k", **header}
    with pytest.raises(Unauthenticated):
        verify(forge(whole, GOOD, KEY))


@pytest.mark.parametrize(
    "header", [{}, {"typ": "JWT"}, {"typ": "at+jwt"}, {"typ": "application/AT+JWT"}, {"x5t": "x", "nonce": "n" * 600}]
)
def test_headers_that_real_issuers_write(header: dict[str, Any]) -> None:
    assert verify(forge({"alg": "ES256", "kid": "k", **header}, GOOD, KEY)).subject == "s"
    assert verify(forge({"alg": "ES256", **header}, {**GOOD, "aud": ["b", "a"]}, KEY)).subject == "s"


def test_claims_with_a_repeated_name_or_no_object() -> None:
    for claims in (json.dumps(GOOD).encode()[:-1] + b',"sub":"admin"}', b"[]", b"5", b"", b"\xff", b"[" * 9000):
        with pytest.raises(Unauthenticated):
            verify(forge({"alg": "ES256", "kid": "k"}, claims, KEY))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b", "a.b.c.d", "a.b.c.d.e", "é.é.é", "a" * 10**6, "a.b.c\n", " a.b.c", "\ud800.a.b"]
)
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(token)


def test_a_long_token_is_refused_before_it_is_read() -> None:
    long = forge({"alg": "ES256", "kid": "k"}, {**GOOD, "x": "x" * MAX_TOKEN_LENGTH}, KEY)
    with pytest.raises(Unauthenticated, match="longer"):
        verify(long)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    ["alg", "kid", "typ", "crit", "b64", "jwk", "x5c", "zip", "enc", "iss", "aud", "sub", "exp", "nbf", "iat", "name", "groups"]
)


@settings(max_examples=100)
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_garbage_is_refused_in_one_way(garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(garbage)


@settings(max_examples=100)
@given(st.dictionaries(FIELDS, JSON, min_size=1), st.dictionaries(FIELDS, JSON))
def test_odd_headers_and_claims_give_a_person_or_one_kind_of_error(header: dict[str, Any], claims: dict[str, Any]) -> None:
    token = forge({"alg": "ES256", "kid": "k", **header}, {**GOOD, **claims}, KEY)
    try:
        person = verify(token)
    except Unauthenticated as error:
        assert len(error.message) < 200
    else:
        assert person.subject == {**GOOD, **claims}["sub"]


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ada", "email": "a@b"}, "Ada"),
        ({"name": "  ", "preferred_username": "ada"}, "ada"),
        ({"name": 5, "preferred_username": "a\x00", "email": "a@b"}, "a@b"),
        ({}, "s"),
        ({"name": "x" * 999}, "x" * 200),
    ],
)
def test_the_name_is_the_best_there_is(claims: dict[str, Any], name: str) -> None:
    assert verify(forge({"alg": "ES256", "kid": "k"}, {**GOOD, **claims}, KEY)).name == name


@pytest.mark.parametrize(
    ("claim", "claims", "groups"),
    [
        ("groups", {"groups": ["a", "b", 5, None]}, {"a", "b"}),
        ("groups", {"groups": "a"}, {"a"}),
        ("groups", {}, set()),
        ("groups", {"groups": {"a": 1}}, set()),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("realm_access.roles", {"realm_access": "x"}, set()),
        ("https://plog.example/roles", {"https://plog.example/roles": ["a"]}, {"a"}),
    ],
)
def test_groups_come_from_the_claim_that_is_set(claim: str, claims: dict[str, Any], groups: set[str]) -> None:
    assert verify(forge({"alg": "ES256", "kid": "k"}, {**GOOD, **claims}, KEY), claim).groups == groups


async def test_an_algorithm_off_the_list_is_refused_though_the_issuer_uses_it() -> None:
    key = ECKey.generate_key("P-384", {"kid": "k"})

    async def source() -> Mapping[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    verifier = OidcVerifier("i", "a", JwksCache(source), now=lambda: NOW)
    with pytest.raises(Unauthenticated, match="algorithm"):
        await verifier.verify(forge({"alg": "ES384", "kid": "k"}, GOOD, key, "ES384"))

"""Attempt tokens reach one attempt, and neither kind of token passes for the other."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey

from adapters.identity.attempt_tokens import ATTEMPT_TYPE, SignedAttemptTokens
from adapters.identity.jwks import JwksCache
from adapters.identity.local_issuer import LocalIssuer
from adapters.identity.verifier import OidcVerifier, VerifierByType
from domain.actor import Person, Worker
from domain.attempt import AttemptKey
from domain.errors import Unauthenticated
from domain.ports import AttemptTokens, TokenVerifier
from tests.adapters.forging import forge, hmac_forge

SECRETS = {"new": b"n" * 64, "old": b"o" * 64}
NOW = datetime(2030, 1, 1, tzinfo=UTC)
LOCAL = "http://127.0.0.1:8000/auth/issuer"
HEADER = {"typ": ATTEMPT_TYPE, "alg": "HS256", "kid": "new"}


def worker(**change: Any) -> Worker:
    values = {"attempt": AttemptKey(uuid4(), 2), "kit_id": 7, "expires_at": NOW + timedelta(hours=1)}
    return Worker(**{**values, **change})


def tokens(secrets: dict[str, bytes] | None = None, now: datetime = NOW) -> SignedAttemptTokens:
    return SignedAttemptTokens(secrets or SECRETS, now=lambda: now)


def claims(**change: Any) -> dict[str, Any]:
    good = {"iss": "plog", "job": str(uuid4()), "attempt": 1, "kit": 1, "exp": NOW.timestamp() + 60}
    return {name: value for name, value in {**good, **change}.items() if value is not ...}


@settings(max_examples=50)
@given(
    st.uuids(),
    st.integers(1, 2**31),
    st.integers(1, 2**63 - 1),
    st.datetimes(min_value=datetime(2031, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_what_is_issued_comes_back(job_id: UUID, number: int, kit_id: int, expires_at: datetime) -> None:
    issued = Worker(attempt=AttemptKey(job_id, number), kit_id=kit_id, expires_at=expires_at)
    assert asyncio.run(tokens().verify(tokens().issue(issued))) == issued


async def test_it_fits_the_ports() -> None:
    maker: AttemptTokens = tokens()
    verifier: TokenVerifier = tokens()
    issued = worker()
    assert await verifier.verify(maker.issue(issued)) == issued


async def test_it_expires() -> None:
    token = tokens().issue(worker(expires_at=NOW + timedelta(seconds=5)))
    await tokens(now=NOW + timedelta(seconds=4.9)).verify(token)
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens(now=NOW + timedelta(seconds=5)).verify(token)


async def test_an_old_key_verifies_until_it_is_removed() -> None:
    token = tokens({"old": SECRETS["old"]}).issue(worker())
    await tokens().verify(token)
    with pytest.raises(Unauthenticated, match="unknown key"):
        await tokens({"new": SECRETS["new"]}).verify(token)
    with pytest.raises(Unauthenticated, match="signature"):
        await tokens({"old": b"x" * 64}).verify(token)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS512"},
        {"alg": "hs256"},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": None},
        {"kid": "other"},
        {"kid": None},
        {"kid": "old"},
        {"kid": 1},
        {"crit": ["exp"]},
    ],
)
async def test_headers_that_are_not_its_own(header: dict[str, Any]) -> None:
    await tokens().verify(hmac_forge(HEADER, claims(), SECRETS["new"]))
    with pytest.raises(Unauthenticated):
        await tokens().verify(hmac_forge({**HEADER, **header}, claims(), SECRETS["new"]))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"iss": ...},
        {"job": "x"},
        {"job": 5},
        {"job": None},
        {"attempt": "x"},
        {"attempt": ...},
        {"kit": None},
        {"kit": {}},
        {"exp": "x"},
        {"exp": ...},
        {"exp": 10**30},
        {"exp": None},
    ],
)
async def test_claims_that_are_not_its_own(change: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().verify(hmac_forge(HEADER, claims(**change), SECRETS["new"]))


@settings(max_examples=200)
@given(st.data())
def test_no_character_can_be_changed(data: st.DataObject) -> None:
    token = tokens().issue(worker())
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[place]))
    with pytest.raises(Unauthenticated):
        asyncio.run(tokens().verify(token[:place] + other + token[place + 1 :]))


@given(st.text())
def test_garbage(garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        asyncio.run(tokens().verify(garbage))


def both_kinds() -> tuple[LocalIssuer, OidcVerifier, VerifierByType]:
    issuer = LocalIssuer(LOCAL, "plog", {"new": SECRETS["new"]}, host="127.0.0.1", now=lambda: NOW)
    people = OidcVerifier(LOCAL, "plog", JwksCache(issuer.fetch_jwks), now=lambda: NOW)
    return issuer, people, VerifierByType({ATTEMPT_TYPE: tokens()}, otherwise=people)


async def test_each_kind_of_token_finds_its_verifier() -> None:
    issuer, people, both = both_kinds()
    person, attempt = issuer.issue("ada", timedelta(minutes=5)), tokens().issue(worker())
    assert isinstance(await both.verify(person), Person)
    assert isinstance(await both.verify(attempt), Worker)
    with pytest.raises(Unauthenticated):
        await people.verify(attempt)
    with pytest.raises(Unauthenticated):
        await tokens().verify(person)
    for garbage in ("", "a.b.c", attempt[:-1], "x" * 10**6):
        with pytest.raises(Unauthenticated):
            await both.verify(garbage)


async def test_neither_kind_passes_for_the_other() -> None:
    """The issuer's key ids and the attempts' are the same here, so that only type, algorithm and keys keep them apart."""
    issuer, people, both = both_kinds()
    sign_in = {"iss": LOCAL, "aud": "plog", "sub": "demo:chris", "exp": NOW.timestamp() + 60}
    everything = {**claims(), **sign_in, "iss": LOCAL}
    published = ECKey.import_key(dict(issuer.jwks()["keys"][0]))
    native: Any = published.public_key
    pem = native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stranger = ECKey.generate_key("P-256")
    forged = [
        # what a worker could try, if it had the attempts' secret or the public key: a sign-in with them
        *(
            hmac_forge({"typ": kind, "alg": "HS256", "kid": "new"}, sign_in, SECRETS["new"])
            for kind in ("at+jwt", "JWT", ATTEMPT_TYPE)
        ),
        *(hmac_forge({"typ": kind, "alg": "HS256", "kid": "new"}, everything, pem) for kind in ("at+jwt", ATTEMPT_TYPE)),
        hmac_forge(
            {"typ": ATTEMPT_TYPE, "alg": "HS256", "kid": "new"}, everything, json.dumps(issuer.jwks()["keys"][0]).encode()
        ),
        # an attempt's token that is signed as a sign-in is
        forge({"typ": ATTEMPT_TYPE, "alg": "ES256", "kid": "new"}, claims(), stranger),
        forge({"typ": ATTEMPT_TYPE, "alg": "HS256", "kid": "new"}, claims(), stranger),
    ]
    for token in forged:
        for verifier in (both, people, tokens()):
            with pytest.raises(Unauthenticated):
                await verifier.verify(token)


async def test_a_shared_secret_in_the_keys_of_an_issuer_is_of_no_use() -> None:
    async def source() -> dict[str, Any]:
        return {"keys": [OctKey.import_key(b"s" * 64, {"kid": "new"}).as_dict()]}

    people = OidcVerifier(LOCAL, "plog", JwksCache(source), now=lambda: NOW)
    sign_in = {"iss": LOCAL, "aud": "plog", "sub": "x", "exp": NOW.timestamp() + 60}
    for algorithm in ("HS256", "ES256"):
        with pytest.raises(Unauthenticated):
            await people.verify(hmac_forge({"alg": algorithm, "kid": "new"}, sign_in, b"s" * 64))

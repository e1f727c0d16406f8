"""Sign-in: the embedded issuer and a certified one are verified by the same code, and nothing else passes."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, Key

from adapters.identity.jwks import JwksCache, usable_keys
from adapters.identity.local_issuer import DEMO_USERS, IssuerRefused, LocalIssuer
from adapters.identity.verifier import OidcVerifier
from domain.errors import NotFound, Unauthenticated
from tests.adapters.forging import encode, forge, header_of, hmac_forge
from tests.adapters.oidc_provider.issuer import Issuer, certified_issuer

LOCAL = "http://127.0.0.1:8000/auth/issuer"


def embedded_issuer() -> Issuer:
    made = [LocalIssuer(LOCAL, "plog", {"k1": b"1" * 64}, host="127.0.0.1")]

    async def token(_: str) -> str:
        return made[-1].issue("ada", timedelta(minutes=10))

    async def rotate() -> None:
        made.append(LocalIssuer(LOCAL, "plog", {"k2": b"2" * 64}, host="::1"))

    return Issuer(LOCAL, "plog", lambda: made[-1].fetch_jwks(), token, rotate, ("ES256",))


@pytest.fixture(params=["embedded", "oidc-provider"])
async def issuer(request: pytest.FixtureRequest) -> AsyncIterator[Issuer]:
    if request.param == "embedded":
        yield embedded_issuer()
        return
    async with httpx.AsyncClient(trust_env=False) as client:
        yield certified_issuer(request.getfixturevalue("issuer_process"), client)


async def test_every_algorithm_signs_in(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    for algorithm in issuer.algorithms:
        token = await issuer.token(algorithm)
        person = await verifier.verify(token)
        assert header_of(token)["alg"] == algorithm
        assert (person.subject, person.name) in {("demo:ada", "Ada (sets up logic models)"), ("service", "Service")}
        assert "logic-engineers" in person.groups
        assert timedelta(minutes=9) < person.expires_at - datetime.now(UTC) < timedelta(minutes=11)


async def test_expired_other_audience_other_issuer(issuer: Issuer) -> None:
    token = await issuer.token(issuer.algorithms[0])
    for verifier, why in (
        (issuer.verifier(after=timedelta(minutes=11)), "expired"),
        (issuer.verifier(audience="https://other.test"), "audience"),
        (issuer.verifier(issuer=issuer.name + "x"), "issuer"),
        (issuer.verifier(after=timedelta(minutes=-11)), "not valid"),
    ):
        with pytest.raises(Unauthenticated, match=why):
            await verifier.verify(token)


async def test_a_clock_within_the_leeway_is_forgiven(issuer: Issuer) -> None:
    token = await issuer.token(issuer.algorithms[0])
    for seconds in (-25, 620):
        await issuer.verifier(after=timedelta(seconds=seconds)).verify(token)


async def test_another_key_a_public_key_as_a_secret_and_no_key_at_all(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    for algorithm in issuer.algorithms:
        token = await issuer.token(algorithm)
        header, claims, signature = token.split(".")
        content = base64.urlsafe_b64decode(claims + "==")
        public = next(key for key in usable_keys(await issuer.source()) if key.kid == header_of(token)["kid"])
        stranger = ECKey.generate_key("P-256")
        forged = [
            forge({"alg": "ES256", "kid": "unknown"}, content, stranger),
            forge({"alg": "ES256", "kid": public.kid}, content, stranger),
            forge({"alg": "ES256"}, content, stranger),
            forge({"alg": "ES256", "jwk": stranger.as_dict(private=False)}, content, stranger),
            encode(json.dumps({"alg": "none", "kid": public.kid}).encode()) + f".{claims}.",
            encode(json.dumps({"alg": "None"}).encode()) + f".{claims}.{signature}",
            f"{header}.{claims}.",
            f"{header}.{encode(content.replace(b'service', b'servics').replace(b'demo:ada', b'demo:eve'))}.{signature}",
            f"{header}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        ]
        for secret in public_bytes(public):
            for name in ("HS256", "HS512"):
                digest = name.replace("HS", "sha")
                forged.append(hmac_forge({"alg": name, "kid": public.kid}, content, secret, digest))
        for bad in forged:
            with pytest.raises(Unauthenticated):
                await verifier.verify(bad)
        assert (await verifier.verify(token)).subject, "the original is still good"


def public_bytes(key: Key) -> list[bytes]:
    """What an attacker might take for the secret: every spelling of the public key that is published."""
    native: Any = key.public_key
    return [
        native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        native.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(key.as_dict(private=False)).encode(),
    ]


async def test_new_keys_are_found_and_old_ones_forgotten(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    before = await issuer.token("ES256")
    await verifier.verify(before)
    await issuer.rotate()
    await verifier.verify(await issuer.token("ES256"))
    with pytest.raises(Unauthenticated, match="unknown key"):
        await verifier.verify(before)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_the_embedded_issuer_works_on_loopback(host: str) -> None:
    LocalIssuer(LOCAL, "plog", {"k": b"k" * 64}, host=host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "192.168.1.1", "example.com", "localhost.example.com", "127.0.0.1.example.com"]
)
def test_the_embedded_issuer_refuses_to_work_elsewhere(host: str) -> None:
    with pytest.raises(IssuerRefused, match="loopback only"):
        LocalIssuer(LOCAL, "plog", {"k": b"k" * 64}, host=host)


def test_the_embedded_issuer_publishes_public_keys_of_old_and_new_secrets() -> None:
    first = LocalIssuer(LOCAL, "plog", {"new": b"n" * 64, "old": b"o" * 64}, host="localhost")
    again = LocalIssuer(LOCAL, "plog", {"new": b"n" * 64, "old": b"o" * 64}, host="localhost")
    assert first.jwks() == again.jwks(), "two servers with the same secrets are one issuer"
    assert [key["kid"] for key in first.jwks()["keys"]] == ["new", "old"]
    assert all("d" not in key for key in first.jwks()["keys"])
    assert first.discovery()["jwks_uri"] == f"{LOCAL}/jwks.json"
    old = LocalIssuer(LOCAL, "plog", {"old": b"o" * 64}, host="localhost").issue("bela", timedelta(minutes=1))
    person = asyncio.run(OidcVerifier(LOCAL, "plog", JwksCache(first.fetch_jwks)).verify(old))
    assert (person.subject, person.groups) == ("demo:bela", frozenset({"dram-engineers"}))


def test_the_embedded_issuer_knows_its_demo_users_only() -> None:
    issuer = LocalIssuer(LOCAL, "plog", {"k": b"k" * 64}, host="localhost")
    assert [user.username for user in issuer.users] == ["ada", "bela", "chris", "dana"] == [user.username for user in DEMO_USERS]
    with pytest.raises(NotFound):
        issuer.issue("eve", timedelta(minutes=1))

"""An issuer's answers that are wrong in one thing only: no browser gets a session by any of them."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import func, select
from starlette.responses import JSONResponse, PlainTextResponse, Response

from persistence import tables
from persistence.unit_of_work import UnitOfWork
from tests.adapters.forging import encode, forge, hmac_forge
from tests.api.browser import SESSION, SIGN_IN, VIEWER, Browser, browser, query_of
from tests.api.hostile_issuer import CLIENT, SECRET, HostileIssuer, hostile_issuer
from tests.api.in_process import Plog, serving

Make = Callable[[HostileIssuer, dict[str, Any]], str | None]


@pytest.fixture
async def issuer() -> AsyncIterator[HostileIssuer]:
    async with hostile_issuer() as running:
        yield running


@pytest.fixture
async def plog(issuer: HostileIssuer, tmp_path: Path) -> AsyncIterator[Plog]:
    async with serving(tmp_path / "plog", {"oidc": {"issuer": issuer.url, "client_id": CLIENT, "client_secret": SECRET}}) as made:
        yield made


@pytest.fixture
async def visitor(plog: Plog) -> AsyncIterator[Browser]:
    async with browser(plog.url) as opened:
        yield opened


async def sessions(plog: Plog) -> int:
    async with plog.container.services.database.snapshot() as work:
        assert isinstance(work, UnitOfWork)
        count: int = (await work.connection.execute(select(func.count()).select_from(tables.session))).scalar_one()
        return count


def with_claims(**changes: Any) -> Make:
    """A token rightly signed, with other claims; without those that are None."""

    def make(issuer: HostileIssuer, claims: dict[str, Any]) -> str:
        return issuer.sign({name: value for name, value in {**claims, **changes}.items() if value is not None})

    return make


def unsigned(algorithm: str, signature: str = "") -> Make:
    def make(issuer: HostileIssuer, claims: dict[str, Any]) -> str:
        header = encode(json.dumps({"alg": algorithm, "kid": "k"}).encode())
        return f"{header}.{encode(json.dumps(claims).encode())}.{signature}"

    return make


def by_public_key(number: int, algorithm: str) -> Make:
    """Signed with the public key as if it were a secret."""

    def make(issuer: HostileIssuer, claims: dict[str, Any]) -> str:
        digest = algorithm.replace("HS", "sha")
        return hmac_forge({"alg": algorithm, "kid": "k"}, claims, issuer.public_keys()[number], digest)

    return make


def by_stranger(issuer: HostileIssuer, claims: dict[str, Any]) -> str:
    return forge({"alg": "ES256", "kid": "k"}, claims, ECKey.generate_key("P-256"))


def tampered(issuer: HostileIssuer, claims: dict[str, Any]) -> str:
    header, _, signature = issuer.sign(claims).split(".")
    return f"{header}.{encode(json.dumps({**claims, 'sub': 'eve'}).encode())}.{signature}"


WRONG_TOKENS: dict[str, Make] = {
    "another nonce": with_claims(nonce="x" * 43),
    "no nonce": with_claims(nonce=None),
    "a nonce that is no text": with_claims(nonce=["x"]),
    "another audience": with_claims(aud="another"),
    "PLOG's API as the audience": with_claims(aud=["other", "another"]),
    "no audience": with_claims(aud=None),
    "another party": with_claims(azp="another"),
    "several audiences and no party": with_claims(aud=[CLIENT, "another"]),
    "several audiences and another party": with_claims(aud=[CLIENT, "another"], azp="another"),
    "another issuer": with_claims(iss="https://evil.example"),
    "no issuer": with_claims(iss=None),
    "expired": with_claims(exp=1_700_000_000),
    "no end": with_claims(exp=None),
    "made in the future": with_claims(iat=4_000_000_000),
    "made at no time": with_claims(iat=None),
    "nobody": with_claims(sub=None),
    "somebody that is no text": with_claims(sub=["ada"]),
    "a subject that can't be stored": with_claims(sub="a\x00"),
    "no signature": unsigned("none"),
    "no signature, in capitals": unsigned("None"),
    "a signature that is none": unsigned("ES256"),
    "HS256 with the public key": by_public_key(0, "HS256"),
    "HS256 with the public key as JSON": by_public_key(1, "HS256"),
    "HS512 with the public key": by_public_key(0, "HS512"),
    "signed by a stranger": by_stranger,
    "tampered with": tampered,
    "an access token": lambda issuer, claims: issuer.sign(claims, typ="at+jwt"),
    "a logout token": lambda issuer, claims: issuer.sign(claims, typ="logout+jwt"),
    "extensions that are not known": lambda issuer, claims: issuer.sign(claims, crit=["x"], x=1),
    "garbage": lambda issuer, claims: "garbage",
    "none": lambda issuer, claims: None,
}


async def test_no_wrong_id_token_makes_a_session(plog: Plog, issuer: HostileIssuer, visitor: Browser) -> None:
    for name, make in WRONG_TOKENS.items():
        issuer.make_token = make
        response = await visitor.sign_in()
        assert response.status_code in (403, 503), (name, response.text)
        assert visitor.session is None and SESSION not in str(response.headers), name
        for secret in (issuer.nonce, SECRET, "c0de", "acce55", "eyJ"):
            assert secret not in response.text, name
    assert await sessions(plog) == 0


RIGHT_TOKENS: dict[str, Make] = {
    "as it is": with_claims(),
    "a list of one audience": with_claims(aud=[CLIENT]),
    "the party": with_claims(azp=CLIENT),
    "several audiences and the party": with_claims(aud=[CLIENT, "another"], azp=CLIENT),
    "no type": lambda issuer, claims: forge({"alg": "ES256"}, claims, issuer.key),
}


async def test_right_id_tokens_sign_in(issuer: HostileIssuer, visitor: Browser) -> None:
    for name, make in RIGHT_TOKENS.items():
        issuer.make_token = make
        assert (await visitor.sign_in()).status_code == 303, name
        assert (await visitor.viewer())["subject"] == "ada"


WRONG_ANSWERS: dict[str, tuple[Response, int, str]] = {
    "refused": (JSONResponse({"error": "invalid_grant", "error_description": "<b>0800"}, 400), 403, "(invalid_grant)"),
    "not let in": (JSONResponse({"error": "invalid_client"}, 401), 403, "(invalid_client)"),
    "an odd code": (JSONResponse({"error": "<script>"}, 400), 403, "(unknown error)"),
    "no code": (JSONResponse({}, 400), 403, "(unknown error)"),
    "broken": (PlainTextResponse("stack trace", 500), 503, "does not answer"),
    "led elsewhere": (Response(status_code=302, headers={"location": "https://evil.example"}), 503, "does not answer"),
    "text": (PlainTextResponse("hello"), 503, "is not JSON"),
    "a list": (JSONResponse([]), 503, "not a JSON object"),
    "deep": (Response(b"[" * 100_000), 503, "is not JSON"),
    "no id token": (JSONResponse({"access_token": "x"}), 503, "sent no id token"),
}


async def test_odd_answers_of_the_token_endpoint_are_told_in_a_sentence(
    plog: Plog, issuer: HostileIssuer, visitor: Browser
) -> None:
    for name, (answer, status, sentence) in WRONG_ANSWERS.items():
        issuer.answer = answer
        response = await visitor.sign_in()
        assert (response.status_code, sentence in response.text) == (status, True), (name, response.text)
        assert f'href="{SIGN_IN}' in response.text
        assert not any(word in response.text for word in ("script", "0800", "stack", "evil", SECRET)), name
    assert await sessions(plog) == 0


async def test_what_the_userinfo_endpoint_adds(plog: Plog, issuer: HostileIssuer, visitor: Browser) -> None:
    """Only where the id token has no groups, and only of the same person."""
    issuer.changes = {"userinfo_endpoint": f"{issuer.url}/userinfo"}
    issuer.claims = {"name": "Ada of the token"}
    await visitor.sign_in()
    assert await visitor.viewer() == {"subject": "ada", "name": "Ada of the token", "groups": ["b"]}
    issuer.person = JSONResponse({"sub": "eve", "groups": ["admins"]})
    assert (await visitor.sign_in()).status_code == 403
    issuer.person = PlainTextResponse("no", 500)
    assert (await visitor.sign_in()).status_code == 503
    issuer.claims = {"groups": []}
    await visitor.sign_in()
    assert await visitor.viewer() == {"subject": "ada", "name": "ada", "groups": []}


async def test_the_client_shows_its_secret_as_the_issuer_wants_it(issuer: HostileIssuer, visitor: Browser, plog: Plog) -> None:
    await visitor.sign_in()
    form, authorization = issuer.forms[-1]
    assert set(form) == {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert authorization == "Basic " + base64.b64encode(b"plog:a-secret%3Aof-the%25tests").decode()
    assert form["redirect_uri"] == f"{plog.url}/auth/callback"


async def test_the_verifier_is_that_of_the_challenge(issuer: HostileIssuer, visitor: Browser) -> None:
    address = await visitor.begin()
    await visitor.get(await visitor.authorized(address))
    form, _ = issuer.forms[-1]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
    assert query_of(address)["code_challenge"] == challenge


@pytest.mark.parametrize(
    ("oidc", "changes", "sent"),
    [
        ({"client_secret": SECRET}, {"token_endpoint_auth_methods_supported": ["client_secret_post"]}, {CLIENT, SECRET}),
        ({}, {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, {CLIENT}),
    ],
)
async def test_other_ways_of_naming_the_client(
    issuer: HostileIssuer, tmp_path: Path, oidc: dict[str, str], changes: dict[str, Any], sent: set[str]
) -> None:
    issuer.changes = changes
    settings = {"oidc": {"issuer": issuer.url, "client_id": CLIENT, **oidc}}
    async with serving(tmp_path / "other", settings) as plog, browser(plog.url) as visitor:
        assert (await visitor.sign_in()).status_code == 303
        form, authorization = issuer.forms[-1]
        named = {value for name, value in form.items() if name in ("client_id", "client_secret")}
        assert (named, authorization) == (sent, None)
        signed_out = await visitor.sign_out()
        assert signed_out.headers["location"] == "/auth/signed-out", "the issuer has no address for it"


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://another.example"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 5},
    ],
)
async def test_an_issuer_that_says_nothing_usable_of_itself(
    issuer: HostileIssuer, visitor: Browser, changes: dict[str, Any]
) -> None:
    issuer.changes = changes
    response = await visitor.http.get(visitor.home + SIGN_IN, params={"next": "/apply"})
    assert (response.status_code, f'href="{SIGN_IN}?next=%2Fapply"' in response.text) == (503, True)
    assert "set-cookie" not in response.headers


async def test_the_issuer_is_not_asked_what_it_is_by_everybody(issuer: HostileIssuer, visitor: Browser) -> None:
    for _ in range(5):
        await visitor.begin()
    assert issuer.discoveries == 1


async def test_an_issuer_that_is_away_is_asked_once_for_many(issuer: HostileIssuer, visitor: Browser) -> None:
    issuer.changes = {"issuer": "https://another.example"}
    for _ in range(5):
        assert (await visitor.get(SIGN_IN)).status_code == 503
    assert issuer.discoveries == 1


async def test_an_issuer_that_says_who_answers_is_held_to_it(issuer: HostileIssuer, visitor: Browser) -> None:
    issuer.changes = {"authorization_response_iss_parameter_supported": True}
    response = await visitor.sign_in()
    assert (response.status_code, "another sign-in service" in response.text) == (403, True)


async def test_a_replayed_code_is_refused_though_the_issuer_takes_it_again(
    plog: Plog, issuer: HostileIssuer, visitor: Browser
) -> None:
    callback = await visitor.authorized(await visitor.begin())
    copied = dict(visitor.http.cookies)
    assert (await visitor.get(callback)).status_code == 303
    async with httpx.AsyncClient(cookies=copied, trust_env=False) as thief:
        assert (await thief.get(callback)).status_code == 403
    assert (len(issuer.forms), await sessions(plog)) == (1, 1), "the issuer is not even asked"


async def test_a_flood_of_made_up_keys_asks_the_issuer_hardly_anything(plog: Plog, issuer: HostileIssuer) -> None:
    """Whoever sends them is told no, and who has a token of the issuer's gets in meanwhile."""
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": issuer.url, "aud": "plog", "sub": "ada", "exp": now + 600, "iat": now, "scope": "use"}
    good, stranger = issuer.sign(claims), ECKey.generate_key("P-256")
    made_up = [forge({"alg": "ES256", "kid": f"made up {number}"}, claims, stranger) for number in range(200)]
    begun = monotonic()
    answers = await asyncio.gather(*(ask_as(plog, token) for token in [good, *made_up, good]))
    assert [answer.status_code for answer in answers] == [200, *[401] * 200, 200]
    assert issuer.key_reads <= 2 + (monotonic() - begun) / 5
    before, issuer.key = issuer.key, ECKey.generate_key("P-256", {"kid": "new"})
    fresh = forge({"alg": "ES256", "kid": "new"}, claims, issuer.key)
    async with asyncio.timeout(10):
        while (await ask_as(plog, fresh)).status_code != 200:
            await asyncio.gather(*(ask_as(plog, token) for token in made_up[:20]))
    assert (await ask_as(plog, forge({"alg": "ES256", "kid": "k"}, claims, before))).status_code == 401, "the old key is gone"


async def ask_as(plog: Plog, token: str) -> httpx.Response:
    return await plog.http.post("/graphql", json={"query": VIEWER}, headers={"authorization": f"Bearer {token}"})

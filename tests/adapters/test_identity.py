"""Sign-in: the embedded issuer and a certified one are verified by the same code, and nothing else passes."""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from adapters.identity.compact import MAX_TOKEN_LENGTH
from adapters.identity.jwks import DiscoveredKeys, JwksCache, JwksSource, usable_keys
from adapters.identity.local_issuer import DEMO_USERS, IssuerRefused, LocalIssuer
from adapters.identity.verifier import OidcVerifier
from domain.actor import Person
from domain.errors import NotFound, Unauthenticated, Unavailable

PROVIDER = Path(__file__).parent / "oidc_provider"
LOCAL = "http://127.0.0.1:8000/auth/issuer"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def missing(what: str) -> NoReturn:
    """A visible skip on a laptop, a failure where all services are required."""
    if os.environ.get("PLOG_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{what} is required and missing")
    pytest.skip(f"{what} is missing")


@dataclass(frozen=True)
class Issuer:
    """An issuer under test: who it is, its keys, a way to get a token and one to make it change its keys."""

    name: str
    audience: str
    source: JwksSource
    token: Callable[[str], Awaitable[str]]
    rotate: Callable[[], Awaitable[None]]
    algorithms: tuple[str, ...]

    def verifier(self, *, after: timedelta = timedelta(0), issuer: str = "", audience: str = "") -> OidcVerifier:
        cache = JwksCache(self.source, retry_interval=timedelta(0))
        return OidcVerifier(issuer or self.name, audience or self.audience, cache, now=lambda: datetime.now(UTC) + after)


def embedded_issuer() -> Issuer:
    made = [LocalIssuer(LOCAL, "plog", {"k1": b"1" * 64}, host="127.0.0.1")]

    async def token(_: str) -> str:
        return made[-1].issue("ada", timedelta(minutes=10))

    async def rotate() -> None:
        made.append(LocalIssuer(LOCAL, "plog", {"k2": b"2" * 64}, host="::1"))

    return Issuer(LOCAL, "plog", lambda: made[-1].fetch_jwks(), token, rotate, ("ES256",))


def installed_provider() -> Path:
    """The folder with the installed npm packages, made once for each content of the lock file."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        missing("Node.js with npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "plog"
    lock = (PROVIDER / "package-lock.json").read_bytes()
    folder = cache / f"oidc-provider-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROVIDER / name, draft)
        result = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=draft, capture_output=True, text=True, timeout=100)
        if result.returncode:
            shutil.rmtree(draft)
            missing(f"npm's oidc-provider ({result.stderr.strip()[-200:]})")
        try:
            draft.rename(folder)
        except OSError:
            shutil.rmtree(draft)
    return folder


async def certified_issuer(folder: Path, client: httpx.AsyncClient) -> AsyncIterator[Issuer]:
    (folder / "node_modules").symlink_to(installed_provider() / "node_modules")
    shutil.copy(PROVIDER / "server.mjs", folder)
    process = await asyncio.create_subprocess_exec(
        "node", "server.mjs", cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines, orders = process.stdout, process.stdin

    async def token(algorithm: str) -> str:
        form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": "service-secret", "scope": "use"}
        response = await client.post(f"{address}/token", data={**form, "resource": f"https://plog.test/{algorithm}"})
        response.raise_for_status()
        return str(response.json()["access_token"])

    async def rotate() -> None:
        orders.write(b"rotate\n")
        while await asyncio.wait_for(lines.readline(), 20) != b"rotated\n":
            assert process.returncode is None

    try:
        address = (await asyncio.wait_for(lines.readline(), 20)).decode().strip()
        source = DiscoveredKeys(client, address)
        yield Issuer(address, "https://plog.test", source, token, rotate, ("RS256", "PS256", "ES256", "EdDSA"))
    finally:
        orders.close()
        await asyncio.wait_for(process.wait(), 10)


@pytest.fixture(params=["embedded", "oidc-provider"])
async def issuer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Issuer]:
    if request.param == "embedded":
        yield embedded_issuer()
        return
    async with httpx.AsyncClient(trust_env=False) as client:
        async for found in certified_issuer(tmp_path, client):
            yield found


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forge(header: bytes | Mapping[str, Any], claims: bytes | Mapping[str, Any], key: Key, algorithm: str = "ES256") -> str:
    """A token with any header and claims whatsoever, rightly signed."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = ".".join(encode(part) for part in parts)
    signature = JWSRegistry.algorithms[algorithm].sign(signed.encode(), key)
    return f"{signed}.{encode(signature)}"


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(part + "==")))


async def test_every_algorithm_signs_in(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    for algorithm in issuer.algorithms:
        token = await issuer.token(algorithm)
        person = await verifier.verify(token)
        assert header_of(token)["alg"] == algorithm
        assert (person.subject, person.name) in {("demo:ada", "Ada (logic engineer)"), ("service", "Service")}
        assert "logic-engineers" in person.groups
        assert timedelta(minutes=9) < person.expires_at - datetime.now(UTC) < timedelta(minutes=11)


async def test_expired_other_audience_other_issuer(issuer: Issuer) -> None:
    token = await issuer.token(issuer.algorithms[0])
    for verifier, why in (
        (issuer.verifier(after=timedelta(minutes=11)), "expired"),
        (issuer.verifier(audience="https://other.test"), "audience"),
        (issuer.verifier(after=timedelta(minutes=-11)), "not valid"),
    ):
        with pytest.raises(Unauthenticated, match=why):
            await verifier.verify(token)
    other = OidcVerifier(issuer.name + "x", issuer.audience, JwksCache(issuer.source))
    with pytest.raises(Unauthenticated, match="issuer"):
        await other.verify(token)


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
        assert isinstance(public.public_key, object)
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
                forged.append(forge({"alg": name, "kid": public.kid}, content, OctKey.import_key(secret), name))
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
)
FIELDS = st.sampled_from(
    ["alg", "kid", "typ", "crit", "b64", "jwk", "x5c", "zip", "enc", "iss", "aud", "sub", "exp", "nbf", "iat", "name", "groups"]
)


@settings(max_examples=150, deadline=None)
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_garbage_is_refused_in_one_way(garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(garbage)


@settings(max_examples=150, deadline=None)
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
    assert (person.subject, person.groups) == ("demo:bela", {"dram-engineers"})


def test_the_embedded_issuer_knows_its_demo_users_only() -> None:
    issuer = LocalIssuer(LOCAL, "plog", {"k": b"k" * 64}, host="localhost")
    assert [user.username for user in issuer.users] == ["ada", "bela", "chris"] == [user.username for user in DEMO_USERS]
    with pytest.raises(NotFound):
        issuer.issue("eve", timedelta(minutes=1))


class Source:
    """Keys that can change, fail and be counted, and a clock that stands still until moved."""

    def __init__(self, *key_ids: str) -> None:
        self.key_ids = key_ids
        self.calls = 0
        self.is_down = False
        self.time = 0.0
        self.cache = JwksCache(self, clock=lambda: self.time)

    async def __call__(self) -> Mapping[str, Any]:
        self.calls += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("down")
        return {"keys": [{**KEY.as_dict(private=False), "kid": key_id} for key_id in self.key_ids]}

    async def find(self, key_id: str) -> bool:
        return bool(await self.cache.find(key_id, "ES256"))


async def test_keys_are_fetched_once_for_many_at_the_same_time() -> None:
    source = Source("a")
    assert all(await asyncio.gather(*(source.find("a") for _ in range(50))))
    assert source.calls == 1


async def test_an_unknown_key_is_looked_for_once_per_interval() -> None:
    source = Source("a")
    await source.find("a")
    source.key_ids = ("a", "b")
    source.time = 4.9
    assert not await source.find("b")
    source.time = 5
    assert await source.find("b")
    source.time = 10
    assert not any(await asyncio.gather(*(source.find(f"made-up-{number}") for number in range(50))))
    assert source.calls == 3


async def test_keys_stay_in_use_while_the_issuer_is_down_but_not_for_ever() -> None:
    source = Source("a")
    await source.find("a")
    source.is_down = True
    source.time = 86_000
    assert await source.find("a")
    assert await source.find("a")
    assert source.calls == 2, "an issuer that is down is asked once per interval"
    source.time = 86_401
    with pytest.raises(Unavailable):
        await source.find("a")
    source.is_down, source.time = False, 86_410
    assert await source.find("a")


async def test_without_any_keys_the_issuer_is_unavailable_and_asked_again() -> None:
    source = Source("a")
    source.is_down = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await source.find("a")
    assert source.calls == 1
    source.is_down, source.time = False, 5
    assert await source.find("a")


async def test_removed_keys_are_gone_when_the_keys_are_old() -> None:
    source = Source("a")
    await source.find("a")
    source.key_ids = ("b",)
    source.time = 601
    assert not await source.find("a")


def test_keys_that_are_of_no_use_are_left_out() -> None:
    good = KEY.as_dict(private=False)
    others: list[Any] = [
        {**good, "use": "enc"},
        {**good, "x": "AA"},
        {"kty": "EC"},
        {"kty": "new"},
        {},
        5,
        OctKey.generate_key(256).as_dict(),
        RSAKey.generate_key(1024, auto_kid=True).as_dict(private=False),
    ]
    assert [key.kid for key in usable_keys({"keys": [*others, good]})] == ["k"]
    assert list(usable_keys({"keys": 5})) == list(usable_keys({})) == []


DISCOVERY = {"issuer": "https://i.example/", "jwks_uri": "https://i.example/keys"}


@pytest.mark.parametrize(
    ("discovery", "keys"),
    [
        ((200, {**DISCOVERY, "issuer": "https://i.example"}), (200, {})),
        ((200, {"issuer": "https://i.example/"}), (200, {})),
        ((200, {**DISCOVERY, "jwks_uri": "http://i.example/keys"}), (200, {})),
        ((200, {**DISCOVERY, "jwks_uri": "https://[::/"}), (200, {})),
        ((200, []), (200, {})),
        ((200, DISCOVERY), (200, [])),
        ((200, DISCOVERY), (500, {})),
        ((302, DISCOVERY), (200, {})),
        ((404, {}), (200, {})),
    ],
)
async def test_an_issuer_that_answers_badly_is_unavailable(discovery: tuple[int, Any], keys: tuple[int, Any]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status, body = discovery if request.url.path == "/.well-known/openid-configuration" else keys
        return httpx.Response(status, json=body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(Unavailable):
            await DiscoveredKeys(client, "https://i.example/")()

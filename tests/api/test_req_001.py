"""REQ-001: a user signed in by SSO can apply for permissions; at the embedded issuer and at a certified one alike."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import update
from websockets.asyncio.client import connect

from adapters.identity.local_issuer import LocalIssuer
from app.identity import ISSUER, read_keys
from app.web_part import WEB_DIST
from persistence import tables
from persistence.unit_of_work import UnitOfWork
from tests.adapters.forging import forge
from tests.api.browser import SESSION, Browser, browser
from tests.api.in_process import BOTH_DATABASES, CREATE, table_document
from tests.api.sign_in_house import House, house
from tests.api.test_websocket import closed_with
from tests.api.toy_server import PROTOCOL, receive, send

__all__ = ["house"]
pytestmark = BOTH_DATABASES
KINDS = "{ permissionKinds { name } viewer { subject permissions { viewerCanApply { isAllowed } } } }"
APPLY = '{ permissionRequestCreate(input: {kinds: ["DRAM_GENERAL"], reason: "work"}) { __typename } }'
WATCH = "subscription { viewer { name } }"


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[Browser]:
    """A browser of somebody who has not signed in yet."""
    async with browser(house.plog.url) as opened:
        yield opened


def is_page(response: httpx.Response) -> bool:
    """Whether it is the page; where the web part is not built it is one that says how to build it."""
    is_built = (WEB_DIST / "apply.html").exists()
    return response.headers["content-type"].startswith("text/html") and response.status_code == (200 if is_built else 503)


async def test_req_001_1_who_has_signed_in_reaches_the_application_page(house: House, visitor: Browser) -> None:
    response = await visitor.sign_in("bela", next_path="/apply")
    assert response.headers["location"] == "/apply" and is_page(await visitor.get("/apply"))
    found = (await visitor.post(KINDS)).json()["data"]
    assert [each["name"] for each in found["permissionKinds"]] == ["LOGIC_GENERAL", "LOGIC_MODEL_SET_UP", "DRAM_GENERAL"]
    assert found["viewer"]["subject"].endswith("bela") and len(found["viewer"]["permissions"]) == 3


async def token_of_service(house: House, audience: str) -> str:
    """A token for who may use that, by the certified issuer."""
    form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": "service-secret", "scope": "use"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(house.token_endpoint, data={**form, "resource": f"{audience}/ES256"})
    return str(answer.raise_for_status().json()["access_token"])


async def tokens_of_keys(house: House) -> dict[str, str]:
    """Tokens that are signed with the issuer's own keys: a valid one, and those with one thing wrong."""
    settings = house.plog.container.settings
    audience, elsewhere = settings.oidc.audience, "https://another.example"
    if house.process is None:
        keys, hour = read_keys(settings).derive("local issuer"), timedelta(hours=1)
        named = {"": (ISSUER, audience), "wrong audience": (ISSUER, elsewhere), "wrong issuer": (elsewhere, audience)}
        return {what: LocalIssuer(*of, keys, host="127.0.0.1").issue("ada", hour) for what, of in named.items()}
    tokens = {"": await token_of_service(house, audience), "wrong audience": await token_of_service(house, elsewhere)}
    await asyncio.to_thread(house.process.obey, f"name {elsewhere}")
    try:
        return tokens | {"wrong issuer": await token_of_service(house, audience)}
    finally:
        await asyncio.to_thread(house.process.obey, "name ")


async def forged_tokens(house: House) -> dict[str, str]:
    """Tokens that say all that is right, by who has none of the issuer's keys."""
    settings = house.plog.container.settings
    async with httpx.AsyncClient(trust_env=False) as client:
        base = settings.oidc.issuer or f"{house.plog.url}/auth/issuer"
        discovery = (await client.get(f"{base}/.well-known/openid-configuration")).json()
        published = (await client.get(discovery["jwks_uri"])).json()["keys"]
    key_id = next(each["kid"] for each in published if each["alg"] == "ES256")
    now = int(datetime.now(UTC).timestamp())
    who = {"iss": settings.oidc.issuer or ISSUER, "aud": settings.oidc.audience, "sub": house.ada["subject"]}
    claims, stranger = {**who, "exp": now + 600, "iat": now}, ECKey.generate_key("P-256")
    headers = {
        "bad signature": {"alg": "ES256", "typ": "at+jwt", "kid": key_id},
        "unknown key": {"alg": "ES256", "typ": "at+jwt", "kid": "another"},
        "no algorithm": {"alg": "none", "typ": "at+jwt", "kid": key_id},
    }
    return {what: forge(header, claims, stranger) for what, header in headers.items()}


async def test_req_001_2_an_invalid_sign_in_is_refused(house: House) -> None:
    tokens = await tokens_of_keys(house)
    valid = await house.plog.post(KINDS, headers={"authorization": f"Bearer {tokens.pop('')}"})
    assert valid.status_code == 200 and "data" in valid.json()
    for what, token in (tokens | await forged_tokens(house)).items():
        response = await house.plog.post(KINDS, headers={"authorization": f"Bearer {token}"})
        assert response.status_code == 401 and "data" not in response.json(), what
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED", what
        assert token not in response.text


async def end_all_sessions(house: House) -> None:
    """Let all sessions be over, by the database alone, as another server would."""
    async with house.plog.container.services.database.transaction() as work:
        assert isinstance(work, UnitOfWork)
        over = datetime.now(UTC) - timedelta(seconds=1)
        await work.connection.execute(update(tables.session).values(expires_at=over))


async def test_req_001_3_an_expired_session_is_refused_also_on_an_open_websocket(house: House, visitor: Browser) -> None:
    await visitor.sign_in("bela")
    headers = {"cookie": f"{SESSION}={visitor.session}"}
    address = visitor.home.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[PROTOCOL], origin=visitor.home, additional_headers=headers) as socket:  # type: ignore[list-item, arg-type]
        await send(socket, {"type": "connection_init"})
        assert await receive(socket) == {"type": "connection_ack"}
        await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        assert (await receive(socket))["type"] == "next"
        await end_all_sessions(house)
        code, reason = await closed_with(socket, 5)
        assert code in (4401, 4403) and "session" in reason
    assert (await visitor.post(KINDS)).status_code == 401
    assert (await visitor.post(f"mutation {APPLY}")).status_code == 401


async def test_req_001_4_without_a_sign_in_all_is_refused(house: House, visitor: Browser) -> None:
    for query in (KINDS, f"mutation {APPLY}", WATCH):
        response = await visitor.post(query)
        assert response.status_code == 401 and "data" not in response.json(), query
    address = visitor.home.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[PROTOCOL], origin=visitor.home) as socket:  # type: ignore[list-item, arg-type]
        await send(socket, {"type": "connection_init"})
        assert (await closed_with(socket))[0] == 4401
    assert is_page(await visitor.get("/apply")), "the page itself holds nothing, and leads to the sign-in"


async def test_req_001_5_who_is_denied_something_is_led_to_the_application_page(house: House, visitor: Browser) -> None:
    await visitor.sign_in("bela" if house.plog.container.issuer is None else "dana")  # who has no permission there
    body = {"query": CREATE, "variables": {"input": table_document(name="k", productLine="LOGIC")}}
    response = await visitor.http.post(f"{visitor.home}/graphql", json=body, headers={"origin": visitor.home})
    denied = response.json()["data"]["kitCreate"]
    assert denied["__typename"] == "PermissionDenied" and denied["openedBy"] == ["LOGIC_GENERAL", "LOGIC_MODEL_SET_UP"]
    assert denied["applyAt"] == f"{house.plog.url}/apply?kind=LOGIC_GENERAL"
    assert is_page(await visitor.get(denied["applyAt"]))
    applied = (await visitor.post(f"mutation {APPLY.replace('DRAM_GENERAL', 'LOGIC_GENERAL')}")).json()["data"]
    assert applied["permissionRequestCreate"]["__typename"] == "PermissionRequestCreatePayload"

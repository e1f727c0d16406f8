"""An id token tells the client who has signed in: it opens nothing, even where the API's audience is the client itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from domain.session import SignIn
from tests.adapters.forging import header_of
from tests.adapters.oidc_provider.issuer import IssuerProcess
from tests.api.browser import CALLBACK, VIEWER, browser, query_of
from tests.api.sign_in_house import House, certified_house

AUDIENCE = "https://plog.test"  # of the tokens that the issuer makes for programs, and here the name of the client


@pytest.fixture
async def house(issuer_process: IssuerProcess, tmp_path: Path) -> AsyncIterator[House]:
    """The client that browsers sign in with has the very name that access tokens are made out to."""
    home = tmp_path / "plog"
    async with certified_house(issuer_process, home, "", tells_all=True, client_id=AUDIENCE, audience=AUDIENCE) as made:
        yield made


async def id_token(house: House) -> str:
    """What the issuer gives for the code that a browser has brought."""
    async with browser(house.plog.url) as visitor:
        code = query_of(await visitor.authorized(await visitor.begin()))["code"]
        (secret,) = [each.value or "" for each in visitor.http.cookies.jar if "plog_sign_in_" in each.name]
        verifier = SignIn(secret, "/").verifier
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "client_id": AUDIENCE}
        answer = await visitor.http.post(house.token_endpoint, data={**form, "redirect_uri": house.plog.url + CALLBACK})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id_token"])


async def access_token(house: House, algorithm: str) -> str:
    """What the issuer gives to a program."""
    form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": "service-secret", "scope": "use"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(house.token_endpoint, data={**form, "resource": f"{AUDIENCE}/{algorithm}"})
        return str(answer.json()["access_token"])


async def test_the_id_token_of_a_sign_in_is_no_bearer_token(house: House) -> None:
    token = await id_token(house)
    assert header_of(token)["alg"] == "RS256"
    for path in ("/graphql", "/uploads/" + "0" * 64):
        sent = {"json": {"query": VIEWER}} if path == "/graphql" else {}
        method = "POST" if sent else "HEAD"
        response = await house.plog.http.request(method, path, headers={"authorization": f"Bearer {token}"}, **sent)  # type: ignore[arg-type]
        assert response.status_code == 401
        if sent:
            (error,) = response.json()["errors"]
            assert error["extensions"]["code"] == "UNAUTHENTICATED" and "no access token" in error["message"]
            assert token not in response.text


async def test_programs_and_browsers_get_in_all_the_same(house: House) -> None:
    for algorithm in ("RS256", "ES256"):
        headers = {"authorization": f"Bearer {await access_token(house, algorithm)}"}
        assert (await house.plog.ask(VIEWER, headers))["viewer"]["name"] == "Service"
    async with browser(house.plog.url) as visitor:
        await visitor.sign_in()
        assert await visitor.viewer() == house.ada

"""The embedded issuer over HTTP: an issuer like any other, for visitors at this machine alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from adapters.identity.discovery import endpoint
from adapters.identity.http_issuer import HttpIssuer
from adapters.identity.local_sign_in import CLIENT_ID
from domain.errors import Unauthenticated
from tests.api.browser import CALLBACK, SIGN_IN, Browser, browser, changed, query_of
from tests.api.in_process import Plog, serving

NOT_HERE: list[dict[str, str]] = [
    {"host": "evil.example"},
    {"host": "plog.localhost.evil.example"},
    {"x-forwarded-for": "203.0.113.9"},
    {"forwarded": "for=203.0.113.9"},
    {"via": "1.1 proxy"},
]
CONFIG = "/graphiql/config.json"


@pytest.fixture
async def visitor(plog: Plog) -> AsyncIterator[Browser]:
    async with browser(plog.url) as opened:
        yield opened


async def test_its_document_is_what_the_standard_wants(plog: Plog) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        issuer = HttpIssuer(client, f"{plog.url}/auth/issuer", CLIENT_ID)
        document = await issuer.metadata()
        assert document["code_challenge_methods_supported"] == ["S256"]
        for name in ("authorization_endpoint", "token_endpoint", "end_session_endpoint", "jwks_uri"):
            assert endpoint(document, name).startswith(f"{plog.url}/auth/issuer/")
        assert (await client.get(endpoint(document, "jwks_uri"))).json() == dict(plog.container.doors.issuer.jwks())  # type: ignore[union-attr]
        with pytest.raises(Unauthenticated, match="invalid_grant"):
            await issuer.redeem({"grant_type": "authorization_code", "code": "x"})


async def test_its_page_brings_nothing_from_elsewhere_and_names_everybody(plog: Plog, visitor: Browser) -> None:
    page = await visitor.get(await visitor.begin())
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert "src=" not in page.text and "http" not in page.text
    assert plog.container.issuer is not None
    for user in plog.container.issuer.users:
        assert f'name="username" value="{user.username}"' in page.text and user.name in page.text


async def test_only_visitors_at_this_machine_sign_in(visitor: Browser) -> None:
    address = await visitor.begin()
    issuer = urlsplit(address)._replace(query="").geturl().removesuffix("/authorize")
    for headers in NOT_HERE:
        for method, asked in (("GET", address), ("POST", address), ("POST", f"{issuer}/token"), ("GET", f"{issuer}/end-session")):
            response = await visitor.http.request(method, asked, headers=headers)
            assert (response.status_code, "location" in response.headers) == (403, False), (headers, method, asked)


async def test_a_wish_of_nobody_we_know_leads_nowhere(visitor: Browser) -> None:
    address = await visitor.begin()
    for changes in ({"redirect_uri": "https://evil.example"}, {"client_id": "<script>"}, {"redirect_uri": None}):
        for method in ("GET", "POST"):
            response = await visitor.http.request(method, changed(address, **changes))
            assert (response.status_code, "location" in response.headers, "script" in response.text) == (400, False, False)


async def test_a_form_that_is_none_signs_nobody_in(visitor: Browser) -> None:
    for content in (b"", b"\xff", b"username", b"username=" + b"a" * 100_000, b"username=ada&" * 10_000):
        response = await visitor.http.post(await visitor.begin(), content=content)
        assert query_of(response.headers["location"])["error"] == "access_denied"


async def test_after_a_sign_out_one_is_led_back(plog: Plog, visitor: Browser) -> None:
    await visitor.sign_in()
    response = await visitor.get((await visitor.sign_out()).headers["location"])
    assert response.headers["location"] == f"{plog.url}/auth/signed-out"
    elsewhere = await visitor.get("/auth/issuer/end-session?post_logout_redirect_uri=https://evil.example")
    assert (elsewhere.status_code, "evil" in elsewhere.text) == (200, False)


async def test_who_comes_by_another_name_of_this_machine_is_led_to_where_cookies_fit(plog: Plog) -> None:
    port = urlsplit(plog.url).port
    async with browser(f"http://localhost:{port}") as visitor:
        moved = await visitor.begin("/apply?a=1")
        assert moved.startswith(plog.url + SIGN_IN)
        issuer = (await visitor.get(moved)).headers["location"]
        response = await visitor.get(await visitor.authorized(issuer))
        assert (response.status_code, response.headers["location"]) == (303, "/apply?a=1")
    still_another = await plog.http.get(f"{SIGN_IN}?moved=1", headers={"host": f"localhost:{port}"})
    assert "/authorize" in still_another.headers["location"], "nobody is led in a circle"


async def test_only_visitors_at_this_machine_are_told_what_is_there(plog: Plog, tmp_path: Path) -> None:
    """GraphiQL's tabs name what Ada has, and come with her token: neither is for anybody else."""
    await plog.create()
    async with serving(tmp_path / "real", {"oidc": {"issuer": "https://sign-in.example"}}) as other:
        plain = (await other.http.get(CONFIG)).json()
    assert (plain["headers"], plain["notice"]) == ({}, "")
    here = (await plog.http.get(CONFIG, headers={"sec-fetch-site": "same-origin"})).json()
    assert set(here["headers"]) == {"Authorization"} and here["notice"] and here["tabs"] != plain["tabs"]
    elsewhere: list[dict[str, str]] = [
        *NOT_HERE,
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ]
    for headers in elsewhere:
        assert (await plog.http.get(CONFIG, headers=headers)).json() == plain, headers


async def test_who_comes_through_a_proxy_that_says_nothing_of_itself_is_not_at_this_machine(plog: Plog) -> None:
    """nginx names its own way to the server as the host, and does not say for whom it asks; it speaks HTTP/1.0."""
    parts = urlsplit(plog.url)
    for path in (CONFIG, "/auth/issuer/authorize"):
        for version, is_here in (("1.0", False), ("1.1", True)):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(f"GET {path} HTTP/{version}\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.read()).decode()
            writer.close()
            assert ("Bearer" in answer or "This is no sign-in" in answer) is is_here, (path, version)


async def test_no_demo_user_signs_in_where_another_issuer_is_set(tmp_path: Path) -> None:
    settings = {"oidc": {"issuer": "https://sign-in.example", "client_id": "plog"}}
    async with serving(tmp_path / "plog", settings) as plog:
        for path in ("authorize", "token", "jwks.json", ".well-known/openid-configuration", "end-session"):
            assert (await plog.http.post(f"/auth/issuer/{path}")).status_code == 404
        assert (await plog.http.get(CALLBACK)).status_code == 403

"""What the cookie of a session is good for: PLOG's own pages over POST, event streams and websockets, while the session lasts."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from resolvers.rights import confirmed
from resolvers.session import resume_session
from tests.api.browser import SESSION, SIGN_IN, VIEWER, Browser, browser, query_of
from tests.api.hostile_issuer import CLIENT, hostile_issuer
from tests.api.in_process import BOTH_DATABASES, CREATE, Plog, serving, table_document
from tests.api.toy_server import PROTOCOL, receive, send
from tests.waiting import eventually

ALLOWED = "https://app.example"
STATE = 'subscription { kitState(id: "%s") { toVersion } }'
SHORT = timedelta(seconds=2)
FOREIGN: list[dict[str, str]] = [
    {"origin": "https://evil.example"},
    {"origin": "https://127.0.0.1"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "http://localhost:8000"},
    {"origin": "null"},
    {"origin": "*"},
    {"origin": ""},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    {},
    {"referer": "http://127.0.0.1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.fixture
def plog_settings(plog_settings: dict[str, Any]) -> dict[str, Any]:
    """One other origin is allowed."""
    return {**plog_settings, "server": {"origins": [ALLOWED]}}


@pytest.fixture
async def visitor(plog: Plog) -> AsyncIterator[Browser]:
    """A browser in which ada is signed in."""
    async with browser(plog.url) as opened:
        await opened.sign_in()
        yield opened


def codes(response: httpx.Response) -> tuple[int, str]:
    """The status, and the code of the first error."""
    return response.status_code, response.json()["errors"][0]["extensions"]["code"]


@BOTH_DATABASES
async def test_plogs_own_pages_and_allowed_ones_use_the_cookie(visitor: Browser) -> None:
    own: list[dict[str, str]] = [
        {"origin": visitor.home},
        {"origin": visitor.home.upper()},
        {"origin": ALLOWED},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ]
    for headers in own:
        response = await visitor.post(VIEWER, headers)
        assert response.json()["data"]["viewer"]["subject"] == "demo:ada", headers


@BOTH_DATABASES
async def test_no_other_page_uses_the_cookie(plog: Plog, visitor: Browser) -> None:
    create = {"query": CREATE, "variables": {"input": table_document()}}
    for headers in FOREIGN:
        for accept in ("application/json", "text/event-stream"):
            response = await visitor.http.post(f"{plog.url}/graphql", json=create, headers={**headers, "accept": accept})
            assert codes(response) == (403, "CSRF"), headers
    assert (await plog.ask("{ kits { totalCount } }"))["kits"]["totalCount"] == 0


async def test_no_form_can_be_an_operation(plog: Plog, visitor: Browser) -> None:
    content = json.dumps({"query": CREATE, "variables": {"input": table_document()}})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = {"origin": plog.url, "content-type": kind}
        response = await visitor.http.post(f"{plog.url}/graphql", content=content, headers=headers)
        assert codes(response) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (await plog.ask("{ kits { totalCount } }"))["kits"]["totalCount"] == 0


async def test_get_by_cookie_reads_and_never_writes(plog: Plog, visitor: Browser) -> None:
    create = {"query": CREATE, "variables": json.dumps({"input": table_document()})}
    for accept in (
        "application/json",
        "application/graphql-response+json",
        "text/event-stream",
        "multipart/mixed;subscriptionSpec=1",
    ):
        response = await visitor.http.get(f"{plog.url}/graphql", params=create, headers={"accept": accept, "origin": plog.url})
        assert "KitCreatePayload" not in response.text and "errors" in response.text, accept
        assert "json" not in accept or codes(response) == (405, "METHOD_NOT_ALLOWED")
    assert (await plog.ask("{ kits { totalCount } }"))["kits"]["totalCount"] == 0
    read = await visitor.http.get(f"{plog.url}/graphql", params={"query": VIEWER}, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in read.headers, "no other site's page gets to see it"
    assert read.headers["cache-control"] == "no-store", "and nobody on the way keeps it"


async def test_pages_of_an_allowed_origin_may_send_the_cookie_and_no_others(plog: Plog, tmp_path: Path) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for origin, is_allowed in ((ALLOWED, True), ("https://evil.example", False)):
        answer = await plog.http.options("/graphql", headers={**preflight, "origin": origin})
        assert (answer.headers.get("access-control-allow-origin") == origin) is is_allowed
    async with serving(tmp_path / "open", {"server": {"origins": ["*"]}}) as anybody, browser(anybody.url) as visitor:
        await visitor.sign_in()
        answer = await anybody.http.options("/graphql", headers={**preflight, "origin": "https://evil.example"})
        assert "access-control-allow-credentials" not in answer.headers
        for origin in ("https://evil.example", "*"):
            assert codes(await visitor.post(VIEWER, {"origin": origin})) == (403, "CSRF")
        assert await visitor.viewer() is not None
        by_token = {**anybody.signed_in("bela"), "origin": "https://evil.example"}
        assert (await visitor.post(VIEWER, by_token)).json()["data"]["viewer"]["subject"] == "demo:bela"


async def test_a_token_comes_before_the_cookie(plog: Plog, visitor: Browser) -> None:
    response = await visitor.post(VIEWER, plog.signed_in("bela"))
    assert response.json()["data"]["viewer"]["subject"] == "demo:bela"
    assert codes(await visitor.post(VIEWER, {"authorization": "Bearer x", "origin": plog.url})) == (401, "UNAUTHENTICATED")


async def test_a_cookie_that_is_no_sessions_signs_nobody_in(plog: Plog) -> None:
    for token in ("x", "x" * 43, plog.token(), "", "é"):
        headers = [(b"cookie", f"{SESSION}={token}".encode()), (b"origin", plog.url.encode())]
        response = await plog.http.post("/graphql", json={"query": VIEWER}, headers=headers)
        assert codes(response) == (401, "UNAUTHENTICATED")


async def test_a_session_opens_nothing_that_is_a_workers(plog: Plog, visitor: Browser) -> None:
    assert (await visitor.get("/attempt/input")).status_code == 401


async def opened(
    visitor: Browser, kit: dict[str, Any], origin: str | None = None, *, payload: dict[str, str] | None = None
) -> ClientConnection:
    """A websocket of the browser with a subscription whose first event has come."""
    headers = {"cookie": f"{SESSION}={visitor.session}"}
    address = visitor.home.replace("http", "ws") + "/graphql"
    socket = await connect(address, subprotocols=[PROTOCOL], origin=origin, additional_headers=headers)  # type: ignore[list-item, arg-type]
    await send(socket, {"type": "connection_init", "payload": payload or {}})
    assert await receive(socket) == {"type": "connection_ack"}
    await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": STATE % kit["id"]}})
    assert (await receive(socket))["type"] == "next"
    return socket


async def closed_with(socket: ClientConnection, deadline: float = 10.0) -> tuple[int, str]:
    """The code and reason with which the server closes."""
    async with asyncio.timeout(deadline):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, closed.rcvd.reason


@BOTH_DATABASES
async def test_websockets_of_plogs_own_pages_use_the_cookie(plog: Plog, visitor: Browser) -> None:
    kit = await plog.create()
    for origin in (plog.url, ALLOWED):
        await (await opened(visitor, kit, origin)).close()


async def test_no_other_websocket_uses_the_cookie(plog: Plog, visitor: Browser, tmp_path: Path) -> None:
    kit = await plog.create()
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as refused:
            await opened(visitor, kit, origin)
        assert refused.value.response.status_code == 403
    with pytest.raises(ConnectionClosed) as closed:
        await opened(visitor, kit)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4403
    await (await opened(visitor, kit, payload={"Authorization": f"Bearer {plog.token()}"})).close()
    async with serving(tmp_path / "open", {"server": {"origins": ["*"]}}) as anybody, browser(anybody.url) as other:
        await other.sign_in()
        with pytest.raises(ConnectionClosed) as closed:
            await opened(other, kit, "https://evil.example")
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4403


async def test_a_websocket_with_the_cookie_of_a_session_that_is_over(plog: Plog, visitor: Browser) -> None:
    kit, token = await plog.create(), visitor.session
    await visitor.sign_out()
    visitor.http.cookies.set(SESSION, token or "", domain="127.0.0.1")
    with pytest.raises(ConnectionClosed) as closed:
        await opened(visitor, kit, plog.url)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, "The session has ended; sign in again.")


async def events_of(visitor: Browser, kit: dict[str, Any], accept: str = "text/event-stream") -> AsyncIterator[str]:
    """The lines of an event stream that one of PLOG's pages has opened."""
    headers = {"origin": visitor.home, "accept": accept}
    address, query = f"{visitor.home}/graphql", {"query": STATE % kit["id"]}
    async with visitor.http.stream("POST", address, json=query, headers=headers) as response:
        assert response.status_code == 200
        async for line in response.aiter_lines():
            yield line


async def test_what_a_session_has_opened_ends_with_it(tmp_path: Path) -> None:
    short = {"oidc": {"session_hours": SHORT / timedelta(hours=1)}}
    async with serving(tmp_path / "plog", short) as plog, browser(plog.url) as visitor:
        kit = await plog.create()
        await visitor.sign_in()
        token = visitor.session or ""
        person = await resume_session(plog.container.services, token)
        socket = await opened(visitor, kit, plog.url)

        async def stream() -> str:
            return "\n".join([line async for line in events_of(visitor, kit)])

        streaming = asyncio.create_task(stream())
        assert await closed_with(socket, deadline=SHORT.total_seconds() + 5) == (4403, "session ended")
        async with asyncio.timeout(5):
            told = await streaming
        assert '"toVersion"' in told and "session ended" in told and told.rstrip().endswith("data:")
        visitor.http.cookies.set(SESSION, token, domain="127.0.0.1")
        assert codes(await visitor.post()) == (401, "UNAUTHENTICATED")
        assert person.session_id is not None
        assert (await confirmed(plog.container.services, (), [person.session_id], ())).sessions == set()


async def test_a_browser_forgets_a_session_when_it_is_over(tmp_path: Path) -> None:
    short = {"oidc": {"session_hours": SHORT / timedelta(hours=1)}}
    async with serving(tmp_path / "plog", short) as plog, browser(plog.url) as visitor:
        await visitor.sign_in()
        assert await visitor.viewer() is not None
        await eventually(lambda: not any(each.name == SESSION and not each.is_expired() for each in visitor.http.cookies.jar))
        assert await visitor.viewer() is None


@BOTH_DATABASES
async def test_a_sign_out_on_one_server_holds_on_all(plog: Plog, plog_settings: dict[str, Any], tmp_path: Path) -> None:
    """The database is asked each time: no server remembers by itself that a session was alive."""
    shared = plog_settings.get("database") or {"url": f"sqlite+aiosqlite:///{tmp_path / 'plog' / 'plog.db'}"}
    async with serving(tmp_path / "other", {"database": shared}) as other, browser(plog.url) as visitor:
        await visitor.sign_in()
        elsewhere = Browser(other.url, visitor.http)
        assert await elsewhere.viewer() == await visitor.viewer() is not None
        token = visitor.session or ""
        await visitor.sign_out()
        visitor.http.cookies.set(SESSION, token, domain="127.0.0.1")
        for server in (elsewhere, visitor):
            assert codes(await server.post()) == (401, "UNAUTHENTICATED")


@BOTH_DATABASES
async def test_a_sign_out_ends_what_the_session_has_opened_on_all_servers(
    plog: Plog, plog_settings: dict[str, Any], tmp_path: Path
) -> None:
    """Within five seconds, each with its reason; what another session of the same person has opened goes on."""
    shared = plog_settings.get("database") or {"url": f"sqlite+aiosqlite:///{tmp_path / 'plog' / 'plog.db'}"}
    kit = await plog.create()

    async def stream(browser: Browser, accept: str, begun: asyncio.Event) -> str:
        text = ""
        async for line in events_of(browser, kit, accept):
            text += line
            if "toVersion" in line:
                begun.set()
        return text

    async with (
        serving(tmp_path / "other", {"database": shared}) as other,
        browser(plog.url) as visitor,
        browser(plog.url) as again,
    ):
        await visitor.sign_in()
        await again.sign_in()
        servers = [visitor, Browser(other.url, visitor.http)]
        sockets = [await opened(each, kit, each.home) for each in servers]
        kept = await opened(again, kit, again.home)
        opening = [
            (asyncio.Event(), each, accept)
            for each in servers
            for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1")
        ]
        streams = [asyncio.create_task(stream(each, accept, begun)) for begun, each, accept in opening]
        async with asyncio.timeout(10):
            await asyncio.gather(*(begun.wait() for begun, _, _ in opening))
        await visitor.sign_out()
        async with asyncio.timeout(5):
            closed = await asyncio.gather(*(closed_with(socket) for socket in sockets))
            told = await asyncio.gather(*streams)
        assert closed == [(4401, "The session has ended; sign in again.")] * 2
        assert all("UNAUTHENTICATED" in text for text in told), told
        await send(kept, {"type": "ping"})
        assert (await receive(kept))["type"] == "pong"
        await kept.close()


async def test_over_https_the_cookies_are_for_https_and_this_host_alone(tmp_path: Path) -> None:
    home = "https://plog.example"
    async with hostile_issuer() as issuer:
        settings = {"public_url": home, "oidc": {"issuer": issuer.url, "client_id": CLIENT}}
        async with serving(tmp_path / "plog", settings) as plog:
            begun = await plog.http.get(SIGN_IN)
            assert query_of(begun.headers["location"])["redirect_uri"] == f"{home}/auth/callback"
            answer = await plog.http.get(begun.headers["location"])
            cookie, _, attributes = begun.headers["set-cookie"].partition("; ")
            assert cookie.startswith("__Host-plog_sign_in_")
            assert attributes == "HttpOnly; Max-Age=600; Path=/; SameSite=lax; Secure"
            path = answer.headers["location"].removeprefix(home)
            tossed = await plog.http.get(path, headers={"cookie": cookie.removeprefix("__Host-")})
            assert tossed.status_code == 403, "any other name may come from a neighbour's host, or over http"
            done = await plog.http.get(path, headers={"cookie": cookie})
            session, taken = done.headers.get_list("set-cookie")
            name = cookie.partition("=")[0]
            assert taken.startswith(f'{name}="";') and {"Max-Age=0", "Path=/", "Secure"} < set(taken.split("; "))
            session, _, attributes = session.partition("; ")
            assert session.startswith("__Host-plog_session=")
            assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} < set(attributes.split("; ")) and "Domain" not in attributes
            for origin, status in ((home, 200), ("http://plog.example", 403), (plog.url, 403)):
                headers = {"cookie": session, "origin": origin}
                assert (await plog.http.post("/graphql", json={"query": VIEWER}, headers=headers)).status_code == status
            without = {"cookie": session.removeprefix("__Host-"), "origin": home}
            assert (await plog.http.post("/graphql", json={"query": VIEWER}, headers=without)).status_code == 401
            gone = await plog.http.post("/auth/sign-out", headers={"cookie": session, "origin": home})
            assert gone.headers["set-cookie"].startswith('__Host-plog_session=""') and "Secure" in gone.headers["set-cookie"]
            assert (
                await plog.http.post("/graphql", json={"query": VIEWER}, headers={**headers, "origin": home})
            ).status_code == 401


async def test_where_browsers_cannot_sign_in_one_sentence_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path / "plog", {"oidc": {"issuer": "https://sign-in.example"}}) as plog:
        page = await plog.http.get(SIGN_IN)
        assert page.status_code == 404 and "PLOG_OIDC__CLIENT_ID" in page.text
        callback = await plog.http.get("/auth/callback?state=x&code=y")
        assert callback.status_code == 403
        assert (await plog.http.get("/auth/issuer/authorize")).status_code == 404

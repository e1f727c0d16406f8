"""A browser's session is of the issuer at which it was begun: at another the same subject is another person."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from websockets.asyncio.client import ClientConnection, connect

from persistence import tables
from persistence.unit_of_work import UnitOfWork
from tests.api.browser import SESSION, Browser, browser
from tests.api.hostile_issuer import CLIENT, HostileIssuer, hostile_issuer
from tests.api.in_process import BOTH_DATABASES, Plog, serving
from tests.api.test_req_001 import WATCH
from tests.api.test_session_cookie import codes
from tests.api.test_websocket import closed_with
from tests.api.toy_server import PROTOCOL, receive, send

ENDED = "The session has ended; sign in again."


@pytest.fixture
async def issuers() -> AsyncIterator[tuple[HostileIssuer, HostileIssuer]]:
    """Two that have nothing to do with each other; both know somebody by the subject `ada`."""
    async with hostile_issuer() as one, hostile_issuer() as other:
        one.claims, other.claims = {"name": "Ada"}, {"name": "Adam"}
        yield one, other


@pytest.fixture
def shared(plog_settings: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The settings of a database that several servers use, at the same time or one after the other."""
    return plog_settings or {"database": {"url": f"sqlite+aiosqlite:///{tmp_path / 'shared.db'}"}}


def at(issuer: HostileIssuer, folder: Path, shared: dict[str, Any]) -> Any:
    """A server whose people sign in at that issuer."""
    return serving(folder, {**shared, "oidc": {"issuer": issuer.url, "client_id": CLIENT}})


@asynccontextmanager
async def watching(visitor: Browser, plog: Plog) -> AsyncIterator[ClientConnection]:
    """A websocket by the browser's cookie, with a subscription that has begun."""
    cookie, address = f"{SESSION}={visitor.session}", plog.url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[PROTOCOL], origin=plog.url, additional_headers={"cookie": cookie}) as socket:  # type: ignore[list-item, arg-type]
        await send(socket, {"type": "connection_init"})
        assert (await receive(socket))["type"] == "connection_ack"
        await send(socket, {"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
        assert (await receive(socket))["type"] == "next"
        yield socket


async def refuse_socket(visitor: Browser, plog: Plog) -> None:
    """No websocket opens by the browser's cookie."""
    cookie, address = f"{SESSION}={visitor.session}", plog.url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[PROTOCOL], origin=plog.url, additional_headers={"cookie": cookie}) as socket:  # type: ignore[list-item, arg-type]
        await send(socket, {"type": "connection_init"})
        assert await closed_with(socket) == (4403, ENDED)


@BOTH_DATABASES
async def test_a_restart_with_another_issuer_ends_the_sessions_of_the_one_before(
    issuers: tuple[HostileIssuer, HostileIssuer], shared: dict[str, Any], tmp_path: Path
) -> None:
    one, other = issuers
    async with at(one, tmp_path / "first", shared) as plog, browser(plog.url) as visitor:
        await visitor.sign_in()
        assert (await visitor.viewer())["name"] == "Ada"
        kept = visitor.session or ""
    async with at(other, tmp_path / "second", shared) as plog, browser(plog.url) as visitor:
        visitor.http.cookies.set(SESSION, kept, domain="127.0.0.1")
        assert codes(await visitor.post()) == (401, "UNAUTHENTICATED")
        await refuse_socket(visitor, plog)
        await visitor.sign_in()
        assert (await visitor.viewer())["name"] == "Adam"


@BOTH_DATABASES
async def test_two_servers_of_different_issuers_on_one_database_don_t_share_sessions(
    issuers: tuple[HostileIssuer, HostileIssuer], shared: dict[str, Any], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(at(issuer, tmp_path / str(number), shared)) for number, issuer in enumerate(issuers)
        ]
        visitors = [await stack.enter_async_context(browser(plog.url)) for plog in (first, second)]
        for visitor, elsewhere in zip(visitors, (second, first), strict=True):
            await visitor.sign_in()
            assert codes(await Browser(elsewhere.url, visitor.http).post()) == (401, "UNAUTHENTICATED")
            await refuse_socket(visitor, elsewhere)
            assert await visitor.viewer() is not None, "where it was begun it goes on"


@BOTH_DATABASES
async def test_what_is_open_ends_once_its_session_is_another_issuers(
    issuers: tuple[HostileIssuer, HostileIssuer], shared: dict[str, Any], tmp_path: Path
) -> None:
    async with at(issuers[0], tmp_path / "plog", shared) as plog, browser(plog.url) as visitor:
        await visitor.sign_in()
        async with watching(visitor, plog) as socket:
            async with plog.container.services.database.transaction() as work:
                assert isinstance(work, UnitOfWork)
                await work.connection.execute(update(tables.session).values(issuer=issuers[1].url))
            assert await closed_with(socket, 5) == (4401, ENDED)


@BOTH_DATABASES
async def test_an_answer_to_a_sign_in_at_another_issuer_is_refused(
    issuers: tuple[HostileIssuer, HostileIssuer], shared: dict[str, Any], tmp_path: Path
) -> None:
    one, other = issuers
    async with at(one, tmp_path / "first", shared) as plog, browser(plog.url) as visitor:
        callback = await visitor.authorized(await visitor.begin())
        async with at(other, tmp_path / "second", shared) as second:
            refused = await visitor.get(callback.replace(plog.url, second.url))
            assert refused.status_code == 403 and "does not belong to a sign-in" in refused.text
            assert other.forms == [], "the other issuer was shown neither the code nor the verifier"
        assert (await visitor.get(callback)).status_code == 303

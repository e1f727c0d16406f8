"""Signing in with a real browser: its own rules for cookies, forms and origins hold what PLOG relies on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.api.browser import SESSION, SIGN_IN
from tests.api.conftest import plog_settings
from tests.api.in_process import CREATE, serving, table_document
from tests.api.sign_in_house import House, house
from tests.e2e.test_graphiql import FLAGS
from tests.services import require_program

__all__ = ["house", "plog_settings"]
ASK = """async ([address, body, options]) => {
  try {
    const answer = await fetch(address, { method: 'POST', body: JSON.stringify(body), ...options });
    return [answer.status, await answer.text()];
  } catch (error) { return [0, String(error)]; }
}"""
LISTEN = """([address, query]) => new Promise((resolve) => {
  const socket = new WebSocket(address, 'graphql-transport-ws');
  socket.onopen = () => socket.send(JSON.stringify({ type: 'connection_init' }));
  socket.onclose = (event) => resolve(`closed ${event.code}`);
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'connection_ack') socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
    if (message.type === 'next') resolve(JSON.stringify(message.payload.data));
  };
})"""
SUBMIT = """(address) => {
  const form = Object.assign(document.createElement('form'), { method: 'post', action: address });
  document.body.append(form);
  form.submit();
}"""
JSON_HEADERS = {"headers": {"content-type": "application/json"}, "credentials": "include"}
VIEWER = "{ viewer { subject } }"


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    path = require_program("chromium", "chromium-browser", "google-chrome")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        await opened.close()


@pytest.fixture
async def page(chromium: Browser, house: House) -> Page:
    """A page of PLOG in a browser in which ada has signed in, by clicks alone."""
    opened = await chromium.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    await opened.goto(f"{house.plog.url}{SIGN_IN}?next=/healthz%3Fa=1")
    await opened.click('button[value="ada"]')
    await opened.wait_for_url(f"{house.plog.url}/healthz?a=1")
    assert [text for text in complaints if "Content Security Policy" in text] == []
    return opened


async def test_a_page_of_plog_works_with_the_cookie_and_no_script_reads_it(house: House, page: Page) -> None:
    (cookie,) = [each for each in await page.context.cookies() if each["name"] == SESSION]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    assert SESSION not in await page.evaluate("document.cookie")
    status, text = await page.evaluate(ASK, ["/graphql", {"query": VIEWER}, JSON_HEADERS])
    assert status == 200 and house.ada["subject"] in text
    address = house.plog.url.replace("http", "ws") + "/graphql"
    assert house.ada["subject"] in await page.evaluate(LISTEN, [address, VIEWER])


async def test_a_page_of_the_same_site_but_another_origin_can_do_nothing(house: House, page: Page, tmp_path: Path) -> None:
    """To browsers all ports of a host are one site: they send the cookie along."""
    home = house.plog.url
    create: dict[str, Any] = {"query": CREATE, "variables": {"input": table_document()}}
    async with serving(tmp_path / "other") as other:
        await page.goto(f"{other.url}/healthz")
        assert (await page.evaluate(ASK, [f"{home}/graphql", create, JSON_HEADERS]))[0] == 0
        for headers in ({}, {"content-type": "text/plain"}):
            options = {"mode": "no-cors", "credentials": "include", "headers": headers}
            await page.evaluate(ASK, [f"{home}/graphql", create, options])
        address = home.replace("http", "ws") + "/graphql"
        assert (await page.evaluate(LISTEN, [address, VIEWER])).startswith("closed")
        await page.evaluate(SUBMIT, f"{home}/auth/sign-out")
        await page.wait_for_url(f"{home}/auth/sign-out")
        assert "CSRF" in await page.content()
    await page.goto(f"{home}/healthz")
    status, text = await page.evaluate(ASK, ["/graphql", {"query": "{ kits { totalCount } }"}, JSON_HEADERS])
    assert (status, '"totalCount":0' in text) == (200, True)


async def test_a_form_signs_out_and_one_is_asked_again(house: House, page: Page) -> None:
    await page.evaluate(SUBMIT, "/auth/sign-out")
    await page.wait_for_function("() => !location.pathname.startsWith('/healthz')")
    assert SESSION not in {cookie["name"] for cookie in await page.context.cookies()}
    await page.goto(f"{house.plog.url}/auth/signed-out")
    await page.click("a")
    await page.wait_for_function("() => location.pathname !== '/auth/signed-out'")

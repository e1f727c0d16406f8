"""GraphiQL in a real browser whose network reaches PLOG and nothing else."""

import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, TimeoutError, async_playwright

from app.graphiql import WEB_DIST
from tests.e2e.server import PlogServer, demo_document
from tests.services import missing, require_program

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RUN = ".graphiql-execute-button"
ANSWER = ".graphiql-response"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlogServer]:
    made = PlogServer(tmp_path / "plog")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = require_program("chromium", "chromium-browser", "google-chrome")
    if not (WEB_DIST / "index.html").exists():
        missing("the built web part (`make web`)")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        await opened.close()


async def run_tab(page: Page, name: str, text: str) -> None:
    """Run the operation of a tab until the answer holds `text`; a click that comes before the editor does nothing."""
    await page.get_by_role("tab", name=re.compile(rf"^{name}\b")).click()
    await page.click(RUN)
    for _ in range(20):
        try:
            await answer_holds(page, text, seconds=1)
            return
        except TimeoutError:
            if "Stop" not in (await page.get_attribute(RUN, "aria-label") or ""):
                await page.click(RUN)
    await answer_holds(page, text)


async def answer_holds(page: Page, text: str, seconds: float = 20) -> None:
    """The answer shows that text; the editor draws only the lines in sight, so it is asked for near the top."""
    await page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.replaceAll('\\u00a0', ' ').includes(text)",
        arg=[ANSWER, text],
        timeout=seconds * 1000,
    )


@pytest.mark.timeout(180)
async def test_graphiql_without_internet(server: PlogServer, browser: Browser, tmp_path: Path) -> None:
    """The schema loads, the example query answers, and the subscription delivers while a kit runs."""
    number = (await server.create_kit(demo_document("table"), start=False))["number"]
    page = await browser.new_page(viewport={"width": 1500, "height": 950})
    refused: list[str] = []
    errors: list[str] = []

    async def only_plog(route: Route) -> None:
        if urlsplit(route.request.url).netloc in (urlsplit(server.url).netloc, ""):
            await route.continue_()
        else:
            refused.append(route.request.url)
            await route.abort()

    await page.route("**/*", only_plog)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{server.url}/graphql")
    await page.wait_for_selector(RUN)
    await run_tab(page, "Kits", '"totalCount": 1')
    await page.click('[aria-label="Show Documentation Explorer"]')
    await page.get_by_text("Subscription", exact=True).first.wait_for()
    await page.screenshot(path=screenshot(tmp_path, "query"))
    await page.click('[aria-label="Hide Documentation Explorer"]')
    await run_tab(page, "WatchKits", '"status": "PENDING"')
    kit = await server.kit(number)
    await server.start_job(kit["jobs"][0]["id"])
    await answer_holds(page, '"status": "RUNNING"')
    await answer_holds(page, '"isSnapshot": false')
    await page.screenshot(path=screenshot(tmp_path, "subscription"))
    assert refused == [] and errors == []


def screenshot(folder: Path, name: str) -> Path:
    """Where a picture goes: to the folder that is asked for, else away with the test's."""
    return Path(os.environ.get("PLOG_SCREENSHOTS") or folder) / f"graphiql-{name}.png"


async def test_the_demo_token_is_for_pages_of_this_server(server: PlogServer) -> None:
    async with httpx.AsyncClient() as client:
        own = await client.get(f"{server.url}/graphiql/config.json")
        foreign = await client.get(f"{server.url}/graphiql/config.json", headers={"sec-fetch-site": "cross-site"})
    assert json.loads(own.text)["headers"]["Authorization"].startswith("Bearer ")
    assert json.loads(foreign.text)["headers"] == {}

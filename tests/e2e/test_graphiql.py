"""GraphiQL in a real browser whose network reaches PLOG and nothing else."""

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, TimeoutError, async_playwright

from app.web_part import WEB_DIST
from tests.e2e.server import PlogServer, demo_document
from tests.e2e.test_load_test_run import VERDICTS, load_test, reaches, scenario, start, target
from tests.e2e.test_sample_api import sample_api
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
EDITOR = ".graphiql-query-editor .view-lines"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlogServer]:
    made = PlogServer(tmp_path / "plog", {"K6__WINDOW_SECONDS": "1", "K6__CAPACITY": "2"})
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = require_program("chromium", "chromium-browser", "google-chrome")
    if not (WEB_DIST / "graphiql.html").exists():
        missing("the built web part (`make web`)")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        await opened.close()


async def run_tab(page: Page, name: str, text: str) -> None:
    """Run the operation of a tab until the answer holds `text`; a click that comes before the editor does nothing."""
    tab = page.get_by_role("tab", name=re.compile(rf"^{name}\b"))
    if await tab.get_attribute("aria-selected") != "true":
        await tab.click()
        # GraphiQL takes the text's name a moment after the text, and keeps the text then; before, it runs the other name.
        await page.wait_for_function("name => localStorage.getItem('graphiql:query')?.includes(` ${name}`)", arg=name)
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


async def is_ready(page: Page) -> None:
    """The editor shows an operation; a tab that is chosen before would be left empty."""
    await page.wait_for_function("selector => document.querySelector(selector)?.innerText.trim()", arg=EDITOR, timeout=60_000)


@asynccontextmanager
async def opened(browser: Browser, server: PlogServer) -> AsyncIterator[Page]:
    """GraphiQL in a page that reaches PLOG alone; at the end nothing else was asked for, and no script of it has failed."""
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
    # A subscription's errors, a list, are shown as its answer; GraphiQL's toolkit throws them besides, where nothing catches.
    page.on("pageerror", lambda error: None if str(error).startswith("Array(") else errors.append(str(error)))
    await page.goto(f"{server.url}/graphql")
    await is_ready(page)
    yield page
    assert refused == [] and errors == []


@pytest.mark.timeout(180)
async def test_graphiql_without_internet(server: PlogServer, browser: Browser, tmp_path: Path) -> None:
    """The schema loads, the example query answers, and the subscription delivers while a kit runs."""
    number = (await server.create_kit(demo_document("table"), start=False))["number"]
    async with opened(browser, server) as page:
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


TABS = {
    # tab: what its answer holds
    "Kits": '"totalCount": 1',
    "CreateKit": '"KitCreatePayload"',
    "StartKit": '"KitCommandPayload"',
    "WatchKits": '"isSnapshot": true',
    "WatchKit": '"isSnapshot": true',
    "JobLog": '"attempt": 1',
    "LoadTestHistory": '"totalCount": 1',
    "AddTarget": '"TargetPayload"',
    "AnalyzeTarget": '"title": "Sample book shop"',
    "PreviewLoadTest": '"mostVus": 5',
    "CreateLoadTest": '"LoadTestPayload"',
    "StartLoadTest": '"LoadTestRunPayload"',
    "WatchLoadTests": '"isSnapshot": true',
    "WatchRun": '"status": "PASSED"',
    "RunLog": '"isLast": true',
    "CompareRuns": '"isSameLoad": true',
    "AnalyzeRun": '"LoadTestAnalysisPayload"',
    "ReportRun": '"LoadTestRunReportPayload"',
    "QuickStart": '"LoadTestRunPayload"',
    "StopRun": '"NOT_FOUND"',
    "MyPermissions": '"LOGIC_MODEL_SET_UP"',
    "ApplyForPermission": '"PermissionRequestCreatePayload"',
    "PermissionInbox": '"order": []',
    "AuditEntries": '"PERMISSION_REQUESTED"',
}


@pytest.mark.timeout(300)
async def test_each_tab_can_be_run_as_it_stands(server: PlogServer, browser: Browser, tmp_path: Path) -> None:
    """Tabs from a visit before anything was there have ids at the next one, and all of them work, each in its turn."""
    with sample_api("--service-ms", "5") as (shop, _):
        async with opened(browser, server) as page:
            await run_tab(page, "LoadTestHistory", '"totalCount": 0')
            kit = demo_document("table")
            kit["definition"] |= {"ml": {"algorithm": "RIDGE"}, "optimize": {"trials": 1, "algorithms": ["RIDGE"]}}
            number = (await server.create_kit(kit))["number"]
            browse = scenario("/books", seconds=12, thinkTime={"shortest": 0.02, "longest": 0.05})
            of = await target(server, f"{shop}/docs")
            first = await start(server, await load_test(server, of, browse, title="Browse"))
            assert (await reaches(server, first, *VERDICTS))["status"] == "PASSED"
            await server.ended(number)
            await page.reload()
            await is_ready(page)
            for name, text in TABS.items():
                if name == "CompareRuns":
                    await reaches(server, await newest_run(server), *VERDICTS)
                await run_tab(page, name, text)
                await page.screenshot(path=screenshot(tmp_path, name))
            assert await page.get_by_role("tab").count() == len(TABS)


async def newest_run(server: PlogServer) -> str:
    """The id of the run that was started last."""
    found = await server.client.run("{ loadTestRuns(first: 1) { nodes { id } } }")
    return str(found["loadTestRuns"]["nodes"][0]["id"])


def screenshot(folder: Path, name: str) -> Path:
    """Where a picture goes: to the folder that is asked for, else away with the test's."""
    return Path(os.environ.get("PLOG_SCREENSHOTS") or folder) / f"graphiql-{name}.png"


async def test_the_demo_token_is_for_pages_of_this_server(server: PlogServer) -> None:
    async with httpx.AsyncClient() as client:
        own = await client.get(f"{server.url}/graphiql/config.json")
        foreign = await client.get(f"{server.url}/graphiql/config.json", headers={"sec-fetch-site": "cross-site"})
    assert json.loads(own.text)["headers"]["Authorization"].startswith("Bearer ")
    assert json.loads(foreign.text)["headers"] == {}

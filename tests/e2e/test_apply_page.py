"""The page of permissions in real browsers: somebody applies, an approver decides, and both pages change without reloading."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from app.web_part import WEB_DIST
from tests.api.in_process import Plog, serving
from tests.e2e.test_graphiql import FLAGS
from tests.services import missing, require_program

NEVER_RELOADED = "window.neverReloaded === true"


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    path = require_program("chromium", "chromium-browser", "google-chrome")
    if not (WEB_DIST / "apply.html").exists():
        missing("the built web part (`make web`)")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        await opened.close()


@pytest.fixture
async def plog(tmp_path: Path) -> AsyncIterator[Plog]:
    async with serving(tmp_path / "plog") as made:
        yield made


async def page_of(chromium: Browser, plog: Plog, username: str, path: str = "/apply") -> Page:
    """The page as somebody sees it who has just signed in there, in a browser of their own."""
    context = await chromium.new_context(viewport={"width": 900, "height": 1000})
    page = await context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(plog.url + path)
    await page.get_by_role("link", name="Sign in").click()
    await page.click(f'button[value="{username}"]')
    await expect(page.get_by_role("status")).to_have_text("live", timeout=15_000)
    await page.evaluate("window.neverReloaded = true")
    assert page.url == plog.url + path and problems == []
    return page


def picture(folder: Path, name: str) -> Path:
    """Where a picture goes: to the folder that is asked for, else away with the test's."""
    return Path(os.environ.get("PLOG_SCREENSHOTS") or folder) / f"{name}.png"


async def test_applicant_and_approver_see_what_happens_without_reloading(chromium: Browser, plog: Plog, tmp_path: Path) -> None:
    dana = await page_of(chromium, plog, "dana", "/apply?kind=LOGIC_MODEL_SET_UP")
    chris = await page_of(chromium, plog, "chris")
    await expect(chris.get_by_text("Nobody waits for a decision of yours.")).to_be_visible()
    boxes = dana.locator('input[name="kinds"]')
    await expect(boxes).to_have_count(3)
    await expect(dana.get_by_label("Logic model set-up")).to_be_checked()
    await dana.get_by_role("button", name="Apply for permission").click()
    await expect(dana.locator("#application .error")).to_have_text("is required")
    await dana.fill("#reason", "I set up the models of the new node. <b>Größe</b>")
    await dana.get_by_role("button", name="Apply for permission").click()
    of_dana = dana.locator('[data-kind="LOGIC_MODEL_SET_UP"]')
    await expect(of_dana).to_contain_text("applied for")
    await expect(boxes).to_have_count(2)
    asked = chris.locator(".inbox li")
    await expect(asked).to_have_count(1)
    await expect(asked).to_contain_text("<b>Größe</b>")
    await asked.locator("textarea").fill("half a reason")
    await dana.screenshot(path=picture(tmp_path, "apply-pending"), full_page=True)
    await chris.screenshot(path=picture(tmp_path, "apply-inbox"), full_page=True)
    await asked.get_by_role("button", name="Reject").scroll_into_view_if_needed()
    await asked.locator("textarea").fill("Member of the team.")
    await asked.get_by_role("button", name="Approve").click()
    await expect(asked).to_have_count(0)
    await expect(of_dana.locator(".granted")).to_have_text("granted")
    await expect(dana.locator(".history li")).to_contain_text("Member of the team.")
    await dana.screenshot(path=picture(tmp_path, "apply-granted"), full_page=True)
    for page in (dana, chris):
        assert await page.evaluate(NEVER_RELOADED)


async def test_what_is_typed_stays_while_the_page_changes(chromium: Browser, plog: Plog) -> None:
    dana, chris = await page_of(chromium, plog, "dana"), await page_of(chromium, plog, "chris")
    for kind in ("Logic general", "DRAM general"):
        await dana.get_by_label(kind).check()
    await dana.fill("#reason", "for my work")
    await dana.get_by_role("button", name="Apply for permission").click()
    asked = chris.locator(".inbox li")
    await expect(asked).to_have_count(2)
    await asked.nth(1).locator("textarea").fill("what I am typing")
    await dana.locator('[data-kind="LOGIC_GENERAL"]').get_by_role("button", name="Withdraw").click()
    await expect(asked).to_have_count(1)
    await expect(asked.locator("textarea")).to_have_value("what I am typing")
    await asked.get_by_role("button", name="Reject").click()
    await expect(dana.locator(".history li").first).to_contain_text("what I am typing")
    await expect(dana.get_by_label("DRAM general")).to_be_visible()


async def test_a_sign_out_leaves_nothing_on_the_page(chromium: Browser, plog: Plog) -> None:
    dana = await page_of(chromium, plog, "dana")
    other = await dana.context.new_page()
    await other.goto(f"{plog.url}/apply")
    await expect(other.get_by_role("status")).to_have_text("live", timeout=15_000)
    await dana.get_by_role("button", name="Sign out").click()
    await expect(dana.get_by_text("signed out")).to_be_visible()
    await expect(other.get_by_role("link", name="Sign in")).to_be_visible(timeout=15_000)
    assert "Dana" not in await other.inner_text("body")

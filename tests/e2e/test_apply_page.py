"""The page of permissions in real browsers: people apply, others decide, and all pages change without reloading."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, Route, WebSocketRoute, async_playwright, expect
from sqlalchemy import update

from app import container
from app.web_part import WEB_DIST
from domain.actor import Person
from domain.permission_kind import PERMISSION_KINDS
from persistence import tables
from persistence.unit_of_work import UnitOfWork
from resolvers.permission_request import create_permission_requests
from tests.api.in_process import Plog, serving
from tests.api.models import a_model
from tests.api.permissions import applied, apply, change, decide, granted
from tests.e2e.test_graphiql import FLAGS
from tests.models_here import InspectorHere, PredictorHere
from tests.services import missing, require_program

NEVER_RELOADED = "window.neverReloaded === true"
MARK = "window.neverReloaded = true"
SOON = 15_000
SET_UP, DANA = "Logic model set-up", "Dana (applicant)"


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
async def plog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Plog]:
    """A server that looks into models in the tests' own process; Chris and Bela decide on permissions."""
    monkeypatch.setattr(container, "ProcessModelInspector", lambda *_: InspectorHere())
    monkeypatch.setattr(container, "ProcessModelPredictor", lambda *_: PredictorHere())
    approvers = {"approvers": {"*": ["demo:chris", "demo:bela"]}}
    async with serving(tmp_path / "plog", {"permissions": approvers}) as made:
        yield made


async def is_live(page: Page) -> None:
    await expect(page.locator(".live")).to_have_text("live", timeout=SOON)


async def page_of(chromium: Browser, plog: Plog, username: str, path: str = "/apply", **look: Any) -> Page:
    """The page as somebody sees it who has just signed in there, in a browser of their own."""
    context = await chromium.new_context(**{"viewport": {"width": 900, "height": 1000}, **look})
    page = await context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(plog.url + path)
    await page.get_by_role("link", name="Sign in").click()
    await page.click(f'button[value="{username}"]')
    await is_live(page)
    await page.evaluate(MARK)
    assert page.url == plog.url + path and problems == []
    return page


async def sign_in_beside(page: Page, plog: Plog, username: str) -> None:
    """Sign in once more in another tab of the same browser, which ends the session before."""
    other = await page.context.new_page()
    await other.goto(f"{plog.url}/auth/sign-in?next=/apply")
    await other.click(f'button[value="{username}"]')
    await is_live(other)
    await other.close()


def picture(folder: Path, name: str) -> Path:
    """Where a picture goes: to the folder that is asked for, else away with the test's."""
    return Path(os.environ.get("PLOG_SCREENSHOTS") or folder) / f"{name}.png"


def kind(page: Page, name: str) -> Locator:
    return page.locator(f'[data-kind="{name}"]')


async def apply_for(page: Page, title: str, reason: str) -> None:
    await page.get_by_label(title, exact=True).check()
    await page.get_by_label("Why do you need it?").fill(reason)
    await page.get_by_role("button", name="Apply for permission").click()


async def test_applicant_and_approver_see_what_happens_without_reloading(chromium: Browser, plog: Plog, tmp_path: Path) -> None:
    dana = await page_of(chromium, plog, "dana", "/apply?kind=LOGIC_MODEL_SET_UP")
    chris = await page_of(chromium, plog, "chris")
    await expect(chris.get_by_text("Nobody waits for a decision of yours.")).to_be_visible()
    await expect(dana.get_by_text("You have nothing yet.")).to_be_visible()
    boxes = dana.locator('input[name="kinds"]:enabled')
    await expect(boxes).to_have_count(3)
    await expect(dana.get_by_label(SET_UP)).to_be_checked()
    await dana.get_by_role("button", name="Apply for permission").click()
    why = dana.get_by_label("Why do you need it?")
    await expect(why).to_have_attribute("aria-invalid", "true")
    await expect(why).to_have_accessible_description("is required")
    await expect(why).to_be_focused()
    await why.fill("I set up the models of the new node. <b>Größe</b>")
    await dana.get_by_role("button", name="Apply for permission").click()
    await expect(dana.locator(".waits")).to_contain_text("applied for")
    await expect(dana.get_by_role("status")).to_have_text("Sent. You will see here what is decided.")
    await expect(boxes).to_have_count(2)
    box = dana.get_by_role("checkbox", name=SET_UP)
    await expect(box).to_have_accessible_description(re.compile("You have applied for LOGIC_MODEL_SET_UP already"))
    asked = chris.locator(".inbox li")
    await expect(asked).to_have_count(1)
    await expect(asked).to_contain_text("<b>Größe</b>")
    await asked.get_by_label("Reason").fill("half a reason")
    await dana.screenshot(path=picture(tmp_path, "apply-pending"), full_page=True)
    await chris.screenshot(path=picture(tmp_path, "apply-inbox"), full_page=True)
    await asked.get_by_label("Reason").fill("Member of the team.")
    await asked.get_by_role("button", name=f"Approve {SET_UP} of Dana").click()
    await expect(asked).to_have_count(0)
    await expect(chris.get_by_role("status")).to_have_text(f"Approved: {SET_UP} of {DANA}.")
    await expect(kind(dana, "LOGIC_MODEL_SET_UP").locator(".granted")).to_have_text("granted")
    await expect(kind(dana, "LOGIC_GENERAL")).to_contain_text(f"included in {SET_UP}")
    await expect(kind(dana, "DRAM_GENERAL")).to_have_count(0)
    await expect(dana.locator(".history li")).to_contain_text("Member of the team.")
    await dana.screenshot(path=picture(tmp_path, "apply-granted"), full_page=True)
    for page in (dana, chris):
        assert await page.evaluate(NEVER_RELOADED)


async def test_what_is_typed_stays_while_the_page_changes(chromium: Browser, plog: Plog) -> None:
    dana, chris = await page_of(chromium, plog, "dana"), await page_of(chromium, plog, "chris")
    await dana.get_by_label("Logic general").check()
    await apply_for(dana, "DRAM general", "for my work")
    asked = chris.locator(".inbox li")
    await expect(asked).to_have_count(2)
    await asked.nth(1).locator("textarea").fill("what I am typing")
    await dana.get_by_role("button", name="Withdraw Logic general").click()
    await expect(dana.get_by_role("status")).to_have_text("Withdrawn: Logic general.")
    await expect(asked).to_have_count(1)
    await expect(asked.locator("textarea")).to_have_value("what I am typing")
    await asked.get_by_role("button", name="Reject").click()
    await expect(dana.locator(".history li").first).to_contain_text("what I am typing")
    await expect(dana.get_by_label("DRAM general")).to_be_enabled()


async def test_a_sign_out_leaves_nothing_on_the_page(chromium: Browser, plog: Plog) -> None:
    dana = await page_of(chromium, plog, "dana")
    other = await dana.context.new_page()
    await other.goto(f"{plog.url}/apply")
    await is_live(other)
    await dana.get_by_role("button", name="Sign out").click()
    await expect(dana.get_by_text("signed out")).to_be_visible()
    await expect(other.get_by_role("link", name="Sign in")).to_be_visible(timeout=SOON)
    assert "Dana" not in await other.inner_text("body")


async def test_the_page_becomes_the_next_persons_who_signs_in_here(chromium: Browser, plog: Plog) -> None:
    dana = await page_of(chromium, plog, "dana")
    await sign_in_beside(dana, plog, "chris")
    await expect(dana.locator(".who")).to_contain_text("Chris", timeout=SOON)
    await is_live(dana)
    assert "Dana" not in await dana.inner_text("body")


async def test_nothing_is_done_as_another_than_the_page_shows(chromium: Browser, plog: Plog) -> None:
    dana = await page_of(chromium, plog, "dana")
    chris = await page_of(chromium, plog, "chris")
    await dana.context.add_cookies(await chris.context.cookies())  # type: ignore[arg-type]
    await apply_for(dana, "DRAM general", "for my work")
    await expect(dana.locator(".who")).to_contain_text("Chris", timeout=SOON)
    requests = await plog.answer("{ permissionRequests { nodes { subject } } }", plog.signed_in("bela"))
    assert [each for each in requests["nodes"] if each["subject"] in ("demo:chris", "demo:dana")] == []


async def test_the_page_goes_on_when_the_same_person_signs_in_again(chromium: Browser, plog: Plog) -> None:
    dana = await page_of(chromium, plog, "dana")
    await sign_in_beside(dana, plog, "dana")
    await granted(plog, "DRAM_GENERAL")
    await expect(kind(dana, "DRAM_GENERAL").locator(".granted")).to_be_visible(timeout=SOON)
    await is_live(dana)
    assert await dana.evaluate(NEVER_RELOADED)


async def test_the_page_of_an_expired_session_shows_nobody(chromium: Browser, plog: Plog, tmp_path: Path) -> None:
    dana = await page_of(chromium, plog, "dana", color_scheme="dark")
    async with plog.container.services.database.transaction() as work:
        assert isinstance(work, UnitOfWork)
        await work.connection.execute(update(tables.session).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    await expect(dana.get_by_role("link", name="Sign in")).to_be_visible(timeout=SOON)
    assert "Dana" not in await dana.inner_text("body")
    await dana.screenshot(path=picture(tmp_path, "apply-signed-out"))


@pytest.mark.parametrize("end", ["1011", "4401", "error"])
async def test_whatever_ends_the_connection_it_comes_back(chromium: Browser, plog: Plog, end: str) -> None:
    dana = await page_of(chromium, plog, "dana")
    begun: list[WebSocketRoute] = []

    async def meddle(socket: WebSocketRoute) -> None:
        begun.append(socket)
        if len(begun) == 1 and end != "error":
            return await socket.close(code=int(end), reason="test")
        server = socket.connect_to_server()
        if len(begun) == 1:
            server.on_message(lambda text: socket.send(_spoiled(text)))

    await dana.route_web_socket("**/graphql", meddle)
    await dana.reload()
    await is_live(dana)
    assert len(begun) == 2
    await granted(plog, "DRAM_GENERAL")
    await expect(kind(dana, "DRAM_GENERAL").locator(".granted")).to_be_visible()


def _spoiled(text: str | bytes) -> str:
    """A message of the server's, as an error if it is the first of an operation."""
    message = json.loads(text)
    if message["type"] != "next":
        return str(text)
    return json.dumps({"id": message["id"], "type": "error", "payload": [{"message": "away", "extensions": {}}]})


async def test_what_was_shown_stays_away_after_an_action_without_a_session(chromium: Browser, plog: Plog) -> None:
    dana = await page_of(chromium, plog, "dana")
    await dana.wait_for_load_state("networkidle")
    await dana.context.clear_cookies()
    await apply_for(dana, "DRAM general", "for my work")
    await expect(dana.get_by_role("link", name="Sign in")).to_be_visible()
    await granted(plog, "LOGIC_GENERAL")  # what the socket would tell of
    await expect(dana.get_by_role("link", name="Sign in")).to_be_visible()
    assert "Dana" not in await dana.inner_text("body")


async def test_who_decides_too_late_is_told_so_and_can_read_it(chromium: Browser, plog: Plog) -> None:
    chris, bela = await page_of(chromium, plog, "chris"), await page_of(chromium, plog, "bela")
    await applied(plog, "DRAM_GENERAL")
    is_decided = asyncio.Event()

    async def hold(route: Route) -> None:
        if "mutation" in (route.request.post_data or ""):
            await is_decided.wait()
        await route.continue_()

    await chris.route("**/graphql", hold)
    for page in (chris, bela):
        asked = page.locator(".inbox li")
        await asked.get_by_label("Reason").fill("fine")
        await asked.get_by_role("button", name="Approve" if page is chris else "Reject").click()
    await expect(chris.locator(".inbox li")).to_have_count(0)
    await expect(bela.get_by_role("status")).to_have_text(f"Rejected: DRAM general of {DANA}.")
    is_decided.set()
    await expect(chris.get_by_role("alert")).to_contain_text("REJECTED")
    await expect(chris.locator(".inbox li")).to_have_count(0)


async def test_access_to_a_model_is_applied_for_seen_and_decided(chromium: Browser, plog: Plog, tmp_path: Path) -> None:
    model = await a_model(plog, "Delay N3", description="For signoff.")
    dana = await page_of(chromium, plog, "dana", f"/apply?model={model['id']}")
    await expect(dana.get_by_text("There is no set-up model here that you can see")).to_be_visible()
    await granted(plog, "LOGIC_GENERAL")
    await expect(dana.get_by_role("heading", name="Apply for access to Delay N3")).to_be_visible()
    await expect(dana.locator("section", has_text="Apply for access to Delay N3")).to_contain_text("of LOGIC, of Ada")
    ada = await page_of(chromium, plog, "ada")
    send = dana.get_by_role("button", name="Apply for access")
    await send.click()
    purpose, until = dana.get_by_label("What do you need it for?"), dana.get_by_label("Until", exact=True)
    await expect(purpose).to_have_accessible_description("is required")
    await expect(until).to_have_accessible_description("is required: the time until which access is needed")
    await purpose.fill("Signoff of block A")
    await until.fill("2099-06-30T12:00")
    await dana.screenshot(path=picture(tmp_path, "apply-model"), full_page=True)
    await send.click()
    await expect(dana.locator(".waits")).to_contain_text("Signoff of block A")
    await expect(dana.locator(".reason")).to_contain_text("applied for")
    asked = ada.locator(".inbox li")
    await expect(asked).to_contain_text("access to Delay N3 (LOGIC)")
    await expect(asked).to_contain_text("2099")
    await asked.get_by_label("Reason").fill("until the review")
    await asked.get_by_label("Until (empty: as applied for)").fill("2098-06-30T12:00")
    await ada.screenshot(path=picture(tmp_path, "apply-model-inbox"), full_page=True)
    await asked.get_by_role("button", name="Approve access to Delay N3 (LOGIC) of Dana").click()
    held = dana.locator("[data-model]")
    await expect(held.locator(".granted")).to_contain_text("2098")
    await expect(dana.locator(".reason")).to_contain_text("already")
    await expect(ada.get_by_role("status")).to_have_text(f"Approved: access to Delay N3 (LOGIC) of {DANA}.")
    given = ada.locator(".given li", has_text="Delay N3")
    await given.get_by_text("Renew or revoke").click()
    await expect(given.get_by_label("New end")).to_have_value("2098-06-30T12:00")
    await given.get_by_label("New end").fill("2097-06-30T12:00")
    await given.get_by_label("Reason").fill("sooner")
    await given.get_by_role("button", name="Renew").click()
    await expect(held.locator(".granted")).to_contain_text("2097")
    dana.on("dialog", lambda dialog: dialog.accept())
    await dana.get_by_role("button", name="Give back access to Delay N3").click()
    await expect(held).to_have_count(0)
    await expect(dana.get_by_role("status")).to_have_text("Given back: access to Delay N3 (LOGIC).")
    await expect(ada.locator(".given li", has_text="Delay N3")).to_have_count(0)
    await expect(dana.locator(".history li").first).to_contain_text("revoked")
    await expect(send).to_be_visible()
    for page in (dana, ada):
        assert await page.evaluate(NEVER_RELOADED)


async def test_an_application_for_a_model_is_withdrawn_and_rejected(chromium: Browser, plog: Plog) -> None:
    model = await a_model(plog, "Delay N3")
    await granted(plog, "LOGIC_GENERAL")
    dana = await page_of(chromium, plog, "dana", f"/apply?model={model['id']}")
    ada = await page_of(chromium, plog, "ada")
    for end in ("withdrawn", "rejected"):
        await dana.get_by_label("What do you need it for?").fill("Signoff")
        await dana.get_by_label("Until", exact=True).fill("2099-06-30T12:00")
        await dana.get_by_role("button", name="Apply for access").click()
        asked = ada.locator(".inbox li")
        await expect(asked).to_have_count(1)
        if end == "withdrawn":
            await dana.get_by_role("button", name="Withdraw access to Delay N3").click()
        else:
            await asked.get_by_label("Reason").fill("not for you")
            await asked.get_by_role("button", name="Reject").click()
        await expect(asked).to_have_count(0)
        await expect(dana.locator(".history li").first).to_contain_text(end)
    await expect(dana.locator(".history li").first).to_contain_text("not for you")


async def test_an_approver_renews_and_revokes_what_was_given(chromium: Browser, plog: Plog, tmp_path: Path) -> None:
    await granted(plog, "DRAM_GENERAL")
    dana, chris = await page_of(chromium, plog, "dana"), await page_of(chromium, plog, "chris")
    assert await dana.locator(".given").count() == 0
    given = chris.locator(".given li", has_text="Dana")
    await expect(given).to_contain_text("for good")
    await given.get_by_text("Renew or revoke").click()
    renew = given.get_by_role("button", name="Renew DRAM general of Dana")
    await renew.click()
    await expect(given.get_by_label("Reason")).to_have_accessible_description("is required")
    await given.get_by_label("Reason").fill("until the end of the project")
    await given.get_by_label("New end").fill("2099-06-30T12:00")
    await chris.screenshot(path=picture(tmp_path, "apply-given"), full_page=True)
    await renew.click()
    await expect(given.locator(".granted")).to_contain_text("2099")
    await expect(kind(dana, "DRAM_GENERAL").locator(".granted")).to_contain_text("2099")
    await given.get_by_label("Reason").fill("left the team")
    await given.get_by_role("button", name="Revoke DRAM general of Dana").click()
    await expect(given).to_have_count(0)
    await expect(chris.get_by_role("status")).to_have_text(f"Revoked: DRAM general of {DANA}.")
    await expect(kind(dana, "DRAM_GENERAL")).to_have_count(0)
    await expect(dana.locator(".history li").first).to_contain_text("left the team")


async def test_what_was_changed_meanwhile_is_not_changed_unseen(chromium: Browser, plog: Plog) -> None:
    grant = await granted(plog, "DRAM_GENERAL")
    chris = await page_of(chromium, plog, "chris")
    given = chris.locator(".given li", has_text="Dana")
    await given.get_by_text("Renew or revoke").click()
    end = "2099-06-30T12:00:00Z"
    await plog.answer(change("Renew"), plog.signed_in("bela"), id=grant["id"], reason="until then", expires=end)
    await given.get_by_label("Reason").fill("left the team")
    await given.get_by_role("button", name="Revoke").click()
    await expect(chris.get_by_role("alert")).to_contain_text("version")
    await expect(given.locator(".granted")).to_contain_text("2099")
    await given.get_by_role("button", name="Revoke").click()
    await expect(given).to_have_count(0)


async def test_a_sign_out_that_fails_says_so(chromium: Browser, plog: Plog) -> None:
    dana = await page_of(chromium, plog, "dana")
    alert, button = dana.get_by_role("alert"), dana.get_by_role("button", name="Sign out")

    async def refuse(route: Route) -> None:
        await route.fulfill(status=403, json={"code": "CSRF", "message": "It came from another site's page."})

    async def fail(route: Route) -> None:
        await route.abort()

    for answer, said in ((refuse, "another site"), (fail, "PLOG does not answer")):
        await dana.route("**/auth/sign-out", answer)
        await button.click()
        await expect(alert).to_contain_text(said)
        assert dana.url == f"{plog.url}/apply"
        await dana.unroute("**/auth/sign-out")


async def test_a_year_that_is_none_is_refused_by_its_field(chromium: Browser, plog: Plog) -> None:
    await applied(plog, "DRAM_GENERAL")
    chris = await page_of(chromium, plog, "chris")
    asked = chris.locator(".inbox li")
    await asked.get_by_label("Reason").fill("fine")
    until = asked.locator("input")
    await until.evaluate("field => { field.value = '12027-01-01T00:00'; }")
    await asked.get_by_role("button", name="Approve").click()
    await expect(until).to_have_attribute("aria-invalid", "true")
    await expect(chris.get_by_role("alert")).to_contain_text("until")


async def test_a_page_that_does_not_start_can_be_tried_again(chromium: Browser, plog: Plog, tmp_path: Path) -> None:
    dana = await page_of(chromium, plog, "dana")
    await dana.route("**/graphql", lambda route: route.abort())
    await dana.reload()
    await expect(dana.get_by_role("alert")).to_contain_text("could not be reached")
    await dana.screenshot(path=picture(tmp_path, "apply-unreachable"))
    await dana.unroute("**/graphql")
    await dana.get_by_role("button", name="Try again").click()
    await is_live(dana)
    await expect(dana.get_by_role("alert")).to_be_empty()


async def test_an_inbox_that_is_longer_says_that_it_goes_on(chromium: Browser, plog: Plog) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    for number in range(34):
        person = Person(subject=f"other:{number}", name=f"Person {number}", expires_at=later)
        await create_permission_requests(plog.container.services, person, {"kinds": [*PERMISSION_KINDS], "reason": "work"})
    chris = await page_of(chromium, plog, "chris")
    await expect(chris.locator(".inbox li")).to_have_count(100)
    await expect(chris.get_by_text("These are the oldest 100")).to_be_visible()


CONTRASTS = """() => {
  const draw = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour, over) => {
    draw.fillStyle = over; draw.fillRect(0, 0, 1, 1); draw.fillStyle = colour; draw.fillRect(0, 0, 1, 1);
    return [...draw.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (channels) => channels.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
  const paper = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'Canvas';
  };
  const opacity = (each) => each ? getComputedStyle(each).opacity * opacity(each.parentElement) : 1;
  const found = {};
  for (const each of document.querySelectorAll('#page *')) {
    const text = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !each.checkVisibility() || each.matches(':disabled')) continue;
    const under = `rgb(${rgb(paper(each), 'Canvas')})`;
    draw.globalAlpha = opacity(each);
    const over = rgb(getComputedStyle(each).color, under);
    draw.globalAlpha = 1;
    const [dark, bright] = [light(over), light(rgb(under, under))].sort((a, b) => a - b);
    found[`${each.className || each.tagName}: ${each.textContent.trim().slice(0, 40)}`] = (bright + 0.05) / (dark + 0.05);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_can_be_read_and_nothing_is_wider_than_the_window(
    chromium: Browser, plog: Plog, tmp_path: Path, scheme: str
) -> None:
    model = await a_model(plog, "Delay N3")
    own = await applied(plog, "LOGIC_GENERAL", "chris")
    await plog.answer(decide("Approve"), plog.signed_in("bela"), id=own["id"], reason="fine")
    await granted(plog, "DRAM_GENERAL")
    reason = "A_long_word_without_a_place_to_break_it_" * 5
    await apply(plog, "LOGIC_MODEL_SET_UP", reason=reason)
    narrow: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": 360, "height": 780}}
    chris = await page_of(chromium, plog, "chris", f"/apply?model={model['id']}", **narrow)
    await apply_for(chris, "DRAM general", "for me")
    await expect(chris.locator(".waits")).to_be_visible()
    await chris.get_by_role("button", name=f"Approve {SET_UP} of Dana").click()
    await expect(chris.get_by_role("alert")).not_to_be_empty()
    await chris.get_by_text("Renew or revoke").first.click()
    await chris.screenshot(path=picture(tmp_path, f"apply-narrow-{scheme}"), full_page=True)
    contrasts = await chris.evaluate(CONTRASTS)
    assert len(contrasts) > 15 and {text: each for text, each in contrasts.items() if each < 4.5} == {}
    assert await chris.evaluate("document.documentElement.scrollWidth") <= 360
    await chris.set_viewport_size({"width": 1100, "height": 900})
    await chris.screenshot(path=picture(tmp_path, f"apply-wide-{scheme}"), full_page=True)

"""The report of a run in a real browser: drawn from its one file, and fit for paper."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser

from domain.run_report import run_report
from domain.run_report_html import html_report
from tests.e2e.test_graphiql import browser
from tests.unit.test_run_report import run_of

__all__ = ["browser"]


@pytest.mark.timeout(120)
async def test_a_report_is_drawn_from_one_file_and_printed(browser: Browser, tmp_path: Path) -> None:
    """Its picture and its PDF go to the folder PLOG_SCREENSHOTS, where that is set."""
    run, parts, usages, analysis = run_of(60, "Stöbern und 買う", "browse", "1 of 2 thresholds was missed.", "api-0")
    folder = Path(os.environ.get("PLOG_SCREENSHOTS") or tmp_path)
    file = tmp_path / "report.html"
    file.write_bytes(html_report(run_report(run, parts, usages, analysis)))
    page = await browser.new_page(viewport={"width": 1200, "height": 900})
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text))
    await page.goto(file.as_uri())
    drawn = await page.eval_on_selector_all("svg", "all => all.map(each => each.getBoundingClientRect().height)")
    assert drawn and min(drawn) > 500
    assert await page.evaluate("document.documentElement.scrollWidth") <= 1200
    await page.screenshot(path=folder / "report.png", full_page=True)
    printed = await page.pdf(path=folder / "report.pdf")
    assert printed.startswith(b"%PDF") and len(printed) > 20_000
    assert (asked, errors) == ([file.as_uri()], [])

"""Reports of runs through the API: made and kept by their checksum, fetched by links."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from domain.load_test_run import RunStatus
from domain.resource_usage import PodSpecs, ResourceUsage
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_comparison import COUNT, ended, two_scenarios
from tests.api.test_load_test_analysis import analyzed
from tests.api.test_load_test_report import START
from tests.synthetic_runs import BEGIN, windows

REPORT = f"""mutation ($run: ID!, $format: RunReportFormat! = HTML, $key: String) {{
  loadTestRunReport(runId: $run, format: $format, idempotencyKey: $key) {{ __typename
    ... on LoadTestRunReportPayload {{ report {{ format name mediaType size sha256 downloadUrl }} }} {ERROR} }} }}"""


async def reported(plog: Plog, run: dict[str, Any], form: str = "HTML", key: str | None = None) -> dict[str, Any]:
    answer = await plog.answer(REPORT, run=run["id"], format=form, key=key)
    assert answer["__typename"] == "LoadTestRunReportPayload", answer
    return dict(answer["report"])


@BOTH_DATABASES
async def test_a_report_is_made_kept_and_fetched(plog: Plog) -> None:
    chance = np.random.default_rng(1)
    run = await ended(plog, await two_scenarios(plog), windows(chance, COUNT) + windows(chance, COUNT, key="s2"))
    usage = ResourceUsage(
        start=BEGIN, pod="api", sampled_at=datetime.now(UTC), cpu_millicores=250.0, memory_bytes=10**8, specs=PodSpecs()
    )
    async with plog.container.services.database.transaction() as work:
        await work.resource_usages.add(run["number"], [usage])
    for form, media_type, suffix, said in (
        ("HTML", "text/html; charset=utf-8", "html", "<td>250</td>"),
        ("MARKDOWN", "text/markdown; charset=utf-8", "md", "| CPU of api | millicores | 250 |"),
    ):
        report = await reported(plog, run, form)
        assert (report["format"], report["mediaType"]) == (form, media_type)
        assert report["name"] == f"run-{run['number']}.{suffix}"
        response = await plog.http.get(report["downloadUrl"])
        assert response.status_code == 200 and response.headers["content-type"] == media_type
        assert (len(response.content), hashlib.sha256(response.content).hexdigest()) == (report["size"], report["sha256"])
        assert response.headers["content-disposition"].startswith(f'attachment; filename="{report["name"]}"')
        assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert "größe" in response.text and said in response.text
        assert (await reported(plog, run, form))["sha256"] == report["sha256"]


@BOTH_DATABASES
async def test_a_report_has_the_latest_analysis_and_a_repeat_is_the_first_one(plog: Plog) -> None:
    run = await ended(plog, await two_scenarios(plog), windows(np.random.default_rng(2), COUNT))
    first = await reported(plog, run, "MARKDOWN", "k")
    analysis = await analyzed(plog, "ERROR_RATE", run)
    later = await reported(plog, run, "MARKDOWN")
    assert later["sha256"] != first["sha256"] == (await reported(plog, run, "MARKDOWN", "k"))["sha256"]
    assert f"Analysis {analysis['number']} (error rate)." in (await plog.http.get(later["downloadUrl"])).text
    assert (await plog.http.get(first["downloadUrl"])).text.count("The run has not been analysed.") == 1
    assert (await plog.answer(REPORT, run=run["id"], key="k"))["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_run_without_a_window_has_a_report(plog: Plog) -> None:
    run = await ended(plog, await two_scenarios(plog), [], RunStatus.ERROR)
    report = await reported(plog, run)
    assert "No window was measured." in (await plog.http.get(report["downloadUrl"])).text


async def test_what_can_not_be_reported_is_refused(plog: Plog) -> None:
    test = await two_scenarios(plog)
    open_run = (await plog.answer(START, id=test["id"]))["run"]
    answer = await plog.answer(REPORT, run=open_run["id"])
    assert (answer["code"], "has ended" in answer["message"]) == ("ILLEGAL_TRANSITION", True)
    assert (await plog.answer(REPORT, run=test["id"]))["code"] == "NOT_FOUND"
    assert (await plog.answer(REPORT, run=open_run["id"], key="x" * 201))["code"] == "VALIDATION_FAILED"


async def test_a_link_opens_its_report_alone(plog: Plog) -> None:
    run = await ended(plog, await two_scenarios(plog), [])
    url = (await reported(plog, run))["downloadUrl"]
    path, query = url.removeprefix(plog.url).split("?")
    for wrong in (path, f"{path.replace('.html', '.md')}?{query}", f"{path.replace('reports', 'documents')}?{query}"):
        assert (await plog.http.get(wrong)).status_code in (403, 404), wrong
    missing = f"/reports/{run['number']}/{'a' * 64}.html"
    signed = plog.container.signed_urls.sign("GET", missing, datetime.now(UTC) + timedelta(hours=1))
    assert (await plog.http.get(f"{missing}?{signed}")).status_code == 404


async def test_a_report_that_several_ask_for_at_once_is_one(plog: Plog) -> None:
    run = await ended(plog, await two_scenarios(plog), windows(np.random.default_rng(3), COUNT))
    made = await asyncio.gather(*(reported(plog, run, key="k") for _ in range(4)))
    assert len({each["sha256"] for each in made}) == 1
    assert (await plog.http.get(made[0]["downloadUrl"])).status_code == 200

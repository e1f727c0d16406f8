"""Reports of runs through the API: made and kept by their checksum, fetched by links."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any

import numpy as np

from domain.load_test_run import RunStatus
from domain.resource_usage import PodSpecs, ResourceUsage
from resolvers.run_report import remove_reports
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_comparison import COUNT, ended, two_scenarios
from tests.api.test_load_test_analysis import analyzed
from tests.api.test_load_test_report import START
from tests.synthetic_runs import BEGIN, windows

SHOWN = "id name mediaType size sha256 ownerId analysisId actor attemptNumber inputIds createdAt downloadUrl"
REPORT = f"""mutation ($run: ID!, $format: RunReportFormat! = HTML, $key: String) {{
  loadTestRunReport(runId: $run, format: $format, idempotencyKey: $key) {{ __typename
    ... on LoadTestRunReportPayload {{ report {{ {SHOWN} }} }} {ERROR} ... on IllegalTransition {{ current wanted }} }} }}"""
REPORTS = f"""query ($run: ID!) {{ loadTestRun(id: $run) {{ reports {{ {SHOWN} }} }} }}"""
DOCUMENT = "query ($run: ID!) { loadTestRun(id: $run) { documentSha256 document { sha256 ownerId } loadTest { target { id } } } }"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ __typename ... on Artifact {{ {SHOWN} }} }} }}"


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
        assert (report["mediaType"], report["ownerId"], report["actor"]) == (media_type, run["id"], "demo:ada")
        assert (report["analysisId"], report["attemptNumber"], report["inputIds"]) == (None, None, [])
        assert report["name"] == f"run-{run['number']}.{suffix}"
        response = await plog.http.get(report["downloadUrl"])
        assert response.status_code == 200 and response.headers["content-type"] == media_type
        assert (len(response.content), hashlib.sha256(response.content).hexdigest()) == (report["size"], report["sha256"])
        assert response.headers["content-disposition"].startswith(f'attachment; filename="{report["name"]}"')
        assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert "größe" in response.text and said in response.text
        again = await reported(plog, run, form)
        assert {**again, "downloadUrl": ""} == {**report, "downloadUrl": ""}
        node = await plog.answer(NODE, id=report["id"])
        assert {**node, "downloadUrl": ""} == {**report, "__typename": "Artifact", "downloadUrl": ""}
    shown = await plog.answer(DOCUMENT, run=run["id"])
    assert shown["document"] == {"sha256": shown["documentSha256"], "ownerId": shown["loadTest"]["target"]["id"]}
    listed = (await plog.answer(REPORTS, run=run["id"]))["reports"]
    assert [each["name"] for each in listed] == [f"run-{run['number']}.html", f"run-{run['number']}.md"]
    assert (await plog.http.get(listed[1]["downloadUrl"])).headers["content-type"] == "text/markdown; charset=utf-8"


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
    listed = (await plog.answer(REPORTS, run=run["id"]))["reports"]
    assert [(each["id"], each["analysisId"]) for each in listed] == [(first["id"], None), (later["id"], analysis["id"])]


@BOTH_DATABASES
async def test_all_reports_of_a_run_are_removed_and_those_of_others_stay(plog: Plog) -> None:
    services = plog.container.services
    test = await two_scenarios(plog)
    run, other = [await ended(plog, test, windows(np.random.default_rng(5), COUNT)) for _ in range(2)]
    gone, stays = await reported(plog, run, key="k"), await reported(plog, other)
    kept = f"reports/{run['number']}/{gone['sha256']}.html"
    assert await services.artifacts.size(kept) == gone["size"]
    for _ in range(2):
        await remove_reports(services, run["number"])
        assert (await plog.answer(REPORTS, run=run["id"]))["reports"] == [] and await services.artifacts.size(kept) is None
    assert (await plog.http.get(gone["downloadUrl"])).status_code == 404
    assert await plog.ask(NODE, id=gone["id"]) == {"node": None}
    assert (await plog.answer(REPORT, run=run["id"], key="k"))["code"] == "NOT_FOUND"
    assert [each["id"] for each in (await plog.answer(REPORTS, run=other["id"]))["reports"]] == [stays["id"]]
    assert (await plog.http.get(stays["downloadUrl"])).status_code == 200
    assert (await reported(plog, run))["id"] == gone["id"], "it can be made again"


async def test_a_run_without_a_window_has_a_report(plog: Plog) -> None:
    run = await ended(plog, await two_scenarios(plog), [], RunStatus.ERROR)
    report = await reported(plog, run)
    assert "No window was measured." in (await plog.http.get(report["downloadUrl"])).text


async def test_what_can_not_be_reported_is_refused(plog: Plog) -> None:
    test = await two_scenarios(plog)
    open_run = (await plog.answer(START, id=test["id"]))["run"]
    answer = await plog.answer(REPORT, run=open_run["id"])
    assert (answer["code"], "has ended" in answer["message"]) == ("ILLEGAL_TRANSITION", True)
    assert (answer["current"], answer["wanted"]) == ("QUEUED", "ended"), "a verdict, whichever: no status is called so"
    assert (await plog.answer(REPORT, run=test["id"]))["code"] == "NOT_FOUND"
    assert (await plog.answer(REPORT, run=open_run["id"], key="x" * 201))["code"] == "VALIDATION_FAILED"


async def test_a_link_opens_its_report_alone(plog: Plog) -> None:
    run = await ended(plog, await two_scenarios(plog), [])
    url, other = [(await reported(plog, run, form))["downloadUrl"] for form in ("HTML", "MARKDOWN")]
    (path, query), (other_path, _) = [each.removeprefix(plog.url).split("?") for each in (url, other)]
    for wrong in (path, f"{other_path}?{query}"):
        assert (await plog.http.get(wrong)).status_code == 403, wrong


async def test_a_report_that_several_ask_for_at_once_is_one(plog: Plog) -> None:
    run = await ended(plog, await two_scenarios(plog), windows(np.random.default_rng(3), COUNT))
    made = await asyncio.gather(*(reported(plog, run, key="k") for _ in range(4)))
    assert len({each["sha256"] for each in made}) == 1 == len((await plog.answer(REPORTS, run=run["id"]))["reports"])
    assert (await plog.http.get(made[0]["downloadUrl"])).status_code == 200

"""The demo of `make run`, to its end: both parts succeed, and the load test's run can be analysed."""

from pathlib import Path

import pytest

from tests.e2e.server import PlogServer
from tests.endurance import Tell
from tests.waiting import eventually

RUNS = """query { loadTestRuns(first: 2) { nodes { id status message windowSeconds
  figures { requests tpsMean } thresholds { metric condition isMet } } } }"""
ANALYZE = """mutation ($run: ID!) { loadTestAnalyze(kind: COMPREHENSIVE, runId: $run) {
  ... on LoadTestAnalysisPayload { analysis { score confidence remarks
    findings { kind value unit low high sentence } } }
  ... on UserError { code message } } }"""
SAID = "The demo kit is "
WORKERS = 4  # of the sample API, each of which serves one virtual user at a time


@pytest.mark.endurance
@pytest.mark.timeout(600)
async def test_the_demo_succeeds_and_its_run_can_be_analysed(tmp_path: Path, tell: Tell) -> None:
    server = PlogServer(tmp_path / "plog", command=("demo", "--serve"))
    await server.start()
    try:
        await eventually(lambda: SAID in server.log.read_text(), deadline=500, every=0.5)
        output = server.log.read_text()
        assert f"{SAID}SUCCEEDED, the demo load test PASSED." in output, output[-3000:]
        (run,) = (await server.client.run(RUNS))["loadTestRuns"]["nodes"]
        assert (run["status"], run["windowSeconds"]) == ("PASSED", 2) and all(each["isMet"] for each in run["thresholds"]), run
        analysis = (await server.client.command("loadTestAnalyze", ANALYZE, run=run["id"]))["analysis"]
    finally:
        await server.stop()
    found = [each for each in analysis["findings"] if each["kind"] == "SATURATION"]
    said = found[0]["sentence"] if found else "a busy machine hid where it saturates"
    tell(f"{run['figures'][0]['requests']:,.0f} requests, {run['figures'][0]['tpsMean']:.0f} TPS; {said}")
    assert all(each["unit"] == "VUs" and WORKERS / 2 < each["value"] < WORKERS * 2 for each in found), analysis
    assert analysis["score"] is not None and 0.0 < analysis["confidence"] <= 1.0, analysis

"""A run whose windows were removed says so wherever somebody asks for them, and has its history all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.client import ServerRefused
from controllers.housekeeping import Housekeeping
from domain.resource_usage import PodSpecs, ResourceUsage
from domain.runner import LogChunk
from domain.visibility import EVERY_PROJECT
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_comparison import COMPARE, COUNT, TREND, ended, two_scenarios
from tests.api.test_kit_subscription import watching
from tests.api.test_load_test_analysis import ANALYZE, analyzed
from tests.api.test_load_test_commands import command
from tests.api.test_load_test_subscription import METRICS
from tests.api.test_run_report import REPORT, reported
from tests.synthetic_runs import BEGIN, windows

PARTS = {
    "metrics": "metrics { requests }",
    "resources": "resources { pod }",
    "log": "log { text }",
}
KEPT = "status message windowsRemovedAt figures { scenario requests p95 } scenarios { name } script thresholds { metric }"


async def remove_windows(plog: Plog) -> None:
    """As if the time that runs are kept were over."""
    await Housekeeping(plog.container.services, 60, timedelta(microseconds=1)).run_once()


@BOTH_DATABASES
async def test_what_was_removed_is_no_run_that_measured_nothing(plog: Plog) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(4)
    old = await ended(plog, test, windows(chance, COUNT))
    usage = ResourceUsage(
        start=BEGIN, pod="api", sampled_at=datetime.now(UTC), cpu_millicores=250.0, memory_bytes=10**8, specs=PodSpecs()
    )
    async with plog.container.services.database.transaction() as work:
        await work.resource_usages.add(old["number"], [usage])
        run = (await work.load_test_runs.get_many([old["number"]], EVERY_PROJECT))[old["number"]]
        await work.logs.add(run.key, LogChunk(0, b"one line\n"), run.created_at)
    analysis, report = await analyzed(plog, "ERROR_RATE", old), await reported(plog, old)
    query = f"query ($id: ID!) {{ loadTestRun(id: $id) {{ {KEPT} {' '.join(PARTS.values())} }} }}"
    before = await plog.answer(query, id=old["id"])
    assert all(before[name] for name in PARTS) and before["windowsRemovedAt"] is None
    await remove_windows(plog)
    new = await ended(plog, test, windows(chance, COUNT))
    answer = (await plog.post(query, {"id": old["id"]})).json()
    after = answer["data"]["loadTestRun"]
    assert {error["path"][-1]: error["extensions"]["code"] for error in answer["errors"]} == dict.fromkeys(
        PARTS, "WINDOWS_REMOVED"
    )
    assert after == {**before, **dict.fromkeys(PARTS), "windowsRemovedAt": after["windowsRemovedAt"]}
    assert after["windowsRemovedAt"] is not None and after["figures"]
    for ids in ([old["id"], new["id"]], [new["id"], old["id"]]):
        assert await plog.codes(COMPARE, ids=ids) == ["WINDOWS_REMOVED"]
    for given in ({"run": old["id"]}, {"run": new["id"], "baseline": old["id"]}):
        refused = await plog.answer(ANALYZE, kind="COMPREHENSIVE", **given)
        assert (refused["code"], refused["__typename"]) == ("WINDOWS_REMOVED", "WindowsRemoved")
        assert f"run {old['number']} were removed" in refused["message"]
    assert (await plog.answer(REPORT, run=old["id"]))["code"] == "WINDOWS_REMOVED"
    assert (await plog.http.get(report["downloadUrl"])).status_code == 404
    async with watching(plog, METRICS, id=old["id"]) as frames:
        with pytest.raises(ServerRefused, match=f"run {old['number']} were removed"):
            await frames.next()
    kept = await plog.answer("query ($id: ID!) { loadTestAnalysis(id: $id) { score } }", id=analysis["id"])
    assert kept["score"] == analysis["score"]
    assert len(await plog.answer(TREND, id=test["id"])) == 3


async def test_the_terminal_says_so_at_once(plog: Plog, tmp_path: Path) -> None:
    await ended(plog, await two_scenarios(plog), windows(np.random.default_rng(5), COUNT))
    await remove_windows(plog)
    for arguments in (("watch", "1"), ("report", "1")):
        told = await command(plog, tmp_path, *arguments)
        assert told.returncode == 2 and "run 1 were removed" in " ".join(told.stderr.split()), told

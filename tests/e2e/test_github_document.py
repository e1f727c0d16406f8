"""GitHub's own OpenAPI document, 13 MB: analysed in seconds by a server of its own, and load tests made of its endpoints."""

import json
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.node_programs import github_document
from tests.e2e.server import PlogServer
from tests.e2e.test_load_test_run import target
from tests.endurance import SHARE, Tell
from tests.k6 import inspect
from tests.sites import serving

METHODS = ("get", "head", "post", "put", "patch", "delete")
SEED = 4
ENDPOINTS = 200
PER_SCRIPT = 20
MOST_SECONDS = 20.0
MOST_MEMORY = 10**9  # bytes, at the peak
PREVIEW = """query ($target: ID!, $input: LoadTestInput!) { loadTestPreview(targetId: $target, input: $input) {
  problems { field message } script scenarios { requests { name } } } }"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PlogServer]:
    server = PlogServer(tmp_path / "plog")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def peak_memory(pid: int) -> int:
    """The most memory that a process has had so far, in bytes."""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def load_test(endpoints: list[str], server: str) -> dict[str, Any]:
    """A load test that calls each of the endpoints once an iteration."""
    executor = {"kind": "CONSTANT_VUS", "vus": 1, "duration": 1}
    scenario = {"name": "s", "allowUnsafe": True, "requests": [{"endpoint": key} for key in endpoints], "executor": executor}
    return {"title": "t", "seed": SEED, "fillOptional": True, "server": server, "scenarios": [scenario]}


@pytest.mark.endurance
async def test_githubs_document_is_analysed_and_k6_reads_the_scripts_of_its_endpoints(server: PlogServer, tell: Tell) -> None:
    """200 endpoints chosen by seed; all of them where the endurance tests run in full."""
    text = github_document().read_text("utf-8")
    # Without those that are served elsewhere, which a load test of this target refuses.
    keys = [
        f"{method.upper()} {path}"
        for path, item in json.loads(text)["paths"].items()
        for method in METHODS
        if method in item and "servers" not in item[method]
    ]
    chosen = keys if SHARE >= 1 else random.Random(SEED).sample(keys, ENDPOINTS)
    assert {key.split()[0] for key in chosen} >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    before = peak_memory(server.pid)
    with serving({"/api.github.com.json": text}) as site:
        begun = time.monotonic()
        of = await target(server, f"{site.address}/api.github.com.json")
        seconds, memory = time.monotonic() - begun, peak_memory(server.pid)
    tell(f"{len(keys)} endpoints in {seconds:.1f} s; memory {before // 10**6} MB before, {memory // 10**6} MB at the peak")
    assert seconds < MOST_SECONDS and memory < MOST_MEMORY
    for start in range(0, len(chosen), PER_SCRIPT):
        wanted = chosen[start : start + PER_SCRIPT]
        preview = (await server.client.run(PREVIEW, target=of, input=load_test(wanted, site.address)))["loadTestPreview"]
        assert preview["problems"] == []
        assert [each["name"] for each in preview["scenarios"][0]["requests"]] == wanted
        assert (await inspect(preview["script"]))["scenarios"]["s1"]["executor"] == "constant-vus"
    tell(f"scripts for {len(chosen)} endpoints, {PER_SCRIPT} in each, all read by `k6 inspect`")

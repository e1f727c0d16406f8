"""The two demo kits and the real steps, through the API as any client uses it."""

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import skops.io

from app.settings import ROOT
from domain.job_type import JobType
from tests.e2e.server import CANCEL_JOB, PlogServer, demo_document
from tests.services import require_program
from tests.waiting import eventually


@pytest.fixture
async def server(tmp_path: Path) -> Any:
    made = PlogServer(tmp_path / "plog")
    await made.start()
    yield made
    await made.stop()


async def download(kit: dict[str, Any], name: str) -> bytes:
    """The content of an artifact, by its link, without signing in."""
    found = [artifact for job in kit["jobs"] for artifact in job["artifacts"] if artifact["name"] == name]
    assert len(found) == 1, (name, kit)
    async with httpx.AsyncClient(timeout=30) as client:
        response = await client.get(found[0]["downloadUrl"])
    assert response.status_code == 200
    assert len(response.content) == found[0]["size"]
    return response.content


def metadata(kit: dict[str, Any], job: str, task: str) -> dict[str, Any]:
    tasks = next(each for each in kit["jobs"] if each["type"] == job)["tasks"]
    found: dict[str, Any] = next(each for each in tasks if each["name"] == task)["metadata"]
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["table", "spice"])
async def test_the_demo_kit_succeeds(server: PlogServer, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "spice":
        require_program("ngspice")
    document = demo_document(name)
    document["definition"]["optimize"]["trials"] = 3  # of the demo's 15, each of which is like another
    number = (await server.create_kit(document))["number"]
    kit = await server.ended(number, deadline=240)
    assert kit["status"] == "SUCCEEDED", kit
    assert all(task["percent"] == 100 for job in kit["jobs"] for task in job["tasks"])

    data = pd.read_parquet(io.BytesIO(await download(kit, "data.parquet")))
    info = next(job for job in kit["jobs"] if job["type"] == "DOE")["dataInfo"]
    assert info["rows"] == len(data) > 50

    metrics = json.loads(await download(kit, "metrics.json"))
    card = json.loads(await download(kit, "model_card.json"))
    assert card["registered"]["model"] in ("tuned", "untuned")
    model = await download(kit, card["registered"]["artifact"])
    names = [column["name"] for column in info["columns"] if column["role"] == "INPUT"]
    loaded = skops.io.loads(model, trusted=skops.io.get_untrusted_types(data=model))
    assert len(loaded.predict(data[names])) == len(data)
    with capsys.disabled():
        print(f"\n{name}: {info['rows']} rows, untuned mean R² {metrics['meanR2']:.4f}; {card['registered']['reason']}")


def finding_tests(file: Path) -> Path:
    """A template of the built-in steps that find modules of the checkout, which are not installed."""
    sections = [
        f"""[finding-tests.{job_type}]
command = [{json.dumps(sys.executable)}, "-P", "-m", "steps.{job_type.lower()}"]
environment = {{PYTHONPATH = {json.dumps(str(ROOT))}}}
"""
        for job_type in JobType
    ]
    file.write_text("".join(sections))
    return file


@pytest.mark.timeout(300)
async def test_a_kit_of_a_named_function_succeeds(tmp_path: Path) -> None:
    settings = {"STEPS__FUNCTIONS": json.dumps({"ring": "tests.e2e.named_functions:ring"})}
    made = PlogServer(tmp_path / "plog", {**settings, "STEPS__TEMPLATES": str(finding_tests(tmp_path / "templates.toml"))})
    await made.start()
    try:
        document = demo_document("spice")
        definition = document["definition"]
        definition["template"] = "finding-tests"
        definition["deck"] = {"kind": "FUNCTION", "responses": ["delay", "power"]}
        definition["design"] = {
            "method": "LATIN_HYPERCUBE",
            "points": 40,
            "variables": [{"name": "stages", "levels": [3, 5, 7]}, {"name": "load", "low": 0.1, "high": 2}],
            "evaluator": {"function": "ring"},
        }
        definition["optimize"] = {"trials": 3}
        number = (await made.create_kit(document))["number"]
        kit = await made.ended(number, deadline=200)
        assert kit["status"] == "SUCCEEDED", kit
        assert "no decks to gather" in kit["jobs"][0]["metadata"]["message"]
        assert json.loads(await download(kit, "metrics.json"))["meanR2"] > 0.9
    finally:
        await made.stop()


async def test_decks_from_an_uploaded_zip(server: PlogServer) -> None:
    """A zip is sent, named by its checksum, and collected; another person's checksum leads nowhere."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("table.csv", "a,b,y\n" + "\n".join(f"{i},{i % 7},{i * 2}" for i in range(60)))
    content = packed.getvalue()
    document = demo_document("table")
    definition = document["definition"]
    definition["deck"] |= {"inputs": ["a", "b"], "responses": ["y"]}
    definition["design"] = {"method": "MEASURED", "variables": [{"name": "a", "low": 0, "high": 49}]}
    digest = await server.upload(content)
    definition["deck"]["source"] = {"upload": digest}
    number = (await server.create_kit(document, start=False))["number"]
    kit = await server.kit(number)
    await server.start_job(kit["jobs"][0]["id"])
    await eventually(lambda: _job_ended(server, number, 0), deadline=60)
    await server.start_job(kit["jobs"][1]["id"])
    await eventually(lambda: _job_ended(server, number, 1), deadline=60)
    kit = await server.kit(number)
    assert kit["jobs"][1]["dataInfo"]["rows"] == 50, kit


async def _job_ended(server: PlogServer, number: int, place: int) -> bool:
    job = (await server.kit(number))["jobs"][place]
    assert job["status"] not in ("FAILED", "CANCELLED"), job
    return bool(job["status"] == "SUCCEEDED")


@pytest.mark.timeout(300)
async def test_optimize_cancelled_in_mid_trial_keeps_what_was_found(server: PlogServer) -> None:
    document = demo_document("table")
    document["definition"]["ml"] = {"algorithm": "RIDGE"}
    document["definition"]["optimize"] = {"trials": 500, "algorithms": ["RANDOM_FOREST"]}
    number = (await server.create_kit(document))["number"]

    async def has_trials() -> bool:
        job = (await server.kit(number))["jobs"][3]
        return bool(job["status"] == "RUNNING" and job["tasks"][0]["percent"] > 0)

    await eventually(has_trials, deadline=200, every=0.2)
    kit = await server.kit(number)
    await server.client.command("jobCancel", CANCEL_JOB, id=kit["jobs"][3]["id"])
    kit = await server.ended(number, deadline=30)
    job = kit["jobs"][3]
    assert (job["status"], job["attempt"]["cause"], kit["status"]) == ("CANCELLED", "CANCELLED", "CANCELLED")
    names = {artifact["name"] for artifact in job["artifacts"]}
    assert {"trials.csv", "best_parameters.json"} <= names, kit
    assert not server.attempt_processes()

"""kill -9 at any moment: what was accepted is there once, what ran is found again, and every kit ends."""

import asyncio
import base64
import io
import json
import os
import random
import signal
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from domain.event import Event, EventKind
from domain.visibility import EVERYTHING
from persistence.engine import open_engines
from persistence.rebuild import rebuild
from persistence.unit_of_work import Database
from tests.e2e.server import RETRY, PlogServer, demo_document
from tests.endurance import SHARE
from tests.history import history_of
from tests.services import require_program
from tests.waiting import eventually

POINTS = 20
QUICK_STEP = Path(__file__).with_name("quick_step.py")
NEVER_MERGED = {EventKind.STATUS, EventKind.TRIAL, EventKind.POINT, EventKind.NOTE, EventKind.ARTIFACT}
SLOW_NETLIST = """* an hour and more for a point
.param r=1k
v1 in 0 pulse(0 1 1n 1n 1n 1u 2u)
r1 in out {r}
c1 out 0 1p
.tran 10u 100
.meas tran a trig v(in) val=0.5 rise=1 targ v(out) val=0.5 rise=1
.end
"""


async def started(tmp_path: Path, settings: dict[str, str], seconds: float = 1.0) -> PlogServer:
    """A server whose template `quick` runs short steps of the tests' own."""
    command = [sys.executable, str(QUICK_STEP), str(POINTS), str(seconds)]
    steps = "\n".join(f"[quick.{job_type}]\ncommand = {command}" for job_type in ("DECK_COLLECTION", "DOE", "ML", "OPTIMIZE"))
    templates = tmp_path / "templates.toml"
    templates.write_text(f"{steps}\n".replace("'", '"'))
    server = PlogServer(tmp_path / "plog", {"STEPS__TEMPLATES": str(templates), "RUNNER__CAPACITY": "4", **settings})
    await server.start()
    return server


def quick_document() -> dict[str, Any]:
    document = demo_document("table")
    document["definition"]["template"] = "quick"
    return document


async def check(server: PlogServer) -> None:
    """Everything that has to hold of every kit that has ended."""
    url = server.environment.get("PLOG_DATABASE__URL") or f"sqlite+aiosqlite:///{server.home / 'data' / 'plog.db'}"
    database = Database(*open_engines(url))
    try:
        report = await rebuild(database)
        assert report.differences == []
        async with database.snapshot() as work:
            for identity in await work.events.identities(0, 1000):
                kit = await work.kits.get(identity.id, EVERYTHING)
                assert kit is not None and kit.ended_at is not None
                check_history(await history_of(work, kit.id))
    finally:
        await database.close()


def check_history(events: list[Event]) -> None:
    """Each report is there once; each attempt that succeeded has all that its step wrote."""
    reports = Counter((event.job_id, event.attempt, event.sequence) for event in events if event.sequence is not None)
    assert all(count == 1 for count in reports.values())
    for ended in events:
        if ended.kind is EventKind.STATUS and ended.task is None and "reports" in ended.metadata:
            own = [each for each in events if each.job_id == ended.job_id and each.attempt == ended.attempt and each.sequence]
            assert all(each.sequence is not None and each.sequence <= ended.metadata["reports"] for each in own)
            if ended.status == "SUCCEEDED" and ended.metadata.get("reports"):
                tasks = {each.task for each in own if each.task is not None}
                points = Counter(each.task for each in own if each.kind is EventKind.POINT)
                assert points == dict.fromkeys(tasks, POINTS)
                assert len(own) == len(tasks) * (POINTS + 2) + 2 == ended.metadata["reports"]


def started_once(events: list[Event]) -> bool:
    running = Counter((e.job_id, e.attempt) for e in events if e.status == "RUNNING" and e.task is None and e.job_id)
    return all(count == 1 for count in running.values())


@pytest.mark.endurance
@pytest.mark.timeout(1800)
async def test_kill_9_of_the_server(tmp_path: Path, database_settings: dict[str, str]) -> None:
    """30 kills in full; each at a random moment while kits run."""
    kills, chance = max(2, round(30 * SHARE)), random.Random(7)
    server = await started(tmp_path, database_settings)
    try:
        numbers: list[int] = []
        for _ in range(kills):
            open_kits = [number for number in numbers if not (await server.kit(number))["endedAt"]]
            if len(open_kits) < 2:
                numbers.append((await server.create_kit(quick_document()))["number"])
            await wait_for_moment(chance.uniform(0.0, 2.5))
            await server.kill()
            await server.start()
        for number in numbers:
            kit = await server.ended(number)
            assert kit["status"] == "SUCCEEDED", kit
            assert all(len(job["attempts"]["nodes"]) == 1 for job in kit["jobs"])
        await eventually(lambda: not server.attempt_processes(), deadline=20)
        await check(server)
    finally:
        await server.stop()


async def wait_for_moment(seconds: float) -> None:
    """Let the server work for a while: the moment of the kill is what the test is about."""
    await asyncio.sleep(seconds)


@pytest.mark.endurance
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victim", ["shim", "step"])
async def test_kill_9_of_a_shim_or_step(tmp_path: Path, database_settings: dict[str, str], victim: str) -> None:
    """10 kills in full; the attempt is settled with its cause, nothing is left running, and a retry finishes the kit."""
    kills, chance = max(1, round(10 * SHARE)), random.Random(11)
    server = await started(tmp_path, database_settings)
    try:
        for _ in range(kills):
            number = (await server.create_kit(quick_document()))["number"]
            process = await eventually(lambda: find(server, victim), deadline=30)
            assert process is not None
            await wait_for_moment(chance.uniform(0.0, 1.0))
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
            kit = await server.ended(number)
            failed = [job for job in kit["jobs"] if job["status"] == "FAILED"]
            if failed:
                cause = {"shim": "RUNNER_LOST", "step": "EXIT_CODE"}[victim]
                assert [job["attempt"]["cause"] for job in failed] == [cause], kit
                await server.client.command("jobRetry", RETRY, id=failed[0]["id"])
                kit = await server.ended(number)
            assert kit["status"] == "SUCCEEDED", kit
        await eventually(lambda: not server.attempt_processes(), deadline=20)
        await check(server)
    finally:
        await server.stop()


def find(server: PlogServer, victim: str) -> psutil.Process | None:
    wanted = {"shim": "steps.shim", "step": "quick_step.py", "simulation": "ngspice"}[victim]
    for process in server.attempt_processes():
        try:
            if any(wanted in word for word in process.cmdline()):
                return process
        except psutil.Error:
            continue
    return None


async def test_simulations_do_not_outlive_a_killed_shim(tmp_path: Path) -> None:
    require_program("ngspice")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as decks:
        decks.writestr("slow.cir", SLOW_NETLIST)
    server = PlogServer(tmp_path / "plog")
    await server.start()
    try:
        document = demo_document("table")
        document["definition"] |= {
            "deck": {"kind": "SPICE", "source": {"upload": await server.upload(archive.getvalue())}},
            "design": {
                "method": "LATIN_HYPERCUBE",
                "points": 8,
                "variables": [{"name": "r", "low": 1, "high": 10}],
                "timeoutSeconds": 3600,
            },
        }
        number = (await server.create_kit(document))["number"]
        simulation = await eventually(lambda: find(server, "simulation"), deadline=60)
        shim = find(server, "shim")
        assert simulation is not None and shim is not None and os.getpgid(simulation.pid) == simulation.pid
        shim.kill()
        kit = await server.ended(number)
        assert [job["attempt"]["cause"] for job in kit["jobs"] if job["status"] == "FAILED"] == ["RUNNER_LOST"]
        await eventually(lambda: not server.attempt_processes(), deadline=5)
    finally:
        await server.stop()


async def test_a_server_that_is_stopped_politely_leaves_its_attempts_running(tmp_path: Path) -> None:
    server = await started(tmp_path, {}, seconds=4)
    try:
        number = (await server.create_kit(quick_document()))["number"]
        step = await eventually(lambda: find(server, "step"), deadline=30)
        server.signal(signal.SIGTERM)
        await server.wait(10)
        assert step is not None and step.is_running()
        await server.start()
        kit = await server.ended(number)
        assert kit["status"] == "SUCCEEDED"
        assert [len(job["attempts"]["nodes"]) for job in kit["jobs"]] == [1, 1, 1, 1]
    finally:
        await server.stop()


async def test_a_server_that_comes_back_elsewhere_with_other_keys_adopts_its_attempts(tmp_path: Path) -> None:
    server = await started(tmp_path, {}, seconds=2)
    try:
        number = (await server.create_kit(quick_document()))["number"]
        await eventually(lambda: find(server, "step"), deadline=30)
        server.signal(signal.SIGTERM)
        await server.wait(10)
        server.move({"SECRETS__KEYS": json.dumps(["new:" + base64.b64encode(os.urandom(32)).decode()])})
        await server.start()
        kit = await server.ended(number)
        assert kit["status"] == "SUCCEEDED"
        assert [len(job["attempts"]["nodes"]) for job in kit["jobs"]] == [1, 1, 1, 1]
    finally:
        await server.stop()


async def test_ctrl_c_ends_attempts_and_queues_them_again(tmp_path: Path) -> None:
    server = await started(tmp_path, {}, seconds=4)
    try:
        number = (await server.create_kit(quick_document()))["number"]
        await eventually(lambda: find(server, "step"), deadline=30)
        server.signal(signal.SIGINT)
        await server.wait(5)
        assert not server.attempt_processes()
        await server.start()
        kit = await server.ended(number)
        assert kit["status"] == "SUCCEEDED"
        attempts = kit["jobs"][0]["attempts"]["nodes"]
        assert [(each["status"], each["cause"]) for each in attempts] == [("CANCELLED", "INTERRUPTED"), ("SUCCEEDED", None)]
    finally:
        await server.stop()


async def test_a_second_server_on_the_data_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    server = await started(tmp_path, {})
    try:
        done = await asyncio.to_thread(PlogServer(server.home).run, "serve")
        assert done.returncode == 2
        assert done.stderr.strip().startswith("PLOG_HOME: another server runs on the data folder")
        assert len(done.stderr.strip().splitlines()) == 1
    finally:
        await server.stop()

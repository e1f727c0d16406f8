"""`plog load-test compare` and `report` on runs of a known truth: what is printed and written, and the exit codes."""

import asyncio
import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from app.comparison_view import show_comparison
from app.load_test_commands import comparison_code
from app.load_test_view import WatchedRun
from app.terminal import printable
from domain.load_test_run import RunStatus
from tests.api.in_process import Plog
from tests.api.test_comparison import COUNT, SLOW, ended, two_scenarios
from tests.api.test_load_test_report import START
from tests.forked_process import run_plog
from tests.synthetic_runs import STEADY, windows


async def command(plog: Plog, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A `plog load-test` command in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PLOG_")}
    environment = {**kept, "PLOG_HOME": str(folder), "COLUMNS": "80"}
    called = ["load-test", *arguments, "--server", plog.url, "--token", plog.token()]
    return await asyncio.to_thread(run_plog, called, environment, folder)


async def test_runs_are_compared_from_the_terminal(plog: Plog, tmp_path: Path) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(1)
    browse, size = windows(chance, COUNT), windows(chance, COUNT, key="s2")
    await ended(plog, test, browse + size)
    await ended(plog, test, browse + size)
    await ended(plog, test, browse + windows(chance, COUNT, SLOW, key="s2"), RunStatus.FAILED)
    same = await command(plog, tmp_path, "compare", "1", "2")
    said = same.stdout
    assert same.returncode == 0, same
    assert said.startswith("Run 2 · nightly · PASSED against Run 1 · nightly · PASSED\n")
    assert (
        said.count("no difference") == 18
        and "all together, 38 full windows against 38 full windows of the baseline" in said
        and "größe, 38" in said
    )
    assert max(map(len, said.splitlines())) <= 80, said
    slow = await command(plog, tmp_path, "compare", "1", "2", "3")
    said = slow.stdout
    assert slow.returncode == 1 and said.count(" against Run 1 ") == 2 and "worse" in said, slow
    better = await command(plog, tmp_path, "compare", "3", "1", "--scenario", "größe", "--json")
    found = json.loads(better.stdout)
    assert better.returncode == 0 and (found["confidence"], found["baseline"]["number"]) == (0.99, 3)
    (part,) = found["runs"][0]["scenarios"]
    assert part["scenario"] == "größe" and {each["verdict"] for each in part["differences"]} >= {"BETTER"}


async def test_what_can_not_be_told_is_neither_better_nor_worse(plog: Plog, tmp_path: Path) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(2)
    await ended(plog, test, windows(chance, COUNT))
    await ended(plog, test, windows(chance, 4))
    await ended(plog, test, windows(chance, COUNT, replace(STEADY, median=90)), RunStatus.INVALID)
    await plog.answer(START, id=test["id"])
    short = await command(plog, tmp_path, "compare", "1", "2")
    assert short.returncode == 2 and "at least 8 are needed" in short.stdout, short
    invalid = await command(plog, tmp_path, "compare", "1", "3")
    assert invalid.returncode == 2 and "Run 3 is INVALID" in invalid.stdout, invalid
    nothing = await command(plog, tmp_path, "compare", "1", "1", "--scenario", "none")
    assert nothing.returncode == 2 and "name a run twice" in nothing.stderr, nothing
    nowhere = await command(plog, tmp_path, "compare", "1", "2", "--scenario", "none")
    assert nowhere.returncode == 2 and "No scenario of that name" in nowhere.stdout, nowhere
    for wrong in (("1",), ("1", "9"), ("1", "4"), ("1", "2", "--confidence", "1")):
        refused = await command(plog, tmp_path, "compare", *wrong)
        assert (refused.returncode, refused.stdout) == (2, "") and "Traceback" not in refused.stderr, refused


async def test_a_report_is_written_to_a_file(plog: Plog, tmp_path: Path) -> None:
    test, chance = await two_scenarios(plog), np.random.default_rng(3)
    await ended(plog, test, windows(chance, COUNT))
    await ended(plog, test, [], RunStatus.FAILED)
    await ended(plog, test, [], RunStatus.ERROR)
    await plog.answer(START, id=test["id"])
    passed = await command(plog, tmp_path, "report", "1")
    assert (passed.returncode, passed.stdout) == (0, "Run 1 is PASSED; its report is in run-1.html.\n"), passed
    assert (tmp_path / "run-1.html").read_bytes().startswith(b"<!DOCTYPE html>")
    file = tmp_path / "größe.md"
    failed = await command(plog, tmp_path, "report", "2", "--format", "markdown", "--output", str(file), "--json")
    told = json.loads(failed.stdout)
    assert failed.returncode == 1 and told["run"]["status"] == "FAILED" and told["report"]["file"] == str(file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == told["report"]["sha256"] and "downloadUrl" not in told["report"]
    error = await command(plog, tmp_path, "report", "3", "--format", "markdown", "--output", "-")
    assert error.returncode == 2 and error.stdout.startswith("# Run 3 "), error
    refused = {
        ("4",): "has ended",
        ("9",): "No run 9 exists",
        ("1", "--output", str(tmp_path / "no" / "where")): "can't be written",
        ("1", "--output", "-", "--json"): "--output",
        ("1", "--format", "pdf"): "--format",
    }
    for arguments, why in refused.items():
        done = await command(plog, tmp_path, "report", *arguments)
        assert done.returncode == 2 and done.stdout == "" and why in done.stderr, done


def compared(*verdicts: str, statuses: tuple[str, str] = ("PASSED", "PASSED")) -> dict[str, Any]:
    baseline, run = ({"status": status} for status in statuses)
    differences = [{"verdict": each} for each in verdicts]
    return {"baseline": baseline, "runs": [{"run": run, "scenarios": [{"differences": differences}]}]}


@pytest.mark.parametrize(
    ("comparison", "code"),
    [
        (compared("BETTER", "NO_DIFFERENCE"), 0),
        (compared("NO_DIFFERENCE", "UNKNOWN"), 0),
        (compared("BETTER", "WORSE", "UNKNOWN"), 1),
        (compared("WORSE", statuses=("FAILED", "PASSED")), 1),
        (compared("UNKNOWN"), 2),
        (compared(), 2),
        (compared("WORSE", statuses=("PASSED", "INVALID")), 2),
        (compared("NO_DIFFERENCE", statuses=("ABORTED", "PASSED")), 2),
    ],
)
def test_exit_codes_of_comparisons(comparison: dict[str, Any], code: int) -> None:
    assert comparison_code(comparison) == code


def test_a_comparison_of_hardly_any_windows_says_how_few() -> None:
    run = {"number": 1, "title": "t", "status": "PASSED"}
    said = "1 window besides the first and the last can be compared; at least 8 are needed."
    differences = [{"verdict": "UNKNOWN", "figure": "TPS", "reason": said}]
    scenarios = [{"scenario": None, "windows": 1, "baselineWindows": 0, "differences": differences}]
    said_on = StringIO()
    runs = [{"run": run, "remarks": [], "scenarios": scenarios}]
    show_comparison(Console(file=said_on, width=100), {"baseline": run, "confidence": 0.99, "runs": runs})
    assert "all together, 1 full window against no full windows of the baseline\n" in said_on.getvalue()


def test_texts_of_others_do_not_steer_the_terminal() -> None:
    assert printable("1\u202f000\u00a0Ω") == "1\u202f000\u00a0Ω"
    assert printable("größe\x1b[31m\n買う") == "größe\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}買う"
    run = {"number": 1, "title": "\x1b[2J", "status": "ERROR", "message": "\x1b[2J", "placeInQueue": None}
    assert "\x1b" not in str(WatchedRun().take({"run": run, "series": [], "pods": []}).lines)


@pytest.mark.parametrize(
    ("reason", "behind", "told"),
    [
        ("TARGET", [3], "its target is under load by run 3"),
        ("TARGET", [3, 4], "its target is under load by runs 3, 4"),
        ("ROOM", [5, 6], "room is taken by runs 5, 6"),
        ("ROOM", [], "those before it are first"),
        ("SERVER", [], "no server has taken it up yet"),
    ],
)
def test_who_waits_is_told_what_for(reason: str, behind: Sequence[int], told: str) -> None:
    wait = {"reason": reason, "behind": [{"number": number} for number in behind]}
    run = {"number": 7, "title": "t", "status": "QUEUED", "message": "", "placeInQueue": 2, "waitsFor": wait}
    line = WatchedRun().take({"run": run, "series": [], "pods": []}).lines["run"]
    assert line == f"Run 7 · t · QUEUED (place 2 of those that wait; {told})"


def test_thresholds_are_told_with_what_was_measured_once_they_are_judged() -> None:
    missed = {"scenario": None, "metric": "http_req_duration", "condition": "p(95.0)<=300.0", "value": 300.4, "isMet": False}
    met = {"scenario": "größe", "metric": "http_req_failed", "condition": "rate<=0.01", "value": 0.0, "isMet": True}
    run = {"number": 1, "title": "t", "status": "FAILED", "message": "", "placeInQueue": None}
    waiting = run | {"thresholds": [each | {"value": None, "isMet": None} for each in (missed, met)]}
    assert list(WatchedRun().take({"run": waiting, "series": [], "pods": []}).lines) == ["run"]
    view = WatchedRun().take({"run": run | {"thresholds": [missed, met]}, "series": [], "pods": []})
    by_k6 = run | {"thresholds": [missed | {"value": None}, met | {"value": None}]}
    assert list(WatchedRun().take({"run": by_k6, "series": [], "pods": []}).lines.values())[:2] == [
        "Run 1 MISSED: all together http_req_duration p(95.0)<=300.0",
        "Run 1 met: größe http_req_failed rate<=0.01",
    ]
    told = (
        "Run 1 MISSED: all together http_req_duration p(95.0)<=300.0, measured 300.4",
        "Run 1 met: größe http_req_failed rate<=0.01, measured 0",
    )
    assert tuple(view.lines.values()) == (*told, "Run 1 · t · FAILED")
    said_on = StringIO()
    Console(file=said_on, width=100).print(view.picture)
    assert [line for line in said_on.getvalue().splitlines() if "measured" in line] == list(told)

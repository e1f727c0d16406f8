"""What a step writes: whole lines that any reader can take, whatever the values."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metric_window import MetricWindow
from domain.validation import is_storable
from steps.reports import MAX_LINE_BYTES, Reports, StepFailed, plain


def lines(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert all(line.pop("time").endswith("+00:00") for line in found)
    return found


def test_each_report_is_the_line_of_the_contract(tmp_path: Path) -> None:
    reports = Reports(tmp_path / "r")
    reports.running("fetch", {"a": 1})
    reports.progress("fetch", 1.7)
    reports.point("evaluate", {"x": np.float64(1.5), "y": np.arange(2)}, 0.5)
    reports.trial("search", {"value": math.nan})
    reports.note({"dataInfo": {}})
    reports.note({"n": 1}, task="fetch")
    reports.artifact("data.parquet", "application/x", ["decks.zip"], task="assemble")
    reports.succeeded("fetch")
    reports.failed("check", "no")
    assert lines(tmp_path / "r") == [
        {"task": "fetch", "status": "RUNNING", "metadata": {"a": 1}},
        {"task": "fetch", "progress": 1.0},
        {"task": "evaluate", "point": {"x": 1.5, "y": [0, 1]}, "progress": 0.5},
        {"task": "search", "trial": {"value": None}},
        {"metadata": {"dataInfo": {}}},
        {"task": "fetch", "metadata": {"n": 1}},
        {"artifact": {"name": "data.parquet", "mediaType": "application/x", "inputs": ["decks.zip"]}, "task": "assemble"},
        {"task": "fetch", "status": "SUCCEEDED"},
        {"task": "check", "status": "FAILED", "metadata": {"message": "no"}},
    ]


def test_what_is_reported_is_told_in_plain_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = Reports(tmp_path / "r")
    reports.running("evaluate")
    for index in range(40):
        reports.point("evaluate", {"index": index, "error": "no\nroot" if index == 5 else None}, index / 80)
    reports.note({"rows": 3, "share": 0.25, "first": [1, 2]}, task="evaluate")
    reports.note({"first": [1, 2]})
    reports.trial("search", {"number": 4, "state": "COMPLETE", "value": 0.987654321, "parameters": {}}, 0.5)
    reports.artifact("data.parquet", "application/x", task="evaluate")
    reports.succeeded("evaluate")
    reports.failed("check", "no deck")
    told = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert told == [
        "evaluate begins",
        "evaluate: point 5 failed: no root",
        *[f"evaluate: {percent} %" for percent in (10, 20, 30, 40)],
        "evaluate: rows 3, share 0.25",
        "search: trial number 4, state COMPLETE, value 0.987654",
        "search: 50 %",
        "evaluate: data.parquet is finished",
        "evaluate is done",
        "check failed: no deck",
    ]


def test_a_task_ends_as_its_block_does(tmp_path: Path) -> None:
    reports = Reports(tmp_path / "r")
    with reports.task("a"):
        pass
    with pytest.raises(StepFailed), reports.task("b"):
        raise StepFailed("why")
    assert [(line["task"], line["status"]) for line in lines(tmp_path / "r")] == [
        *[("a", "RUNNING"), ("a", "SUCCEEDED"), ("b", "RUNNING"), ("b", "FAILED")]
    ]


def test_what_is_too_long_is_refused_and_nothing_written(tmp_path: Path) -> None:
    reports = Reports(tmp_path / "r")
    with pytest.raises(ValueError, match="bytes"):
        reports.note({"x": "y" * MAX_LINE_BYTES})
    assert (tmp_path / "r").read_bytes() == b""


def test_windows_that_are_due_together_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = os.write, list[bytes]()

    def remember(descriptor: int, data: bytes) -> int:
        written.append(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", remember)
    reports = Reports(tmp_path / "r")
    reports.windows(MetricWindow(0, name, 1).as_json() for name in ("s1", "s2", ""))
    reports.windows([])
    assert [line["window"]["scenario"] for line in lines(tmp_path / "r")] == ["s1", "s2", ""]
    assert len([each for each in written if b"window" in each]) == 1
    with pytest.raises(ValueError, match="bytes"):
        reports.windows(MetricWindow(5, name, 1).as_json() for name in ("s1", "s" * MAX_LINE_BYTES))
    assert len(lines(tmp_path / "r")) == 3


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_fits_into_a_line_that_can_be_stored(value: Any) -> None:
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
    assert is_storable(text)
    assert "\n" not in text


PROGRAM = """
import sys, signal
from steps.reports import StepFailed, run_step
def step(given, reports):
    reports.running("t")
    {action}
run_step(step)
"""


@pytest.mark.parametrize(
    ("action", "code", "reason"),
    [
        ("pass", 0, ""),
        ("raise StepFailed('two\\nlines')", 1, "two lines"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("signal.raise_signal(signal.SIGTERM)", 128 + signal.SIGTERM, "Stopped by SIGTERM."),
    ],
)
def test_how_a_step_ends(tmp_path: Path, action: str, code: int, reason: str) -> None:
    (tmp_path / "in.json").write_text("{}")
    variables = {"PLOG_INPUT": "in.json", "PLOG_INPUTS": ".", "PLOG_OUTPUT": ".", "PLOG_REPORTS": "r"}
    program = PROGRAM.format(action=action)
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == code
    assert ended.stderr.strip().splitlines()[-1:] == ([reason] if reason else [])
    assert len(lines(tmp_path / "r")) == 1

"""Running the ML and OPTIMIZE steps in tests as the shim does: a process with files, on data made by a known formula."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.forked_process import ForkedProcess
from tests.waiting import eventually_sync

INPUTS, RESPONSES = ["w", "l", "c"], ["delay", "power"]
DEADLINE_SECONDS = 60.0


def write_data(folder: Path, rows: int = 80, changes: Mapping[str, Any] | None = None, roles: bool = True) -> Path:
    """A data set in SI units.

    delay = (1 + a)(2 + b²)·e^c · 10 ps and power = sin 4a + c, where w = a µm, l = b·100 nm, c in pF.
    """
    a, b, c = np.random.default_rng(3).uniform(size=(3, rows))
    columns: dict[str, Any] = {
        "w": a * 1e-6,
        "l": b * 1e-7,
        "c": c * 1e-12,
        "delay": (1 + a) * (2 + b**2) * np.exp(c) * 1e-11,
        "power": np.sin(4 * a) + c,
    } | dict(changes or {})
    table = pa.table(columns)
    if roles:
        table = table.replace_schema_metadata({b"plog": json.dumps({"inputs": INPUTS, "responses": RESPONSES}).encode()})
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "data.parquet")
    return folder


@dataclass(frozen=True)
class StepRun:
    """One run of a step: its folders, and what it wrote."""

    root: Path
    process: ForkedProcess

    @property
    def output(self) -> Path:
        return self.root / "output"

    @property
    def errors(self) -> str:
        """What it wrote to standard error so far."""
        return (self.root / "errors").read_text()

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The reports so far."""
        path = self.root / "reports.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    @property
    def trials(self) -> list[dict[str, Any]]:
        return [report["trial"] for report in self.reports if "trial" in report]

    @property
    def artifacts(self) -> list[str]:
        return [report["artifact"]["name"] for report in self.reports if "artifact" in report]

    def statuses(self) -> list[tuple[str, str]]:
        return [(report["task"], report["status"]) for report in self.reports if "status" in report]

    def metadata(self, task: str) -> dict[str, Any]:
        """The metadata of a task, merged as the server does."""
        merged: dict[str, Any] = {}
        for report in self.reports:
            if report.get("task") == task:
                merged |= report.get("metadata", {})
        return merged

    def finish(self) -> tuple[int, str]:
        """Wait for the end: exit code and the last line of standard error."""
        code = self.process.wait(DEADLINE_SECONDS)
        return code, (self.errors.splitlines() or [""])[-1]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, the process running."""

        def holds() -> bool:
            assert self.process.poll() is None, self.errors
            return condition()

        eventually_sync(holds, deadline=DEADLINE_SECONDS)


@contextmanager
def running(name: str, root: Path, inputs: Path, definition: Mapping[str, Any]) -> Iterator[StepRun]:
    """The step `name` in a process that is gone afterwards, with all it started."""
    for folder in ("output", "work"):
        (root / folder).mkdir(parents=True)
    document = {
        "kit": {"number": 7, "name": "demo", "productLine": "LOGIC"},
        "job": {"id": "9a3e", "type": name.upper(), "attempt": 1, "tasks": []},
        "definition": definition,
        "inputs": [],
        "server": {},
    }
    (root / "input.json").write_text(json.dumps(document), "utf-8")
    environment = os.environ | {
        "PLOG_INPUT": str(root / "input.json"),
        "PLOG_INPUTS": str(inputs),
        "PLOG_OUTPUT": str(root / "output"),
        "PLOG_REPORTS": str(root / "reports.jsonl"),
        "PLOG_ATTEMPT": "9a3e/1",
    }
    process = ForkedProcess(f"steps.{name}", (), environment, root / "work", output=root / "log", errors=root / "errors")
    try:
        yield StepRun(root, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE_SECONDS)


def run_to_end(name: str, root: Path, inputs: Path, definition: Mapping[str, Any]) -> StepRun:
    """Run the step and require that it succeeds."""
    with running(name, root, inputs, definition) as run:
        code, reason = run.finish()
        assert code == 0, reason
        return run


def hand_over(run: StepRun, inputs: Path) -> None:
    """Put the artifacts of a run where the next job finds them."""
    for name in run.artifacts:
        (inputs / name).write_bytes((run.output / name).read_bytes())

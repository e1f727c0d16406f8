"""Runs a step as the shim does: as a program of its own, given nothing but the files and variables of docs/steps.md."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forked_process import ForkedProcess


@dataclass(frozen=True)
class StepRun:
    """What a finished step left."""

    code: int
    stderr: str
    reports: list[dict[str, Any]]
    output: Path

    @property
    def reason(self) -> str:
        return self.stderr.strip().splitlines()[-1]

    @property
    def artifacts(self) -> list[str]:
        return [report["artifact"]["name"] for report in self.reports if "artifact" in report]

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for report in self.reports:
            if "metadata" in report and "task" not in report:
                found |= report["metadata"]
        return found

    def statuses(self, task: str) -> list[str]:
        return [report["status"] for report in self.reports if report.get("task") == task and "status" in report]

    def entries(self, kind: str) -> list[dict[str, Any]]:
        return [report[kind] for report in self.reports if kind in report]

    def document(self, name: str) -> Any:
        return json.loads((self.output / name).read_text("utf-8"))


@dataclass(frozen=True)
class StepFolder:
    """The folders and the input document of one attempt, below `root`."""

    root: Path

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    def prepare(self, definition: Mapping[str, Any], server: Mapping[str, Any], inputs: Path | None = None) -> None:
        for name in ("inputs", "output", "work"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for path in inputs.iterdir() if inputs else ():
            (self.inputs / path.name).write_bytes(path.read_bytes())
        document = {"kit": {}, "job": {}, "definition": definition, "inputs": [], "server": server}
        (self.root / "input.json").write_text(json.dumps(document))

    def start(self, module: str, environment: Mapping[str, str] | None = None) -> ForkedProcess:
        variables = {
            "PLOG_INPUT": str(self.root / "input.json"),
            "PLOG_INPUTS": str(self.inputs),
            "PLOG_OUTPUT": str(self.root / "output"),
            "PLOG_REPORTS": str(self.root / "reports.jsonl"),
        }
        given, errors = dict(os.environ) | variables | dict(environment or {}), self.root / "errors"
        return ForkedProcess(module, (), given, self.root / "work", output=self.root / "log", errors=errors)

    def reports(self) -> list[dict[str, Any]]:
        path = self.root / "reports.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def finish(self, process: ForkedProcess, seconds: float = 60) -> StepRun:
        try:
            code = process.wait(seconds)
        finally:
            process.send_signal(signal.SIGKILL)
        return StepRun(code, (self.root / "errors").read_text(), self.reports(), self.root / "output")

    def run(self, module: str, environment: Mapping[str, str] | None = None) -> StepRun:
        return self.finish(self.start(module, environment))


def run_step(
    root: Path,
    module: str,
    definition: Mapping[str, Any],
    *,
    folders: Sequence[Path] = (),
    functions: Mapping[str, str] | None = None,
    inputs: Path | None = None,
    private: bool = True,
    buckets: Mapping[str, Mapping[str, str]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> StepRun:
    """Run `module` in a new folder `root` on `definition`; `inputs` is the output folder of the job before."""
    folder = StepFolder(root)
    server = {"folders": [str(path) for path in folders], "functions": functions or {}, "allowPrivateAddresses": private}
    server["buckets"] = buckets or {}
    folder.prepare(definition, server, inputs)
    return folder.run(module, environment)

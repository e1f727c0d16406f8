"""The load generator as the shim starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from domain.k6_output import PASSWORD, K6Output
from domain.metric_window import MetricWindow
from domain.remote_address import refused_networks
from domain.secret import VARIABLE
from tests.k6 import K6


class Generator:
    """One run of the program, as the shim starts it."""

    def __init__(
        self,
        folder: Path,
        script: str,
        seconds: int = 1,
        secrets: Mapping[str, str] = MappingProxyType({}),
        k6_output: K6Output | None = None,
        run: UUID | None = None,
        clock_offset: float = 0.0,
        refused: Sequence[str] = refused_networks(allows_private=True),
        k6: Path = K6,
    ) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.output.mkdir(parents=True)
        document: dict[str, Any] = {"script": script, "windowSeconds": seconds, "clockOffset": clock_offset}
        document["refusedNetworks"] = refused
        secrets = {f"{VARIABLE}{name}": value for name, value in secrets.items()}
        if k6_output is not None:
            document["k6Output"] = {"address": k6_output.address, "bucket": k6_output.bucket, "run": str(run)}
            secrets[PASSWORD] = k6_output.token
        (folder / "input.json").write_text(json.dumps(document))
        environment = {
            "PLOG_INPUT": str(folder / "input.json"),
            "PLOG_INPUTS": str(folder),
            "PLOG_OUTPUT": str(self.output),
            "PLOG_REPORTS": str(folder / "reports.jsonl"),
            "HOME": str(folder),
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            **secrets,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "steps.load_generator", str(k6)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def reports(self) -> list[dict[str, Any]]:
        path = self.folder / "reports.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def told(self) -> list[MetricWindow]:
        """The windows as they were told, revision by revision."""
        return [MetricWindow.of(report["window"]) for report in self.reports if "window" in report]

    @property
    def windows(self) -> dict[tuple[int, str], MetricWindow]:
        """The last revision of each."""
        return {(each.start, each.scenario): each for each in self.told}

    @property
    def summary(self) -> dict[str, Any]:
        (found,) = [report["summary"] for report in self.reports if "summary" in report]
        return dict(found)

    def end(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output

    def k6(self) -> int:
        """The process of k6."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else 0

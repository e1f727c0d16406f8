"""The load generator: runs k6 on one script and tells what it measures, window by window.

k6 writes each sample as a line, which is read here and summed up; nothing between the two can restart alone, so none is lost.
Windows are told as they end, and again where samples came late. k6's own summary is told at the end, for comparison. SIGTERM
stops the test: k6 is interrupted, which lets it say its summary, and killed where that takes too long.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from domain.metric_window import WindowSums
from steps.k6_cpu import K6Cpu
from steps.k6_samples import K6Samples
from steps.reports import Reports, StepFailed, StepInput, run_step

SCRIPT_FILE = "script.js"
SUMMARY_FILE = "k6-summary.json"
MISSED_THRESHOLDS = 99  # k6's exit codes; others but 0 and that of a stop are failures of the run itself
STOP_SECONDS = 3.0
CHUNK = 1 << 18
LOOK_SECONDS = 0.25
MAX_LINE = 1 << 20


def run(step: StepInput, reports: Reports) -> None:
    """Run the script of the input document; StepFailed where k6 could not run it to its end or its stop."""
    script = step.output_folder / SCRIPT_FILE
    script.write_text(step.document["script"], "utf-8")
    sums = WindowSums(step.document["windowSeconds"])
    with K6(script, step.output_folder / SUMMARY_FILE) as k6:
        samples, cpu = K6Samples(sums), K6Cpu(k6.pid)
        for lines in k6.lines():
            cpu.look()
            for line in lines:
                if line.startswith(b"{"):
                    samples.take(line)
                elif line:
                    print(line.decode("utf-8", "replace"), flush=True)  # noqa: T201
            for window in sums.due(time.time()):
                reports.window(window.as_json())
    for window in sums.due(None):
        reports.window(window.as_json())
    said = {"exitCode": k6.exit_code, "stopped": k6.is_stopped, "k6": version("k6"), "unread": samples.unread}
    reports.summary(said | {"cpuSeconds": cpu.seconds, "cpuBusiest": cpu.busiest} | k6.summary())
    if k6.exit_code not in (0, MISSED_THRESHOLDS) and not k6.is_stopped:
        raise StepFailed(f"k6 ended with {shown(k6.exit_code)}; its log says why.")


def shown(code: int) -> str:
    """An exit code for people."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


class K6:
    """A run of k6: its lines as they come, and what it says at its end."""

    def __init__(self, script: Path, summary: Path) -> None:
        self.is_stopped = False
        self.exit_code = 0
        self._summary = summary
        self._kill_at: float | None = None
        program = Path(sys.executable).parent / "k6"
        command = [
            str(program), "run", "--no-usage-report", "--quiet", "--no-color", "--out", "json", "--summary-export", str(summary),
            "--summary-trend-stats", "avg,min,max,p(50),p(90),p(95),p(99),count", str(script),
        ]  # fmt: skip
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        except OSError as error:
            raise StepFailed(f"k6 can't be started: {error}") from error
        signal.signal(signal.SIGTERM, self._stop)

    @property
    def pid(self) -> int:
        """The process of k6."""
        return self._process.pid

    def __enter__(self) -> "K6":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.exit_code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def lines(self) -> Iterator[list[bytes]]:
        """The lines that came within a short time, again and again until there will be no more; often none."""
        output = self._process.stdout
        if output is None:
            raise RuntimeError("k6's output is read from a pipe")
        rest = b""
        while True:
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._process.kill()
            chunk = _read(output)
            if chunk == b"":
                yield [rest]
                return
            *lines, rest = (rest + (chunk or b"")).split(b"\n")
            if len(rest) > MAX_LINE:
                raise StepFailed("k6 wrote a line without end.")
            yield lines

    def summary(self) -> dict[str, Any]:
        """What k6 says of the whole test, as `metrics` by name; nothing where it came to no summary."""
        try:
            return {"metrics": json.loads(self._summary.read_text("utf-8"))["metrics"]}
        except (OSError, ValueError, KeyError):
            return {}

    def _stop(self, _signal: int, _frame: object) -> None:
        if self._kill_at is None:
            self.is_stopped = True
            self._kill_at = time.monotonic() + STOP_SECONDS
            self._process.send_signal(signal.SIGINT)


def _read(output: IO[bytes]) -> bytes | None:
    """What is there; None where nothing came for a while, nothing at all at the end."""
    ready, _, _ = select.select([output], [], [], LOOK_SECONDS)
    return os.read(output.fileno(), CHUNK) if ready else None


if __name__ == "__main__":
    run_step(run)

"""The load generator: `python -m steps.load_generator K6` runs k6 on one script and tells what it measures, window by window.

k6 writes each sample as a line into a pipe, which is read here and summed up; nothing between the two can restart alone, so none
is lost. Windows are told as they end, and again where samples came late. k6's own summary is told at the end, for comparison.
SIGTERM stops the test: k6 is interrupted, which lets it say its summary, and killed where that takes too long.

Windows have the server's time, to the second: k6's clock is this machine's, and `clockOffset` of the input says how they differ.
That is fixed for the run, so that windows follow one another.

Where k6 writes its samples to InfluxDB itself (`k6Output` of the input), windows are told without figures, at the time at
which these should be there, and with the difference of the clocks, as samples have the time of this machine there.

What is sent to an address in one of the `refusedNetworks` of the input fails when the connection is made, whatever a name led to
before. k6 is told so by its environment, which counts for more than the script.

The secrets that the script sends are in the environment, and k6 inherits it. What k6 writes is copied without them.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from domain.k6_output import PASSWORD
from domain.k6_script import SYSTEM_TAGS, TAGS_VU
from domain.metric_window import WindowsByTime, WindowSums
from domain.secret import VARIABLE
from steps.clock_steps import ClockSteps
from steps.k6_cpu import K6Cpu
from steps.k6_samples import K6Samples
from steps.redaction import Redaction
from steps.reports import Reports, StepFailed, StepInput, run_step

SCRIPT_FILE = "script.js"
SUMMARY_FILE = "k6-summary.json"
MISSED_THRESHOLDS = 99  # k6's exit codes; others but 0 and that of a stop are failures of the run itself
STOP_SECONDS = 3.0
GENERATOR = 1  # of those that share a run
CHUNK = 1 << 18
LOOK_SECONDS = 0.25
MAX_LINE = 1 << 20
VERSION_SECONDS = 10.0
VERSION = re.compile(r"k6\S* v(\S+)")
PROGRESS = re.compile(rb"running \(.*\), \d+/\d+ VUs, \d+ complete and (\d+) interrupted iterations")
SUMMARY_BEGINS = "\u2588".encode()  # stands before each heading
FAILED_LOGIN = re.compile(r'(?<=msg="test aborted: )The login failed: [^"\n]*?\.(?="| at )')  # as the script says it


def run(program: str, step: StepInput, reports: Reports) -> None:
    """Have `program`, a k6, run the script of the input document; StepFailed where it can't to its end or its stop."""
    version = version_of(program)  # before the run: what is asked at its end takes from the time that a stop has
    script = step.output_folder / SCRIPT_FILE
    script.write_text(step.document["script"], "utf-8")
    seconds, output = step.document["windowSeconds"], step.document.get("k6Output")
    ahead = round(step.document.get("clockOffset", 0))
    redaction = Redaction(value for name, value in os.environ.items() if name.startswith(VARIABLE) or name == PASSWORD)
    reports.name_scenarios(step.document.get("scenarios", {}))
    sums = WindowSums(seconds)
    windows = sums if output is None else WindowsByTime(seconds, time.time() + ahead, ahead)
    environment = {"K6_BLACKLIST_IPS": ",".join(step.document["refusedNetworks"])}
    if output is not None:
        environment |= _influxdb_environment(output)
    log, summary = K6Log(redaction), step.output_folder / SUMMARY_FILE
    with K6(_options(program, script, summary, output), environment, log, tells_samples=output is None) as k6:
        samples, cpu, clock, look_at = K6Samples(sums, ahead), K6Cpu(k6.pid), ClockSteps(), 0.0
        for lines in k6.samples():
            cpu.look()
            clock.look()
            for line in lines:
                samples.take(line)
            if time.monotonic() < look_at:  # who is behind reads much that is late, and tells it in few revisions
                continue
            look_at = time.monotonic() + LOOK_SECONDS
            # By the clock that can be set, as k6 stamps its samples by it: by a steady one all that is stamped after a step back
            # would be late and told again with each sample, and what is stamped after a step forward would wait for the end.
            reports.windows(each.as_json() for each in windows.due(time.time() + ahead))
    reports.windows(each.as_json() for each in windows.due(time.time() + ahead, is_over=True))
    said: dict[str, Any] = {"exitCode": k6.exit_code, "stopped": k6.is_stopped, "k6": version}
    said |= {"unread": samples.unread}
    said |= {"cpuSeconds": cpu.seconds, "cpuBusiest": cpu.busiest, "interrupted": log.interrupted}
    said |= {"clockBack": clock.back, "clockForward": clock.forward}
    reports.summary(said | _summary(summary))
    if k6.exit_code not in (0, MISSED_THRESHOLDS) and not k6.is_stopped:
        raise StepFailed(log.failed_login or f"k6 ended with {shown(k6.exit_code)}; its log says why.")


def version_of(program: str) -> str | None:
    """The version that a k6 says it has; None where it says none, or not soon."""
    try:
        said = subprocess.run([program, "version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = VERSION.match(said)
    return found and found[1]


def shown(code: int) -> str:
    """An exit code for people."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


class K6Log:
    """What k6 writes for people, copied into the log of the run without its secrets, and what is understood of it."""

    def __init__(self, redaction: Redaction) -> None:
        self.failed_login = ""  # the sentence of the script, where its login failed
        self.interrupted: int | None = None  # iterations, as the last line on how far it is says
        self._redaction = redaction
        self._is_summary = False

    def messages(self, lines: Sequence[bytes]) -> None:
        """Take lines of standard error."""
        text = self._copy(lines)
        if not self.failed_login and (found := FAILED_LOGIN.search(text)):
            self.failed_login = found.group()

    def output(self, lines: Iterable[bytes]) -> None:
        """Take lines of standard output: only its summary is copied, not how far it was at times."""
        self._copy([line for line in lines if self._belongs_to_summary(line)])

    def _belongs_to_summary(self, line: bytes) -> bool:
        if found := PROGRESS.match(line):
            self.interrupted = int(found[1])
        self._is_summary = not found and (self._is_summary or SUMMARY_BEGINS in line)
        return self._is_summary

    def _copy(self, lines: Sequence[bytes]) -> str:
        text = self._redaction(b"\n".join(lines).decode("utf-8", "replace"))
        if lines:
            print(text, flush=True)  # noqa: T201
        return text


class K6:
    """A run of k6 from its start: its samples as they come, and what it says at its end.

    Samples come through a pipe of their own: between lines on standard output k6 tells how far it is, in the midst of others.
    """

    def __init__(self, options: Sequence[str], environment: Mapping[str, str], log: K6Log, *, tells_samples: bool) -> None:
        """Start k6; `options` begin with the program, and `tells_samples` says that they come through the pipe."""
        self.is_stopped = False
        self.exit_code = 0
        self._log = log
        self._kill_at: float | None = None
        samples, into = os.pipe()
        output = ("--out", f"json=/dev/fd/{into}") if tells_samples else ()
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        try:
            # In a group of its own, as the shim's SIGTERM goes to the generator's: a second signal ends k6 without its summary.
            self._process = subprocess.Popen(
                [*options, *output], env={**os.environ, **environment}, pass_fds=(into,), process_group=0, **pipes
            )
        except OSError as error:
            raise StepFailed(f"k6 can't be started: {error}") from error
        finally:
            os.close(into)
        self._samples = os.fdopen(samples, "rb", buffering=0)
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
        for output in (self._samples, self._process.stdout, self._process.stderr):
            if output is not None:
                output.close()

    def samples(self) -> Iterator[list[bytes]]:
        """The samples that came within a short time, a line each, until there will be no more; often none."""
        if self._process.stdout is None or self._process.stderr is None:
            raise RuntimeError("k6's output is read from pipes")
        samples, output, messages = Lines(self._samples), Lines(self._process.stdout), Lines(self._process.stderr)
        while reading := [each for each in (samples, output, messages) if not each.is_over]:
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._process.kill()
            ready, _, _ = select.select(reading, [], [], LOOK_SECONDS)
            self._log.messages(messages.read() if messages in ready else ())
            self._log.output(output.read() if output in ready else ())
            yield samples.read() if samples in ready else []

    def _stop(self, _signal: int, _frame: object) -> None:
        if self._kill_at is None:
            self.is_stopped = True
            self._kill_at = time.monotonic() + STOP_SECONDS
            self._process.send_signal(signal.SIGINT)


def _options(program: str, script: Path, summary: Path, output: Mapping[str, Any] | None) -> list[str]:
    """The command of k6, without where its samples go when they come here."""
    return [  # without an address: who asks there is given what the set-up hands on, tokens, and can stop the test
        program, "run", str(script), "--address", "", "--no-usage-report", "--no-color",
        "--summary-export", str(summary), "--summary-trend-stats", "avg,min,max,p(50),p(90),p(95),p(99),count",
        *(() if output is None else _influxdb(output)),
    ]  # fmt: skip


def _summary(file: Path) -> dict[str, Any]:
    """What k6 said of the whole test, as `metrics` by name; nothing where it came to no summary. The file is removed."""
    try:
        return {"metrics": json.loads(file.read_text("utf-8"))["metrics"]}
    except (OSError, ValueError, KeyError):
        return {}
    finally:
        file.unlink(missing_ok=True)  # what the script's set-up hands on stands in it as well: tokens


def _influxdb(output: Mapping[str, Any]) -> tuple[str, ...]:
    """The options with which k6 writes to InfluxDB. All that is counted needs tags that keep it apart from what is not the same.

    A script's checks of one answer share a time, so their name is a tag. Which run and which generator it is are tags as well.
    """
    tags = ",".join((*SYSTEM_TAGS, "check"))
    return ("--out", "influxdb", "--system-tags", tags, "--tag", f"run={output['run']}", "--tag", f"generator={GENERATOR}")


def _influxdb_environment(output: Mapping[str, Any]) -> dict[str, str]:
    """What k6 has to find in its environment besides the token (`PASSWORD`), which is there already."""
    return {
        "K6_INFLUXDB_ADDR": output["address"],
        "K6_INFLUXDB_DB": output["bucket"],
        "K6_INFLUXDB_USERNAME": "plog",
        "K6_INFLUXDB_TAGS_AS_FIELDS": "url",  # by default `vu` is no tag
        TAGS_VU: "1",
    }


class Lines:
    """Reads a pipe line by line."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.is_over = False
        self._pipe = pipe
        self._rest = b""

    def fileno(self) -> int:
        """The pipe's descriptor, to wait for."""
        return self._pipe.fileno()

    def read(self) -> list[bytes]:
        """The lines that are there; StepFailed with one that is too long."""
        chunk = os.read(self.fileno(), CHUNK)
        if not chunk:
            self.is_over = True
            return [self._rest] if self._rest else []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise StepFailed("k6 wrote a line without end.")
        return lines


if __name__ == "__main__":
    run_step(partial(run, sys.argv[1]))

"""What every step shares: reading what it was given and writing what it has to say (docs/steps.md), with nothing but files.

Standard library only, so that a step pays for its own imports and no others.
"""

import json
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from steps.narration import Narration

MAX_LINE_BYTES = 64 * 1024
MAX_MESSAGE = 2000
_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class StepFailed(Exception):
    """The step can't do its work; the message is shown to people as the reason."""


class Terminated(BaseException):
    """SIGTERM came: stop, keep what was found, end. Not an `Exception`, so that no handler of failures takes it for one."""


@dataclass(frozen=True, slots=True)
class StepInput:
    """The input document and the folders of this attempt.

    `inputs_folder` holds the artifacts of the earlier jobs under their own names, `output_folder` takes the files that become
    artifacts.
    """

    document: Mapping[str, Any]
    inputs_folder: Path
    output_folder: Path

    @classmethod
    def from_environment(cls) -> "StepInput":
        """The input named by PLOG_INPUT, PLOG_INPUTS and PLOG_OUTPUT; KeyError where one is missing."""
        document = json.loads(Path(os.environ["PLOG_INPUT"]).read_text("utf-8"))
        return cls(document, Path(os.environ["PLOG_INPUTS"]), Path(os.environ["PLOG_OUTPUT"]))

    @property
    def kit(self) -> Mapping[str, Any]:
        """The kit's number, name and product line."""
        return self._section("kit")

    @property
    def job(self) -> Mapping[str, Any]:
        """The job's id, type, attempt and the names of its tasks."""
        return self._section("job")

    @property
    def definition(self) -> Mapping[str, Any]:
        """The kit's definition, as validated on creation."""
        return self._section("definition")

    @property
    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """The artifacts of the earlier jobs: name, id, sha256, size, mediaType, jobType."""
        inputs: Sequence[Mapping[str, Any]] = self.document.get("inputs") or ()
        return inputs

    @property
    def server(self) -> Mapping[str, Any]:
        """The settings of the server that concern steps."""
        return self._section("server")

    def _section(self, name: str) -> Mapping[str, Any]:
        section: Mapping[str, Any] = self.document.get(name) or {}
        return section


class Reports:
    """Appends reports to the file that the shim reads.

    Each report is one line. One `write` writes it, or all that are due together, and is synced, so that a line is there whole or
    not at all and survives a crash of the machine; standard output then says the same in plain words. Values that JSON or a
    database can't hold are made to fit: NaN and infinities become null, numpy scalars plain numbers, NUL and lone surrogates a
    question mark. A line over 64 KiB is a ValueError.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._narration = Narration()

    @classmethod
    def from_environment(cls) -> "Reports":
        """The writer for the file named by PLOG_REPORTS."""
        return cls(Path(os.environ["PLOG_REPORTS"]))

    def running(self, task: str, metadata: Mapping[str, Any] | None = None) -> None:
        """The task has begun."""
        self._status(task, "RUNNING", metadata)

    def progress(self, task: str, fraction: float) -> None:
        """How much of the task is done, from 0 to 1."""
        self._write({"task": task, "progress": min(1.0, max(0.0, float(fraction)))})

    def succeeded(self, task: str, metadata: Mapping[str, Any] | None = None) -> None:
        """The task is done."""
        self._status(task, "SUCCEEDED", metadata)

    def failed(self, task: str, message: str) -> None:
        """The task failed, and with it the job; the message stands in the task's metadata."""
        self._status(task, "FAILED", {"message": message[:MAX_MESSAGE]})

    def point(self, task: str, document: Mapping[str, Any], progress: float | None = None) -> None:
        """One evaluated point of a design."""
        self._entry(task, "point", document, progress)

    def trial(self, task: str, document: Mapping[str, Any], progress: float | None = None) -> None:
        """One trial of a search."""
        self._entry(task, "trial", document, progress)

    def note(self, metadata: Mapping[str, Any], task: str | None = None) -> None:
        """Merge into the metadata of the task, or of the job where no task is named."""
        self._write(({} if task is None else {"task": task}) | {"metadata": metadata})

    def name_scenarios(self, names: Mapping[str, str]) -> None:
        """How the log is to call the scenarios of a load test, by what the script calls them."""
        self._narration.scenarios = names

    def windows(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """The figures of one scenario in one window of a load test each (`domain.metric_window`)."""
        self._write(*({"window": document} for document in documents))

    def summary(self, document: Mapping[str, Any]) -> None:
        """What k6 said at the end of a load test."""
        self._write({"summary": document})

    def artifact(self, name: str, media_type: str, inputs: Sequence[str] = (), task: str | None = None) -> None:
        """The file `name` in the output folder is finished; `inputs` are the names of the artifacts it was made from."""
        entry = {"name": name, "mediaType": media_type, "inputs": list(inputs)}
        self._write(({} if task is None else {"task": task}) | {"artifact": entry})

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Report the task as running, then as succeeded, or as failed where the block raises `StepFailed` or anything else."""
        self.running(name)
        try:
            yield
        except Exception as error:
            self.failed(name, str(error) if isinstance(error, StepFailed) else f"{type(error).__name__}: {error}")
            raise
        self.succeeded(name)

    def _status(self, task: str, status: str, metadata: Mapping[str, Any] | None) -> None:
        self._write({"task": task, "status": status} | ({"metadata": metadata} if metadata else {}))

    def _entry(self, task: str, kind: str, document: Mapping[str, Any], progress: float | None) -> None:
        line: dict[str, Any] = {"task": task, kind: document}
        if progress is not None:
            line["progress"] = min(1.0, max(0.0, float(progress)))
        self._write(line)

    def _write(self, *reports: Mapping[str, Any]) -> None:
        if not reports:
            return
        time = datetime.now(UTC).isoformat()
        documents = [plain(report) | {"time": time} for report in reports]
        lines = [_WRITER.encode(each).encode() + b"\n" for each in documents]
        if (longest := max(map(len, lines))) > MAX_LINE_BYTES:
            raise ValueError(f"a report of {longest} bytes; {MAX_LINE_BYTES} are allowed")
        written = b"".join(lines)
        if os.write(self._descriptor, written) != len(written):
            raise OSError("a report was written in part only: is the disk full?")
        os.fsync(self._descriptor)
        for document in documents:
            self._narration.tell(document)


def plain(value: Any) -> Any:
    """`value` as JSON and every database can hold it; TypeError for what has no such form."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.replace("\x00", "?").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in value]
    to_python = getattr(value, "tolist", None)
    if callable(to_python):
        return plain(to_python())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def run_step(step: Callable[[StepInput, Reports], None]) -> NoReturn:
    """Run `step` and end the process: 0 when it returned, 1 when it failed, 143 on SIGTERM.

    In `step` SIGTERM raises `Terminated` in the main thread, once. The reason of a failure is the last line on standard error.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        step(StepInput.from_environment(), Reports.from_environment())
    except StepFailed as error:
        print(" ".join(str(error).split()), file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except Terminated:
        print("Stopped by SIGTERM.", file=sys.stderr)  # noqa: T201
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    sys.exit(0)


def _terminate(_signal: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated

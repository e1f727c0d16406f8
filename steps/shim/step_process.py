"""The step as a process: started in a group of its own, with the environment of docs/steps.md, ended with all it started."""

import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread
from types import MappingProxyType
from typing import IO, Any

from steps.shim.memory_group import MemoryGroup
from steps.shim.process_tree import (
    MARKER,
    Process,
    become_subreaper,
    descendants,
    die_with_parent,
    kill,
    marked,
    process,
)
from steps.shim.shim_folder import CHUNK, ShimFolder

INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
KILL_SECONDS = 10.0
MAX_MESSAGE = 2000


class StepProcess:
    """A step from its start to the end of the last process that it started. To be used from the thread that made it.

    That thread's end ends the step as well (a request to the kernel), so that a killed shim leaves no step behind.
    """

    def __init__(
        self,
        folder: ShimFolder,
        order: Mapping[str, Any],
        group: MemoryGroup | None,
        secret_environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start it, with `secret_environment` besides what every step finds in its environment.

        OSError, ValueError or SubprocessError where it can't be started.
        """
        self._attempt = str(order["attempt"])
        self._group = group
        self._wait_status: int | None = None
        self.cores = _choose_cores(order["limits"]["cpuCores"])
        become_subreaper()
        shim = os.getpid()

        def prepare() -> None:
            # Runs between fork and exec. The shim has no other thread yet, so no lock can be held there by another.
            die_with_parent(shim)
            if group is not None:
                group.enter()
            if self.cores is not None:
                os.sched_setaffinity(0, self.cores)

        with folder.log.open("ab") as log:
            self._process = subprocess.Popen(
                order["command"],
                cwd=folder.work,
                env={**secret_environment, **_environment(folder, order)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=prepare,
            )
        self.pid = self._process.pid
        assert self._process.stderr is not None
        self._errors = ErrorOutput(self._process.stderr, folder)
        self._errors.start()

    @property
    def identity(self) -> str | None:
        """The name of this very process; None where the platform has none."""
        found = process(self.pid)
        return None if found is None else found.identity

    @property
    def exit_code(self) -> int | None:
        """The code, or minus the number of the signal that ended it; None before its end was collected."""
        return None if self._wait_status is None else os.waitstatus_to_exitcode(self._wait_status)

    @property
    def last_error_line(self) -> str:
        """The last line on standard error that is not blank."""
        return self._errors.last_line

    def has_exited(self) -> bool:
        """Whether the step's own process is over; orphans that are over are collected on the way.

        The step's own entry stays uncollected, so that its id, which names the group, can't be given to another process.
        """
        if self._wait_status is not None:
            return True
        if not hasattr(os, "waitid"):
            return self._collect(self.pid)
        while (info := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if info.si_pid == self.pid:
                return True
            os.waitpid(info.si_pid, 0)
        return False

    def ask_to_end(self) -> None:
        """SIGTERM to the whole group, stopped processes included."""
        self._signal_group(signal.SIGTERM)
        self._signal_group(signal.SIGCONT)

    def end_all(self) -> list[int]:
        """SIGKILL everything that belongs to the attempt and collect it; the ids of what could not be ended within 10 s."""
        if self._wait_status is None:
            self._signal_group(signal.SIGKILL)
        deadline = time.monotonic() + KILL_SECONDS
        while True:
            left = {each.pid: each for each in [*descendants(os.getpid()), *leftovers(self._attempt, self._group)]}
            for each in left.values():
                kill(each)
            is_childless = self._collect_all()
            if (is_childless and not left) or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        self._errors.join(1.0)
        self._process.returncode = self.exit_code  # its end was collected here, so Popen must not wait for it
        return sorted(left)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # the group may be over; macOS says EPERM of a zombie's group
            os.killpg(self.pid, number)

    def _collect(self, pid: int) -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found == self.pid:
            self._wait_status = status
        return found != 0

    def _collect_all(self) -> bool:
        """Collect every child that is over; whether no child is left."""
        try:
            while self._collect(-1):
                pass
        except ChildProcessError:
            return True
        return False


class ErrorOutput(Thread):
    """Copies the step's standard error to its log at once, and keeps the end of it for the reason of a failure."""

    def __init__(self, source: IO[bytes], folder: ShimFolder) -> None:
        super().__init__(name="standard error", daemon=True)
        self._source = source
        self._folder = folder
        self._tail = b""

    @property
    def last_line(self) -> str:
        """The last line that is not blank, as every database can hold it, at most 2000 characters."""
        lines = [line.strip() for line in self._tail.decode("utf-8", "replace").replace("\x00", "").splitlines()]
        return next((line[:MAX_MESSAGE] for line in reversed(lines) if line), "")

    def run(self) -> None:
        """Copy until no process has the other end open; called by `start`."""
        with self._source, self._folder.log.open("ab", buffering=0) as log:
            while chunk := os.read(self._source.fileno(), CHUNK):
                self._tail = (self._tail + chunk)[-4 * MAX_MESSAGE :]
                with suppress(OSError):  # a full disk costs the log; a blocked pipe would cost the step
                    log.write(chunk)


def leftovers(attempt: str, group: MemoryGroup | None) -> list[Process]:
    """The processes that carry the attempt's mark or sit in its control group, wherever they went."""
    inside = [process(pid) for pid in group.process_ids()] if group is not None else []
    return [*marked(attempt), *(each for each in inside if each is not None)]


def _environment(folder: ShimFolder, order: Mapping[str, Any]) -> dict[str, str]:
    """What the step's environment is: little of ours, then the template's, then what docs/steps.md promises."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment |= {"HOME": str(folder.work), "TMPDIR": str(folder.temporary), "PYTHONUNBUFFERED": "1"}
    if order["limits"]["cpuCores"] is not None:
        environment |= dict.fromkeys(THREAD_VARIABLES, str(math.ceil(order["limits"]["cpuCores"])))
    environment |= order["environment"]
    return environment | {
        "PLOG_INPUT": str(folder.input_document),
        "PLOG_INPUTS": str(folder.inputs),
        "PLOG_OUTPUT": str(folder.output),
        "PLOG_REPORTS": str(folder.reports),
        MARKER: str(order["attempt"]),
    }


def _choose_cores(limit: float | None) -> set[int] | None:
    """As many of the usable cores as the limit allows, drawn at random so that attempts spread; None where all may be used."""
    if limit is None or not hasattr(os, "sched_getaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    most = max(1, math.ceil(limit))
    return set(random.sample(usable, most)) if most < len(usable) else None

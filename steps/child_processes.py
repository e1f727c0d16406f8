"""The processes of a step that must not outlive it: each in a group of its own, ended together."""

import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

from steps.shim.process_tree import MARKER


class Stopped(Exception):
    """No process is started any more."""


class ChildProcesses:
    """Starts processes and can end all that run; used by several threads at a time.

    They stay in the step's session and keep its mark, so that whoever ends what a lost step left behind finds them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[Any]] = set()
        self._is_stopped = False

    @contextmanager
    def start(
        self, command: Sequence[str], *, environment: Mapping[str, str], limits: Mapping[int, int], **options: Any
    ) -> Iterator[subprocess.Popen[Any]]:
        """Run `command` (options as for `Popen`) while the block lasts; at its end the whole group is killed and waited for.

        `environment` is all that it gets but for the mark; `limits` are resource limits (`resource.RLIMIT_…`), set where the
        system can. `Stopped` after `stop()`.
        """
        mark = {MARKER: os.environ[MARKER]} if MARKER in os.environ else {}
        with self._lock:
            if self._is_stopped:
                raise Stopped
            process = subprocess.Popen(command, env={**environment, **mark}, process_group=0, **options)
            self._running.add(process)
        try:
            _limit(process.pid, limits)
            yield process
        finally:
            with self._lock:
                _kill_group(process)
                self._running.discard(process)
            process.wait()

    def stop(self) -> None:
        """Kill everything that runs and start nothing more."""
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                _kill_group(process)


def _limit(pid: int, limits: Mapping[int, int]) -> None:
    if not hasattr(resource, "prlimit"):
        return
    for kind, most in limits.items():
        resource.prlimit(pid, kind, (most, most))


def _kill_group(process: subprocess.Popen[Any]) -> None:
    # Gone already, or (macOS) only a zombie is left of it.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)

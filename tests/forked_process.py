"""Programs of PLOG in processes of their own, without the seconds that their imports take.

Each process is forked from one that has made the imports and does nothing else, so that it has nothing of this test run: it gets
its arguments, environment, folder and files as a program does, is a process to the kernel, and can be killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

CLI = "app.cli"
STEPS = {"steps.deck_collection": "collect", "steps.doe": "explore", "steps.ml": "run", "steps.optimize": "run"}
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload([CLI, "app.server_commands", "app.client_commands", "app.influxdb", *STEPS])


def _main(program: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, files: Sequence[Path]) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(files, 1):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [program, *arguments]
    module = sys.modules[program]
    if program == CLI:
        module.main()
    else:
        sys.modules["steps.reports"].run_step(getattr(module, STEPS[program]))


class ForkedProcess:
    """What is used of `subprocess.Popen`, in a session of its own. What it writes is appended to two files, or to one."""

    def __init__(
        self, program: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, *, output: Path, errors: Path
    ) -> None:
        given = (program, tuple(arguments), dict(environment), folder, (output, errors))
        self._process = PROCESSES.Process(target=_main, args=given, daemon=True)  # those that are left end with this process
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, minus a signal's number where that ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """The exit code, once it has ended; `TimeoutExpired`."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("a forked program", timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def run_plog(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """A command that ends by itself within two minutes, and what it wrote."""
    with TemporaryDirectory() as name:
        output, errors = Path(name) / "output", Path(name) / "errors"
        process = ForkedProcess(CLI, arguments, environment, folder, output=output, errors=errors)
        try:
            code = process.wait(120)
        finally:
            process.send_signal(signal.SIGKILL)
        return subprocess.CompletedProcess(["plog", *arguments], code, output.read_text(), errors.read_text())

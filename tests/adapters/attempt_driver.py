"""Runs real attempts for tests and makes sure that none of their processes is left."""

import asyncio
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from adapters.processes.run_folder import RunFolder
from adapters.processes.runner import ProcessRunner
from domain.attempt import AttemptKey, Ending
from domain.runner import UNLIMITED, LaunchOrder, Limits, Presence
from steps.shim.process_tree import marked
from tests.adapters.shim_server import TOKEN, ShimServer
from tests.services import unprivileged
from tests.waiting import eventually

POLL_SECONDS = 0.02
REPORT = """report() { printf '%s\\n' "$1" >> "$PLOG_REPORTS"; }\n"""


class AttemptDriver:
    """A runner on a folder of its own, and the server that its attempts talk to."""

    def __init__(self, root: Path, server: ShimServer) -> None:
        self.root = root
        self.server = server
        self.python_program = sys.executable
        self.runner = self.new_runner()
        self.keys: list[AttemptKey] = []

    def new_runner(self, **options: Any) -> ProcessRunner:
        """Another runner on the same folder, as after a restart of the server."""
        return ProcessRunner(self.root, self.python_program, os.environ, **{"request_timeout_seconds": 1.0, **options})

    def drop_privileges(self) -> None:
        """Let file modes hold for the attempts that are launched from now on."""
        program = self.root.parent / "python"
        program.write_text(f'#!/bin/sh\nexec {shlex.join([*unprivileged(), sys.executable])} "$@"\n')
        program.chmod(0o755)
        self.python_program = str(program)
        self.runner = self.new_runner()

    def order(
        self,
        *command: str,
        limits: Limits = UNLIMITED,
        environment: Mapping[str, str] | None = None,
        working_data: Path | None = None,
        grace: float = 1.0,
    ) -> LaunchOrder:
        """An order for a new attempt."""
        key = AttemptKey(uuid4(), 1)
        self.keys.append(key)
        return LaunchOrder(
            key=key,
            command=command,
            server_url=self.server.url,
            token=TOKEN,
            environment=environment or {},
            working_data=None if working_data is None else str(working_data),
            limits=limits,
            grace_seconds=grace,
        )

    async def shell(self, script: str, **options: Any) -> AttemptKey:
        """Launch a shell script, in which `report` writes a report."""
        return await self.launch("sh", "-c", REPORT + script, **options)

    async def python(self, script: str, **options: Any) -> AttemptKey:
        """Launch a Python script."""
        return await self.launch(sys.executable, "-c", script, **options)

    async def launch(self, *command: str, **options: Any) -> AttemptKey:
        """Launch a command."""
        order = self.order(*command, **options)
        await self.runner.launch(order)
        return order.key

    def folder(self, key: AttemptKey) -> RunFolder:
        """The attempt's run folder."""
        return RunFolder(self.root, key)

    def file(self, key: AttemptKey, name: str) -> Path:
        """A file that the step writes in its working folder."""
        return self.folder(key).path / "work" / name

    async def presence(self, key: AttemptKey) -> Presence:
        """What the runner sees."""
        return (await self.runner.observe([key]))[key].presence

    async def ended(self, key: AttemptKey, deadline: float = 15.0) -> Ending:
        """How the attempt ended, once it has."""
        async with asyncio.timeout(deadline):
            while True:
                ending = (await self.runner.observe([key]))[key].ending
                if ending is not None:
                    return ending
                await asyncio.sleep(POLL_SECONDS)

    async def settled(self, key: AttemptKey, deadline: float = 15.0) -> Ending:
        """The same, once the server has all reports as well and the shim is gone."""
        ending = await self.ended(key, deadline)
        folder = self.folder(key)
        async with asyncio.timeout(deadline):
            while folder.is_locked() or folder.has_unsent_reports:
                await self.runner.observe([key])
                await asyncio.sleep(POLL_SECONDS)
        return ending

    def shims(self, key: AttemptKey) -> list[psutil.Process]:
        """The attempt's shims that run."""
        path = str(self.folder(key).path)
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            command = process.info["cmdline"] or []
            if "steps.shim" in command and path in command and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def step_processes(self, key: AttemptKey) -> list[int]:
        """The ids of the processes that carry the attempt's mark."""
        return [each.pid for each in marked(str(key))]

    async def check_nothing_left(self) -> None:
        """Fail if a process of any attempt is left; end it then, so that the failure stays alone."""
        try:
            await eventually(lambda: not self._left(), deadline=2.0)
        except AssertionError:
            left = self._left()
            for process in left:
                process.kill()
            pytest.fail(f"processes of the attempts are left: {left}")

    def _left(self) -> list[psutil.Process]:
        """What carries the mark of an attempt or works in a run folder: steps, whatever they started, shims."""
        mine = {pid for key in self.keys for pid in self.step_processes(key)}
        found = []
        for process in psutil.process_iter(["cwd"]):
            if process.pid in mine or Path(process.info["cwd"] or "/").is_relative_to(self.root):
                found.append(process)
        return found


async def is_there(path: Path) -> None:
    await eventually(path.exists)


async def number_in(path: Path) -> int:
    return int(await eventually(lambda: path.exists() and path.read_text()))


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE

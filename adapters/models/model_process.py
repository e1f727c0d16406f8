"""What both have in common that have a process look at a model's file: the file, what the process is told, and its end."""

import asyncio
import errno
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Unavailable
from domain.prediction import ModelUnusable

ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH")
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
PIECE_BYTES = 2**16
END_SECONDS = 5
PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # the system has no room now


@dataclass(frozen=True, slots=True)
class ModelCommand:
    """A command that gets the path of a model's file, and of the server's `environment` what it needs to start."""

    command: Sequence[str]
    environment: Mapping[str, str]

    @asynccontextmanager
    async def run(self, path: Path, stdin: int = DEVNULL) -> AsyncIterator[Process]:
        """A process of it, in a group of its own, which has ended when the context has; its errors go nowhere.

        `Unavailable` where the system has no room for one now, `ModelUnusable` where none can be started at all.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                str(path),
                env={name: self.environment[name] for name in ENVIRONMENT if name in self.environment} | THREADS,
                cwd=path.parent,
                stdin=stdin,
                stdout=PIPE,
                stderr=DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            found = Unavailable if error.errno in PASSING else ModelUnusable
            raise found(f"No process for a model can be started: {error.strerror}.") from error
        try:
            yield process
        finally:
            await _end(process)


@asynccontextmanager
async def model_file(content: AsyncIterator[bytes]) -> AsyncIterator[Path]:
    """A file of that content in a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="plog-model-") as folder:
        path = Path(folder) / "model.skops"
        with await asyncio.to_thread(path.open, "wb") as file:
            async for chunk in content:
                await asyncio.to_thread(file.write, chunk)
        yield path


async def _end(process: Process) -> None:
    """Kill the group and wait for the process; where it was waited for already, its number may be another's.

    asyncio takes a process for ended only when its pipes are, and stops reading one that nobody empties. Who has fled from the
    group with a pipe is not waited for.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            while await process.stdout.read(PIECE_BYTES):
                pass
            await process.wait()

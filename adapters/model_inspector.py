"""Has files that people say are models looked into, by a process that is ended when it takes too long."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from domain.errors import Unavailable
from domain.model_source import InspectedModel

ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH")
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
BROKE_OFF = InspectedModel(problem="could not be read within the time and memory that a model may take")


class ProcessModelInspector:
    """`domain.ports.ModelInspector` by a command that gets the file's path; `environment` is the server's.

    At most two run at a time; who comes later waits.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, seconds: float = 120.0) -> None:
        self._command = command
        self._environment = {name: environment[name] for name in ENVIRONMENT if name in environment} | THREADS
        self._seconds = seconds
        self._turns = asyncio.Semaphore(2)

    async def inspect(self, content: AsyncIterator[bytes]) -> InspectedModel:
        """What the content is, written to a file of a folder that is removed afterwards."""
        async with self._turns:
            with tempfile.TemporaryDirectory(prefix="plog-model-") as folder:
                path = Path(folder) / "model.skops"
                async for chunk in content:
                    await asyncio.to_thread(_append, path, chunk)
                return await self._ask(path)

    async def _ask(self, path: Path) -> InspectedModel:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(path),
            env=self._environment,
            cwd=path.parent,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._seconds):
                output, _ = await process.communicate()
        except TimeoutError:
            return BROKE_OFF
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode != 0:
            return BROKE_OFF
        return _read(output)


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)


def _read(output: bytes) -> InspectedModel:
    try:
        said: dict[str, Any] = json.loads(output)
    except ValueError:
        raise Unavailable("The model could not be looked into. Trying again is safe.") from None
    return InspectedModel(**{**said, "names": tuple(said.get("names", ()))})

"""Has files that people say are models looked into, by a process that is ended when it takes too long."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.models.model_process import ModelCommand, model_file
from domain.errors import Unavailable
from domain.model_source import InspectedModel

BROKE_OFF = InspectedModel(problem="could not be read within the time and memory that a model may take")


class ProcessModelInspector:
    """`domain.ports.ModelInspector` by a command that gets the file's path; `environment` is the server's.

    At most two run at a time; who comes later waits.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, seconds: float = 120.0) -> None:
        self._command = ModelCommand(command, environment)
        self._seconds = seconds
        self._turns = asyncio.Semaphore(2)

    async def inspect(self, content: AsyncIterator[bytes]) -> InspectedModel:
        """What the content is, written to a file of a folder that is removed afterwards."""
        async with self._turns, model_file(content) as path:
            return await self._ask(path)

    async def _ask(self, path: Path) -> InspectedModel:
        async with self._command.run(path) as process:
            try:
                async with asyncio.timeout(self._seconds):
                    output, _ = await process.communicate()
            except TimeoutError:
                return BROKE_OFF
        if process.returncode != 0:
            return BROKE_OFF
        return _read(output)


def _read(output: bytes) -> InspectedModel:
    try:
        said: dict[str, Any] = json.loads(output)
    except ValueError:
        raise Unavailable("The model could not be looked into. Trying again is safe.") from None
    return InspectedModel(**{**said, "names": tuple(said.get("names", ()))})

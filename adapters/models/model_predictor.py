"""Has set-up models predict in processes with limits, one for each model that is loaded, which are ended with their context."""

import asyncio
import hashlib
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from math import isfinite
from typing import Any

from adapters.models.model_process import PIECE_BYTES, ModelCommand, model_file
from domain.model_version import ModelContent
from domain.ports import LoadedModel
from domain.prediction import ModelUnusable, Prediction

BYTES_OF_A_NUMBER = 32
BYTES_OF_A_PROBLEM = 2**14
LONGEST_PROBLEM = 1_000

ENDED = "its process ended unexpectedly, as those do that take more memory than a model may"
GARBLED = "its process gave an answer that can't be read"
CUT_OFF = "it was asked something and not waited for"


class _NoAnswer(Exception):
    """The process gave none that can be used; the message says why."""


class ProcessModelPredictor:
    """`domain.ports.ModelPredictor` by a command that gets the file's path; `environment` is the server's.

    `load_seconds` bounds the start of the process with the loading of the model, `row_seconds` the answer for a row.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, load_seconds: float = 120.0, row_seconds: float = 30.0
    ) -> None:
        self._command = ModelCommand(command, environment)
        self._load_seconds = load_seconds
        self._row_seconds = row_seconds

    @asynccontextmanager
    async def load(self, content: AsyncIterator[bytes], model: ModelContent) -> AsyncIterator[LoadedModel]:
        """See `domain.ports.ModelPredictor.load`."""
        async with model_file(_checked(content, model)) as path, self._command.run(path, stdin=PIPE) as process:
            loaded = _LoadedModel(process, model, self._row_seconds)
            await loaded.open(self._load_seconds)
            await asyncio.to_thread(path.unlink)  # a server that is killed leaves nothing large behind
            yield loaded


class _LoadedModel:
    """A process that is asked one question after the other; once one has no answer, none has."""

    def __init__(self, process: Process, model: ModelContent, row_seconds: float) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._questions = process.stdin
        self._answers = process.stdout
        self._features = [feature.name for feature in model.features]
        self._targets = model.targets
        self._row_seconds = row_seconds
        self._broken: str | None = None

    async def open(self, seconds: float) -> None:
        """Wait until the model is loaded; `ModelUnusable` where it can't be."""
        question = {"features": self._features, "targets": self._targets}
        try:
            answer = await self._ask(question, seconds, BYTES_OF_A_PROBLEM)
        except _NoAnswer as error:
            raise ModelUnusable(f"The model can't be loaded: {error}.") from None
        if answer != {}:
            raise ModelUnusable(_refusal(answer))

    async def predict(self, row: Sequence[float | str]) -> Prediction:
        """See `domain.ports.LoadedModel.predict`."""
        if self._broken is not None:
            raise ModelUnusable(f"The model can't be asked any more: {self._broken}.")
        most_bytes = len(self._targets) * BYTES_OF_A_NUMBER + BYTES_OF_A_PROBLEM
        try:
            return _prediction(await self._ask(list(row), self._row_seconds, most_bytes), len(self._targets))
        except _NoAnswer:
            pass
        except (LookupError, TypeError, ValueError):
            self._broken = GARBLED
        return Prediction(problem=f"The model gave no answer for this row: {self._broken}.", is_unanswered=True)

    async def _ask(self, question: object, seconds: float, most_bytes: int) -> Any:
        line = json.dumps(question).encode() + b"\n"
        self._broken = CUT_OFF
        try:
            async with asyncio.timeout(seconds):
                answer = json.loads(await self._answer_to(line, most_bytes))
        except TimeoutError:
            self._broken = f"it took longer than a model may, {seconds:g} seconds"
        except OSError:
            self._broken = ENDED
        except (ValueError, RecursionError):
            self._broken = GARBLED
        else:
            self._broken = None
            return answer
        raise _NoAnswer(self._broken)

    async def _answer_to(self, line: bytes, most_bytes: int) -> bytes:
        """The line that comes for this one; ValueError for one that is too long, OSError where the process has ended."""
        if self._questions.is_closing():
            raise BrokenPipeError
        self._questions.write(line)
        await self._questions.drain()
        answer = bytearray()
        while not answer.endswith(b"\n"):
            piece = await self._answers.read(PIECE_BYTES)
            if not piece:
                raise BrokenPipeError
            answer += piece
            if len(answer) > most_bytes:
                raise ValueError
        return bytes(answer)


async def _checked(content: AsyncIterator[bytes], model: ModelContent) -> AsyncIterator[bytes]:
    """The content; `ModelUnusable` at its end, or where it is too long, unless it is the model's file."""
    digest = hashlib.sha256()
    size = 0
    async for chunk in content:
        size += len(chunk)
        if size > model.size:
            break
        await asyncio.to_thread(digest.update, chunk)
        yield chunk
    if size != model.size or digest.hexdigest() != model.sha256:
        raise ModelUnusable(f"The model's file is not the one with the checksum {model.sha256}.")


def _refusal(answer: Any) -> str:
    """What the process says of a model that it can't use; nothing that it says is taken on trust."""
    if not isinstance(answer, dict) or not isinstance(answer.get("problem"), str):
        return f"The model can't be loaded: {GARBLED}."
    types = answer.get("types") or ()
    named = f": {', '.join(map(str, types))}" if isinstance(types, list) and types else ""
    return _readable(f"The model's file {answer['problem']}{named}.")


def _prediction(said: Any, targets: int) -> Prediction:
    """The prediction in an answer; LookupError, TypeError or ValueError where there is none."""
    if "problem" in said:
        return Prediction(problem=_readable(str(said["problem"])))
    outputs = tuple(said["outputs"])
    if len(outputs) != targets or not all(isinstance(output, float) and isfinite(output) for output in outputs):
        raise ValueError
    return Prediction(outputs)


def _readable(text: str) -> str:
    """The text with marks for what no page shows and no database takes."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_PROBLEM])

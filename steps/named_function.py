"""Evaluating points by a Python function that the server's settings name, in worker processes that can be ended at any time."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from threading import Timer
from typing import Any

from steps.child_processes import ChildProcesses, Stopped
from steps.evaluation import PointFailed

LOADING_SECONDS = 60.0


class NamedFunction:
    """Evaluates points by `target` ("module:function"), which takes a mapping of inputs and returns one of responses.

    A worker process serves many points, one at a time; there are as many as points are evaluated at a time. One that takes longer
    than `timeout_seconds` for a point or dies is replaced.
    """

    def __init__(self, target: str, responses: Sequence[str], timeout_seconds: float) -> None:
        self._target = target
        self._responses = tuple(responses)
        self._timeout_seconds = timeout_seconds
        self._children = ChildProcesses()
        self._idle: SimpleQueue[_Worker] = SimpleQueue()

    def evaluate(self, deck: str | None, inputs: Mapping[str, float]) -> dict[str, float]:
        """What the function returns for `inputs`, as far as it is wanted; `PointFailed` with its error."""
        worker = self._worker()
        try:
            answer = worker.ask({"values": dict(inputs)}, self._timeout_seconds)
        except PointFailed:
            worker.close()
            raise
        self._idle.put(worker)
        if "error" in answer:
            raise PointFailed(str(answer["error"]))
        return self._checked(answer["responses"])

    def stop(self) -> None:
        """End all workers."""
        self._children.stop()
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _worker(self) -> "_Worker":
        try:
            return self._idle.get_nowait()
        except Empty:
            return _Worker(self._children, self._target)

    def _checked(self, answer: Mapping[str, Any]) -> dict[str, float]:
        numbers = {name: _finite(answer.get(name)) for name in self._responses}
        found = {name: number for name, number in numbers.items() if number is not None}
        missing = [name for name in self._responses if name not in found]
        if missing:
            raise PointFailed(f"the function returned no finite number for {', '.join(missing)}", found)
        return found


def _finite(value: object) -> float | None:
    """The number; None for anything else, infinity and NaN, and a whole number that is too large for one."""
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


class _Worker:
    """A process of `steps.function_worker` and the lines exchanged with it."""

    def __init__(self, children: ChildProcesses, target: str) -> None:
        self._stack = ExitStack()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PLOG_")}
        command = [sys.executable, "-P", "-m", "steps.function_worker", target]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        try:
            self._process = self._stack.enter_context(children.start(command, environment=environment, limits={}, **pipes))
        except Stopped as error:
            raise PointFailed("the job was stopped before this point") from error
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a worker needs its pipes")
        self._questions, self._answers = self._process.stdin, self._process.stdout
        try:
            self._load()
        except PointFailed:
            self.close()
            raise

    def ask(self, question: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The worker's answer; `PointFailed` where it dies or takes longer than `seconds`."""
        with suppress(BrokenPipeError):  # it died, which the missing answer tells
            self._questions.write(json.dumps(question).encode() + b"\n")
            self._questions.flush()
        return self._answer(seconds)

    def close(self) -> None:
        """End the process."""
        self._stack.close()
        with suppress(BrokenPipeError):  # closing flushes
            self._questions.close()
        self._answers.close()

    def _load(self) -> None:
        answer = self._answer(LOADING_SECONDS)
        if "error" in answer:
            raise PointFailed(str(answer["error"]))

    def _answer(self, seconds: float) -> dict[str, Any]:
        timer = Timer(seconds, self._stack.close)
        timer.start()
        try:
            line = self._answers.readline()
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            raise PointFailed(f"the function's process ended, or had no result after {seconds:g} s and was ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

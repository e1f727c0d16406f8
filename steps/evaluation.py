"""Evaluating the points of a design in parallel, whatever evaluates them, with an account of each."""

import os
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Protocol

MAX_MESSAGE = 500


class PointFailed(Exception):
    """A point has no complete result; `responses` are those it has all the same."""

    def __init__(self, message: str, responses: Mapping[str, float] | None = None) -> None:
        self.responses = dict(responses or {})
        super().__init__(message[:MAX_MESSAGE])


class Evaluator(Protocol):
    """What computes the responses of a point in processes of its own; used by several threads at a time."""

    def evaluate(self, deck: str | None, inputs: Mapping[str, float]) -> dict[str, float]:
        """The responses, all finite; `PointFailed` where one is missing, after the time limit, or once stopped."""
        ...

    def stop(self) -> None:
        """End all processes now; points being evaluated fail, and so do later ones."""
        ...


@dataclass(frozen=True, slots=True)
class Point:
    """A point to evaluate: its number from 0 among all of the job, the deck to simulate, the value of each input."""

    index: int
    deck: str | None
    inputs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a point: its responses, or some of them and what went wrong. `seconds` is wall-clock time."""

    point: Point
    responses: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0


def evaluate_all(evaluator: Evaluator, points: Sequence[Point], parallel: int) -> Generator[Result, None, None]:
    """The results in the order in which they come, at most `parallel` at a time (0: one per processor).

    When the caller stops early, by closing the iterator or by an exception, everything that runs is ended before that returns.
    """
    with ThreadPoolExecutor(parallel or len(os.sched_getaffinity(0))) as pool:
        try:
            futures: list[Future[Result]] = [pool.submit(_evaluated, evaluator, point) for point in points]
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            evaluator.stop()


def _evaluated(evaluator: Evaluator, point: Point) -> Result:
    began = time.monotonic()
    try:
        responses = evaluator.evaluate(point.deck, point.inputs)
    except PointFailed as error:
        return Result(point, error.responses, str(error), time.monotonic() - began)
    return Result(point, responses, None, time.monotonic() - began)

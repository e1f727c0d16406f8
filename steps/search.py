"""The search for hyperparameters: Optuna proposes, a process of its own fits, and the best found so far is always at hand."""

import json
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import optuna

from domain.training import (
    Algorithm,
    Hyperparameter,
    MlOptions,
    Number,
    OptimizeOptions,
    Value,
    complete_parameters,
    search_space,
)
from steps.reports import StepFailed, Terminated

START_SECONDS = 120.0


class TrialState(StrEnum):
    """How a trial ended; `STOPPED`: the time was over or the job was ended while it was being fitted."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of hyperparameters and what became of it.

    Args:
        number: its place in the search, from 1.
        value: the cross-validated mean R² over the responses; None unless completed.
        seconds: the time it took, with the fit to the whole training part where it was the best so far.
    """

    number: int
    algorithm: Algorithm
    parameters: Mapping[str, Value]
    state: TrialState
    value: float | None
    seconds: float
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        """The trial as it is reported."""
        return {
            "number": self.number,
            "algorithm": self.algorithm.value,
            "parameters": dict(self.parameters),
            "state": self.state.value,
            "value": self.value,
            "durationSeconds": self.seconds,
            **({"message": self.message} if self.message else {}),
        }


class TrialProcess:
    """The process that fits trials (`steps/trial_worker.py`); killed when closed, whatever it is doing."""

    def __init__(self, options: OptimizeOptions) -> None:
        self._command = [sys.executable, "-P", "-m", "steps.trial_worker", str(options.folds), str(options.seed)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it where it does not run, and wait until it is ready; StepFailed where it does not get so far."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self._read(START_SECONDS)
        except (EOFError, TimeoutError) as error:
            raise StepFailed(f"The process that fits trials did not start: {error}") from error

    def fit(self, request: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """The answer to a request; TimeoutError after `seconds`, EOFError where the process ended (it is started again next)."""
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise EOFError(f"it ended with code {self._process.wait()}") from error
        return self._read(seconds)

    def close(self) -> None:
        """End the process at once."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _read(self, seconds: float) -> Mapping[str, Any]:
        """The next answer, which is one line that comes in one piece."""
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, seconds)):
                raise TimeoutError(f"no answer within {seconds:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"it ended with code {self._process.wait()}")
        answer: Mapping[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True, slots=True)
class SearchTask:
    """What is searched: the sections of the kit's definition, and the size of the training part.

    Args:
        inputs: how many numbers the inputs become.
        rows: the rows of the training part.
        fold_rows: the rows that are left to train on in the fold that has the fewest.
    """

    ml: MlOptions
    options: OptimizeOptions
    inputs: int
    rows: int
    fold_rows: int

    @property
    def algorithms(self) -> tuple[Algorithm, ...]:
        """The algorithms to choose from."""
        return self.options.algorithms or (self.ml.algorithm,)

    def space(self, algorithm: Algorithm) -> tuple[Hyperparameter, ...]:
        """The ranges to search, such that the smallest training fold allows them."""
        return search_space(algorithm, inputs=self.inputs, rows=self.fold_rows)

    @property
    def untuned(self) -> dict[str, Value]:
        """The hyperparameters of the untuned model."""
        return complete_parameters(self.ml.parameters, search_space(self.ml.algorithm, inputs=self.inputs, rows=self.rows))

    @property
    def has_untuned(self) -> bool:
        """Whether the untuned model's hyperparameters can be tried: the algorithm is searched and its folds allow them."""
        highest = {each.name: each.high for each in self.space(self.ml.algorithm) if isinstance(each, Number)}
        return self.ml.algorithm in self.algorithms and all(
            not isinstance(value, int | float) or value <= highest.get(name, value) for name, value in self.untuned.items()
        )


class Search:
    """A search in progress. `trials` and `best` hold what was found so far, at any moment, also after `Terminated`.

    The first trial takes the untuned model's own hyperparameters, so that a search never ends below where it began. Its course
    is the same for the same seed, data and versions of the libraries, as long as the time does not run out.
    """

    def __init__(self, task: SearchTask, folder: Path, report: Callable[[Trial, float], None]) -> None:
        """`folder` takes the fitted models; `report` gets each trial when it is over, and the progress from 0 to 1."""
        self.trials: list[Trial] = []
        self.best: Trial | None = None
        self._task = task
        self._folder = folder
        self._report = report
        self._study = _new_study(task)
        self._deadline = 0.0

    def model_file(self, number: int) -> Path:
        """The model of the trial of that number, fitted to the whole training part; it is there for the best one only."""
        return self._folder / f"trial-{number}.skops"

    def run(self) -> Trial:
        """Try until trials or time run out, and return the best; StepFailed where nothing came of it, `Terminated` on SIGTERM."""
        options = self._task.options
        with closing(TrialProcess(options)) as process:
            process.start()
            self._deadline = time.monotonic() + options.timeout_seconds
            while len(self.trials) < options.trials and time.monotonic() < self._deadline:
                process.start()
                self._try(process)
        if self.best is None:
            raise StepFailed(self._explain())
        return self.best

    def _try(self, process: TrialProcess) -> None:
        """Fit one proposal and record what became of it."""
        proposal = self._study.ask()
        number, started = proposal.number + 1, time.monotonic()
        algorithm, parameters = _suggest(proposal, self._task)
        request = {
            "algorithm": algorithm.value,
            "parameters": parameters,
            "best": None if self.best is None else self.best.value,
            "file": str(self.model_file(number)),
        }
        state, value, message = TrialState.FAILED, None, ""
        try:
            answer = process.fit(request, self._deadline - started)
            value, message = answer["value"], answer.get("message", "")
            state = TrialState.FAILED if value is None else TrialState.COMPLETED
        except EOFError as error:
            message = f"The fitting process was lost: {error}"
        except TimeoutError:
            state, message = TrialState.STOPPED, "The time for the search was over."
        except Terminated:
            state, message = TrialState.STOPPED, "The job was ended."
            raise
        finally:
            trial = Trial(number, algorithm, parameters, state, value, time.monotonic() - started, message)
            with undisturbed():
                self._record(proposal, trial)

    def _record(self, proposal: optuna.Trial, trial: Trial) -> None:
        self.trials.append(trial)
        if trial.value is not None and (self.best is None or self.best.value is None or trial.value > self.best.value):
            if self.best is not None:
                self.model_file(self.best.number).unlink()
            self.best = trial
        options = self._task.options
        used = 1 - (self._deadline - time.monotonic()) / options.timeout_seconds
        self._report(trial, max(len(self.trials) / options.trials, used))
        self._study.tell(proposal, trial.value, None if trial.value is not None else optuna.trial.TrialState.FAIL)

    def _explain(self) -> str:
        failed = [trial.message for trial in self.trials if trial.state is TrialState.FAILED]
        if failed:
            return f"None of {len(self.trials)} trials succeeded; the last one that failed says: {failed[-1]}"
        seconds = self._task.options.timeout_seconds
        return f"No trial was finished within {seconds:g} s: allow more by timeoutSeconds, or choose a faster algorithm."


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold a SIGTERM back until the block is done, so that what belongs together is kept together."""
    arrived: list[tuple[int, Any]] = []
    previous = signal.signal(signal.SIGTERM, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
        if arrived and callable(previous):
            previous(*arrived[0])


def _new_study(task: SearchTask) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=task.options.seed))
    if task.has_untuned:
        algorithm = task.ml.algorithm
        study.enqueue_trial({"algorithm": algorithm.value} | {f"{algorithm}.{key}": each for key, each in task.untuned.items()})
    return study


def _suggest(proposal: optuna.Trial, task: SearchTask) -> tuple[Algorithm, dict[str, Value]]:
    """What Optuna proposes: an algorithm, then its hyperparameters, which it knows by names of their own."""
    algorithm = Algorithm(proposal.suggest_categorical("algorithm", [each.value for each in task.algorithms]))
    parameters: dict[str, Value] = {}
    for each in task.space(algorithm):
        name = f"{algorithm}.{each.name}"
        if not isinstance(each, Number):
            parameters[each.name] = cast(Value, proposal.suggest_categorical(name, each.options))
        elif each.is_whole:
            parameters[each.name] = proposal.suggest_int(name, int(each.low), int(each.high), log=each.is_log)
        else:
            parameters[each.name] = proposal.suggest_float(name, each.low, each.high, log=each.is_log)
    return algorithm, parameters

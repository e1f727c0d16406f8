"""Fits the trials of a search in a process of its own, because a fit can't be interrupted: the search ends it by killing it.

One request a line on standard input, one answer a line on standard output, both JSON. It ends when its input does, also in
mid-fit, so that it never outlives the search.
"""

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.base import clone

from domain.training import Algorithm
from steps.modelling import build_model, cross_validated_r2, fit, one_core
from steps.reports import StepInput
from steps.split import Split, folds_of
from steps.stored_model import save_model
from steps.training_data import load_dataset, read_options

READY = {"ready": True}


@dataclass(frozen=True, slots=True)
class Workbench:
    """The training part and the settings that all trials share."""

    step: StepInput
    folds: int
    seed: int

    def serve(self) -> None:
        """Answer requests until the input ends."""
        requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
        options = read_options(self.step)
        data = load_dataset(self.step.inputs_folder, self.step.definition.get("deck") or {})
        training = Split.read(self.step.inputs_folder, data).training
        features, measured = data.features(training), data.measured(training)
        folds = folds_of(data, training, self.folds, self.seed)
        _answer(READY)
        while True:
            request = json.loads(requests.get())
            try:
                algorithm = Algorithm(request["algorithm"])
                model = build_model(options, algorithm, request["parameters"], data.inputs, len(data.responses))
                value = cross_validated_r2(clone(model), features, measured, folds)
                if request["best"] is None or value > request["best"]:
                    save_model(fit(model, features, measured), Path(request["file"]))
                _answer({"value": value})
            except (ValueError, ArithmeticError, MemoryError) as error:
                _answer({"value": None, "message": f"{type(error).__name__}: {error}"[:500]})


def _read_requests(requests: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _answer(document: Mapping[str, Any]) -> None:
    os.write(sys.stdout.fileno(), json.dumps(document).encode() + b"\n")


def main() -> None:
    """Serve trials: `python -m steps.trial_worker FOLDS SEED`, in the environment of the step that starts it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    folds, seed = map(int, sys.argv[1:])
    with one_core():
        Workbench(StepInput.from_environment(), folds, seed).serve()


if __name__ == "__main__":
    main()

"""Predicts by a model that anybody may have made, in a process of its own with limits: `python -m steps.model_prediction FILE`.

A question a line comes in on standard input, an answer a line goes out on standard output, all JSON. The first question names the
`features` and `targets` of the model's version; its answer is empty, or has the `problem` for which the model can't be used. All
others are a row each, and their answers what is predicted for it. The process ends when its input does, also while it predicts,
so that it never outlives the server. How long anything may take is for who asks to say.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import parallel_config

from steps.untrusted_model import MEMORY_LIMITS, ModelRefused, limit_process, read_untrusted

LONGEST_TEXT = 300
NUMBERS = "fiub"  # kinds of NumPy's types that are real numbers

Value = float | str


@dataclass(frozen=True, slots=True)
class RowModel:
    """A model that predicts each row by itself.

    `order` has the places in a row of the model's inputs, `names` are these where the model knows them.
    """

    model: Any
    order: tuple[int, ...]
    names: pd.Index | None
    targets: tuple[str, ...]

    @classmethod
    def of(cls, model: Any, features: Sequence[str], targets: Sequence[str]) -> "RowModel":
        """The model, for rows of these features; `ModelRefused` where it takes others, or predicts nothing.

        Where the model knows the names of its inputs, they and not their places tell which feature is which.
        """
        inputs = getattr(model, "n_features_in_", None)
        if not callable(getattr(model, "predict", None)) or not isinstance(inputs, int):
            raise ModelRefused(f"holds a {type(model).__name__}, which predicts nothing or was not fitted")
        names = [str(name) for name in getattr(model, "feature_names_in_", ())]
        if names and sorted(names) != sorted(features):
            raise ModelRefused(f"takes other inputs than its version has: {_shortened(', '.join(names))}")
        if inputs != len(features):
            raise ModelRefused(f"takes {inputs} inputs; its version has {len(features)}")
        places = {name: place for place, name in enumerate(features)}
        order = tuple(places[name] for name in names) if names else tuple(range(inputs))
        return cls(model, order, pd.Index(names) if names else None, tuple(targets))

    def predict(self, row: Sequence[Value]) -> dict[str, Any]:
        """The `outputs` for a row, or the `problem` for which there are none."""
        if len(row) != len(self.order):
            return {"problem": f"The row has {len(row)} values; the model takes {len(self.order)}."}
        try:
            predicted = np.asarray(self.model.predict(self._input(row)))
        except Exception as error:  # each estimator has errors of its own
            return {"problem": f"The model refused the row: {_shortened(f'{type(error).__name__}: {error}')}"}
        if predicted.dtype.kind not in NUMBERS:
            return {"problem": "The model predicted something that is no number."}
        outputs = predicted.astype(np.float64).reshape(-1)
        if len(outputs) != len(self.targets):
            return {"problem": f"The model predicted {len(outputs)} values and not one for each target ({len(self.targets)})."}
        for target, output in zip(self.targets, outputs, strict=True):
            if not np.isfinite(output):
                return {"problem": f"The model predicted {output} for {_shortened(target)}, which is no finite number."}
        return {"outputs": outputs.tolist()}

    def _input(self, row: Sequence[Value]) -> "pd.DataFrame | npt.NDArray[Any]":
        values = [value if isinstance(value := row[place], str) else float(value) for place in self.order]
        has_texts = any(isinstance(value, str) for value in values)
        if has_texts and self.names is not None:
            return pd.DataFrame([values], columns=self.names)
        array = np.array([values], dtype=np.object_ if has_texts else np.float64)
        return array if self.names is None else pd.DataFrame(array, columns=self.names)


def serve(path: Path, answers: IO[str]) -> None:
    """Answer questions until the input ends, which ends the process."""

    def answer(document: object) -> None:
        answers.write(json.dumps(document) + "\n")
        answers.flush()

    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    reader = threading.Thread(target=_read_questions, args=(questions,), daemon=True)
    reader.start()
    try:
        model = read_untrusted(path)
        version: Mapping[str, Any] = json.loads(questions.get())
        rows = RowModel.of(model, version["features"], version["targets"])
    except ModelRefused as refused:
        answer({"problem": refused.problem, "types": refused.types})
        reader.join()
        return
    answer({})
    # Threads of joblib would add up the trees of a forest in whatever order they end.
    with parallel_config(backend="sequential"):
        while True:
            answer(rows.predict(json.loads(questions.get())))


def _read_questions(questions: "queue.SimpleQueue[bytes]") -> None:
    try:
        for line in sys.stdin.buffer:
            questions.put(line)
    finally:
        os._exit(0)


def _own_standard_output() -> IO[str]:
    """What was standard output; what a model prints goes to standard error from now on, so that it can't spoil answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def main() -> None:
    """Limit this process, then load and predict."""
    answers = _own_standard_output()
    limit_process(MEMORY_LIMITS)
    serve(Path(sys.argv[1]), answers)


if __name__ == "__main__":
    main()

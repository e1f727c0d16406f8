"""Looks into a file that somebody says is a model, in a process of its own with limits: `python -m steps.model_inspection FILE`.

It answers with one JSON document on standard output. Types are read before anything is loaded, and nothing is loaded that holds
one which PLOG's own models don't.
"""

import json
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steps.untrusted_model import MEMORY_LIMITS, ModelRefused, limit_process, read_untrusted

PROCESSOR_SECONDS = 60
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops")


def inspect(path: Path) -> dict[str, Any]:
    """What is found in the file, as `domain.model_source.InspectedModel` has it."""
    try:
        model = read_untrusted(path)
    except ModelRefused as refused:
        return {"problem": refused.problem, **({"types": refused.types} if refused.types else {})}
    return _described(model)


def _described(model: Any) -> dict[str, Any]:
    inputs = getattr(model, "n_features_in_", None)
    if not callable(getattr(model, "predict", None)):
        return {"problem": f"holds a {type(model).__name__}, which predicts nothing"}
    if not isinstance(inputs, int):
        return {"problem": f"holds a {type(model).__name__} that was not fitted"}
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    return {
        "inputs": inputs,
        "names": names,
        "outputs": _outputs(model, inputs, names),
        "frameworks": {name: version(name) for name in LIBRARIES},
    }


def _outputs(model: Any, inputs: int, names: list[str]) -> int | None:
    """How many values it predicts for a row of zeros; None where it does not take that, as some of its inputs are texts."""
    row = pd.DataFrame(np.zeros((1, inputs)), columns=names) if names else np.zeros((1, inputs))
    try:
        return int(np.asarray(model.predict(row)).reshape(1, -1).shape[1])
    except Exception:  # each estimator has errors of its own
        return None


def main() -> None:
    """Limit this process, then look."""
    limit_process({**MEMORY_LIMITS, resource.RLIMIT_CPU: PROCESSOR_SECONDS})
    sys.stdout.write(json.dumps(inspect(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()

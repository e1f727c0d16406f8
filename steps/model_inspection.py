"""Looks into a file that somebody says is a model, in a process of its own with limits: `python -m steps.model_inspection FILE`.

It answers with one JSON document on standard output. Types are read before anything is loaded, and nothing is loaded that holds
one which PLOG's own models don't.
"""

import json
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skops.io import get_untrusted_types, load

from steps.stored_model import ALLOWED_TYPES

MEMORY_BYTES = 4_000_000_000
PROCESSOR_SECONDS = 60
MOST_TYPES = 20
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops")
UNREADABLE = "can't be read as a model in the format of skops"


def inspect(path: Path) -> dict[str, Any]:
    """What is found in the file, as `domain.model_source.InspectedModel` has it."""
    try:
        forbidden = sorted(set(get_untrusted_types(file=path)) - ALLOWED_TYPES)
        if forbidden:
            return {"problem": "holds types that are not allowed in a model", "types": forbidden[:MOST_TYPES]}
        model = load(path, trusted=sorted(ALLOWED_TYPES))
    except MemoryError:
        return {"problem": "takes more memory than a model may"}
    except Exception:  # what skops raises for a file that was made to break it has no common type
        return {"problem": UNREADABLE}
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


def _limit(limits: Mapping[int, int]) -> None:
    """Set limits of this process, as far as the system has them."""
    for kind, most in limits.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def main() -> None:
    """Limit this process, then look."""
    _limit({resource.RLIMIT_AS: MEMORY_BYTES, resource.RLIMIT_CPU: PROCESSOR_SECONDS, resource.RLIMIT_CORE: 0})
    sys.stdout.write(json.dumps(inspect(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()

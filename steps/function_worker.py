"""The process in which a named Python function evaluates points: a question a line comes in, an answer a line goes out."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from steps.reports import plain

Function = Callable[[Mapping[str, float]], Mapping[str, float]]


def load(target: str) -> Function:
    """The function named "module:function"; ImportError, AttributeError or ValueError where there is none."""
    module, _, name = target.partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    if not callable(function):
        raise ValueError(f"{target} is not a function")
    return function


def serve(target: str) -> None:
    """Load the function, say so, and answer until standard input ends.

    Answers go to what was standard output; the function itself prints to standard error, so that it can't spoil them.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def answer(document: Mapping[str, Any]) -> None:
        answers.write(json.dumps(document) + "\n")

    try:
        function = load(target)
    except Exception as error:
        answer({"error": f"{target} can't be loaded: {type(error).__name__}: {error}"})
        return
    answer({})
    for line in sys.stdin:
        try:
            answer({"responses": plain(dict(function(json.loads(line)["values"])))})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    serve(sys.argv[1])

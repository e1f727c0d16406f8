"""Has models predict as PLOG does, but for rows whose first value is that of a fault: `python -m tests.faulty_model FILE`."""

import os
import signal
from collections.abc import Sequence
from typing import Any

from steps import model_prediction
from steps.model_prediction import RowModel, Value

LOOPS, DIES, EATS, BABBLES = 1001.0, 1002.0, 1003.0, 1004.0
_predict = RowModel.predict


def _faulty(model: RowModel, row: Sequence[Value]) -> dict[str, Any]:
    if row[0] == LOOPS:
        while True:
            pass
    if row[0] == DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    if row[0] == EATS:
        try:
            bytes(100_000_000_000)
        except MemoryError:
            os.abort()
    return {"answer": 42} if row[0] == BABBLES else _predict(model, row)


if __name__ == "__main__":
    RowModel.predict = _faulty  # type: ignore[method-assign, assignment]
    model_prediction.main()

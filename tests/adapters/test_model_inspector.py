"""What looks into models is a process that is ended when it takes too long, and its failure is no failure of the server's."""

import os
import sys
from collections.abc import AsyncIterator

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import dumps

from adapters.models.model_inspector import BROKE_OFF, ProcessModelInspector
from domain.errors import Unavailable
from domain.model_source import InspectedModel
from tests.architecture.sources import ROOT
from tests.models_here import InspectorHere

PROGRAM = """import sys; name = sys.argv[1]; text = open(name).read(); exec(text)"""


async def content(text: str) -> AsyncIterator[bytes]:
    for letter in text:
        yield letter.encode()


async def found(text: str, seconds: float = 30.0) -> InspectedModel:
    return await ProcessModelInspector((sys.executable, "-c", PROGRAM), {}, seconds=seconds).inspect(content(text))


async def test_what_it_says_is_what_was_found() -> None:
    said = await found("""print('{"inputs": 2, "names": ["a", "b"], "outputs": null, "frameworks": {}}')""")
    assert said == InspectedModel(inputs=2, names=("a", "b"))


@pytest.mark.parametrize("program", ["while True: pass", "sys.exit(3)", "import os; os.kill(os.getpid(), 9)"])
async def test_what_does_not_come_to_an_end_by_itself_is_no_model(program: str) -> None:
    assert await found(program, 1.5) == BROKE_OFF


async def test_what_says_nothing_that_can_be_read_is_a_fault_of_the_house() -> None:
    with pytest.raises(Unavailable):
        await found("print('?')")


async def in_one(content: bytes) -> AsyncIterator[bytes]:
    yield content


FILES = {
    "named": dumps(Ridge().fit(pd.DataFrame(np.eye(2), columns=["a", "b"]), [1, 2])),
    "two outputs": dumps(LinearRegression().fit(np.eye(3), np.eye(3)[:, :2])),
    "not fitted": dumps(Ridge()),
    "no estimator": dumps({"a": 1}),
    "forbidden": dumps(make_pipeline(FunctionTransformer(os.system), Ridge())),
    "no model": b"PK",
}


async def test_what_a_process_finds_is_what_is_found_without_one() -> None:
    command = (sys.executable, "-P", "-m", "steps.model_inspection")
    inspector = ProcessModelInspector(command, {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)})
    for name, content in FILES.items():
        found = await inspector.inspect(in_one(content))
        assert found == await InspectorHere().inspect(in_one(content)), name
        assert (found.problem is None) == (name in ("named", "two outputs")), name

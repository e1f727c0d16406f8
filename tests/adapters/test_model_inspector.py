"""What looks into models is a process that is ended when it takes too long, and its failure is no failure of the server's."""

import sys
from collections.abc import AsyncIterator

import pytest

from adapters.models.model_inspector import BROKE_OFF, ProcessModelInspector
from domain.errors import Unavailable
from domain.model_source import InspectedModel

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

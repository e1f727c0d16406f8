"""Scripts for k6 as Node reads them: whatever the texts, the program is the same and the texts are data."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.k6_script import ScriptScenario, write_script
from domain.login import TokenRequest
from domain.template import Text
from tests.endurance import SHARE, Tell
from tests.services import require_program
from tests.unit.test_k6_script import LOGINS, PACKAGE, PLANS, request, scenario

EXAMPLES = max(1, int(5000 * SHARE))
PLAN = "const PLAN = "
# One process for all scripts: it reads the name of each from a line and answers with a line.
READER = """import { createInterface } from "node:readline";
const before = Object.keys(globalThis).length;
for await (const name of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { plan } = await import(`./${name}`);
    answer = { plan, isClean: Object.keys(globalThis).length === before };
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
"""


class Node:
    """A Node that reads scripts, with stand-ins for the modules of k6."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = 0
        package = folder / "node_modules" / "k6"
        package.mkdir(parents=True)
        for file, text in PACKAGE.items():
            (package / file).write_text(text)
        (folder / "reader.mjs").write_text(READER)
        command = [require_program("node"), str(folder / "reader.mjs")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def plan_of(self, script: str) -> Any:
        """The value of the script's PLAN after its top level has run."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.count += 1
        name = f"script{self.count}.mjs"
        (self._folder / name).write_bytes(f"{script}\nexport {{ PLAN as plan }};\n".encode())
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer.get("isClean"), (answer, script)
        return answer["plan"]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with tempfile.TemporaryDirectory() as name:
        found = Node(Path(name))
        yield found
        found.process.kill()
        found.process.communicate()


def parts_of(script: str) -> tuple[str, Any, str]:
    """The program up to the plan, the plan as JSON has it, the program after it."""
    start = script.index(PLAN) + len(PLAN)
    plan, end = json.JSONDecoder().raw_decode(script, start)
    return script[:start], plan, script[end:]


def texts_in(value: Any) -> set[str]:
    """All texts that stand anywhere as values."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for each in inner for text in texts_in(each)}


def literal_parts(text: Text) -> list[str]:
    """What of a text stands in the script as it is, and is no reference."""
    return [text] if isinstance(text, str) else [part for part in text if isinstance(part, str)]


def is_within(part: Any, whole: Any) -> bool:
    """Whether the whole is the part, but for keys that the program adds to the plan's objects."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and is_within(each, whole[key]) for key, each in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(is_within, part, whole))
    return bool(part == whole)


BEFORE, _, AFTER = parts_of(write_script([scenario(request())]))


@pytest.mark.endurance
@pytest.mark.timeout(600)
def test_no_text_becomes_code(node: Node, tell: Tell) -> None:
    """5,000 plans in full, each script of which Node runs."""
    before = node.count
    check_that_no_text_becomes_code(node=node)
    tell(f"{node.count - before} scripts parsed and run by Node; in none text became code")
    assert node.count - before >= EXAMPLES


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(plan=PLANS, login=st.none() | LOGINS)
def check_that_no_text_becomes_code(node: Node, plan: list[ScriptScenario], login: TokenRequest | None) -> None:
    script = write_script(plan, login=login)
    before, as_json, after = parts_of(script)
    assert (before, after) == (BEFORE, AFTER)
    read = node.plan_of(script)
    requests = [sent for each in plan for sent in each.requests]
    written = [text for sent in requests for text in (sent.name, sent.url, sent.body or "", *sum(sent.headers, ()))]
    if login is not None:
        written += [login.url, login.body, *sum(login.headers, ())]
    expected = {each.title for each in plan} | {part for text in written for part in literal_parts(text) if part}
    assert texts_in(read) >= expected
    assert is_within(as_json, read)

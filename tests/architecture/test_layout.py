"""The rules of thumb of ARCHITECTURE.md that can be read off the source text: sizes, names, imports, docstrings."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.sources import ROOMS, ROOT, Function, Source, all_sources

MOST_LINES_IN_A_FILE = 400
MOST_LINES_IN_A_FUNCTION = 60
LEAST_WORDS_IN_A_DOCSTRING = 4
# Data tables and manifests may stand here, as "file" or "file:function"; the list only shrinks.
LONG_ON_PURPOSE: frozenset[str] = frozenset()
NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "manager", "managers", "common"}
OPEN_TO_DOMAIN = {*sys.stdlib_module_names, "domain", "numpy", "scipy", "pyDOE3", "idna"}

Check = Callable[[Source], Iterator[str]]


def long_file(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > MOST_LINES_IN_A_FILE and source.name not in LONG_ON_PURPOSE:
        yield f"{source.name}: {lines} lines, at most {MOST_LINES_IN_A_FILE}"


def long_function(source: Source) -> Iterator[str]:
    for function in source.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > MOST_LINES_IN_A_FUNCTION and f"{source.name}:{function.name}" not in LONG_ON_PURPOSE:
            yield f"{source.name}:{function.lineno}: {function.name} has {lines} lines, at most {MOST_LINES_IN_A_FUNCTION}"


def import_inside_a_function(source: Source) -> Iterator[str]:
    for function in source.functions():
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"{source.name}:{node.lineno}: import inside {function.name}"


def commit_outside_the_unit_of_work(source: Source) -> Iterator[str]:
    if source.name == "persistence/unit_of_work.py":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _last_name(node.func) == "commit":
            yield f"{source.name}:{node.lineno}: commit() belongs to persistence/unit_of_work.py"


def environment_read(source: Source) -> Iterator[str]:
    if source.name == "app/settings.py" or source.room == "steps":
        return
    for node in ast.walk(source.tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) and node.module == "os" else []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        if {"environ", "environb", "getenv", "getenvb"} & set(names):
            yield f"{source.name}:{getattr(node, 'lineno', '?')}: the environment is read by app/settings.py alone"


def missing_docstring(source: Source) -> Iterator[str]:
    if not source.tree.body:
        return
    words = (ast.get_docstring(source.tree) or "").split()
    if len(words) < LEAST_WORDS_IN_A_DOCSTRING:
        yield f"{source.name}: the module does not say why it exists"


def name_that_says_nothing(source: Source) -> Iterator[str]:
    parts = source.name.removesuffix(".py").split("/")
    for part in parts:
        if _words(part) & NAMES_THAT_SAY_NOTHING:
            yield f"{source.name}: a name that says nothing"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef | Function) and _words(node.name) & NAMES_THAT_SAY_NOTHING:
            yield f"{source.name}:{node.lineno}: {node.name} says nothing"


def postponed_work(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME)\b", line):
            yield f"{source.name}:{number}: {line.strip()}"


def outside_world_in_the_domain(source: Source) -> Iterator[str]:
    if source.room == "domain":
        for name in sorted(set(source.imported()) - OPEN_TO_DOMAIN):
            yield f"{source.name}: the domain does not import {name}"


def _last_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


CHECKS: list[Check] = [
    long_file,
    long_function,
    import_inside_a_function,
    commit_outside_the_unit_of_work,
    environment_read,
    missing_docstring,
    name_that_says_nothing,
    postponed_work,
    outside_world_in_the_domain,
]


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    found = all_sources()
    assert {source.room for source in found} == set(ROOMS), "no room is empty"
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_source_keeps_the_rule(sources: list[Source], check: Check) -> None:
    problems = [problem for source in sources for problem in check(source)]
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (long_file, "gql/a.py", "\n" * 401),
        (long_function, "gql/a.py", "class A:\n  async def f():\n" + "    1\n" * 60),
        (import_inside_a_function, "gql/a.py", "def f():\n  if 1:\n    from os import path"),
        (commit_outside_the_unit_of_work, "persistence/engine.py", "session.commit()"),
        (commit_outside_the_unit_of_work, "persistence/engine.py", "async def f():\n  await uow.session.commit()"),
        (environment_read, "app/cli.py", "import os\nos.environ['A']"),
        (environment_read, "app/cli.py", "from os import getenv as g"),
        (missing_docstring, "gql/a.py", "import os"),
        (missing_docstring, "gql/a.py", '"""Things."""'),
        (name_that_says_nothing, "gql/common/a.py", ""),
        (name_that_says_nothing, "gql/kit_utils.py", ""),
        (name_that_says_nothing, "gql/a.py", "class KitManager: ..."),
        (name_that_says_nothing, "gql/a.py", "async def row_helper(): ..."),
        (postponed_work, "gql/a.py", "x = 1  # TO" + "DO later"),
        (outside_world_in_the_domain, "domain/a.py", "import sqlalchemy.orm"),
        (outside_world_in_the_domain, "domain/a.py", "from httpx import get"),
    ],
)
def test_the_checks_find_what_they_look_for(check: Check, name: str, text: str) -> None:
    assert list(check(Source.of(name, text)))


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (commit_outside_the_unit_of_work, "persistence/unit_of_work.py", "session.commit()"),
        (commit_outside_the_unit_of_work, "persistence/engine.py", "'commit()'\ncommitted()"),
        (environment_read, "app/settings.py", "import os\nos.environ"),
        (environment_read, "steps/shim/__main__.py", "import os\nos.environ"),
        (missing_docstring, "gql/__init__.py", ""),
        (name_that_says_nothing, "gql/a.py", "class ContextManaged: ..."),
        (outside_world_in_the_domain, "domain/a.py", "import json\nfrom scipy.stats import qmc\nfrom domain import kit"),
        (outside_world_in_the_domain, "gql/a.py", "import httpx"),
    ],
)
def test_the_checks_let_pass_what_is_allowed(check: Check, name: str, text: str) -> None:
    assert not list(check(Source.of(name, text)))


def test_nobody_else_brings_our_package_names() -> None:
    providers = packages_distributions()
    strangers = {room: set(providers.get(room, ())) - {"plog"} for room in ROOMS}
    assert not any(strangers.values()), strangers
    assert not [name for name in ("tests", "bench", "web") if "plog" in providers.get(name, ())], "these are never installed"


def test_every_package_is_listed_for_installation() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    present = [path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")]
    assert sorted(listed) == sorted(".".join(folder.parts) for folder in present)

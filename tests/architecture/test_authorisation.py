"""Every use case has its rule, and every operation goes through a use case: read off the source text, by the names of calls."""

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.architecture.sources import Function, Source, all_sources

RULES = {
    "require_generator",
    "require_person",
    "require_right",
    "require_role",
    "require_worker",
    "involvement_of",
    "membership_of",
    "reach_of",
    "visibility_of",
}
# What finds out or keeps what the rules ask for.
GROUNDWORK = {"resolvers/rights.py:with_rights", "resolvers/open_streams.py:holding"}
ROOTS = ("gql/queries/", "gql/mutations/", "gql/subscriptions/")
DECORATORS = {"field", "mutation", "subscription"}
# What anybody may read who may read anything at all: it is the same for all, and a context is asked before.
FOR_ALL = {"JobQueries.step_templates"}


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def names_in(function: ast.AST) -> set[str]:
    """All names that a function mentions: what it calls, and what it hands on to be called."""
    return {name for node in ast.walk(function) if isinstance(node, ast.expr) and (name := _name(node)) is not None}


def leads_to_a_rule(start: str, mentioned: Mapping[str, set[str]]) -> bool:
    """Whether the function of that name asks a rule, by itself or through functions that it mentions."""
    seen, left = set(), [start]
    while left:
        name = left.pop()
        if name in RULES:
            return True
        if name not in seen:
            seen.add(name)
            left += mentioned.get(name, set())
    return False


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [source for source in all_sources() if source.room in ("resolvers", "gql")]


def mentions(*sources: Source) -> dict[str, set[str]]:
    """What functions, tables and loaders mention, by their names; of those with one name what any of them does."""
    found: dict[str, set[str]] = {}
    for source in sources:
        for function in source.functions():
            found.setdefault(function.name, set()).update(names_in(function))
        for node in ast.walk(source.tree):
            if isinstance(node, ast.AnnAssign) and node.value is not None and (name := _name(node.target)) is not None:
                found.setdefault(name, set()).update(names_in(node.value))
    return found


def use_cases(sources: list[Source]) -> Iterator[tuple[str, str]]:
    """The functions of use cases that somebody starts, each with its place."""
    for source in sources:
        if source.room == "resolvers":
            for function in source.functions():
                taken = [argument.arg for argument in function.args.args]
                if "actor" in taken and not function.name.startswith("_"):
                    yield f"{source.name}:{function.name}", function.name


def root_fields(sources: list[Source]) -> Iterator[tuple[str, Source, Function]]:
    """The methods behind the fields of queries, mutations and subscriptions."""
    for source in sources:
        if source.name.startswith(ROOTS):
            for node in ast.walk(source.tree):
                if isinstance(node, ast.ClassDef):
                    for method in node.body:
                        if isinstance(method, Function) and DECORATORS & {_name(each) for each in method.decorator_list}:
                            yield f"{node.name}.{method.name}", source, method


def test_every_use_case_asks_a_rule(sources: list[Source]) -> None:
    of_use_cases = mentions(*(source for source in sources if source.room == "resolvers"))
    found = list(use_cases(sources))
    assert len(found) > 60, "the use cases were found"
    assert {place for place, name in found if not leads_to_a_rule(name, of_use_cases)} == GROUNDWORK


def test_every_operation_leads_to_a_rule(sources: list[Source]) -> None:
    """Through its own module, the loaders and use cases: names that many modules share lead nowhere else."""
    shared = mentions(*(each for each in sources if each.room == "resolvers" or each.name == "gql/context.py"))
    silent = set()
    found = list(root_fields(sources))
    for place, source, method in found:
        own = mentions(source)
        known = {**shared, **{name: own[name] | shared.get(name, set()) for name in own}, method.name: names_in(method)}
        if not leads_to_a_rule(method.name, known):
            silent.add(place)
    assert len(found) > 60, "the operations were found"
    assert silent == FOR_ALL


def test_the_check_finds_what_it_looks_for() -> None:
    text = """
async def open_door(services, actor, number):
    return await _read(services, number)

async def guarded(services, actor, number):
    return await _checked(services, actor)

async def _checked(services, actor):
    require_person(actor)
"""
    source = Source.of("resolvers/door.py", text)
    found = {name: leads_to_a_rule(name, mentions(source)) for _, name in use_cases([source])}
    assert found == {"open_door": False, "guarded": True}

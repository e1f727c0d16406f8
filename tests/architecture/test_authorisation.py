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
# What finds out or keeps what the rules ask for, and how a command is stored once its use case has asked.
GROUNDWORK = {"resolvers/rights.py:with_rights", "resolvers/open_streams.py:holding", "resolvers/change.py:change_kit"}
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


Place = tuple[str, str]  # a module and a function in it


class Calls:
    """What the functions of use cases mention, each name as its own module means it: its own function, or an imported one."""

    def __init__(self, sources: list[Source]) -> None:
        self._mentioned: dict[Place, set[Place]] = {}
        for source in sources:
            functions = {function.name for function in source.functions()}
            imported = dict(_imported(source.tree))
            for function in source.functions():
                meant = set(_meant(function, source.name, functions, imported))
                self._mentioned.setdefault((source.name, function.name), set()).update(meant)

    def lead_to_a_rule(self, start: Place) -> bool:
        """Whether that function asks a rule, by itself or through functions that it mentions."""
        seen, left = set(), [start]
        while left:
            place = left.pop()
            if place[1] in RULES:
                return True
            if place not in seen:
                seen.add(place)
                left += self._mentioned.get(place, set())
        return False


def _imported(tree: ast.AST) -> Iterator[tuple[str, Place]]:
    """What each imported name means: a function of a module, or a module, whose function is left open."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for each in node.names:
                path = node.module.replace(".", "/")
                is_module = "." not in node.module
                yield each.asname or each.name, ((f"{path}/{each.name}.py", "") if is_module else (f"{path}.py", each.name))


def _meant(function: ast.AST, own: str, functions: set[str], imported: Mapping[str, Place]) -> Iterator[Place]:
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            if node.id in functions:
                yield own, node.id
            elif node.id in imported:
                yield imported[node.id]
        elif isinstance(node, ast.Attribute):
            base = imported.get(node.value.id) if isinstance(node.value, ast.Name) else None
            if base is not None:
                yield base[0], node.attr
            elif node.attr in functions:
                yield own, node.attr


def use_cases(sources: list[Source]) -> Iterator[Place]:
    """The functions of use cases that somebody starts."""
    for source in sources:
        if source.room == "resolvers":
            for function in source.functions():
                taken = [argument.arg for argument in function.args.args]
                if "actor" in taken and not function.name.startswith("_"):
                    yield source.name, function.name


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
    calls = Calls([source for source in sources if source.room == "resolvers"])
    found = list(use_cases(sources))
    assert len(found) > 60, "the use cases were found"
    assert {":".join(place) for place in found if not calls.lead_to_a_rule(place)} == GROUNDWORK


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

from resolvers.authorisation import require_person
"""
    other = """
from resolvers.authorisation import require_person

async def _read(services, number):
    require_person(number)
"""
    door = Source.of("resolvers/door.py", text)
    calls = Calls([door, Source.of("resolvers/other.py", other)])
    assert {name: calls.lead_to_a_rule((module, name)) for module, name in use_cases([door])} == {
        "open_door": False,
        "guarded": True,
    }

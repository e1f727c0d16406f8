"""Every use case has its rule, and every operation goes through a use case: read off the source text, by the names of calls."""

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.architecture.sources import Function, Source, all_sources

RULES = {
    "require_any_right",
    "require_generator",
    "require_right",
    "require_role",
    "require_worker",
    "involvement_of",
    "membership_of",
    "reach_of",
    "visibility_of",
}
PERSON = {"require_person"}  # which says who asks, and nothing of what they may
# What finds out or keeps what the rules ask for, and how a command is stored once its use case has asked.
GROUNDWORK = {"resolvers/rights.py:with_rights", "resolvers/open_streams.py:holding", "resolvers/change.py:change_kit"}
# The use cases that ask nothing but for a person, and why that is enough.
FOR_ANY_PERSON = {
    "What is their own alone, found by their subject.": {
        "live_lot_import": "watch_lot_import watch_lot_imports",
        "live_permission_request": "held_permissions watch_viewer",
        "lot_import": "cancel_lot_import count_lot_imports find_lot_imports list_lot_imports",
        "model_access_request": "open_requests",
    },
    "Says of what they were shown whether they may do something with it, and reads nothing.": {
        "artifact": "download_url",
        "grant": "why_not_renew why_not_revoke",
        "kit": "why_not",
        "model_access_request": ("why_not_apply why_not_decide why_not_renew why_not_revoke why_not_use why_not_withdraw"),
        "model_assignment": "why_not_unassign",
        "permission_request": "why_not_decide why_not_withdraw",
    },
}
# What the rooms outside call for nobody by name, and why.
FOR_NOBODY = {
    "Reads what belongs to things that the caller was shown, by their ids.": {
        "artifact": "reports_of_runs",
        "daily_batch_run": "parts_of_runs refusals_of_runs",
        "job": "artifacts_of_jobs attempts_of_jobs deck_requests_of_jobs",
        "job_log": "read_logs",
        "kit": "events_of_kits",
        "load_test": "stale_scenarios versions_of_load_tests",
        "load_test_run": (
            "events_of_runs figures_of_runs last_runs resources_of_runs scripts_of_runs series_of_runs waits_of_runs"
        ),
        "model_assignment": "in_force",
        "model_version": "activations_of_models active_at versions_of_models",
        "project": "versions_of_projects",
        "secret": "secrets_of_targets",
        "set_up_model": "revisions_of_models",
        "target": "analyses_of_targets versions_of_targets",
    },
    "Says why what they were shown may not be downloaded, and reads nothing.": {"artifact": "why_not_download"},
    "Finds out who asks: a browser's sign-in and session, the person behind a signed link.": {
        "artifact": "artifact_behind_link viewer_behind_link",
        "session": "begin_sign_in claim_sign_in complete_sign_in end_session resume_session sign_out_url",
    },
    "Finds out what they may, for the rules to ask.": {"rights": "confirmed rights_of"},
}
ROOTS = ("gql/queries/", "gql/mutations/", "gql/subscriptions/")
DECORATORS = {"field", "mutation", "subscription"}
# What anybody may read who may read anything at all: it is the same for all, and a context is asked before.
FOR_ALL = {"JobQueries.step_templates"}
# What every person may read: who they are, and what can be applied for.
FOR_ALL_PERSONS = {"NodeQueries.viewer", "PermissionKindQueries.permission_kinds"}


def places(listed: Mapping[str, Mapping[str, str]]) -> set[str]:
    """The functions of a list with reasons."""
    by_module = [each for modules in listed.values() for each in modules.items()]
    return {f"resolvers/{module}.py:{name}" for module, names in by_module for name in names.split()}


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def names_in(function: ast.AST) -> set[str]:
    """All names that a function mentions: what it calls, and what it hands on to be called."""
    return {name for node in ast.walk(function) if isinstance(node, ast.expr) and (name := _name(node)) is not None}


def leads_to(rules: set[str], start: str, mentioned: Mapping[str, set[str]]) -> bool:
    """Whether the function of that name asks one of the rules, by itself or through functions that it mentions."""
    seen, left = set(), [start]
    while left:
        name = left.pop()
        if name in rules:
            return True
        if name not in seen:
            seen.add(name)
            left += mentioned.get(name, set())
    return False


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [source for source in all_sources() if source.room in ("app", "gql", "resolvers")]


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

    def lead_to(self, rules: set[str], start: Place) -> bool:
        """Whether that function asks one of the rules, by itself or through functions that it mentions."""
        seen, left = set(), [start]
        while left:
            place = left.pop()
            if place[1] in rules:
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
    for place, taken in _functions(sources):
        if "actor" in taken and not place[1].startswith("_"):
            yield place


def nobodys(sources: list[Source]) -> Iterator[Place]:
    """The functions of use cases that work with the services without being told for whom, and are used from outside."""
    used: set[Place] = set()
    for source in sources:
        if source.room in ("app", "gql"):
            used.update(_meant(source.tree, source.name, set(), dict(_imported(source.tree))))
    for place, taken in _functions(sources):
        if "services" in taken and "actor" not in taken and place in used:
            yield place


def _functions(sources: list[Source]) -> Iterator[tuple[Place, list[str]]]:
    """The functions of use cases with the names of what they take; without the rules themselves."""
    for source in sources:
        if source.room == "resolvers" and source.name != "resolvers/authorisation.py":
            for function in source.functions():
                yield (source.name, function.name), [argument.arg for argument in function.args.args]


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
    """Or is on a list with a reason."""
    calls = Calls([source for source in sources if source.room == "resolvers"])
    found = list(use_cases(sources))
    assert len(found) > 60, "the use cases were found"
    silent = [place for place in found if not calls.lead_to(RULES, place)]
    assert {":".join(place) for place in silent if not calls.lead_to(PERSON, place)} == GROUNDWORK
    assert {":".join(place) for place in silent if calls.lead_to(PERSON, place)} == places(FOR_ANY_PERSON)


def test_what_works_for_nobody_by_name_is_listed(sources: list[Source]) -> None:
    assert {":".join(place) for place in nobodys(sources)} == places(FOR_NOBODY)


def test_every_operation_leads_to_a_rule(sources: list[Source]) -> None:
    """Through its own module, the loaders and use cases: names that many modules share lead nowhere else."""
    shared = mentions(*(each for each in sources if each.room == "resolvers" or each.name == "gql/context.py"))
    silent: dict[bool, set[str]] = {True: set(), False: set()}
    found = list(root_fields(sources))
    for place, source, method in found:
        own = mentions(source)
        known = {**shared, **{name: own[name] | shared.get(name, set()) for name in own}, method.name: names_in(method)}
        if not leads_to(RULES, method.name, known):
            silent[leads_to(PERSON, method.name, known)].add(place)
    assert len(found) > 60, "the operations were found"
    assert silent == {True: FOR_ALL_PERSONS, False: FOR_ALL}


def test_the_check_finds_what_it_looks_for() -> None:
    text = """
async def open_door(services, actor, number):
    return await _read(services, number)

async def peek(services, number): ...

async def look(services, number): ...

async def inner(services, number): ...

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
    outside = """
from resolvers import door
from resolvers.door import peek

LOADERS = [peek, door.look, door.guarded]
"""
    door = Source.of("resolvers/door.py", text)
    calls = Calls([door, Source.of("resolvers/other.py", other)])
    assert {name: calls.lead_to(PERSON, (module, name)) for module, name in use_cases([door])} == {
        "open_door": False,
        "guarded": True,
    }
    assert list(nobodys([door, Source.of("gql/loaders.py", outside)])) == [(door.name, "peek"), (door.name, "look")]

"""Each rule of each module of use cases is removed alone, and the table of operations and callers has to notice it."""

import pkgutil
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import resolvers
from domain.actor import Actor, Person
from domain.permission_kind import PERMISSION_KINDS
from domain.visibility import EVERY_MODEL, EVERY_PROJECT, EVERYTHING, Involvement
from tests.api.in_process import serving
from tests.api.persons import APPROVERS, USERS, Who, World, made_world
from tests.api.test_operation_table import PERSONS, differences
from tests.endurance import Tell

pytestmark = pytest.mark.usefixtures("models_here")


async def _any_role(*_: Any) -> None:
    """In the place of `require_role`."""


def _importer(_: Actor) -> Person:
    """In the place of `require_person` where that says whose imports they are: everybody is taken for their owner."""
    return Person(subject=USERS[Who.LOGIC_GENERAL].subject, name="", expires_at=datetime.now(UTC))


REMOVED: Mapping[str, Callable[..., Any]] = {
    "involvement_of": lambda services, actor: Involvement(actor.subject, frozenset(PERMISSION_KINDS)),
    "membership_of": lambda actor: EVERY_PROJECT,
    "reach_of": lambda actor: EVERY_MODEL,
    "visibility_of": lambda actor: EVERYTHING,
    "require_any_right": lambda services, actor: actor,
    "require_right": lambda services, actor, *_: actor,
    "require_role": _any_role,
    "require_worker": lambda actor, *_: actor,
    "require_generator": lambda actor: actor,
    "require_person": _importer,
}
# The operation by which it is noticed, of each module and rule.
NOTICED = {
    ("audit_entry", "involvement_of"): ("query", "auditEntries"),
    ("audit_entry", "reach_of"): ("query", "auditEntries"),
    ("comparison", "membership_of"): ("query", "loadTestComparison"),
    ("daily_batch_run", "require_right"): ("mutation", "dailyBatchRun"),
    ("daily_batch_run", "visibility_of"): ("query", "dailyBatchRun"),
    ("grant", "involvement_of"): ("query", "grants"),
    ("job", "visibility_of"): ("query", "job"),
    ("job_log", "membership_of"): ("subscription", "loadTestLog"),
    ("job_log", "visibility_of"): ("subscription", "jobLog"),
    ("kit", "require_right"): ("mutation", "kitCreate"),
    ("kit", "visibility_of"): ("query", "kit"),
    ("live", "visibility_of"): ("subscription", "kits"),
    ("live_daily_batch_run", "visibility_of"): ("subscription", "dailyBatchRuns"),
    ("live_load_test", "membership_of"): ("subscription", "loadTests"),
    ("live_lot_import", "require_person"): ("subscription", "lotImports"),
    ("live_model_access_request", "reach_of"): ("subscription", "modelAccessInbox"),
    ("live_permission_request", "involvement_of"): ("subscription", "permissionInbox"),
    ("load_generator", "require_generator"): ("mutation", "loadTestReport"),
    ("load_test", "membership_of"): ("query", "loadTest"),
    ("load_test", "require_role"): ("mutation", "loadTestCreate"),
    ("load_test_analysis", "membership_of"): ("query", "loadTestAnalysis"),
    ("load_test_analysis", "require_role"): ("mutation", "loadTestAnalyze"),
    ("load_test_run", "membership_of"): ("query", "loadTestRun"),
    ("load_test_run", "require_role"): ("mutation", "loadTestStop"),
    ("lot_import", "require_any_right"): ("mutation", "lotImportStart"),
    ("lot_import", "require_person"): ("query", "lotImport"),
    ("lot_result", "visibility_of"): ("query", "lotResults"),
    ("lot_row", "require_any_right"): ("mutation", "lotRowsAdd"),
    ("lot_row", "require_right"): ("mutation", "lotRowAdd"),
    ("lot_row", "visibility_of"): ("query", "lotRow"),
    ("model_access_request", "reach_of"): ("query", "modelAccessRequests"),
    ("model_assignment", "visibility_of"): ("query", "modelAssignments"),
    ("model_version", "require_right"): ("mutation", "modelVersionAdd"),
    ("permission_request", "involvement_of"): ("query", "permissionRequests"),
    ("project", "membership_of"): ("query", "project"),
    ("run_report", "require_role"): ("mutation", "loadTestRunReport"),
    ("secret", "require_role"): ("mutation", "targetSecretSet"),
    ("set_up_model", "reach_of"): ("query", "setUpModel"),
    ("set_up_model", "require_right"): ("mutation", "setUpModelUpdate"),
    ("target", "membership_of"): ("query", "target"),
    ("target", "require_role"): ("mutation", "targetAdd"),
    ("versioned", "require_role"): ("mutation", "projectUpdate"),
}
TWICE = (
    "`require_role` refuses as well, in other words, which `test_what_is_foreign_is_answered_as_what_is_not_there_at_all` sees"
)
# What callers of the table's operations don't come to, and where else it is tested.
ELSEWHERE = {
    ("artifact", "membership_of"): "downloads: tests/api/test_open_streams.py",
    ("artifact", "reach_of"): "downloads: tests/api/test_model_file.py",
    ("artifact", "visibility_of"): "downloads: tests/api/test_visibility.py",
    ("attempt", "require_worker"): "a step's input and uploads: tests/api/test_artifact.py",
    ("model_source", "visibility_of"): "a job of another product line, for set-up users: tests/api/test_set_up_model.py",
    ("model_version", "reach_of"): "a version by its own id: tests/api/test_set_up_model.py",
    ("quick_start", "membership_of"): "it makes what it needs in a project of the caller's own",
    ("run_report", "membership_of"): TWICE,
    ("run_report", "reach_of"): "it goes with `membership_of`, by which alone the report of a run is found",
    ("secret", "membership_of"): TWICE,
    ("task", "require_worker"): "the operation asks it before, for the attempt that the reports are of",
    ("upload", "require_any_right"): "uploads: tests/api/test_upload.py",
    ("versioned", "membership_of"): TWICE,
}


def test_every_rule_of_every_module_is_listed() -> None:
    """But for `require_person` where it only says that a person asks."""
    modules = {module.name: import_module(f"resolvers.{module.name}") for module in pkgutil.iter_modules(resolvers.__path__)}
    del modules["authorisation"]
    there = {(name, rule) for name, module in modules.items() for rule in REMOVED if hasattr(module, rule)}
    listed = {*NOTICED, *ELSEWHERE}
    assert len(listed) == len(NOTICED) + len(ELSEWHERE) and listed <= there
    assert {each for each in there - listed if each[1] != "require_person"} == set()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path / "plog", APPROVERS) as plog:
        yield await made_world(plog)


async def first_difference(world: World, operation: tuple[str, str]) -> str | None:
    """What a person meets at that operation and ought not to."""
    return await anext(differences(world, *operation, PERSONS), None)


@pytest.mark.timeout(300)
async def test_a_rule_that_is_gone_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch, tell: Tell) -> None:
    unnoticed = []
    for (module, rule), operation in NOTICED.items():
        assert await first_difference(world, operation) is None, f"before {rule} of {module} is removed"
        with monkeypatch.context() as patch:
            patch.setattr(import_module(f"resolvers.{module}"), rule, REMOVED[rule])
            if await first_difference(world, operation) is None:
                unnoticed.append(f"{rule} of {module}")
    assert unnoticed == []
    tell(f"{len(NOTICED)} rules removed, each of one module")

"""The doors between the rooms hold: lint-imports passes as things are, and each forbidden import makes it fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOMS, ROOT

LINT = Path(sys.executable).parent / "lint-imports"


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the rooms, to be broken."""
    folder = tmp_path_factory.mktemp("rooms")
    shutil.copy(ROOT / ".importlinter", folder)
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_doors_are_closed_as_things_are(rooms: Path) -> None:
    done = lint(rooms)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("where", "forbidden"),
    [
        ("domain", "persistence.engine"),
        ("domain", "sqlalchemy"),
        ("resolvers", "persistence.engine"),
        ("resolvers", "adapters.bus.memory"),
        ("resolvers", "strawberry"),
        ("resolvers", "gql.schema"),
        ("controllers", "gql.schema"),
        ("controllers", "adapters.bus.memory"),
        ("gql", "adapters.bus.memory"),
        ("gql", "persistence.engine"),
        ("gql", "controllers.job_reconciler"),
        ("gql", "sqlalchemy"),
        ("app", "sqlalchemy.orm"),
        ("persistence", "resolvers.services"),
        ("persistence", "strawberry"),
        ("adapters.bus", "adapters.identity"),
        ("adapters.bus", "resolvers.services"),
        ("adapters.bus", "persistence.engine"),
        ("steps", "persistence.engine"),
        ("steps", "adapters.bus.memory"),
        ("steps", "resolvers.services"),
        ("resolvers", "outbound.guarded_http"),
        ("outbound", "adapters.signed_urls"),
        ("outbound", "steps.reports"),
    ],
)
def test_forbidden_import_is_found(rooms: Path, where: str, forbidden: str) -> None:
    intruder = rooms.joinpath(*where.split("."), "intruder.py")
    intruder.write_text(f"import {forbidden}\n")
    try:
        done = lint(rooms)
    finally:
        intruder.unlink()
    assert done.returncode == 1, done.stdout
    # an outside library counts as one, whatever part of it is imported
    assert f"{where}.intruder -> {forbidden.partition('.')[0]}" in done.stdout

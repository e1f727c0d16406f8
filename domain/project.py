"""Projects: what belongs together in load testing, with the people who work on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.validation import Problems

MAX_NAME = 200
MAX_MEMBERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDefinition:
    """What people say of a project; each change of it makes a new version. `members` are subjects of the issuer."""

    name: str
    description: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The current state of one project. `version` grows by one with each change; the earlier ones stay on record."""

    id: int
    definition: ProjectDefinition
    owner: str
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None


def project_definition(given: Mapping[str, Any]) -> ProjectDefinition:
    """The definition that an input document says; `ValidationFailed` with everything that is wrong."""
    problems = Problems("input.")
    name = problems.text(given, "name", most=MAX_NAME).strip()
    description = problems.text(given, "description", "")
    members = problems.texts(given, "members", most=MAX_MEMBERS)
    problems.check()
    return ProjectDefinition(name=name, description=description, members=tuple(dict.fromkeys(members)))

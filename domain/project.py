"""Projects: what belongs together in load testing, with the people who work on it and what each of them may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.validation import Problems

MAX_NAME = 200
MAX_MEMBERS = 1000
MAX_SUBJECT = 255


class ProjectRole(StrEnum):
    """What a member may do: look; change everything in the project and run load tests; and change the project itself."""

    VIEWER = "VIEWER"
    EDITOR = "EDITOR"
    OWNER = "OWNER"

    def includes(self, other: "ProjectRole") -> bool:
        """Whether this role may do all that the other may."""
        order = list(ProjectRole)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class ProjectMember:
    """A person, by the issuer's subject, and what they are in the project."""

    subject: str
    role: ProjectRole


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDefinition:
    """What people say of a project; each change of it makes a new version. At least one of its members owns it."""

    name: str
    description: str = ""
    members: tuple[ProjectMember, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The current state of one project. `version` grows by one with each change; the earlier ones stay on record.

    `owner` is the subject of who created it; names are single among the projects of one such person.
    """

    id: int
    definition: ProjectDefinition
    owner: str
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None

    def role_of(self, subject: str) -> ProjectRole | None:
        """What the person is in the project; None for nobody."""
        return next((each.role for each in self.definition.members if each.subject == subject), None)


def project_definition(given: Mapping[str, Any], members: Sequence[ProjectMember]) -> ProjectDefinition:
    """The definition that an input document says, with these members where it names none.

    `ValidationFailed` with everything that is wrong.
    """
    problems = Problems("input.")
    name = problems.text(given, "name", most=MAX_NAME).strip()
    description = problems.text(given, "description", "")
    if given.get("members") is not None:
        members = _members(problems, given)
    problems.check()
    return ProjectDefinition(name=name, description=description, members=tuple(members))


def _members(problems: Problems, given: Mapping[str, Any]) -> list[ProjectMember]:
    nested = problems.at("members")
    members: dict[str, ProjectMember] = {}
    for place, said in enumerate(problems.items(given, "members", most=MAX_MEMBERS)):
        member = nested.at(place)
        subject = member.text(said, "subject", most=MAX_SUBJECT)
        role = member.choice(said, "role", ProjectRole, ProjectRole.EDITOR)
        if subject in members:
            member.add("subject", "is named twice")
        members[subject] = ProjectMember(subject, role)
    if problems.is_clean and not any(each.role is ProjectRole.OWNER for each in members.values()):
        problems.add("members", "one of them has to be an OWNER")
    return list(members.values())

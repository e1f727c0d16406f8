"""Applications for permissions: one kind each, decided once, by somebody else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.actor import Person
from domain.errors import IllegalTransition, PermissionDenied
from domain.permission_kind import PERMISSION_KINDS
from domain.validation import Problems

MAX_REASON = 2_000
MAX_KINDS = 100


class PermissionRequestStatus(StrEnum):
    """Where an application stands."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"


TRANSITIONS: Mapping[PermissionRequestStatus, frozenset[PermissionRequestStatus]] = {
    PermissionRequestStatus.PENDING: frozenset(PermissionRequestStatus) - {PermissionRequestStatus.PENDING},
    PermissionRequestStatus.APPROVED: frozenset(),
    PermissionRequestStatus.REJECTED: frozenset(),
    PermissionRequestStatus.WITHDRAWN: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionRequest:
    """An application of a person (`subject`, and the name at that time) for a permission.

    `decided_by` is who approved, rejected or withdrew it, and `decision_reason` why. `grant_id` is the grant that an approval
    made or renewed.
    """

    id: int
    kind: str
    subject: str
    name: str
    reason: str
    status: PermissionRequestStatus
    version: int
    created_at: datetime
    updated_at: datetime
    decided_by: str | None = None
    decider_name: str | None = None
    decision_reason: str | None = None
    grant_id: int | None = None

    def decided(self, status: PermissionRequestStatus, person: Person, reason: str, at: datetime) -> "PermissionRequest":
        """The request with that decision; `IllegalTransition` where it was decided before."""
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"Permission request {self.id}", self.status, status)
        return replace(
            self,
            status=status,
            version=self.version + 1,
            updated_at=at,
            decided_by=person.subject,
            decider_name=person.name,
            decision_reason=reason,
        )

    def check_decider(self, person: Person, kinds: frozenset[str]) -> None:
        """Refuse whoever does not decide on these kinds, and the applicant, whoever else that is."""
        if person.subject == self.subject:
            raise PermissionDenied("Nobody decides on their own application; another approver has to.")
        if self.kind not in kinds:
            raise PermissionDenied(f"You don't decide on {self.kind}; one of its approvers has to.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a person applies for, each kind once, and why."""

    kinds: tuple[str, ...]
    reason: str


def application(given: Mapping[str, Any]) -> Application:
    """The application in an input document; `ValidationFailed` names the fields that are missing or wrong."""
    problems = Problems("input.")
    kinds = problems.texts(given, "kinds", most=MAX_KINDS)
    if not given.get("kinds"):
        problems.add("kinds", f"choose at least one of {', '.join(PERMISSION_KINDS)}")
    for place, kind in enumerate(kinds):
        if kind and kind not in PERMISSION_KINDS:
            problems.add(f"kinds.{place}", f"{kind[:80]!r} is no permission; there are {', '.join(PERMISSION_KINDS)}")
    reason = stated_reason(problems, given)
    problems.check()
    return Application(kinds=tuple(dict.fromkeys(kinds)), reason=reason)


def stated_reason(problems: Problems, given: Mapping[str, Any]) -> str:
    """The reason that the input document states; something has to be said."""
    return problems.text(given, "reason", most=MAX_REASON).strip()


def optional_reason(given: Mapping[str, Any]) -> str:
    """The reason in the arguments of a command that need not have one; empty for none."""
    problems = Problems()
    reason = problems.text(given, "reason", "", most=MAX_REASON).strip()
    problems.check()
    return reason

"""Grants: what a person was permitted, from when until when, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.actor import Person
from domain.errors import IllegalTransition, PermissionDenied
from domain.permission_request import stated_reason
from domain.validation import Problems


class GrantStatus(StrEnum):
    """Whether a grant opens anything."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission of a person (`subject`, and the name at that time).

    It opens nothing from `expires_at` on (None: no end), nor from `revoked_at` on. `read_at` is the database's clock when it was
    read, which its status is of. `ended_at` is when either was put on record: an end in time is in force before that.
    """

    id: int
    kind: str
    subject: str
    name: str
    request_id: int
    granted_by: str
    granted_at: datetime
    version: int
    updated_at: datetime
    read_at: datetime
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    is_revoked: bool = False
    revoked_by: str | None = None
    revocation_reason: str | None = None

    @property
    def status(self) -> GrantStatus:
        """What it was when it was read."""
        if self.is_revoked:
            return GrantStatus.REVOKED
        has_expired = self.expires_at is not None and self.expires_at <= self.read_at
        return GrantStatus.EXPIRED if has_expired or self.ended_at is not None else GrantStatus.ACTIVE

    def check_active(self, wanted: str) -> None:
        """Refuse to do anything with a grant that has ended."""
        if self.status is not GrantStatus.ACTIVE:
            raise IllegalTransition(f"Grant {self.id}", self.status, wanted)

    def revoked(self, person: Person, kinds: frozenset[str], reason: str, at: datetime) -> "Grant":
        """The grant taken away by one who decides on these kinds, or given back by its holder."""
        if self.kind not in kinds and person.subject != self.subject:
            raise PermissionDenied(f"You don't decide on {self.kind}; one of its approvers has to.")
        self.check_active(GrantStatus.REVOKED)
        changed = self._changed(at, ended_at=at, is_revoked=True)
        return replace(changed, revoked_by=person.subject, revocation_reason=reason)

    def renewed(self, person: Person, kinds: frozenset[str], expires_at: datetime | None, at: datetime) -> "Grant":
        """The grant with another end, by one who decides on these kinds and does not hold it."""
        self.check_renewable(person, kinds)
        return self._changed(at, expires_at=expires_at)

    def check_renewable(self, person: Person, kinds: frozenset[str]) -> None:
        """Refuse its holder, whoever does not decide on these kinds, and to renew what has ended."""
        if person.subject == self.subject:
            raise PermissionDenied("Nobody renews their own permission; another approver has to.")
        if self.kind not in kinds:
            raise PermissionDenied(f"You don't decide on {self.kind}; one of its approvers has to.")
        self.check_active("RENEWED")

    def expired(self, at: datetime) -> "Grant":
        """The grant with its end in time put on record."""
        return self._changed(at, ended_at=at)

    def _changed(self, at: datetime, **changes: Any) -> "Grant":
        return replace(self, version=self.version + 1, updated_at=at, read_at=at, **changes)


def renewal(given: Mapping[str, Any], now: datetime) -> tuple[str, datetime | None]:
    """As `decision`, of a renewal: an end that is not among the arguments would be taken for none."""
    problems = Problems()
    if "expiresAt" not in given:
        problems.add("expiresAt", "is required: when the permission ends, or null for never by itself")
    return _decision(problems, given, now)


def decision(given: Mapping[str, Any], now: datetime) -> tuple[str, datetime | None]:
    """The reason and the end of a permission (None: none) in the arguments of a decision; an end lies in the future."""
    return _decision(Problems(), given, now)


def _decision(problems: Problems, given: Mapping[str, Any], now: datetime) -> tuple[str, datetime | None]:
    reason = stated_reason(problems, given)
    expires_at = problems.moment(given, "expiresAt")
    if expires_at is not None and expires_at <= now:
        problems.add("expiresAt", "must lie in the future")
    problems.check()
    return reason, expires_at

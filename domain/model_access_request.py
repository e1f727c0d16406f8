"""Applications for access to a set-up model: for a purpose and until a time, decided by somebody else, and the access itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.actor import Person
from domain.errors import IllegalTransition, PermissionDenied
from domain.permission_request import MAX_REASON, stated_reason
from domain.validation import Problems


class ModelAccessStatus(StrEnum):
    """Where an application stands, and what became of the access that it gave."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


TRANSITIONS: Mapping[ModelAccessStatus, frozenset[ModelAccessStatus]] = {
    ModelAccessStatus.PENDING: frozenset({ModelAccessStatus.APPROVED, ModelAccessStatus.REJECTED, ModelAccessStatus.WITHDRAWN}),
    ModelAccessStatus.APPROVED: frozenset({ModelAccessStatus.REVOKED, ModelAccessStatus.EXPIRED}),
    ModelAccessStatus.REJECTED: frozenset(),
    ModelAccessStatus.WITHDRAWN: frozenset(),
    ModelAccessStatus.REVOKED: frozenset(),
    ModelAccessStatus.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccessRequest:
    """An application of a person (`subject`, and the name at that time) for access to a model, and the access that it gave.

    `recorded_status` is what is on record. An approved one opens the model until `until`, whether its end is on record or not:
    `read_at` is the database's clock when it was read, which `status` is of. `decided_by` is who decided last, and
    `decision_reason` why.
    """

    id: int
    model_id: int
    subject: str
    name: str
    purpose: str
    until: datetime
    recorded_status: ModelAccessStatus
    version: int
    created_at: datetime
    updated_at: datetime
    read_at: datetime
    decided_by: str | None = None
    decider_name: str | None = None
    decision_reason: str | None = None

    @property
    def status(self) -> ModelAccessStatus:
        """What it was when it was read."""
        has_expired = self.recorded_status is ModelAccessStatus.APPROVED and self.until <= self.read_at
        return ModelAccessStatus.EXPIRED if has_expired else self.recorded_status

    def decided(self, status: ModelAccessStatus, person: Person, reason: str, at: datetime) -> "ModelAccessRequest":
        """The application with that decision of a person; `IllegalTransition` where its status does not lead there."""
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"Model access request {self.id}", self.status, status)
        return self._decided(person, reason, at, recorded_status=status)

    def approved(self, person: Person, reason: str, until: datetime | None, at: datetime) -> "ModelAccessRequest":
        """The application approved, until the time that was asked for or an earlier one."""
        given = self.until if until is None else until
        problems = Problems()
        if given > self.until:
            problems.add("until", f"must not be later than what was applied for, {self.until.isoformat()}")
        if given <= at:
            problems.add("until", "must lie in the future")
        decided = self.decided(ModelAccessStatus.APPROVED, person, reason, at)
        problems.check()
        return replace(decided, until=given)

    def renewed(self, person: Person, reason: str, until: datetime, at: datetime) -> "ModelAccessRequest":
        """The access that is open with another end, which may be later than what was applied for."""
        if self.status is not ModelAccessStatus.APPROVED:
            raise IllegalTransition(f"Model access request {self.id}", self.status, "RENEWED")
        return self._decided(person, reason, at, until=until)

    def expired(self, at: datetime) -> "ModelAccessRequest":
        """The access with its end in time put on record."""
        return self._changed(at, recorded_status=ModelAccessStatus.EXPIRED)

    def check_decider(self, person: Person, is_decider: bool) -> None:
        """Refuse whoever does not decide on access to the model, and the applicant, whoever else that is."""
        if person.subject == self.subject:
            raise PermissionDenied("Nobody decides on their own application; the model's owner or another set-up user has to.")
        if not is_decider:
            raise PermissionDenied("The model's owner decides on this, or a set-up user of its product line.")

    def check_revoker(self, person: Person, is_decider: bool) -> None:
        """Refuse whoever does not decide on access to the model, but for its holder, who may give it back."""
        if person.subject != self.subject:
            self.check_decider(person, is_decider)

    def check_applicant(self, person: Person) -> None:
        """Refuse everybody but the applicant."""
        if person.subject != self.subject:
            raise PermissionDenied("Only the applicant can withdraw an application.")

    def _decided(self, person: Person, reason: str, at: datetime, **changes: Any) -> "ModelAccessRequest":
        by_whom = {"decided_by": person.subject, "decider_name": person.name, "decision_reason": reason}
        return self._changed(at, **changes, **by_whom)

    def _changed(self, at: datetime, **changes: Any) -> "ModelAccessRequest":
        return replace(self, version=self.version + 1, updated_at=at, read_at=at, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessApplication:
    """What access to a model is applied for, and until when."""

    purpose: str
    until: datetime


def access_application(given: Mapping[str, Any], now: datetime) -> AccessApplication:
    """The application in an input document; `ValidationFailed` names the fields that are missing or wrong.

    Whether there is such a model is not looked at.
    """
    problems = Problems("input.")
    if given.get("modelId") is None:
        problems.add("modelId", "is required: the set-up model that access is needed to")
    purpose = problems.text(given, "purpose", most=MAX_REASON).strip()
    return AccessApplication(purpose=purpose, until=_checked_end(problems, given, now))


def access_approval(given: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """The reason and the end of access (None: as applied for) in the arguments of an approval."""
    problems = Problems()
    reason, until = stated_reason(problems, given), problems.moment(given, "until")
    problems.check()
    return reason, until


def access_renewal(given: Mapping[str, Any], now: datetime) -> tuple[str, datetime]:
    """The reason and the new end of access in the arguments of its renewal."""
    problems = Problems()
    reason = stated_reason(problems, given)
    return reason, _checked_end(problems, given, now)


def _checked_end(problems: Problems, given: Mapping[str, Any], now: datetime) -> datetime:
    """The end of access that is given; `ValidationFailed` where it, or what was looked at before, has problems."""
    until = problems.moment(given, "until")
    if given.get("until") is None:
        problems.add("until", "is required: the time until which access is needed")
    elif until is not None and until <= now:
        problems.add("until", "must lie in the future")
    problems.check()
    assert until is not None
    return until


def access_reason(given: Mapping[str, Any]) -> str:
    """The reason in the arguments of a decision."""
    problems = Problems()
    reason = stated_reason(problems, given)
    problems.check()
    return reason

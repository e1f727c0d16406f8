"""Errors that are answers: each is shown to the caller as a typed member of a mutation's union.

Domain code and use cases raise them; `gql/errors.py` maps each class once. Anything that is not a `UserError` is a
fault of PLOG: it is masked and logged with an id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


class UserError(Exception):
    """Base of all answers that refuse something; `code` is for programs, the message for people."""

    code: ClassVar[str] = "USER_ERROR"

    @property
    def message(self) -> str:
        """The sentence shown to the caller."""
        return str(self)


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with the input: `field` is the dotted path of the argument (`design.variables.0.low`)."""

    field: str
    message: str


class ValidationFailed(UserError):
    """The input breaks a rule; every problem found is listed, nothing was changed."""

    code = "VALIDATION_FAILED"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in self.problems))

    @classmethod
    def of(cls, field: str, message: str) -> "ValidationFailed":
        """The error for a single field."""
        return cls([FieldProblem(field, message)])


class NotFound(UserError):
    """Nothing of that kind and id exists for the caller (it may exist for others: the answer is the same)."""

    code = "NOT_FOUND"

    def __init__(self, kind: str, key: object) -> None:
        self.kind = kind
        super().__init__(f"No {kind} {key} exists.")


class IllegalTransition(UserError):
    """The thing is in a state from which the command does not lead on."""

    code = "ILLEGAL_TRANSITION"

    def __init__(self, thing: str, current: str, wanted: str, reason: str = "") -> None:
        self.current = current
        self.wanted = wanted
        super().__init__(reason or f"{thing} is {current}; it can't become {wanted}.")


class VersionConflict(UserError):
    """`expectedVersion` is older than the last status change of the thing named."""

    code = "VERSION_CONFLICT"

    def __init__(self, thing: str, expected: int, current: int) -> None:
        self.expected = expected
        self.current = current
        super().__init__(f"{thing} has changed since version {expected}: its status last changed at version {current}.")


class IdempotencyKeyReused(UserError):
    """The idempotency key was used before by the same person for the same mutation with other input."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} was already used with other input.")


class AttemptSuperseded(UserError):
    """A report or upload names an attempt that has ended or was replaced by a newer one."""

    code = "ATTEMPT_SUPERSEDED"

    def __init__(self, reported: int, current: int) -> None:
        self.current = current
        super().__init__(f"Attempt {reported} is closed; the job is at attempt {current}.")


class SequenceGap(UserError):
    """A report's sequence number is not the next one of its attempt: an earlier report is missing."""

    code = "SEQUENCE_GAP"

    def __init__(self, sequence: int, expected: int) -> None:
        self.expected = expected
        super().__init__(f"Report {sequence} came before report {expected}; send {expected} first.")


class InUse(UserError):
    """The thing can't go now: runs of load tests that have not ended need it; `runs` are their numbers."""

    code = "IN_USE"

    def __init__(self, thing: str, runs: Sequence[int]) -> None:
        self.runs = tuple(runs)
        one_of_them = "a run that has" if len(self.runs) == 1 else "runs that have"
        super().__init__(
            f"{thing} is in use by {one_of_them} not ended: {', '.join(map(str, self.runs))}. Stop what is not wanted."
        )


class WindowsRemoved(UserError):
    """What a run of a load test measured was removed some time after its end: nobody can look at it any more."""

    code = "WINDOWS_REMOVED"

    def __init__(self, run_id: int, removed_at: datetime) -> None:
        self.run_id = run_id
        self.removed_at = removed_at
        super().__init__(
            f"The windows, resource figures, log and reports of run {run_id} were removed on {removed_at:%Y-%m-%d}; its verdict, "
            "its figures and its analyses are still there."
        )


class SecretUnavailable(UserError):
    """A load test needs secrets that are not there, can't be read, or may not be sent where it would send them."""

    code = "SECRET_UNAVAILABLE"

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.names = tuple(problems)
        super().__init__(" ".join(f"The secret `{name}` {problem}." for name, problem in problems.items()))


class Unauthenticated(UserError):
    """No valid sign-in came with the request; the message says what was wrong with it, never the token itself."""

    code = "UNAUTHENTICATED"


class PermissionDenied(UserError):
    """The caller is known but may not do this.

    `opened_by` are the kinds of permissions that would open it, `set_up_model_id` is the model access to which would open it as
    well. `apply_at` is the page where one applies: for access to that model, or for the permissions.
    """

    code = "PERMISSION_DENIED"

    def __init__(
        self, message: str, opened_by: Sequence[str] = (), apply_at: str | None = None, set_up_model_id: int | None = None
    ) -> None:
        self.opened_by = tuple(opened_by)
        self.apply_at = apply_at
        self.set_up_model_id = set_up_model_id
        super().__init__(message)


class AlreadyGranted(UserError):
    """The person has what was applied for; nothing was stored.

    It is a grant of a permission, or access to a set-up model by that application; owners and set-up users have access without.
    """

    code = "ALREADY_GRANTED"

    def __init__(self, what: str, grant_id: int | None = None, model_access_request_id: int | None = None) -> None:
        self.grant_id = grant_id
        self.model_access_request_id = model_access_request_id
        super().__init__(f"You already have {what}.")


class AlreadyPending(UserError):
    """The person has applied for it, and nobody has decided yet; nothing was stored.

    It is an application for a permission, or one for access to a set-up model.
    """

    code = "ALREADY_PENDING"

    def __init__(self, what: str, request_id: int | None = None, model_access_request_id: int | None = None) -> None:
        self.request_id = request_id
        self.model_access_request_id = model_access_request_id
        number = model_access_request_id if request_id is None else request_id
        super().__init__(f"You have applied for {what} already; request {number} waits for a decision.")


class DuplicateLotRow(UserError):
    """There is a row of that lot and step in that product line; nothing was stored."""

    code = "DUPLICATE_LOT_ROW"

    def __init__(self, lot_id: str, step: str, lot_row_id: int) -> None:
        self.lot_id = lot_id
        self.step = step
        self.lot_row_id = lot_row_id
        super().__init__(f"Lot {lot_id} has a row for step {step!r} already: lot row {lot_row_id}.")


class AlreadyAssigned(UserError):
    """The person has assigned the model so, to that row or by that rule, and that has not ended; nothing was stored."""

    code = "ALREADY_ASSIGNED"

    def __init__(self, model_id: int, assignment_id: int) -> None:
        self.assignment_id = assignment_id
        super().__init__(f"You have assigned set-up model {model_id} so already: assignment {assignment_id}.")


class AlreadyRunning(UserError):
    """The product line has a run of the daily batch that has not ended; nothing was started."""

    code = "ALREADY_RUNNING"

    def __init__(self, product_line: str, run_id: int) -> None:
        self.run_id = run_id
        super().__init__(f"{product_line} has a daily batch that has not ended: run {run_id}. Watch that one.")


class Unavailable(UserError):
    """A service that PLOG needs for this request does not answer; nothing was changed, trying again is safe."""

    code = "UNAVAILABLE"

"""Domain errors as members of mutations' unions: one table, read once for each error."""

from datetime import datetime
from typing import Any

import strawberry

from domain import errors
from gql import ids


@strawberry.interface(description="What every typed error has: a code for programs and a sentence for people.")
class UserError:
    code: str = strawberry.field(description="Says what kind of error it is; stable, in capitals.")
    message: str = strawberry.field(description="Says what is wrong, in a sentence for people; its wording may change.")


@strawberry.type(description="One thing that is wrong with the input.")
class FieldProblem:
    field: str = strawberry.field(description="The dotted path of the argument, as in `definition.design.variables.0.low`.")
    message: str = strawberry.field(description="What is wrong with it.")


@strawberry.type(description="The input breaks a rule; nothing was changed. Every problem found is listed.")
class ValidationFailed(UserError):
    problems: list[FieldProblem] = strawberry.field(description="What is wrong, field by field.")


@strawberry.type(description="Nothing of that kind and id exists for the viewer.")
class NotFound(UserError):
    pass


@strawberry.type(description="The thing is in a state from which the command does not lead on; nothing was changed.")
class IllegalTransition(UserError):
    current: str = strawberry.field(description="The state it is in.")
    wanted: str = strawberry.field(
        description="The state that the command would have led to; in lower case what it would have to be, such as `ended`."
    )


@strawberry.type(description="The thing's status has changed since the version given as `expectedVersion`; nothing was changed.")
class VersionConflict(UserError):
    expected: int = strawberry.field(description="The version that was sent.")
    current: int = strawberry.field(description="The version of the thing's last change of status.")


@strawberry.type(description="The idempotency key was used before with other input; nothing was changed.")
class IdempotencyKeyReused(UserError):
    pass


@strawberry.type(description="The viewer may not do this; nothing was changed.")
class PermissionDenied(UserError):
    opened_by: list[str] = strawberry.field(
        description="The names of the permissions that would open it, the smallest first; none where none would."
    )
    apply_at: str | None = strawberry.field(
        description=(
            "Where to apply: for access to the model if `setUpModelId` names one, else for a permission; "
            "the first is chosen there, unless they open different product lines."
        )
    )
    set_up_model_id: strawberry.ID | None = strawberry.field(
        description="The set-up model access to which would open it as well (`modelAccessRequestCreate`); null where none would."
    )


@strawberry.type(
    description="The person has what was applied for: a permission without an end, or access to a model. Nothing was stored."
)
class AlreadyGranted(UserError):
    grant_id: strawberry.ID | None = strawberry.field(description="The grant of the permission that they have; null of models.")
    model_access_request_id: strawberry.ID | None = strawberry.field(
        description="The application that gave them access; null where they have it without one, and of permissions."
    )


@strawberry.type(description="The person has applied for it already, and nobody has decided yet; nothing was stored.")
class AlreadyPending(UserError):
    permission_request_id: strawberry.ID | None = strawberry.field(description="That application; null of models.")
    model_access_request_id: strawberry.ID | None = strawberry.field(description="That application; null of permissions.")


@strawberry.type(description="The product line has a row of that lot and step; nothing was stored.")
class DuplicateLotRow(UserError):
    lot_row_id: strawberry.ID = strawberry.field(description="That row.")


@strawberry.type(description="The viewer has assigned the model to that row, or by that rule, already; nothing was stored.")
class AlreadyAssigned(UserError):
    model_assignment_id: strawberry.ID = strawberry.field(description="That assignment.")


@strawberry.type(description="The product line has a run of the daily batch that has not ended; nothing was started.")
class AlreadyRunning(UserError):
    daily_batch_run_id: strawberry.ID = strawberry.field(description="That run.")


@strawberry.type(description="Runs of load tests that have not ended need what the command would take away; nothing was changed.")
class InUse(UserError):
    run_ids: list[strawberry.ID] = strawberry.field(description="These runs, at most 100; `loadTestStop` ends one early.")


@strawberry.type(
    description=(
        "What the run measured window by window was removed (setting `KEEP_DAYS`). Its verdict, figures and analyses stay."
    )
)
class WindowsRemoved(UserError):
    run_id: strawberry.ID = strawberry.field(description="The run; of several the first that has no windows any more.")
    removed_at: datetime = strawberry.field(description="When they were removed.")


@strawberry.type(
    description=(
        "The load test needs secrets that do not exist (any more), can't be read as the server's key for them is gone, or may "
        "not be sent where it would send them; nothing was started."
    )
)
class SecretUnavailable(UserError):
    names: list[str] = strawberry.field(description="The names of these secrets.")


def union_member(error: errors.UserError) -> Any:
    """The union's member for a domain error; raises it again where it belongs to no union (it is then a GraphQL error)."""
    base = {"code": error.code, "message": error.message}
    match error:
        case errors.ValidationFailed():
            problems = [FieldProblem(field=each.field, message=each.message) for each in error.problems]
            return ValidationFailed(**base, problems=problems)
        case errors.NotFound():
            return NotFound(**base)
        case errors.IllegalTransition():
            return IllegalTransition(**base, current=error.current, wanted=error.wanted)
        case errors.VersionConflict():
            return VersionConflict(**base, expected=error.expected, current=error.current)
        case errors.IdempotencyKeyReused():
            return IdempotencyKeyReused(**base)
        case errors.InUse():
            return InUse(**base, run_ids=[strawberry.ID(ids.encode("LoadTestRun", each)) for each in error.runs])
        case errors.WindowsRemoved():
            run_id = strawberry.ID(ids.encode("LoadTestRun", error.run_id))
            return WindowsRemoved(**base, run_id=run_id, removed_at=error.removed_at)
        case errors.SecretUnavailable():
            return SecretUnavailable(**base, names=list(error.names))
        case errors.PermissionDenied():
            model_id = _id("SetUpModel", error.set_up_model_id)
            return PermissionDenied(**base, opened_by=list(error.opened_by), apply_at=error.apply_at, set_up_model_id=model_id)
        case errors.AlreadyGranted():
            access_id = _id("ModelAccessRequest", error.model_access_request_id)
            return AlreadyGranted(**base, grant_id=_id("Grant", error.grant_id), model_access_request_id=access_id)
        case errors.DuplicateLotRow():
            return DuplicateLotRow(**base, lot_row_id=strawberry.ID(ids.encode("LotRow", error.lot_row_id)))
        case errors.AlreadyAssigned():
            return AlreadyAssigned(**base, model_assignment_id=strawberry.ID(ids.encode("ModelAssignment", error.assignment_id)))
        case errors.AlreadyRunning():
            return AlreadyRunning(**base, daily_batch_run_id=strawberry.ID(ids.encode("DailyBatchRun", error.run_id)))
        case errors.AlreadyPending():
            request_id = _id("PermissionRequest", error.request_id)
            access_id = _id("ModelAccessRequest", error.model_access_request_id)
            return AlreadyPending(**base, permission_request_id=request_id, model_access_request_id=access_id)
    raise error


def _id(kind: str, number: int | None) -> strawberry.ID | None:
    return None if number is None else strawberry.ID(ids.encode(kind, number))

"""What a caller learns of an error: everything about their own request, nothing about the inside of PLOG.

Strawberry's `MaskErrors` hides validation errors too and leaves no way to find the cause of a masked one. Here each
unexpected error gets an id that stands both in the answer and in the log.
"""

import logging
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from domain.errors import PermissionDenied, UserError, ValidationFailed
from gql import ids

logger = logging.getLogger("plog.graphql")
SHOWN_CAUSES = (CannotGetOperationTypeError, InvalidOperationTypeError)


def formatted(errors: Iterable[GraphQLError], operation: str | None) -> list[dict[str, Any]]:
    """The errors as they go to the caller: message, locations, path, and `extensions.code` on every one.

    A `UserError` raised by a resolver shows its message and code (`ValidationFailed` also `extensions.problems`, a list
    of `{field, message}`; `PermissionDenied` also `openedBy`, `applyAt` and `setUpModelId`). Errors of the request itself are
    shown as they are.

    Anything else is logged under a new id and shown as `Internal error, id …` with code INTERNAL_ERROR and that `id`; an
    exception that many fields waited for is logged once. `operation` names the operation in the log.
    """
    logged: dict[int, dict[str, Any]] = {}
    return [_formatted(error, operation, logged) for error in errors]


def unexpected(cause: BaseException, operation: str | None, path: Sequence[str | int] | None = None) -> dict[str, Any]:
    """Log `cause` under a new id and give the error that the caller sees instead."""
    error_id = secrets.token_hex(8)
    logger.error(
        "internal error %s in operation %s at %s",
        error_id,
        operation or "(unnamed)",
        ".".join(map(str, path or ())) or "(request)",
        exc_info=cause,
        extra={"error_id": error_id, "operation": operation, "path": list(path or ())},
    )
    return {"message": f"Internal error, id {error_id}", "extensions": {"code": "INTERNAL_ERROR", "id": error_id}}


def refusal(error: UserError) -> dict[str, Any]:
    """The error that shows a `UserError` to the caller."""
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, ValidationFailed):
        extensions["problems"] = [{"field": problem.field, "message": problem.message} for problem in error.problems]
    if isinstance(error, PermissionDenied) and error.apply_at:
        extensions |= {"openedBy": list(error.opened_by), "applyAt": error.apply_at}
    if isinstance(error, PermissionDenied) and error.set_up_model_id is not None:
        extensions["setUpModelId"] = ids.encode("SetUpModel", error.set_up_model_id)
    return {"message": error.message, "extensions": extensions}


def _formatted(error: GraphQLError, operation: str | None, logged: dict[int, dict[str, Any]]) -> dict[str, Any]:
    shown = dict(error.formatted)
    cause = cause_of(error)
    if isinstance(cause, UserError):
        shown.update(refusal(cause))
    elif _is_callers_business(error, cause):
        shown["extensions"] = {"code": _code(error), **(error.extensions or {})}
    else:
        fault = cause or error
        if id(fault) not in logged:
            logged[id(fault)] = unexpected(fault, operation, error.path)
        shown.update(logged[id(fault)])
    return shown


def cause_of(error: GraphQLError) -> BaseException | None:
    """The exception at the bottom; None where the error was made by the GraphQL layer itself."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _is_callers_business(error: GraphQLError, cause: BaseException | None) -> bool:
    # A scalar that refuses a variable's value raises before execution: no path yet, but a place in the document. What
    # Strawberry makes of any other exception (say, of an extension) has neither.
    return cause is None or isinstance(cause, SHOWN_CAUSES) or (error.path is None and bool(error.nodes))


def _code(error: GraphQLError) -> str:
    if isinstance(error, GraphQLSyntaxError):
        return "GRAPHQL_PARSE_FAILED"
    return "GRAPHQL_VALIDATION_FAILED" if error.path is None else "BAD_INPUT"

"""Applying for permissions, and deciding on applications."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.types.any_value import AnyValue
from gql.types.permission_request import PermissionRequest, PermissionRequestInput
from resolvers import permission_request as requests

RequestId = Annotated[strawberry.ID, strawberry.argument(description="The application's id.")]
Reason = Annotated[
    str | None, strawberry.argument(description="Why, at most 2,000 characters; without it the answer says that it is missing.")
]
OptionalReason = Annotated[str | None, strawberry.argument(description="Why, at most 2,000 characters; it need not be said.")]
ExpiresAt = Annotated[
    AnyValue | None,
    strawberry.argument(
        description="When the permission stops opening anything, as text: a `DateTime` of the future; null: never by itself."
    ),
]


@strawberry.type(description="The applications were stored, each `PENDING`.")
class PermissionRequestCreatePayload:
    permission_requests: list[PermissionRequest] = strawberry.field(description="One for each permission, in the order sent.")


@strawberry.type(description="The application was decided or withdrawn.")
class PermissionRequestPayload:
    permission_request: PermissionRequest = strawberry.field(description="The application after that.")


PermissionRequestCreateAnswer = Annotated[
    PermissionRequestCreatePayload
    | errors.ValidationFailed
    | errors.AlreadyGranted
    | errors.AlreadyPending
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("PermissionRequestCreateAnswer", description="The applications, or why none was stored."),
]
PermissionRequestAnswer = Annotated[
    PermissionRequestPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("PermissionRequestAnswer", description="The application after the command, or why it was refused."),
]


@strawberry.type
class PermissionRequestMutation:
    @mutation(description="Apply for permissions. All applications are stored, or none.")
    async def permission_request_create(
        self,
        info: Info,
        input: Annotated[PermissionRequestInput, strawberry.argument(description="What is applied for, and why.")],
        idempotency_key: IdempotencyKey = None,
    ) -> PermissionRequestCreateAnswer:
        services, actor = info.context.services, info.context.actor
        document = {"kinds": input.kinds, "reason": input.reason}
        made = await requests.create_permission_requests(services, actor, document, idempotency_key)
        return PermissionRequestCreatePayload(permission_requests=[PermissionRequest.of(each) for each in made])

    @mutation(description="Take back an application of one's own that nobody has decided yet.")
    async def permission_request_withdraw(
        self, info: Info, id: RequestId, reason: OptionalReason = None, idempotency_key: IdempotencyKey = None
    ) -> PermissionRequestAnswer:
        services, actor = info.context.services, info.context.actor
        permission_request = await requests.withdraw_permission_request(
            services, actor, ids.permission_request_number(id), reason, idempotency_key
        )
        return PermissionRequestPayload(permission_request=PermissionRequest.of(permission_request))

    @mutation(
        description=(
            "Give the applicant the permission, or its new end where they have it until some time. Approvers alone can, with a "
            "reason, and never for themselves."
        )
    )
    async def permission_request_approve(
        self,
        info: Info,
        id: RequestId,
        reason: Reason = None,
        expires_at: ExpiresAt = None,
        idempotency_key: IdempotencyKey = None,
    ) -> PermissionRequestAnswer:
        services, actor = info.context.services, info.context.actor
        permission_request = await requests.approve_permission_request(
            services, actor, ids.permission_request_number(id), reason, expires_at, idempotency_key
        )
        return PermissionRequestPayload(permission_request=PermissionRequest.of(permission_request))

    @mutation(description="Refuse the application. Approvers alone can, with a reason, and never for themselves.")
    async def permission_request_reject(
        self, info: Info, id: RequestId, reason: Reason = None, idempotency_key: IdempotencyKey = None
    ) -> PermissionRequestAnswer:
        services, actor = info.context.services, info.context.actor
        permission_request = await requests.reject_permission_request(
            services, actor, ids.permission_request_number(id), reason, idempotency_key
        )
        return PermissionRequestPayload(permission_request=PermissionRequest.of(permission_request))

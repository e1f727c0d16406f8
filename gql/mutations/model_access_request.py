"""Applying for access to set-up models, deciding on applications, and taking access away."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.permission_request import OptionalReason, Reason, RequestId
from gql.mutations.project import ExpectedVersion
from gql.types.any_value import AnyValue
from gql.types.model_access_request import ModelAccessRequest, ModelAccessRequestInput
from resolvers import model_access_request as requests

Until = Annotated[
    AnyValue | None,
    strawberry.argument(
        description="When the access ends, as text: a `DateTime` not later than what was applied for; null: as applied for."
    ),
]
NewEnd = Annotated[
    AnyValue | None,
    strawberry.argument(description="Required. When the access ends from the renewal on, as text: a `DateTime` of the future."),
]


@strawberry.type(description="The application was stored, `PENDING`.")
class ModelAccessRequestCreatePayload:
    model_access_request: ModelAccessRequest = strawberry.field(description="The application.")


@strawberry.type(description="The application was decided or withdrawn, or the access that it gave was renewed or is over.")
class ModelAccessRequestPayload:
    model_access_request: ModelAccessRequest = strawberry.field(description="The application after that.")


ModelAccessRequestCreateAnswer = Annotated[
    ModelAccessRequestCreatePayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.AlreadyGranted
    | errors.AlreadyPending
    | errors.IllegalTransition
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("ModelAccessRequestCreateAnswer", description="The application, or why none was stored."),
]
ModelAccessRequestAnswer = Annotated[
    ModelAccessRequestPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("ModelAccessRequestAnswer", description="The application after the command, or why it was refused."),
]


@strawberry.type
class ModelAccessRequestMutation:
    @mutation(description="Apply for access to a set-up model of a product line that one sees.")
    async def model_access_request_create(
        self,
        info: Info,
        input: Annotated[ModelAccessRequestInput, strawberry.argument(description="What is applied for.")],
        idempotency_key: IdempotencyKey = None,
    ) -> ModelAccessRequestCreateAnswer:
        services, actor = info.context.services, info.context.actor
        document = {"modelId": input.model_id, "purpose": input.purpose, "until": input.until}
        model_id = None if input.model_id is None else ids.found(ids.set_up_model_number, input.model_id)
        made = await requests.create_access_request(services, actor, document, model_id, idempotency_key)
        return ModelAccessRequestCreatePayload(model_access_request=ModelAccessRequest.of(made))

    @mutation(description="Take back an application of one's own that nobody has decided yet.")
    async def model_access_request_withdraw(
        self, info: Info, id: RequestId, reason: OptionalReason = None, idempotency_key: IdempotencyKey = None
    ) -> ModelAccessRequestAnswer:
        services, actor = info.context.services, info.context.actor
        model_access_request = await requests.withdraw_access_request(
            services, actor, ids.model_access_number(id), reason, idempotency_key
        )
        return ModelAccessRequestPayload(model_access_request=ModelAccessRequest.of(model_access_request))

    @mutation(
        description=(
            "Give the applicant access to the model. Its owner can, and set-up users of its product line, with a reason, and "
            "never for themselves."
        )
    )
    async def model_access_request_approve(
        self, info: Info, id: RequestId, reason: Reason = None, until: Until = None, idempotency_key: IdempotencyKey = None
    ) -> ModelAccessRequestAnswer:
        services, actor = info.context.services, info.context.actor
        model_access_request = await requests.approve_access_request(
            services, actor, ids.model_access_number(id), reason, until, idempotency_key
        )
        return ModelAccessRequestPayload(model_access_request=ModelAccessRequest.of(model_access_request))

    @mutation(description="Refuse the application, with a reason; by those who can approve it.")
    async def model_access_request_reject(
        self, info: Info, id: RequestId, reason: Reason = None, idempotency_key: IdempotencyKey = None
    ) -> ModelAccessRequestAnswer:
        services, actor = info.context.services, info.context.actor
        model_access_request = await requests.reject_access_request(
            services, actor, ids.model_access_number(id), reason, idempotency_key
        )
        return ModelAccessRequestPayload(model_access_request=ModelAccessRequest.of(model_access_request))

    @mutation(
        description=(
            "Give access that is open another end, also a later one than was applied for; by those who can approve an "
            "application, with a reason, and never for themselves."
        )
    )
    async def model_access_renew(
        self,
        info: Info,
        id: RequestId,
        reason: Reason = None,
        until: NewEnd = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ModelAccessRequestAnswer:
        services, actor = info.context.services, info.context.actor
        renewed = await requests.renew_access(
            services, actor, ids.model_access_number(id), reason, until, expected_version, idempotency_key
        )
        return ModelAccessRequestPayload(model_access_request=ModelAccessRequest.of(renewed))

    @mutation(description="Take away the access that an application gave, by those who can approve one, or give back one's own.")
    async def model_access_revoke(
        self,
        info: Info,
        id: RequestId,
        reason: Reason = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ModelAccessRequestAnswer:
        services, actor = info.context.services, info.context.actor
        model_access_request = await requests.revoke_access(
            services, actor, ids.model_access_number(id), reason, expected_version, idempotency_key
        )
        return ModelAccessRequestPayload(model_access_request=ModelAccessRequest.of(model_access_request))

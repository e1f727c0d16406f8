"""Setting up models: making, changing and archiving them."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.permission_request import OptionalReason
from gql.mutations.project import ExpectedVersion
from gql.types.set_up_model import SetUpModel
from gql.types.set_up_model_input import SetUpModelCopyInput, SetUpModelInput, SetUpModelUpdateInput
from resolvers import set_up_model as models

ModelId = Annotated[strawberry.ID, strawberry.argument(description="The set-up model's id.")]


@strawberry.type(description="The model was set up.")
class SetUpModelCreatePayload:
    set_up_model: SetUpModel = strawberry.field(description="The new model.")


@strawberry.type(description="The model was changed.")
class SetUpModelPayload:
    set_up_model: SetUpModel = strawberry.field(description="The model after the change.")


SetUpModelCreateAnswer = Annotated[
    SetUpModelCreatePayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("SetUpModelCreateAnswer", description="The new model, or why there is none."),
]
SetUpModelAnswer = Annotated[
    SetUpModelPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.VersionConflict
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("SetUpModelAnswer", description="The model after the command, or why it was refused."),
]


@strawberry.type
class SetUpModelMutation:
    @mutation(
        description=(
            "Set up a model: what a job has trained, or what was uploaded, becomes its first version, which is in use. Set-up "
            "users alone can."
        )
    )
    async def set_up_model_create(
        self,
        info: Info,
        input: Annotated[SetUpModelInput, strawberry.argument(description="The model.")],
        idempotency_key: IdempotencyKey = None,
    ) -> SetUpModelCreateAnswer:
        services, actor = info.context.services, info.context.actor
        set_up_model = await models.create_model(services, actor, input.document(), input.source.job_uuid(), idempotency_key)
        return SetUpModelCreatePayload(set_up_model=SetUpModel.of(set_up_model))

    @mutation(
        description=(
            "Copy a model, as a set-up user: its version in use becomes the copy's first, with other attributes where these are "
            "given. The source is left as it is, and each knows of the other."
        )
    )
    async def set_up_model_copy(
        self,
        info: Info,
        source_id: Annotated[strawberry.ID, strawberry.argument(description="The id of the model to copy.")],
        input: Annotated[SetUpModelCopyInput, strawberry.argument(description="The copy.")],
        idempotency_key: IdempotencyKey = None,
    ) -> SetUpModelCreateAnswer:
        services, actor = info.context.services, info.context.actor
        set_up_model = await models.copy_model(
            services, actor, ids.set_up_model_number(source_id), input.document(), idempotency_key
        )
        return SetUpModelCreatePayload(set_up_model=SetUpModel.of(set_up_model))

    @mutation(
        description="Give the model other attributes or another description, as a set-up user. What it was stays on record."
    )
    async def set_up_model_update(
        self,
        info: Info,
        id: ModelId,
        input: Annotated[SetUpModelUpdateInput, strawberry.argument(description="What is different.")],
        reason: OptionalReason = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> SetUpModelAnswer:
        services, actor = info.context.services, info.context.actor
        set_up_model = await models.update_model(
            services, actor, ids.set_up_model_number(id), input.document(), reason, expected_version, idempotency_key
        )
        return SetUpModelPayload(set_up_model=SetUpModel.of(set_up_model))

    @mutation(
        description="Take the model out of the lists, as a set-up user. Its history and its copies stay, its name is free again."
    )
    async def set_up_model_archive(
        self,
        info: Info,
        id: ModelId,
        reason: OptionalReason = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> SetUpModelAnswer:
        services, actor = info.context.services, info.context.actor
        set_up_model = await models.archive_model(
            services, actor, ids.set_up_model_number(id), reason, expected_version, idempotency_key
        )
        return SetUpModelPayload(set_up_model=SetUpModel.of(set_up_model))

"""Versions of set-up models: adding one, putting one in use, and going back."""

from typing import Annotated

import strawberry

from domain.model_version import VersionKey
from gql import ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.permission_request import Reason
from gql.mutations.project import ExpectedVersion
from gql.mutations.set_up_model import ModelId, SetUpModelAnswer, SetUpModelPayload
from gql.types.set_up_model import SetUpModel
from gql.types.set_up_model_input import ModelSourceInput
from resolvers import model_version as versions


@strawberry.type
class ModelVersionMutation:
    @mutation(
        description=(
            "Add a version to a model, as a set-up user: a candidate, which is in use once it is promoted. The one in use stays "
            "that."
        )
    )
    async def model_version_add(
        self,
        info: Info,
        model_id: ModelId,
        source: Annotated[ModelSourceInput, strawberry.argument(description="Where it comes from.")],
        idempotency_key: IdempotencyKey = None,
    ) -> SetUpModelAnswer:
        services, actor = info.context.services, info.context.actor
        set_up_model = await versions.create_version(
            services, actor, ids.set_up_model_number(model_id), source.document(), source.job_uuid(), idempotency_key
        )
        return SetUpModelPayload(set_up_model=SetUpModel.of(set_up_model))

    @mutation(description="Put a version in use, as a set-up user, with a reason; the one before is retired.")
    async def model_version_promote(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The version's id.")],
        reason: Reason = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> SetUpModelAnswer:
        services, actor = info.context.services, info.context.actor
        set_up_model = await versions.promote_version(
            services, actor, VersionKey(*ids.model_version_key(id)), reason, expected_version, idempotency_key
        )
        return SetUpModelPayload(set_up_model=SetUpModel.of(set_up_model))

    @mutation(
        description=(
            "Return to the version that was in use before the one in use was promoted, as a set-up user, with a reason. Again: "
            "to the one before that."
        )
    )
    async def set_up_model_roll_back(
        self,
        info: Info,
        id: ModelId,
        reason: Reason = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> SetUpModelAnswer:
        services, actor = info.context.services, info.context.actor
        set_up_model = await versions.roll_back(
            services, actor, ids.set_up_model_number(id), reason, expected_version, idempotency_key
        )
        return SetUpModelPayload(set_up_model=SetUpModel.of(set_up_model))

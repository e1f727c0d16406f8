"""Assigning set-up models to lots, and taking that back."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.permission_request import OptionalReason
from gql.types.kit_input import as_document
from gql.types.model_assignment import ModelAssignInput, ModelAssignment
from resolvers import model_assignment as assignments


@strawberry.type(description="The model was assigned, or is not any more.")
class ModelAssignmentPayload:
    model_assignment: ModelAssignment = strawberry.field(description="The assignment as it now is.")


ModelAssignAnswer = Annotated[
    ModelAssignmentPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.AlreadyAssigned
    | errors.IllegalTransition
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("ModelAssignAnswer", description="The assignment, or why there is none."),
]
ModelUnassignAnswer = Annotated[
    ModelAssignmentPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("ModelUnassignAnswer", description="The assignment as it now is, or why it was not taken back."),
]


@strawberry.type
class ModelAssignmentMutation:
    @mutation(
        description=(
            "Let a model predict for lots of its product line: for one row, or for all that a rule takes in, those still to come "
            "among them. The daily batch stores what it predicts. It takes access to the model."
        )
    )
    async def model_assign(
        self,
        info: Info,
        input: Annotated[ModelAssignInput, strawberry.argument(description="The model and the rows.")],
        reason: OptionalReason = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ModelAssignAnswer:
        services, actor, document = info.context.services, info.context.actor, as_document(input)
        model_id = None if input.model_id is None else ids.found(ids.set_up_model_number, input.model_id)
        row_id = None if input.lot_row_id is None else ids.found(ids.lot_row_number, input.lot_row_id)
        made = await assignments.assign_model(services, actor, document, model_id, row_id, reason, idempotency_key)
        return ModelAssignmentPayload(model_assignment=ModelAssignment.of(made))

    @mutation(description="Take an assignment back, as who has made it or may use the model. What was predicted stays.")
    async def model_unassign(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The assignment's id.")],
        reason: OptionalReason = None,
        idempotency_key: IdempotencyKey = None,
    ) -> ModelUnassignAnswer:
        services, actor = info.context.services, info.context.actor
        ended = await assignments.unassign_model(services, actor, ids.assignment_number(id), reason, idempotency_key)
        return ModelAssignmentPayload(model_assignment=ModelAssignment.of(ended))

"""Adding lot rows and correcting them."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.permission_request import Reason
from gql.mutations.project import ExpectedVersion
from gql.types.kit_input import as_document
from gql.types.lot_row import LotRow, LotRowAddResult, LotRowInput
from resolvers import lot_row as lot_rows


@strawberry.type(description="The row was added or corrected.")
class LotRowPayload:
    lot_row: LotRow = strawberry.field(description="The row as it now is.")


@strawberry.type(description="Each row was added or refused.")
class LotRowsAddPayload:
    results: list[LotRowAddResult] = strawberry.field(description="What became of each row, in the order sent.")


LotRowAddAnswer = Annotated[
    LotRowPayload
    | errors.ValidationFailed
    | errors.DuplicateLotRow
    | errors.NotFound
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("LotRowAddAnswer", description="The new row, or why there is none."),
]
LotRowsAddAnswer = Annotated[
    LotRowsAddPayload | errors.ValidationFailed | errors.IdempotencyKeyReused | errors.PermissionDenied,
    strawberry.union("LotRowsAddAnswer", description="What became of each row, or why none was looked at."),
]
LotRowCorrectAnswer = Annotated[
    LotRowPayload
    | errors.ValidationFailed
    | errors.DuplicateLotRow
    | errors.NotFound
    | errors.VersionConflict
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("LotRowCorrectAnswer", description="The row as it now is, or why it was not corrected."),
]


@strawberry.type
class LotRowMutation:
    @mutation(description="Add a row. A product line has one row of a lot and step.")
    async def lot_row_add(
        self,
        info: Info,
        input: Annotated[LotRowInput, strawberry.argument(description="The row.")],
        idempotency_key: IdempotencyKey = None,
    ) -> LotRowAddAnswer:
        services, actor = info.context.services, info.context.actor
        row = await lot_rows.add_lot_row(services, actor, as_document(input), idempotency_key)
        return LotRowPayload(lot_row=LotRow.of(row))

    @mutation(
        description=(
            "Add many rows, each for itself: those that can be are added, whatever becomes of the others, and each has a result. "
            "Of two of the same lot and step the first is added."
        )
    )
    async def lot_rows_add(
        self,
        info: Info,
        inputs: Annotated[list[LotRowInput], strawberry.argument(description="The rows, 1 to 1,000.")],
        idempotency_key: IdempotencyKey = None,
    ) -> LotRowsAddAnswer:
        services, actor = info.context.services, info.context.actor
        results = await lot_rows.add_lot_rows(services, actor, as_document(inputs), idempotency_key)
        return LotRowsAddPayload(results=[LotRowAddResult.of(each) for each in results])

    @mutation(
        description=(
            "Put other values in the place of all of a row's, with a reason; what it was stays among its versions. It takes "
            "the right to work in its product line, and in the one that it is corrected to."
        )
    )
    async def lot_row_correct(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The row's id.")],
        input: Annotated[LotRowInput, strawberry.argument(description="All that the row is to say from now on.")],
        reason: Reason = None,
        expected_version: ExpectedVersion = None,
        idempotency_key: IdempotencyKey = None,
    ) -> LotRowCorrectAnswer:
        services, actor = info.context.services, info.context.actor
        row = await lot_rows.correct_lot_row(
            services, actor, ids.lot_row_number(id), as_document(input), reason, expected_version, idempotency_key
        )
        return LotRowPayload(lot_row=LotRow.of(row))

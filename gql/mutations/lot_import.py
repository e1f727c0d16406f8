"""Starting, cancelling and resuming imports of lot rows."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.types.kit_input import as_document
from gql.types.lot_import import LotImport, LotImportInput
from resolvers import lot_import as lot_imports

LotImportId = Annotated[strawberry.ID, strawberry.argument(description="The import's id.")]


@strawberry.type(description="The import was started, cancelled or resumed.")
class LotImportPayload:
    lot_import: LotImport = strawberry.field(description="The import as it now is.")


LotImportAnswer = Annotated[
    LotImportPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("LotImportAnswer", description="The import as it now is, or why the command was refused."),
]


@strawberry.type
class LotImportMutation:
    @mutation(
        description=(
            "Import the rows of a CSV file that was uploaded (docs/lots.md). Its header is looked at now; its rows are added in "
            "the background, each for itself, and what is refused is listed."
        )
    )
    async def lot_import_start(
        self,
        info: Info,
        input: Annotated[LotImportInput, strawberry.argument(description="The file.")],
        idempotency_key: IdempotencyKey = None,
    ) -> LotImportAnswer:
        services, actor = info.context.services, info.context.actor
        lot_import = await lot_imports.start_lot_import(services, actor, as_document(input), idempotency_key)
        return LotImportPayload(lot_import=LotImport.of(lot_import))

    @mutation(description="End an import that has not ended, within seconds. What it has added stays.")
    async def lot_import_cancel(self, info: Info, id: LotImportId, idempotency_key: IdempotencyKey = None) -> LotImportAnswer:
        services, actor = info.context.services, info.context.actor
        lot_import = await lot_imports.cancel_lot_import(services, actor, ids.lot_import_number(id), idempotency_key)
        return LotImportPayload(lot_import=LotImport.of(lot_import))

    @mutation(description="Let an import that has failed go on behind the last row that it has taken in.")
    async def lot_import_resume(self, info: Info, id: LotImportId, idempotency_key: IdempotencyKey = None) -> LotImportAnswer:
        services, actor = info.context.services, info.context.actor
        lot_import = await lot_imports.resume_lot_import(services, actor, ids.lot_import_number(id), idempotency_key)
        return LotImportPayload(lot_import=LotImport.of(lot_import))

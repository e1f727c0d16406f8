"""Starting runs of the daily batch, and ending them early."""

from typing import Annotated

import strawberry

from gql import errors, ids
from gql.context import Info
from gql.mutation import mutation
from gql.mutations.kit import IdempotencyKey
from gql.mutations.permission_request import OptionalReason
from gql.types.daily_batch_run import DailyBatchRun
from gql.types.enums import ProductLine
from resolvers import daily_batch_run as runs


@strawberry.type(description="The run was queued or cancelled.")
class DailyBatchRunPayload:
    daily_batch_run: DailyBatchRun = strawberry.field(description="The run as it now is.")


DailyBatchRunAnswer = Annotated[
    DailyBatchRunPayload
    | errors.ValidationFailed
    | errors.AlreadyRunning
    | errors.NotFound
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("DailyBatchRunAnswer", description="The run, or why none was started."),
]
DailyBatchRunCancelAnswer = Annotated[
    DailyBatchRunPayload
    | errors.ValidationFailed
    | errors.NotFound
    | errors.IllegalTransition
    | errors.IdempotencyKeyReused
    | errors.PermissionDenied,
    strawberry.union("DailyBatchRunCancelAnswer", description="The run as it now is, or why it was not cancelled."),
]


@strawberry.type
class DailyBatchRunMutation:
    @mutation(
        description=(
            "Run the daily batch of a product line now: for each assigned row without a result of the model's version in use, "
            "store what the model predicts. A product line has one run at a time, over all servers. Watch it by the subscription "
            "`dailyBatchRun`."
        )
    )
    async def daily_batch_run(
        self,
        info: Info,
        product_line: Annotated[
            ProductLine | None,
            strawberry.argument(description="Whose lots and models; required of who may work in several product lines."),
        ] = None,
        dry_run: Annotated[
            bool, strawberry.argument(description="Show what would be stored and refused, and store nothing.")
        ] = False,
        idempotency_key: IdempotencyKey = None,
    ) -> DailyBatchRunAnswer:
        services, actor = info.context.services, info.context.actor
        run = await runs.start_daily_batch(services, actor, product_line, dry_run, idempotency_key)
        return DailyBatchRunPayload(daily_batch_run=DailyBatchRun.of(run))

    @mutation(
        description=(
            "End a run that has not ended, within seconds. What it has stored stays. It is for who has started the run, and for "
            "set-up users of its product line; where no permission makes anybody that, for all who work in it."
        )
    )
    async def daily_batch_run_cancel(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The run's id.")],
        reason: OptionalReason = None,
        idempotency_key: IdempotencyKey = None,
    ) -> DailyBatchRunCancelAnswer:
        services, actor = info.context.services, info.context.actor
        run = await runs.cancel_daily_batch(services, actor, ids.daily_batch_run_number(id), reason, idempotency_key)
        return DailyBatchRunPayload(daily_batch_run=DailyBatchRun.of(run))

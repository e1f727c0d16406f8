"""Runs of the daily batch: how far each has come, what it did with each model, and what was refused."""

from datetime import date, datetime
from typing import Any

import strawberry

from domain import daily_batch_run as domain
from domain.batch_query import DailyBatchRunQuery
from domain.query import Page
from gql import ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.capability import Capability
from gql.types.connection import (
    After,
    Connection,
    First,
    checked_first,
    encode_cursor,
    history_query,
    numbered_page,
    numbered_place,
    page_parts,
)
from gql.types.enums import BatchPartStatus, DailyBatchRunStatus, ProductLine
from gql.types.lot_result import LotResultPreview
from gql.types.lot_row import LotRow
from gql.types.model_version import ModelVersion
from gql.types.node import Node
from gql.types.set_up_model import SetUpModel
from resolvers import daily_batch_run as runs


@strawberry.interface(description="How many rows of lots were considered, and what became of them.")
class DailyBatchCounts:
    considered: int = strawberry.field(
        description="How many rows are assigned, each once for each model, and once more where it was corrected after its result."
    )
    stored: int = strawberry.field(description="For how many a result was stored; of a dry run: would be.")
    skipped: int = strawberry.field(description="How many had their result already, are not assigned any more, or kept changing.")
    refused: int = strawberry.field(description="For how many the model predicts nothing; see `refusals`.")
    flagged: int = strawberry.field(description="How many of the results have inputs out of range.")


def _counts(counts: domain.Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in ("considered", "stored", "skipped", "refused", "flagged")}


@strawberry.type(description="What a run did with one model, by the version that was in use.")
class DailyBatchPart(DailyBatchCounts):
    status: BatchPartStatus = strawberry.field(description="Where it stands.")
    model_version_id: strawberry.ID = strawberry.field(description="The id of the model's version.")
    message: str = strawberry.field(description="Why it has failed or ended early, in a sentence for people; empty otherwise.")
    part: strawberry.Private[domain.BatchPart]

    @strawberry.field(description="The model.")
    async def model(self, info: Info) -> SetUpModel | None:
        model = await info.context.loaders.of_models.by_id.load(self.part.model_version.model_id)
        return None if model is None else SetUpModel.of(model)

    @strawberry.field(description="The model's version.")
    async def model_version(self, info: Info) -> ModelVersion | None:
        version = await info.context.loaders.of_models.version_by_key.load(self.part.model_version)
        return None if version is None else ModelVersion.of(version)

    @classmethod
    def of(cls, part: domain.BatchPart) -> "DailyBatchPart":
        """The type for a part of the domain."""
        return cls(
            **_counts(part.counts),
            status=part.status,
            model_version_id=strawberry.ID(ids.encode("ModelVersion", *part.model_version)),
            message=part.message,
            part=part,
        )


@strawberry.type(description="A row for which a model predicted nothing in a run, and why.")
class DailyBatchRefusal:
    lot_row_id: strawberry.ID = strawberry.field(description="The id of the row.")
    lot_row_version: int = strawberry.field(description="The row's version: what it said when the model was asked.")
    model_version_id: strawberry.ID = strawberry.field(description="The id of the model's version.")
    reason: str = strawberry.field(description="Why, in a sentence for people.")
    refusal: strawberry.Private[domain.BatchRefusal]

    @strawberry.field(description="The row as it now is; null where it lies in a product line that the viewer can't see.")
    async def lot_row(self, info: Info) -> LotRow | None:
        row = await info.context.loaders.lots.row_by_id.load(self.refusal.lot_row_id)
        return None if row is None else LotRow.of(row)

    @classmethod
    def of(cls, refusal: domain.BatchRefusal) -> "DailyBatchRefusal":
        """The type for a refusal of the domain."""
        return cls(
            lot_row_id=strawberry.ID(ids.encode("LotRow", refusal.lot_row_id)),
            lot_row_version=refusal.lot_row_version,
            model_version_id=strawberry.ID(ids.encode("ModelVersion", *refusal.model_version)),
            reason=refusal.reason,
            refusal=refusal,
        )


@strawberry.type(description="A page of what a run has refused, in its order.")
class DailyBatchRefusalConnection(Connection[DailyBatchRefusal]):
    @classmethod
    def of(cls, page: Page[domain.BatchRefusal], after: str | None) -> "DailyBatchRefusalConnection":
        """The connection for a page of refusals."""
        cursors = [encode_cursor("daily batch refusal", each.id) for each in page.items]
        nodes = [DailyBatchRefusal.of(each) for each in page.items]
        return cls(**page_parts(nodes, cursors, has_more=page.has_more, after=after))


@strawberry.type(
    description=(
        "A run of the daily batch for a product line: each assigned row without a result of the model's version in use is "
        "predicted for, and each result is stored once."
    )
)
class DailyBatchRun(Node, DailyBatchCounts):
    number: int = strawberry.field(description="The short number that people quote.")
    product_line: ProductLine = strawberry.field(description="The product line whose lots and models it is about.")
    is_dry_run: bool = strawberry.field(description="Whether it only shows what it would do: no result is stored.")
    status: DailyBatchRunStatus = strawberry.field(description="Where it stands.")
    percent: float = strawberry.field(description="How much of what there is to do is done, 0 to 100.")
    message: str = strawberry.field(
        description="Why it has failed or ended early, or what it waits for, in a sentence for people; empty otherwise."
    )
    day: date | None = strawberry.field(
        description="The day whose run it is, in the zone of `PLOG_SCHEDULER__DAILY_BATCH_ZONE`; null where a person started it."
    )
    due_at: datetime | None = strawberry.field(description="When that day's run was due; it may have been caught up with later.")
    actor: str | None = strawberry.field(description="The subject of the person who started it; null where its time had come.")
    actor_name: str | None = strawberry.field(description="That person's name, as it was then.")
    is_cancel_requested: bool = strawberry.field(description="Whether it is to end as soon as who works on it notices.")
    cancelled_by: str | None = strawberry.field(description="The subject of the person who wanted it to end early; null: nobody.")
    cancelled_by_name: str | None = strawberry.field(description="That person's name, as it was then.")
    cancel_requested_at: datetime | None = strawberry.field(description="When they did.")
    created_at: datetime = strawberry.field(description="When it was queued.")
    started_at: datetime | None = strawberry.field(description="When a server took it up for the first time.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    seconds: float | None = strawberry.field(description="How long it took from start to end; null until it has ended.")
    version: int = strawberry.field(description="Grows with each batch of rows, and each other change.")
    run: strawberry.Private[domain.DailyBatchRun]

    @strawberry.field(description="What it did with each model, by the models' numbers.")
    async def parts(self, info: Info) -> list[DailyBatchPart]:
        return [DailyBatchPart.of(part) for part in await info.context.loaders.batch.parts.load(self.number)]

    @strawberry.field(
        description=(
            "The rows for which models predicted nothing, and why; of a dry run the first 1,000. PLOG may be set to remove them "
            "some time after the run's end; `refused` counts all."
        )
    )
    async def refusals(self, info: Info, first: First = 50, after: After = None) -> DailyBatchRefusalConnection:
        query = history_query("daily batch refusal", self.number, first, after)
        return DailyBatchRefusalConnection.of(await info.context.loaders.batch.refusals.load(query), after)

    @strawberry.field(
        description=(
            "Of a dry run the first 100 results that it would store. Those that other runs have stored are found by `lotResults`."
        )
    )
    def preview(self) -> list[LotResultPreview]:
        return [LotResultPreview.of(each) for each in self.run.preview]

    @strawberry.field(description="Whether the viewer may cancel it.", directives=[Volatile()])
    def viewer_can_cancel(self, info: Info) -> Capability:
        return Capability.of(runs.why_not_cancel(info.context.services, info.context.actor, self.run))

    @classmethod
    def of(cls, run: domain.DailyBatchRun) -> "DailyBatchRun":
        """The type for a run of the domain."""
        return cls(
            **_counts(run.counts),
            **{name: getattr(run, name) for name in SAME},
            id=strawberry.ID(ids.encode("DailyBatchRun", run.id)),
            number=run.id,
            seconds=None if run.started_at is None or run.ended_at is None else (run.ended_at - run.started_at).total_seconds(),
            run=run,
        )


SAME = (
    "product_line",
    "is_dry_run",
    "status",
    "percent",
    "message",
    "day",
    "due_at",
    "actor",
    "actor_name",
    "is_cancel_requested",
    "cancelled_by",
    "cancelled_by_name",
    "cancel_requested_at",
    "created_at",
    "started_at",
    "updated_at",
    "ended_at",
    "version",
)


@strawberry.input(description="Which runs. What is left out does not restrict.")
class DailyBatchRunFilter:
    product_line: ProductLine | None = strawberry.field(default=None, description="Of this product line.")
    status: list[DailyBatchRunStatus] | None = strawberry.field(default=None, description="In one of these.")
    is_dry_run: bool | None = strawberry.field(default=None, description="Dry runs, or those that store results.")
    is_scheduled: bool | None = strawberry.field(default=None, description="Those that time had come for, or those of people.")
    day: date | None = strawberry.field(default=None, description="Those of this day that time had come for.")
    started_from: datetime | None = strawberry.field(default=None, description="Started then or later.")
    started_to: datetime | None = strawberry.field(default=None, description="Started before then.")


@strawberry.type(description="A page of runs of the daily batch.")
class DailyBatchRunConnection(Connection[DailyBatchRun]):
    query: strawberry.Private[DailyBatchRunQuery]

    @strawberry.field(description="How many runs the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await runs.count_daily_batch_runs(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.DailyBatchRun], query: DailyBatchRunQuery, after: str | None) -> "DailyBatchRunConnection":
        """The connection for a page of runs."""
        return cls(query=query, **numbered_page("daily batch run", page, DailyBatchRun.of, after))


def daily_batch_run_query(
    chosen: DailyBatchRunFilter | None, is_descending: bool, first: int, after: str | None
) -> DailyBatchRunQuery:
    """The domain's query for a filter as sent."""
    chosen = chosen or DailyBatchRunFilter()
    return DailyBatchRunQuery(
        product_line=chosen.product_line,
        statuses=frozenset(chosen.status or ()),
        is_dry_run=chosen.is_dry_run,
        is_scheduled=chosen.is_scheduled,
        day=chosen.day,
        started_from=chosen.started_from,
        started_to=chosen.started_to,
        is_descending=is_descending,
        after=numbered_place("daily batch run", after),
        first=checked_first(first),
    )

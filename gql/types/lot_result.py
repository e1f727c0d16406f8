"""Results of set-up models for lots."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain import lot_result as domain
from domain.batch_query import LotResultQuery
from domain.query import Page
from gql import ids
from gql.context import Info
from gql.types.connection import Connection, checked_first, checked_text, numbered_page, numbered_place
from gql.types.enums import ProductLine
from gql.types.model_version import ModelVersion
from gql.types.node import Node
from resolvers import lot_result as results

if TYPE_CHECKING:
    from gql.types.lot_row import LotRow


@strawberry.type(description="What a model predicted of one of its targets.")
class LotResultOutput:
    target: str = strawberry.field(description="The target's name.")
    value: float = strawberry.field(description="The value, exactly as the model gave it.")


@strawberry.type(description="An input that the model was not trained on.")
class OutOfRange:
    feature: str = strawberry.field(description="The input's name.")
    number: float | None = strawberry.field(description="Its value, where that is a number.")
    text: str | None = strawberry.field(description="Its value, where that is a text: none that the model was trained on.")
    low: float | None = strawberry.field(description="The least value that the model was trained on.")
    high: float | None = strawberry.field(description="The greatest.")

    @classmethod
    def of(cls, found: domain.OutOfRange) -> "OutOfRange":
        """The type for such an input of the domain."""
        is_text = isinstance(found.value, str)
        number, text = (None, found.value) if is_text else (found.value, None)
        return cls(feature=found.feature, number=number, text=text, low=found.low, high=found.high)  # type: ignore[arg-type]


@strawberry.interface(description="What a version of a model predicted for a version of a lot row.")
class LotResultValues:
    product_line: ProductLine = strawberry.field(description="The product line of the model, and of the row at that time.")
    lot_row_id: strawberry.ID = strawberry.field(description="The id of the row.")
    lot_row_version: int = strawberry.field(description="The row's version: what it said when the model was asked.")
    model_version_id: strawberry.ID = strawberry.field(description="The id of the model's version.")
    outputs: list[LotResultOutput] = strawberry.field(description="What it predicted, by target.")
    out_of_range: list[OutOfRange] = strawberry.field(
        description="The inputs that lie outside of what the model was trained on: take the result with care."
    )
    input_sha256: str = strawberry.field(
        description=(
            "The SHA-256 checksum of what the model was given: the JSON object of its features by name, sorted, without spaces, "
            "numbers as 64-bit floating point with their shortest digits."
        )
    )
    result: strawberry.Private[domain.LotResult]

    @strawberry.field(description="The row as it now is; null where it lies in a product line that the viewer can't see.")
    async def lot_row(self, info: Info) -> Annotated["LotRow", strawberry.lazy("gql.types.lot_row")] | None:
        row = await info.context.loaders.lots.row_by_id.load(self.result.lot_row_id)
        return None if row is None else info.context.present_lot_row(row)

    @strawberry.field(description="The model's version.")
    async def model_version(self, info: Info) -> ModelVersion | None:
        version = await info.context.loaders.of_models.version_by_key.load(self.result.model_version)
        return None if version is None else ModelVersion.of(version)


def _values(result: domain.LotResult) -> dict[str, Any]:
    """The fields of the interface."""
    outputs = zip(result.targets, result.outputs, strict=True)
    return {
        "product_line": result.product_line,
        "lot_row_id": strawberry.ID(ids.encode("LotRow", result.lot_row_id)),
        "lot_row_version": result.lot_row_version,
        "model_version_id": strawberry.ID(ids.encode("ModelVersion", *result.model_version)),
        "outputs": [LotResultOutput(target=target, value=value) for target, value in outputs],
        "out_of_range": [OutOfRange.of(each) for each in result.out_of_range],
        "input_sha256": result.input_sha256,
        "result": result,
    }


@strawberry.type(description="A result that a dry run of the daily batch would have stored.")
class LotResultPreview(LotResultValues):
    @classmethod
    def of(cls, result: domain.LotResult) -> "LotResultPreview":
        """The type for a result of the domain that is not stored."""
        return cls(**_values(result))


@strawberry.type(description="A result that the daily batch has stored: a version of a row has one of a version of a model.")
class LotResult(Node, LotResultValues):
    number: int = strawberry.field(description="The short number that people quote.")
    daily_batch_run_id: strawberry.ID = strawberry.field(description="The id of the run that stored it.")
    recorded_at: datetime = strawberry.field(description="When it was stored, by the database's clock.")

    @classmethod
    def of(cls, result: domain.LotResult) -> "LotResult":
        """The type for a result of the domain."""
        return cls(
            id=strawberry.ID(ids.encode("LotResult", result.id)),
            number=result.id,
            daily_batch_run_id=strawberry.ID(ids.encode("DailyBatchRun", result.run_id)),
            recorded_at=result.recorded_at,
            **_values(result),
        )


@strawberry.input(description="Which results. What is left out does not restrict.")
class LotResultFilter:
    product_line: ProductLine | None = strawberry.field(default=None, description="Of this product line.")
    lot_row_id: strawberry.ID | None = strawberry.field(default=None, description="For this row.")
    lot_id_prefix: str | None = strawberry.field(
        default=None, description="For rows whose lot id, as they now are, begins so, letter by letter."
    )
    product: str | None = strawberry.field(default=None, description="For rows that are now of this product.")
    step: str | None = strawberry.field(default=None, description="For rows that are now of this process step.")
    model_id: strawberry.ID | None = strawberry.field(default=None, description="Of this model.")
    model_version_id: strawberry.ID | None = strawberry.field(default=None, description="Of this version of a model.")
    daily_batch_run_id: strawberry.ID | None = strawberry.field(default=None, description="Stored by this run.")
    is_out_of_range: bool | None = strawberry.field(default=None, description="With inputs out of range, or without.")
    recorded_from: datetime | None = strawberry.field(default=None, description="Stored then or later.")
    recorded_to: datetime | None = strawberry.field(default=None, description="Stored before then.")


@strawberry.type(description="A page of results.")
class LotResultConnection(Connection[LotResult]):
    query: strawberry.Private[LotResultQuery]

    @strawberry.field(description="How many results the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await results.count_lot_results(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.LotResult], query: LotResultQuery, after: str | None) -> "LotResultConnection":
        """The connection for a page of results."""
        return cls(query=query, **numbered_page("lot result", page, LotResult.of, after))


def lot_result_query(chosen: LotResultFilter | None, is_descending: bool, first: int, after: str | None) -> LotResultQuery:
    """The domain's query for a filter as sent; an id that leads nowhere finds nothing."""
    chosen = chosen or LotResultFilter()
    key = None if chosen.model_version_id is None else ids.found(ids.model_version_key, chosen.model_version_id) or (0, 0)
    model_id = ids.wanted(ids.set_up_model_number, chosen.model_id)
    if key is not None:
        model_id = key[0] if model_id in (None, key[0]) else 0
    return LotResultQuery(
        product_line=chosen.product_line,
        lot_row_id=ids.wanted(ids.lot_row_number, chosen.lot_row_id),
        lot_id_prefix=checked_text("filter.lotIdPrefix", chosen.lot_id_prefix),
        product=checked_text("filter.product", chosen.product),
        step=checked_text("filter.step", chosen.step),
        model_id=model_id,
        model_version=None if key is None else key[1],
        run_id=ids.wanted(ids.daily_batch_run_number, chosen.daily_batch_run_id),
        is_out_of_range=chosen.is_out_of_range,
        recorded_from=chosen.recorded_from,
        recorded_to=chosen.recorded_to,
        is_descending=is_descending,
        after=numbered_place("lot result", after),
        first=checked_first(first),
    )

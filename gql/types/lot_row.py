"""Lot rows: what was measured of a lot at a process step, and all that stood there before."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON

from domain import lot_row as domain
from domain.batch_query import LotResultQuery
from domain.errors import ValidationFailed
from domain.query import LotRowOrder, LotRowQuery, Page
from gql import errors, ids
from gql.context import Info
from gql.sharing import Volatile
from gql.types.any_value import AnyValue
from gql.types.capability import Capability
from gql.types.connection import (
    After,
    Connection,
    First,
    checked_first,
    checked_names,
    checked_text,
    decode_cursor,
    encode_cursor,
    history_query,
    page_parts,
)
from gql.types.enums import ProductLine
from gql.types.lot_result import LotResultConnection
from gql.types.node import Node
from resolvers import lot_row as lot_rows

MAX_STEPS = 100
PLACES: dict[LotRowOrder, type] = {
    **dict.fromkeys(LotRowOrder, str),
    LotRowOrder.NUMBER: int,
    LotRowOrder.QUANTITY: int,
    LotRowOrder.MEASURED_AT: datetime,
}


@strawberry.interface(description="What is said of a lot at a process step, exactly as it was given.")
class LotRowValues:
    product_line: ProductLine = strawberry.field(description="The product line that the lot belongs to.")
    lot_id: str = strawberry.field(description="The lot's id.")
    product: str = strawberry.field(description="What the lot is of.")
    step: str = strawberry.field(description="The process step.")
    equipment: str = strawberry.field(description="The equipment that was used.")
    measured_at: datetime = strawberry.field(description="When that was.")
    quantity: int = strawberry.field(description="How many wafers or pieces.")
    attributes: JSON = strawberry.field(description="Numbers by their names: what models take as inputs.")


def lot_row_values(definition: domain.LotRowDefinition) -> dict[str, Any]:
    """The fields of the interface."""
    names = ("product_line", "lot_id", "product", "step", "equipment", "measured_at", "quantity")
    return {**{name: getattr(definition, name) for name in names}, "attributes": dict(definition.attributes)}


@strawberry.type(description="What a lot row was, until its next version. Versions are never changed or removed.")
class LotRowVersion(LotRowValues):
    version: int = strawberry.field(description="Its number, from 1.")
    actor: str = strawberry.field(description="The subject of the person who added or corrected it.")
    reason: str | None = strawberry.field(description="Why it was corrected; null for the first version.")
    recorded_at: datetime = strawberry.field(description="When it was stored, by the database's clock.")

    @classmethod
    def of(cls, version: domain.LotRowVersion) -> "LotRowVersion":
        """The type for a version of the domain."""
        own = {name: getattr(version, name) for name in ("version", "actor", "reason", "recorded_at")}
        return cls(**lot_row_values(version.definition), **own)


@strawberry.type(description="A page of a lot row's versions, oldest first.")
class LotRowVersionConnection(Connection[LotRowVersion]):
    @classmethod
    def of(cls, page: Page[domain.LotRowVersion], after: str | None) -> "LotRowVersionConnection":
        """The connection for a page of versions."""
        cursors = [encode_cursor("lot row version", each.version) for each in page.items]
        nodes = [LotRowVersion.of(each) for each in page.items]
        return cls(**page_parts(nodes, cursors, has_more=page.has_more, after=after))


@strawberry.type(description="A row of lot tracking; a product line has one of a lot and step.")
class LotRow(Node, LotRowValues):
    number: int = strawberry.field(description="The short number that people quote.")
    version: int = strawberry.field(description="Grows by one with each correction.")
    actor: str = strawberry.field(description="The subject of the person who added it.")
    created_at: datetime = strawberry.field(description="When it was added.")
    updated_at: datetime = strawberry.field(description="When it was last corrected.")
    lot_import_id: strawberry.ID | None = strawberry.field(
        description="The import that it was added by, which exists for the person who has started it; null for none."
    )
    row: strawberry.Private[domain.LotRow]

    @strawberry.field(description="Whether the viewer may correct it.", directives=[Volatile()])
    def viewer_can_correct(self, info: Info) -> Capability:
        return Capability.of(lot_rows.why_not_correct(info.context.services, info.context.actor, self.row))

    @strawberry.field(
        description="What it was and is: its versions, oldest first, without those of product lines that the viewer can't see."
    )
    async def versions(self, info: Info, first: First = 50, after: After = None) -> LotRowVersionConnection:
        query = history_query("lot row version", self.number, first, after)
        return LotRowVersionConnection.of(await info.context.loaders.lots.versions.load(query), after)

    @strawberry.field(description="What models predicted for it, oldest first, also for what it said before it was corrected.")
    async def results(self, info: Info, first: First = 50, after: After = None) -> LotResultConnection:
        page = await info.context.loaders.batch.results_of_row.load(history_query("lot result", self.number, first, after))
        return LotResultConnection.of(page, LotResultQuery(lot_row_id=self.number, is_descending=False), after)

    @classmethod
    def of(cls, row: domain.LotRow) -> "LotRow":
        """The type for a row of the domain."""
        return cls(
            **lot_row_values(row.definition),
            id=strawberry.ID(ids.encode("LotRow", row.id)),
            number=row.id,
            version=row.version,
            actor=row.actor,
            created_at=row.created_at,
            updated_at=row.updated_at,
            lot_import_id=None if row.import_id is None else strawberry.ID(ids.encode("LotImport", row.import_id)),
            row=row,
        )


@strawberry.type(description="What became of one of several rows: it was added, or refused, and then the rest says why.")
class LotRowAddResult:
    is_added: bool = strawberry.field(description="Whether it was added.")
    lot_row: LotRow | None = strawberry.field(description="The row; null where it was refused, or can't be seen any more.")
    code: str | None = strawberry.field(
        description="`VALIDATION_FAILED`, `DUPLICATE_LOT_ROW` or `PERMISSION_DENIED`; null where it was added."
    )
    message: str | None = strawberry.field(description="Why it was refused, in a sentence for people.")
    problems: list[errors.FieldProblem] = strawberry.field(description="What is wrong with it, field by field.")
    duplicate_of: strawberry.ID | None = strawberry.field(
        description="The row of the same lot and step, which may be one before it."
    )
    opened_by: list[str] = strawberry.field(
        description="The names of the permissions that would open the row's product line, the smallest first; else none."
    )
    apply_at: str | None = strawberry.field(description="The page where one applies for the first of them.")

    @classmethod
    def of(cls, result: lot_rows.LotRowAddResult) -> "LotRowAddResult":
        """The type for a result of the use case."""
        refusal = None if result.refusal is None else errors.union_member(result.refusal)
        return cls(
            is_added=refusal is None,
            lot_row=None if result.row is None else LotRow.of(result.row),
            code=getattr(refusal, "code", None),
            message=getattr(refusal, "message", None),
            problems=getattr(refusal, "problems", []),
            duplicate_of=getattr(refusal, "lot_row_id", None),
            opened_by=getattr(refusal, "opened_by", []),
            apply_at=getattr(refusal, "apply_at", None),
        )


@strawberry.input(
    description=(
        "A lot row. Whatever is missing or wrong in it is answered by `ValidationFailed`, field by field, and nothing of it is "
        "stored then. Numbers may be sent as their texts too, written as in a file (docs/lots.md)."
    )
)
class LotRowInput:
    product_line: AnyValue | None = strawberry.field(
        default=None, description="Required. The product line of the lot, by the name of a `ProductLine`."
    )
    lot_id: AnyValue | None = strawberry.field(
        default=None, description="Required. The lot's id: text as `PLOG_LOTS__ID_PATTERN` has it, at most 64 characters."
    )
    product: AnyValue | None = strawberry.field(
        default=None, description="Required. What the lot is of: text of at most 200 characters."
    )
    step: AnyValue | None = strawberry.field(
        default=None, description="Required. The process step: text of at most 200 characters."
    )
    equipment: AnyValue | None = strawberry.field(
        default=None, description="Required. The equipment: text of at most 200 characters."
    )
    measured_at: AnyValue | None = strawberry.field(
        default=None,
        description="Required. When that was: a `DateTime`, to the microsecond at most, as in `2026-01-31T12:00:00.125+09:00`.",
    )
    quantity: AnyValue | None = strawberry.field(
        default=None, description="Required. How many wafers or pieces: a whole number from 1 to 2,147,483,647."
    )
    attributes: JSON | None = strawberry.field(
        default=None,
        description=(
            "An object of at most 200 finite numbers by their names, whole ones of at most 64 bits; names are ASCII letters, "
            "digits and `_`, no digit first, at most 64 characters."
        ),
    )


@strawberry.input(description="Which lot rows. What is left out does not restrict.")
class LotRowFilter:
    product_line: ProductLine | None = strawberry.field(default=None, description="Of this product line.")
    product: str | None = strawberry.field(default=None, description="Of this product.")
    steps: list[str] | None = strawberry.field(default=None, description="Of one of these process steps.")
    equipment: str | None = strawberry.field(default=None, description="Of this equipment.")
    measured_from: datetime | None = strawberry.field(default=None, description="Measured then or later.")
    measured_to: datetime | None = strawberry.field(default=None, description="Measured before then.")
    lot_id_prefix: str | None = strawberry.field(default=None, description="Whose lot id begins so, letter by letter.")
    search: str | None = strawberry.field(
        default=None, description="Whose lot id, product or equipment begins so, letter by letter."
    )
    quantity_from: int | None = strawberry.field(default=None, description="Of this quantity or more.")
    quantity_to: int | None = strawberry.field(default=None, description="Of this quantity or less.")
    lot_import_id: strawberry.ID | None = strawberry.field(default=None, description="Added by this import.")


@strawberry.type(description="A page of lot rows.")
class LotRowConnection(Connection[LotRow]):
    query: strawberry.Private[LotRowQuery]

    @strawberry.field(description="How many rows the filter has in all; costs a count.")
    async def total_count(self, info: Info) -> int:
        return await lot_rows.count_lot_rows(info.context.services, info.context.actor, self.query)

    @classmethod
    def of(cls, page: Page[domain.LotRow], query: LotRowQuery, after: str | None) -> "LotRowConnection":
        """The connection for a page of rows."""
        cursors = [encode_cursor(f"lot row {query.order}", _sort_value(each, query.order), each.id) for each in page.items]
        nodes = [LotRow.of(each) for each in page.items]
        return cls(query=query, **page_parts(nodes, cursors, has_more=page.has_more, after=after))


def _sort_value(row: domain.LotRow, order: LotRowOrder) -> int | str | datetime:
    value: int | str | datetime = row.id if order is LotRowOrder.NUMBER else getattr(row.definition, order.lower())
    return value


def lot_row_query(
    chosen: LotRowFilter | None, order: LotRowOrder, is_descending: bool, first: int, after: str | None
) -> LotRowQuery:
    """The domain's query for a filter as sent; an import's id that leads nowhere finds nothing."""
    chosen = chosen or LotRowFilter()
    place = decode_cursor(f"lot row {order}", after, PLACES[order], int)
    if chosen.steps is not None and len(chosen.steps) > MAX_STEPS:
        raise ValidationFailed.of("filter.steps", f"are {len(chosen.steps)}; {MAX_STEPS} are allowed")
    return LotRowQuery(
        product_line=chosen.product_line,
        product=checked_text("filter.product", chosen.product),
        steps=checked_names("filter.steps", chosen.steps),
        equipment=checked_text("filter.equipment", chosen.equipment),
        measured_from=chosen.measured_from,
        measured_to=chosen.measured_to,
        lot_id_prefix=checked_text("filter.lotIdPrefix", chosen.lot_id_prefix),
        search=checked_text("filter.search", chosen.search),
        quantity_from=chosen.quantity_from,
        quantity_to=chosen.quantity_to,
        import_id=ids.wanted(ids.lot_import_number, chosen.lot_import_id),
        order=order,
        is_descending=is_descending,
        after=None if place is None else (place[0], place[1]),
        first=checked_first(first),
    )

"""What lists of assignments, results and runs of the daily batch are asked for: filters, order, and the place to go on from."""

from dataclasses import dataclass
from datetime import date, datetime

from domain.daily_batch_run import DailyBatchRunStatus
from domain.kit import ProductLine
from domain.query import NumberedQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAssignmentQuery(NumberedQuery):
    """Which assignments of models to lots, by number."""

    product_line: ProductLine | None = None
    model_id: int | None = None
    lot_row_id: int | None = None
    actor: str | None = None
    has_ended: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LotResultQuery(NumberedQuery):
    """Which results of models for lots, by number; times are half-open [from, to).

    `lot_id_prefix`, `product` and `step` are those of the row as it now is.
    """

    product_line: ProductLine | None = None
    lot_row_id: int | None = None
    lot_id_prefix: str | None = None
    product: str | None = None
    step: str | None = None
    model_id: int | None = None
    model_version: int | None = None
    run_id: int | None = None
    is_out_of_range: bool | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyBatchRunQuery(NumberedQuery):
    """Which runs of the daily batch, by number; `is_scheduled` are those that time has come for, `day` is whose run it is.

    Times are half-open [from, to).
    """

    product_line: ProductLine | None = None
    statuses: frozenset[DailyBatchRunStatus] = frozenset()
    is_dry_run: bool | None = None
    is_scheduled: bool | None = None
    day: date | None = None
    started_from: datetime | None = None
    started_to: datetime | None = None

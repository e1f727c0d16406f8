"""Assignments of set-up models to lots: to one row, or to all rows that a rule takes in, those still to come among them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from domain.errors import IllegalTransition
from domain.kit import ProductLine
from domain.lot_row import MAX_NAME
from domain.validation import Problems


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRule:
    """Which rows of a product line a model is assigned to: all that meet what is given; times are half-open [from, to)."""

    product: str | None = None
    step: str | None = None
    measured_from: datetime | None = None
    measured_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentOrder:
    """What a person asks for: a model for one row (`lot_row_id`), or for those of a rule."""

    model_id: int
    lot_row_id: int | None = None
    rule: LotRule | None = None

    @property
    def scope(self) -> str:
        """What it applies to, in one text; of a model and person one assignment of a scope has not ended."""
        if self.rule is None:
            return f"row {self.lot_row_id}"
        given = {name: value for name, value in asdict(self.rule).items() if value is not None}
        return json.dumps(given, sort_keys=True, ensure_ascii=False, default=datetime.isoformat)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAssignment:
    """An assignment of a model of that product line. `actor` has made it, `ended_by` has taken it back.

    The daily batch goes by it as long as it has not ended and `actor` may use the model.
    """

    id: int
    order: AssignmentOrder
    product_line: ProductLine
    actor: str
    actor_name: str
    created_at: datetime
    version: int = 1
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_by_name: str | None = None

    def ended(self, by: str, by_name: str, at: datetime) -> "ModelAssignment":
        """The assignment taken back; `IllegalTransition` where it was already."""
        if self.ended_at is not None:
            message = f"Assignment {self.id} was taken back by {self.ended_by_name} on {self.ended_at:%Y-%m-%d}."
            raise IllegalTransition(f"Assignment {self.id}", "ENDED", "ENDED", message)
        at = max(at, self.created_at)
        return replace(self, version=self.version + 1, ended_at=at, ended_by=by, ended_by_name=by_name)


def assignment_order(given: Mapping[str, Any], model_id: int | None, lot_row_id: int | None) -> AssignmentOrder:
    """The order in an input document whose ids lead to these numbers (None: nowhere); `ValidationFailed` names what is wrong."""
    problems = Problems("input.")
    problems.text(given, "modelId")
    rule = given.get("rule")
    if (given.get("lotRowId") is None) == (rule is None):
        problems.add("", "name either one row (`lotRowId`) or a rule (`rule`)")
    made = None if rule is None else _rule(problems.at("rule"), rule)
    problems.check()
    return AssignmentOrder(model_id=model_id or 0, lot_row_id=None if made else lot_row_id or 0, rule=made)


def _rule(problems: Problems, given: Mapping[str, Any]) -> LotRule:
    rule = LotRule(
        product=problems.text(given, "product", "", most=MAX_NAME) or None,
        step=problems.text(given, "step", "", most=MAX_NAME) or None,
        measured_from=_time(problems, given, "measuredFrom"),
        measured_to=_time(problems, given, "measuredTo"),
    )
    if problems.is_clean and rule == LotRule():
        problems.add("", "say at least one of product, step, measuredFrom and measuredTo")
    if rule.measured_from is not None and rule.measured_to is not None and rule.measured_to <= rule.measured_from:
        problems.add("measuredTo", "must be later than measuredFrom")
    return rule


def _time(problems: Problems, given: Mapping[str, Any], field: str) -> datetime | None:
    value = given.get(field)
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError:
            pass
    problems.add(field, "must be a date and time with an offset, as in 2026-01-31T12:00:00+09:00")
    return None

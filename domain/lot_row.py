"""Lot rows: what was measured of a lot at a process step. Corrections are versions; what stood there before stays."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from domain.effort import Effort, Exhausted
from domain.kit import ProductLine
from domain.pattern_text import check_followable, matches
from domain.permission_request import stated_reason
from domain.text_value import read_number
from domain.validation import Problems

LOT_ID = "[A-Z0-9][A-Z0-9._-]{2,31}"
MAX_LOT_ID = 64
MAX_NAME = 200
MAX_QUANTITY = 2**31 - 1
MAX_ATTRIBUTES = 200
MAX_ROWS = 1_000  # of one call
MATCH_STEPS = 50_000
REMEMBERED = 1_000
LONGEST_INTEGER = 2**63
ATTRIBUTE_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]{0,63}")

LotRowKey = tuple[ProductLine, str, str]


class LotIds:
    """Which texts are ids of lots: those that the expression (ECMA 262) of the settings matches from end to end.

    No expression makes that take long: an id has at most 64 characters, all ways through the expression are followed at once
    and none is gone back on (`domain/pattern_text.py`), in counted steps. `Unmatchable` for an expression that can't be read, or
    that uses what would have to be gone back on.
    """

    def __init__(self, pattern: str) -> None:
        check_followable(pattern)
        self.pattern = pattern
        self.problem = lru_cache(maxsize=REMEMBERED)(self._problem)  # a lot has a row for each of its steps

    def _problem(self, lot_id: str) -> str | None:
        """What keeps a text from being the id of a lot; None where nothing does."""
        if len(lot_id) > MAX_LOT_ID:
            return f"is {len(lot_id)} characters long; {MAX_LOT_ID} are allowed"
        try:
            is_lot_id = matches(f"^(?:{self.pattern})$", lot_id, Effort(MATCH_STEPS))
        except Exhausted:
            return f"can't be held against the pattern {self.pattern} in time"
        return None if is_lot_id else f"is no lot id: it does not match {self.pattern}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRowDefinition:
    """What is said of a lot at a step, exactly as it was given; `attributes` are what models take as inputs."""

    product_line: ProductLine
    lot_id: str
    product: str
    step: str
    equipment: str
    measured_at: datetime
    quantity: int
    attributes: Mapping[str, int | float]

    @property
    def key(self) -> LotRowKey:
        """What no two rows have in common.

        The product line is a part of it, as each product line is a world of its own: were lots told apart by id and step alone,
        the refusal of a duplicate would tell of rows that the caller can't see.
        """
        return self.product_line, self.lot_id, self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """A row as it now is. `actor` is who added it, in an import where there is an `import_id`."""

    id: int
    definition: LotRowDefinition
    version: int
    actor: str
    created_at: datetime
    updated_at: datetime
    import_id: int | None = None

    def corrected(self, definition: LotRowDefinition, at: datetime) -> "LotRow":
        """The row's next version."""
        return replace(self, definition=definition, version=self.version + 1, updated_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRowVersion:
    """What a row was from a time on; `reason` is why it was corrected, None for the first version."""

    version: int
    definition: LotRowDefinition
    actor: str
    reason: str | None
    recorded_at: datetime


def lot_row_definition(given: Mapping[str, Any], lot_ids: LotIds, prefix: str = "input.") -> LotRowDefinition:
    """What an input document or a row of a file says of a lot; `ValidationFailed` names each field that is missing or wrong.

    Times are texts, and a number may be one too.
    """
    problems = Problems(prefix)
    product_line = problems.choice(given, "productLine", ProductLine)
    lot_id = problems.text(given, "lotId")
    if lot_id and (problem := lot_ids.problem(lot_id)) is not None:
        problems.add("lotId", problem)
    definition = LotRowDefinition(
        product_line=product_line,
        lot_id=lot_id,
        product=problems.text(given, "product", most=MAX_NAME),
        step=problems.text(given, "step", most=MAX_NAME),
        equipment=problems.text(given, "equipment", most=MAX_NAME),
        measured_at=_measured_at(problems, given),
        quantity=problems.integer({"quantity": read_number(given.get("quantity"))}, "quantity", None, 1, MAX_QUANTITY),
        attributes=_attributes(problems, given),
    )
    problems.check()
    return definition


def correction(given: Mapping[str, Any], reason: str | None, lot_ids: LotIds) -> tuple[LotRowDefinition, str]:
    """What a row is corrected to, and why."""
    problems = Problems()
    why = stated_reason(problems, {"reason": reason})
    problems.check()
    return lot_row_definition(given, lot_ids), why


def _measured_at(problems: Problems, given: Mapping[str, Any]) -> datetime:
    if given.get("measuredAt") in (None, ""):
        problems.add("measuredAt", "is required")
        return datetime.min
    return problems.moment(given, "measuredAt") or datetime.min


def _attributes(problems: Problems, given: Mapping[str, Any]) -> Mapping[str, int | float]:
    named = {name: read_number(value) for name, value in problems.mapping(given, "attributes").items()}
    if len(named) > MAX_ATTRIBUTES:
        problems.add("attributes", f"has {len(named)} entries; {MAX_ATTRIBUTES} are allowed")
        return {}
    nested = problems.at("attributes")
    numbers: dict[str, int | float] = {}
    for name, value in named.items():
        if (problem := attribute_problem(name)) is not None:
            nested.add(name[:80], problem)
        elif isinstance(value, int) and not isinstance(value, bool):
            if not -LONGEST_INTEGER <= value < LONGEST_INTEGER:
                nested.add(name, "must have at most 64 bits")
            numbers[name] = value
        else:
            numbers[name] = nested.number(named, name, None)
    return numbers


def attribute_problem(name: str) -> str | None:
    """What keeps a text from being the name of an attribute; None where nothing does."""
    if ATTRIBUTE_NAME.fullmatch(name):
        return None
    return "is no name of an attribute: at most 64 letters of ASCII, digits and _, no digit first"

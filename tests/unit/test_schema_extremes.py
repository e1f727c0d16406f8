"""Schemas whose numbers go to the ends of what numbers are: a value comes of them, or the reason why none does."""

import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.effort import Effort
from domain.schema_check import SchemaCheck
from domain.schema_rules import both
from domain.schema_value import NoValue, SchemaValues

MOST = sys.float_info.max
EXTREMES = (0, 5e-324, sys.float_info.min, 1e-7, 0.1, 1, 2**53 - 1, 2**53 + 1, 2**63, 2**64, 1e300, MOST, 10**400)
NUMBERS = st.sampled_from([sign * each for each in EXTREMES for sign in (1, -1)]) | st.integers() | st.floats() | st.booleans()
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
RULES = st.dictionaries(st.sampled_from(BOUNDS), NUMBERS)


@given(st.sampled_from(["number", "integer"]), RULES, st.lists(RULES, max_size=3), st.integers(0, 9))
@example("number", {"exclusiveMinimum": MOST}, [], 0)
@example("number", {"exclusiveMaximum": -MOST}, [], 0)
@example("number", {"minimum": MOST, "exclusiveMinimum": True}, [], 0)
@example("number", {"minimum": 1, "maximum": -MOST}, [], 0)
@example("number", {"minimum": -MOST, "maximum": MOST}, [], 0)
def test_bounds_give_a_number_that_keeps_them_or_say_why_not(kind: str, rules: Any, parts: list[Any], seed: int) -> None:
    schema = {"type": kind, **rules, "allOf": parts}
    with suppress(NoValue):
        made = SchemaValues({}, seed=seed).value(schema, "x")
        assert abs(made) <= MOST and SchemaCheck({}, Effort(1000)).problem(made, schema) is None


def test_steps_that_only_a_number_without_measure_keeps_together_stay_apart() -> None:
    parts = [{"multipleOf": 2**62 + 2 * number + 1} for number in range(260)]
    for schema in ({"allOf": [*parts, {"example": 6}]}, {"allOf": parts}):
        with pytest.raises(NoValue, match="is no multiple of"):
            SchemaValues({}).value({"type": "integer", **schema}, "x")
    assert SchemaValues({}).value({"type": "integer", "allOf": [*parts, {"example": 0}]}, "x") == 0
    assert both({"multipleOf": 4}, {"multipleOf": 6}) == {"multipleOf": 12}
    assert both(parts[0], parts[1]) == {**parts[0], "allOf": [parts[1]]}

"""Numbers within bounds, as exact as JSON has them."""

import math
import sys
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from domain.schema_number import LARGEST
from domain.schema_value import NoValue
from tests.unit.test_schema_value import make


@given(st.integers(-1000, 1000), st.integers(0, 500), st.sampled_from([None, 1, 3, 0.5, 0.25]), st.booleans(), st.integers(0, 99))
def test_numbers_are_within_their_bounds(low: int, width: int, step: float | None, is_whole: bool, seed: int) -> None:
    schema: dict[str, Any] = {"type": "integer" if is_whole else "number", "minimum": low, "maximum": low + width}
    if step is not None and not (is_whole and step < 1):
        schema["multipleOf"] = step
    try:
        made = make(schema, seed=seed)
    except NoValue:
        assert "multipleOf" in schema and not any(number % schema["multipleOf"] == 0 for number in range(low, low + width + 1))
        return
    assert low <= made <= low + width
    assert isinstance(made, int) or not is_whole
    assert "multipleOf" not in schema or (made / schema["multipleOf"]).is_integer()


@pytest.mark.parametrize("bound", [1e300, -1e300, 10**400])
def test_bounds_beyond_all_measure(bound: float) -> None:
    for key in ("minimum", "maximum"):
        try:
            assert abs(make({"type": "integer", key: bound})) <= LARGEST + 100
        except NoValue as problem:
            assert "no number" in str(problem) or "that fits" in str(problem)


@pytest.mark.parametrize(
    ("rules", "least", "most"),
    [
        ({"minimum": 2**62}, 2**62, 2**62 + 99),
        ({"maximum": -(2**62) - 1}, -(2**62) - 100, -(2**62) - 1),
        ({"minimum": 2**63 - 1, "maximum": 2**63 - 1}, 2**63 - 1, 2**63 - 1),
        ({"minimum": 2**63 - 2, "exclusiveMinimum": True, "maximum": 2**63 - 1}, 2**63 - 1, 2**63 - 1),
        ({"exclusiveMinimum": LARGEST, "maximum": 2**60}, 2**53, 2**60),
        ({"minimum": 10**18 + 1, "maximum": 10**18 + 2000, "multipleOf": 1000}, 10**18 + 1000, 10**18 + 2000),
        ({"minimum": 1e18, "maximum": 1e18}, 10**18, 10**18),
        ({"minimum": 0, "maximum": 2**63 - 1}, 0, LARGEST),
        ({"minimum": -(2**63), "maximum": 2**63 - 1}, -LARGEST, LARGEST),
        ({"minimum": -(2**63)}, -LARGEST, -LARGEST + 99),
        ({"maximum": 2**63 - 1}, LARGEST - 99, LARGEST),
    ],
)
def test_long_integers_are_exact_and_only_made_where_shorter_ones_do_not_fit(rules: Any, least: int, most: int) -> None:
    for seed in range(5):
        made = make({"type": "integer"} | rules, seed=seed)
        assert isinstance(made, int) and least <= made <= most and made % rules.get("multipleOf", 1) == 0


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS, FLOATS, st.sampled_from(["minimum", "exclusiveMinimum"]), st.sampled_from(["maximum", "exclusiveMaximum"]))
@example(1e17, 2e17, "minimum", "maximum")
@example(1e17, 1e17, "minimum", "maximum")
@example(1e17, 1e17 + 32, "exclusiveMinimum", "exclusiveMaximum")
@example(-2e300, -1e300, "minimum", "exclusiveMaximum")
@example(float(LARGEST), LARGEST + 9.0, "exclusiveMinimum", "exclusiveMaximum")
@example(sys.float_info.max, sys.float_info.max, "minimum", "maximum")
@example(-sys.float_info.max, sys.float_info.max, "exclusiveMinimum", "exclusiveMaximum")
def test_numbers_are_made_as_far_as_floats_go(one: float, other: float, least: str, most: str) -> None:
    low, high = min(one, other), max(one, other)
    between = low if least == "minimum" else math.nextafter(low, math.inf)
    assume(between < high or (between == high and most == "maximum"))
    for seed in range(3):
        made = float(make({"type": "number", least: low, most: high}, seed=seed))
        assert low <= made <= high
        assert (made != low or least == "minimum") and (made != high or most == "maximum")


@pytest.mark.parametrize("bound", [LARGEST, LARGEST + 1, 10**17, 10**17 + 1, 2**64, 1e25, 1e300, 1.7e308])
def test_numbers_beyond_a_bound_are_so_as_floats_too(bound: float) -> None:
    for seed in range(20):
        assert float(make({"type": "number", "exclusiveMinimum": bound}, seed=seed)) > bound
        assert float(make({"type": "number", "exclusiveMaximum": -bound}, seed=seed)) < -bound

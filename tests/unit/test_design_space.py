"""Design spaces: reading them, spreading points, and the proof that nothing can meet the constraints."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.design_space import DesignSpace, Scale, Variable, parse_space
from domain.errors import ValidationFailed
from domain.validation import Problems


def read(variables: list[Any], constraints: Any = None) -> DesignSpace:
    problems = Problems("design.")
    space = parse_space({"variables": variables, "constraints": constraints}, problems)
    problems.check()
    return space


def wrong_fields(variables: list[Any], constraints: Any = None) -> set[str]:
    with pytest.raises(ValidationFailed) as caught:
        read(variables, constraints)
    return {problem.field for problem in caught.value.problems}


A, B = {"name": "a", "low": 0, "high": 10}, {"name": "b", "low": 1, "high": 100, "scale": "LOG"}


@pytest.mark.parametrize(
    ("variables", "constraints", "field"),
    [
        ([{"name": "a", "low": 5, "high": 5}], None, "design.variables.0.high"),
        ([{"name": "a", "low": 5, "high": 1}], None, "design.variables.0.high"),
        ([{"name": "a", "low": -1e308, "high": 1e308}], None, "design.variables.0.high"),
        ([{"name": "a", "low": float("nan"), "high": 1}], None, "design.variables.0.low"),
        ([{"name": "a", "high": 1}], None, "design.variables.0.low"),
        ([{"name": "a", "low": 0, "high": 1, "scale": "LOG"}], None, "design.variables.0.low"),
        ([{"name": "a", "levels": [0, 1], "scale": "LOG"}], None, "design.variables.0.low"),
        ([{"name": "a", "low": 0, "high": 1, "scale": "SQUARE"}], None, "design.variables.0.scale"),
        ([{"name": "a", "levels": [1, 1.0]}], None, "design.variables.0.levels"),
        ([{"name": "a", "levels": [1, "x"]}], None, "design.variables.0.levels.1"),
        ([{"name": "a", "low": 2, "high": 3, "levels": [1, 3]}], None, "design.variables.0.levels"),
        ([{"name": "a", "low": 2, "high": 3, "hihg": 3}], None, "design.variables.0.hihg"),
        ([A, A], None, "design.variables.1.name"),
        ([A, {"name": "a", "categories": ["x"]}], None, "design.variables.1.name"),
        ([{"name": "a", "categories": []}], None, "design.variables.0.categories"),
        ([{"name": "a", "categories": ["x", " x"]}], None, "design.variables.0.categories"),
        ([{"name": "a", "categories": [1]}], None, "design.variables.0.categories.0"),
        ([{"name": "a", "categories": ["x"], "low": 1}], None, "design.variables.0.low"),
        ([A, {"name": "b", "categories": ["x"]}], ["b > 1"], "design.constraints.0"),
        (["a"], None, "design.variables.0"),
        ([A] * 51, None, "design.variables"),
        ([A], ["c < 1"], "design.constraints.0"),
        ([A], ["a < 1", "import os"], "design.constraints.1"),
        ([A], [7], "design.constraints.0"),
        ([A], "a < 1", "design.constraints"),
    ],
)
def test_what_is_wrong_is_named(variables: list[Any], constraints: Any, field: str) -> None:
    assert field in wrong_fields(variables, constraints)


def test_spreading_keeps_to_scale_levels_and_range() -> None:
    space = read([A, B, {"name": "c", "levels": [3, 1, 2]}])
    points = space.spread(np.asarray([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(points, [[0, 1, 1], [5, 10, 2], [10, 100, 3]], rtol=1e-12)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=2), st.sampled_from(list(Scale)), st.floats(1e-9, 1e6), st.floats(1.001, 1e6)
)
def test_spreading_rises_and_stays_inside(units: list[float], scale: Scale, low: float, factor: float) -> None:
    variable = Variable("a", low, low * factor, (), scale)
    values = variable.spread(np.sort(np.asarray(units)))
    assert values[0] <= values[1]
    assert variable.accepts(values).all()


def test_rows_outside_are_told_why() -> None:
    space = read([A, {"name": "c", "levels": [0.1, 0.3]}], ["a <= 8"])
    columns = {"a": np.asarray([1.0, 11.0, 9.0, np.nan]), "c": np.asarray([0.1 + 0.2, 0.1, 0.3, 0.2])}
    first, second, third, fourth = space.objections(columns)
    assert first is None
    assert second is not None and second.startswith("a = 11")
    assert third == "a <= 8 does not hold"
    assert fourth is not None and "nan" in fourth


def test_missing_values_break_no_rule_where_they_are_allowed() -> None:
    space = read([A, {"name": "k", "categories": ["x"]}], ["a <= 8"])
    columns = {"a": np.asarray([np.nan, 9.0, 11.0, 1.0]), "k": np.asarray([None, "x", None, "y"], dtype=object)}
    allowed = space.objections(columns, allows_missing=True)
    assert [objection is None for objection in allowed] == [True, False, False, False]
    assert space.objections(columns)[0] == "a = nan is not from 0 to 10"


@pytest.mark.parametrize(
    ("constraints", "is_empty"),
    [
        (["a + b >= 111"], True),
        (["a + b >= 109.9999"], False),
        (["a == b"], False),
        (["a == b", "a + b > 20.001"], True),
        (["a == b", "a + b == 12.3456789"], False),
        (["a*a - b*b > 3", "b >= a"], True),
        (["a < 0"], True),
        (["a <= 0"], False),
        (["sqrt(a - 20) > 0"], True),
        (["(log(a - 10))**-0.5 < 1", "a >= 10"], True),
        ([], False),
    ],
)
def test_emptiness_is_proved_and_never_presumed(constraints: list[str], is_empty: bool) -> None:
    assert read([A, B], constraints).is_provably_empty() is is_empty


@given(st.floats(0, 10), st.floats(1, 100))
def test_a_space_made_around_a_point_is_not_empty(a: float, b: float) -> None:
    assert not read([A, B], [f"a == {a!r}", f"b >= {b!r}", f"a*b <= {a * b!r}"]).is_provably_empty()

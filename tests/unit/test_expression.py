"""Constraints: what is understood, what is refused, and that intervals never rule out a point that columns allow."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.expression import MAX_DEPTH, Constraint, ExpressionError
from domain.interval import Interval

FINITE = st.floats(-100, 100, allow_nan=False)


def holds(text: str, **values: float) -> bool:
    columns = {name: np.asarray([value]) for name, value in values.items()}
    return bool(np.all(Constraint.parse(text).holds(columns)))


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("w1 + 2*w2 <= 10", {"w1": 4, "w2": 3}, True),
        ("w1 + 2*w2 < 10", {"w1": 4, "w2": 3}, False),
        ("1 < a < 3 and a != 2", {"a": 2.5}, True),
        ("1 < a < 3 and a != 2", {"a": 2}, False),
        ("a == 0.3", {"a": 0.1 + 0.2}, True),
        ("-a**2 >= -4 or a > 100", {"a": -2}, True),
        ("max(a, b, 1) - min(a, b) == 4", {"a": 1, "b": 5}, True),
        ("sqrt(a) * exp(0) + log(1) + log10(100) + abs(-1) == 5", {"a": 4}, True),
        ("1 / a > 0", {"a": 0}, False),
        ("sqrt(a) >= 0", {"a": -1}, False),
        ("log(a) < 0", {"a": 0}, False),
        ("a**-1 == 0.5", {"a": 2}, True),
        ("(log(a))**-0.5 >= 0", {"a": 0}, False),
        ("1 / (1 / a) == 0", {"a": 0}, False),
        ("exp(log(a)) <= 1", {"a": 0}, False),
        ("sqrt(a)**0 == 1", {"a": -1}, False),
        ("`in`*2 + `gate length (µm)` <= `lambda`", {"in": 1, "gate length (µm)": 3, "lambda": 5}, True),
        ("quoted0 + `quoted0` < 3", {"quoted0": 1}, True),
        ("max(`max`,1)<2", {"max": 1.5}, True),
    ],
)
def test_meaning(text: str, values: dict[str, float], expected: bool) -> None:
    assert holds(text, **values) is expected


def test_a_whole_column_at_once() -> None:
    constraint = Constraint.parse("a + b <= 3")
    assert constraint.names == {"a", "b"}
    assert constraint.holds({"a": np.asarray([1.0, 2.0, 3.0]), "b": np.ones(3)}).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a +",
        "a < ",
        "a = 1",
        "a ^ 2 < 1",
        "__import__('os').system('ls') < 1",
        "a.real < 1",
        "a[0] < 1",
        "f(a) < 1",
        "abs(a, b) < 1",
        "min() < 1",
        "min(*a) < 1",
        "exp(x=1) < 2",
        "not a < 1",
        "a if b else c",
        "(lambda: 1)() < 2",
        "[a for a in b] < 1",
        "a is b",
        "a in b",
        "True < a",
        "'x' < a",
        "1j < a",
        "1e999 < a",
        "a ** b < 1",
        "a ** 17 < 1",
        "9 ** 9 ** 9 < a",
        "a ** -a < 1",
        "(a := 1) < 2",
        "a < b < (c < d)",
        "a < 1; b < 2",
        "a < 1\nb < 2",
        "-" * 400 + "a < 1",
        "(" * 200 + "a",
        "+".join(["a"] * (MAX_DEPTH + 5)) + " < 1",
        "a < " + "1" * 500,
        "a < 1" + " " * 600,
        "a < 1\x00",
        "\ud800 < 1",
    ],
)
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        Constraint.parse(text)


@pytest.mark.parametrize("text", ["lambda >= 0.1", "µm_w <= 3", "in > 2", "gate length <= 3", "`a <= 3", "``", "`f`(a) < 1"])
def test_a_name_that_must_be_quoted_is_told(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"backticks|must compare|may hold"):
        Constraint.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_refused_or_harmless(text: str) -> None:
    try:
        constraint = Constraint.parse(text)
    except ExpressionError:
        return
    constraint.holds({name: np.ones(3) for name in constraint.names})


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "2", "0.5", "3"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, st.sampled_from(["2", "3", "-1", "-2", "0.5", "0"])).map(lambda parts: f"({parts[0]})**{parts[1]}"),
        st.tuples(st.sampled_from(["abs", "sqrt", "exp", "log"]), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
        inner.map(lambda part: f"-{part}"),
    ),
    max_leaves=6,
)


@given(
    left=EXPRESSIONS,
    right=EXPRESSIONS,
    comparison=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    boxes=st.tuples(FINITE, FINITE, FINITE, FINITE),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_box_with_a_solution_is_never_ruled_out(
    left: str, right: str, comparison: str, boxes: tuple[float, ...], shares: tuple[float, float]
) -> None:
    constraint = Constraint.parse(f"{left} {comparison} {right}")
    ranges = {"a": sorted(boxes[:2]), "b": sorted(boxes[2:])}
    inside = {name: low + share * (high - low) for (name, (low, high)), share in zip(ranges.items(), shares, strict=True)}
    inside = {name: min(max(value, ranges[name][0]), ranges[name][1]) for name, value in inside.items()}
    intervals = {name: Interval(np.asarray([low]), np.asarray([high])) for name, (low, high) in ranges.items()}
    if np.all(constraint.holds({name: np.asarray([value]) for name, value in inside.items()})):
        assert np.all(constraint.may_hold(intervals)), inside


def test_a_box_without_solution_is_ruled_out() -> None:
    box = {
        "a": Interval(np.asarray([2.0, 2.0]), np.asarray([3.0, 3.0])),
        "b": Interval(np.asarray([0.0, 9.0]), np.asarray([1.0, 9.5])),
    }
    assert Constraint.parse("a * b > 10").may_hold(box).tolist() == [False, True]
    assert Constraint.parse("sqrt(a) + exp(b) < 2").may_hold(box).tolist() == [False, False]
    assert not math.isnan(Interval.of(0.0).low[0])

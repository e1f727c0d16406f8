"""Readers of input documents: what they take, they return as it is; for everything else they name the field and go on."""

import json
import math
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import FieldProblem, ValidationFailed
from domain.validation import MAX_DEPTH, Problems, check_document, is_storable

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4), max_leaves=12
)
DOCUMENTS = st.dictionaries(ANY_TEXT, JSON, max_size=5)
DEEP: dict[str, Any] = {}
for _ in range(100_000):
    DEEP = {"a": DEEP}


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


def is_fit(value: Any) -> bool:
    """Whether every database can hold the value, by a rule of the test's own."""
    match value:
        case None | bool():
            return True
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
        case str():
            return "\x00" not in value and value == value.encode(errors="ignore").decode()
        case list():
            return all(map(is_fit, value))
        case dict():
            return all(is_fit(key) and is_fit(each) for key, each in value.items())
    return False


@given(ANY_TEXT)
def test_text_is_storable_if_it_survives_utf_8_and_has_no_nul(text: str) -> None:
    assert is_storable(text) is is_fit(text)


@given(DOCUMENTS)
@example({"pattern": "\\u0000"})
@example({"path": "C:\\u0000\\x"})
@example({"\x00": 1})
@example({"n": 2**63})
@example({"n": -(2**63)})
@example({"n": float("nan")})
@example({"deep": [[[{"x": "\ud800"}]]]})
def test_a_document_passes_exactly_if_every_database_can_hold_it(document: dict[str, Any]) -> None:
    if is_fit(document):
        check_document("metadata", document, most=100_000)
        assert orjson.loads(orjson.dumps(document)) == document
        return
    with pytest.raises(ValidationFailed) as refused:
        check_document("metadata", document, most=100_000)
    (problem,) = refused.value.problems
    assert problem.field == "metadata" or problem.field.startswith("metadata.")


def nested(depth: int, value: Any) -> Any:
    return value if depth == 0 else [nested(depth - 1, value)]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"a": {"b": [0, math.nan]}}, "metadata.a.b.1"),
        ({"a": {"b\x00": 1}}, "metadata.a"),
        ({"k" * 1000: "\ud800"}, "metadata." + "k" * 50),
        ({"a": nested(60, math.inf)}, "metadata.a" + ".0" * 9),
    ],
)
def test_what_does_not_fit_is_named_by_the_way_to_it(document: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        check_document("metadata", document, most=100_000)
    assert [problem.field for problem in refused.value.problems] == [field]


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), 1j, {1: 2}])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(ValidationFailed):
        check_document("metadata", {"a": value}, most=1000)


def test_the_size_of_a_document_is_that_of_its_utf_8() -> None:
    document = {"a": "한" * 10}
    size = len(json.dumps(document, ensure_ascii=False).encode())
    check_document("metadata", document, most=size)
    with pytest.raises(ValidationFailed, match=f"{size} bytes"):
        check_document("metadata", document, most=size - 1)
    with pytest.raises(ValidationFailed, match="bytes long"):
        check_document("metadata", {"a": "x" * 10_000_000}, most=65_536)


def test_nesting_is_bounded() -> None:
    document: Any = 1
    for _ in range(MAX_DEPTH):
        document = {"a": document}
    check_document("metadata", document, most=10_000)
    orjson.dumps(document)
    for deeper in ({"a": document}, DEEP):
        with pytest.raises(ValidationFailed, match="nested too deeply"):
            check_document("metadata", deeper, most=10_000_000)


def test_a_document_that_contains_itself_is_refused() -> None:
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    with pytest.raises(ValidationFailed):
        check_document("metadata", cyclic, most=1000)


def read(reader: Callable[[Problems, Any], Any], value: Any) -> tuple[Any, list[FieldProblem]]:
    problems = Problems("kit.")
    found = reader(problems, {"field": value})
    try:
        problems.check()
    except ValidationFailed as error:
        assert not problems.is_clean
        return found, list(error.problems)
    assert problems.is_clean
    return found, []


READERS: list[Callable[[Problems, Any], Any]] = [
    lambda problems, raw: problems.text(raw, "field"),
    lambda problems, raw: problems.texts(raw, "field"),
    lambda problems, raw: problems.integer(raw, "field", None, -5, 5),
    lambda problems, raw: problems.number(raw, "field", None, -5.0, 5.0),
    lambda problems, raw: problems.choice(raw, "field", Colour),
    lambda problems, raw: problems.mapping(raw, "field"),
    lambda problems, raw: problems.items(raw, "field"),
]


@pytest.mark.parametrize("reader", READERS)
@given(value=JSON)
def test_a_reader_takes_what_it_promises_or_names_the_field(reader: Callable[[Problems, Any], Any], value: Any) -> None:
    found, problems = read(reader, value)
    if not problems:
        assert found == value or value is None or tuple(value) == tuple(found)
    assert all(problem.field == "kit.field" or problem.field.startswith("kit.field.") for problem in problems)
    assert all(problem.message for problem in problems)


@given(st.integers() | st.floats())
def test_whole_numbers_between_their_limits(value: float) -> None:
    found, problems = read(READERS[2], value)
    is_whole = math.isfinite(value) and value == int(value)
    assert (not problems) is (is_whole and -5 <= value <= 5)
    assert isinstance(found, int) and -5 <= found <= 5


@given(st.integers() | st.floats())
@example(10**400)
def test_numbers_between_their_limits(value: float) -> None:
    found, problems = read(READERS[3], value)
    assert (not problems) is (-5 <= value <= 5)
    assert isinstance(found, float) and math.isfinite(found)


@pytest.mark.parametrize("value", [True, False, "1", [1], {}])
@pytest.mark.parametrize("reader", READERS[2:4])
def test_what_only_looks_like_a_number_is_none(reader: Callable[[Problems, Any], Any], value: Any) -> None:
    assert [problem.field for problem in read(reader, value)[1]] == ["kit.field"]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda p: p.text({}, "f", "d"), "d"),
        (lambda p: p.text({"f": ""}, "f", "d"), "d"),
        (lambda p: p.integer({}, "f", 3, 0, 5), 3),
        (lambda p: p.integer({"f": 2.0}, "f", 3, 0, 5), 2),
        (lambda p: p.number({}, "f", 0.5), 0.5),
        (lambda p: p.choice({}, "f", Colour, Colour.BLUE), Colour.BLUE),
        (lambda p: p.choice({"f": "RED"}, "f", Colour), Colour.RED),
        (lambda p: p.mapping({}, "f"), {}),
        (lambda p: p.items({}, "f"), ()),
        (lambda p: p.texts({"f": ["a", "b"]}, "f"), ("a", "b")),
    ],
)
def test_defaults_and_values(call: Callable[[Problems], Any], expected: Any) -> None:
    problems = Problems()
    assert call(problems) == expected
    problems.check()


@pytest.mark.parametrize(
    "call",
    [
        lambda p: p.text({}, "f"),
        lambda p: p.text({"f": ""}, "f"),
        lambda p: p.text({"f": "xxx"}, "f", most=2),
        lambda p: p.text({"f": "a\x00"}, "f", "d"),
        lambda p: p.text({"f": "\udfff"}, "f"),
        lambda p: p.integer({}, "f", None, 0, 5),
        lambda p: p.number({}, "f", None),
        lambda p: p.choice({}, "f", Colour),
        lambda p: p.choice({"f": ["RED"]}, "f", Colour),
        lambda p: p.items({"f": [1] * 3}, "f", most=2),
        lambda p: p.items({"f": "ab"}, "f"),
        lambda p: p.mapping({"f": []}, "f"),
    ],
)
def test_what_is_missing_or_wrong_is_named(call: Callable[[Problems], Any]) -> None:
    problems = Problems()
    call(problems)
    with pytest.raises(ValidationFailed) as refused:
        problems.check()
    assert [problem.field for problem in refused.value.problems] == ["f"]


def test_all_problems_are_told_at_once_with_their_paths() -> None:
    problems = Problems()
    design = problems.at("design")
    design.at("variables").at(0).number({"low": "x"}, "low", None)
    design.texts({"names": ["a", 1, ""]}, "names")
    problems.no_others({"name": 1, "nmae": 2, "x" * 500: 3}, ["name"])
    with pytest.raises(ValidationFailed) as refused:
        problems.check()
    paths = [problem.field for problem in refused.value.problems]
    assert paths == ["design.variables.0.low", "design.names.1", "design.names.2", "nmae", "x" * 100]
    assert "design.variables.0.low: must be a number" in refused.value.message

"""Schemas that are long where nobody looks: what they cost is counted in steps, and no step costs out of proportion."""

import json
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from domain import schema_value
from domain.effort import Effort
from domain.schema_check import SchemaCheck
from domain.schema_rules import both, merging_cost, shown
from domain.schema_value import NoValue, SchemaValues

STEPS = 1_000_000
LONG = "k" * 900_000
REQUIRING = {"required": ["z"], "properties": {"z": False}}


def steps_of(schema: Any, document: Any = None) -> int:
    """The steps that the making of a value takes, whether it has one or not."""
    effort = Effort(STEPS)
    with suppress(NoValue):
        SchemaValues(document or {}, effort=effort).value(schema, "x")
    return STEPS - effort.left


def copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


class Unwritten(list[Any]):
    """A list of which nobody may write all."""

    def __repr__(self) -> str:
        raise AssertionError("all of it is written")


class Unread(Unwritten):
    """A list of which nobody may read all either."""

    def __iter__(self) -> Any:
        for place in range(len(self)):
            assert place < 200, "all of it is read"
            yield self[place]


@pytest.mark.parametrize("value", [1, 1.5, None, True, "a'b", [], {}, [1, ["a", {}]], {"a": [{"b": 1}, 2], "c": "d"}, [[[]]]])
def test_what_is_short_is_shown_as_it_is(value: Any) -> None:
    assert shown(value) == repr(value)


def test_what_is_long_is_cut_before_it_is_written() -> None:
    values: list[Any] = [["x" * 500] * 3, {"a" * 70: "b" * 70}, [list(range(99))] * 2, {str(each): each for each in range(99)}]
    for value in values:
        assert shown(value) == repr(value)[:100]
    long = Unread(["x"] * 1000)
    values = [long, {"a": long}, [[long]], {"b": {"c": [1, long]}}]
    for value in values:
        assert len(shown(value)) == 100 and "['x', 'x', " in shown(value)
    nested: Any = []
    for _ in range(5000):
        nested = [nested]
    assert shown(nested) == "[" * 100


def test_problems_show_no_more_of_a_value_than_is_told() -> None:
    long = Unwritten(["x"] * 1000)
    for rules in ({"type": "string"}, {"maxItems": 3}, {"not": {"minItems": 1}}):
        assert "['x', 'x', " in str(SchemaCheck({}, Effort(STEPS)).problem(long, rules))
    values = SchemaValues({})
    assert values.value({"example": long, "type": "string", "format": long}, "x")
    assert "of the document does not fit" in values.problems[0]


def test_the_texts_of_an_example_are_read_once_and_counted() -> None:
    schema = {"type": "object", "example": {"a": ["x"] * 300_000}, "anyOf": [REQUIRING] * 40}
    assert 30_000 <= steps_of(schema) < 40_000


@pytest.mark.parametrize("key", ["items", "additionalProperties", "propertyNames", "contains"])
@pytest.mark.parametrize("is_within", [True, False])
def test_what_merging_compares_is_counted(key: str, is_within: bool) -> None:
    rules: Any = {key: {"properties": {f"p{number}": {"type": "string"} for number in range(3000)}}}
    schema = {"properties": {"p": rules}} if is_within else rules
    assert merging_cost(schema, copy(schema)) > 2 * 3000 // 20
    assert both(schema, copy(schema)) == schema


@pytest.mark.parametrize("key", ["oneOf", "anyOf", "pattern"])
def test_what_merging_keeps_once_is_counted(key: str) -> None:
    rules: Any = "x" * 1_000_000 if key == "pattern" else [{"enum": [{"a": number} for number in range(3000)]}]
    schema: Any = {key: rules}
    assert merging_cost(schema, copy(schema)) > 2 * 3000 // 20
    assert both(schema, copy(schema)) == schema


@pytest.mark.parametrize("schema", [{LONG: 1}, {"properties": {LONG: {}}}, {"type": LONG}, {"type": [LONG + "1", LONG + "2"]}])
def test_what_merging_compares_of_long_texts_is_counted(schema: Any) -> None:
    assert merging_cost(schema, copy(schema)) >= len(LONG) // 100 // 20


def test_reckoning_with_fractions_is_counted() -> None:
    schema = {"type": "array", "minItems": 100, "items": {"type": "number", "minimum": 5e-324}}
    assert steps_of(schema) >= 100 * 8


def test_what_is_the_same_is_not_compared() -> None:
    schema: Any = {"items": {"properties": {f"p{number}": {} for number in range(3000)}}}
    assert merging_cost(schema, dict(schema)) == merging_cost({"properties": schema}, {"properties": dict(schema)}) == 0


def test_what_merging_has_nested_is_counted_however_deep() -> None:
    parts = [{"items": {"minimum": number}} for number in range(600)]
    with pytest.raises(NoValue, match="too much"):
        SchemaValues({}).value({"allOf": parts, "anyOf": [{"allOf": copy(parts)}]}, "x")


TOWER: Any = [[[1] * 300] * 300] * 300  # as many values as only a hostile document has, in little memory


@pytest.mark.timeout(60)  # all of it would take minutes
@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "array", "example": TOWER}, "too many steps"),
        ({"const": TOWER}, "too many steps"),
        ({"type": "array", "enum": [TOWER]}, "too many steps"),
        ({"type": "array", "example": [[]], "uniqueItems": True, "not": {"const": TOWER}}, "too many steps"),
        ({"allOf": [{"enum": [TOWER]}, {"enum": [TOWER]}]}, "too much"),
        ({"allOf": [{"items": {"const": TOWER}}, {"items": {"const": [*TOWER]}}]}, "too much"),
    ],
)
def test_no_more_is_read_than_there_are_steps_for(schema: Any, reason: str) -> None:
    with pytest.raises(NoValue, match=reason):
        SchemaValues({}, effort=Effort(100_000)).value(schema, "x")


def checking(rules: Any, value: Any) -> int:
    effort = Effort(STEPS)
    SchemaCheck({"components": {"schemas": {"X": True}}}, effort).problem(value, rules)
    return STEPS - effort.left


@pytest.mark.parametrize(
    "rules",
    [
        {"required": ["a"] * 100_000},
        {"dependentRequired": {"a": ["a"] * 100_000}},
        {"dependentRequired": {f"n{number}": [] for number in range(100_000)}},
        {"dependentSchemas": {f"n{number}": False for number in range(100_000)}},
        {"type": ["string"] * 100_000 + ["object"]},
        {"discriminator": {"propertyName": "a"}, "oneOf": [*[True] * 100_000, {"$ref": "#/components/schemas/X"}]},
    ],
)
def test_checking_counts_long_lists(rules: Any) -> None:
    assert checking(rules, {"a": "X"}) >= 10_000


def test_checking_counts_long_texts_that_are_compared() -> None:
    choices = ["x" * 100_000 + str(each) for each in range(9)]
    assert checking({"enum": choices}, choices[-1]) >= 9 * 100 // 10
    assert checking({"enum": [1] * 100}, 1) <= 11


def test_making_counts_the_names_that_are_required() -> None:
    names = [f"n{number}" for number in range(5000)]
    for rules in ({"required": ["a"] * 100_000}, {"required": ["n0"], "dependentRequired": {"n0": names * 20}}):
        assert steps_of({"type": "object", "minProperties": 20_000, **rules}) >= 10_000


def test_what_is_required_because_of_others_stands_in_its_order() -> None:
    schema = {"required": ["a", "b"], "dependentRequired": {"a": ["c", "b", "c"], "c": ["e", "a"], "b": ["d"]}}
    assert list(SchemaValues({}).value(schema, "x")) == ["a", "b", "c", "d", "e"]


class Spied(Random):
    """What is asked of all sources of chance: the seeds, and how many choices at once."""

    seeds: list[str]
    choosing: list[int]

    def __new__(cls, seed: str) -> "Spied":
        cls.seeds.append(seed)
        return super().__new__(cls)

    def choices(self, population: Any, *args: Any, k: int = 1, **options: Any) -> list[Any]:
        self.choosing.append(k)
        return super().choices(population, *args, k=k, **options)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> type[Spied]:
    monkeypatch.setattr(schema_value, "Random", Spied)
    Spied.seeds, Spied.choosing = [], []
    return Spied


def test_long_names_do_not_make_long_places(spied: type[Spied]) -> None:
    schema = {"required": [LONG], "properties": {LONG: {"minItems": 9}}}
    SchemaValues({}).value(schema, LONG)
    assert len(spied.seeds) == 11 and max(map(len, spied.seeds)) < 1000
    with pytest.raises(NoValue) as problem:
        SchemaValues({}).value({**schema, "additionalProperties": {"items": False, "minItems": 1}, "required": ["a" * 900]}, LONG)
    assert len(str(problem.value)) < 1000
    values = SchemaValues({})
    made = values.value(
        {"required": [f"{LONG[:500]}{end}" for end in "abcdef"], "additionalProperties": {"type": "integer"}}, "x"
    )
    assert len({*made.values()}) > 1, "names that differ at their ends alone are different ones"


@pytest.mark.parametrize(("length", "expected"), [(1, 72), (299, 5), (300, 35)])
def test_values_of_places_that_are_not_long_are_what_they_were(length: int, expected: int) -> None:
    name = "p" * length
    assert SchemaValues({}, seed=3).value({"properties": {name: {"type": "integer"}}}, "x") == {name: expected}


def test_texts_that_are_too_long_for_the_whole_value_are_not_made(spied: type[Spied]) -> None:
    schema = {"type": "object", "properties": {f"p{number}": {"type": "string", "minLength": 900_000} for number in range(12)}}
    effort = Effort(STEPS)
    assert list(SchemaValues({}, effort=effort).value(schema, "x")) == ["p0"]
    assert 900_000 >= sum(spied.choosing) >= 899_000
    assert STEPS - effort.left > 900_000 // 500


def test_long_references_are_counted() -> None:
    reference = "#/" + "a/" * 200_000
    for schema in ({"$ref": reference}, {"type": "object", "example": {}, "not": {"$ref": reference}}):
        assert steps_of(schema) >= 4000


def test_words_that_nobody_knows_are_counted() -> None:
    assert steps_of({f"x-{number}": 1 for number in range(100_000)}) >= 5000


def test_alternatives_without_a_value_are_counted() -> None:
    assert steps_of({"anyOf": [False] * 50_000}) >= 50_000

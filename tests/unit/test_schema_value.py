"""Values made from schemas: they fit, they are the same each time, and no schema takes them without end."""

import base64
import re
from contextlib import suppress
from datetime import date, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.effort import Effort, Exhausted
from domain.schema_check import SchemaCheck
from domain.schema_rules import both, merging_cost
from domain.schema_value import MAX_VALUES, NoValue, SchemaValues
from domain.text_format import FORMATS

DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["name", "owner"],
                "properties": {
                    "id": {"type": "integer", "readOnly": True},
                    "name": {"type": "string", "minLength": 3, "maxLength": 3},
                    "owner": {"$ref": "#/components/schemas/Person"},
                    "friend": {"$ref": "#/components/schemas/Pet"},
                },
            },
            "Person": {
                "allOf": [{"$ref": "#/components/schemas/Named"}, {"required": ["age"], "properties": {"age": {"minimum": 18}}}]
            },
            "Named": {"type": "object", "required": ["name"], "properties": {"name": {"example": "Ada"}}},
            "Endless": {"type": "object", "required": ["more"], "properties": {"more": {"$ref": "#/components/schemas/Endless"}}},
            "Tree": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}, "minItems": 0},
            "Self": {"$ref": "#/components/schemas/Self"},
            "AllSelf": {"allOf": [{"$ref": "#/components/schemas/AllSelf"}, {"$ref": "#/components/schemas/AllSelf"}]},
        }
    }
}


def make(schema: Any, *, seed: int = 1, fills_optional: bool = True) -> Any:
    return SchemaValues(DOCUMENT, seed=seed, fills_optional=fills_optional).value(schema, "body")


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_an_object_has_what_it_requires_and_if_wanted_the_rest() -> None:
    whole = make(ref("Pet"))
    assert set(whole) == {"name", "owner", "friend"} and len(whole["name"]) == 3, "what is read only is not sent"
    assert whole["owner"]["name"] == "Ada" and whole["owner"]["age"] >= 18
    assert set(make(ref("Pet"), fills_optional=False)) == {"name", "owner"}


def test_the_same_seed_and_place_give_the_same_value() -> None:
    values = SchemaValues(DOCUMENT, seed=1)
    values.value({"type": "number"}, "something before")
    assert values.value(ref("Pet"), "body") == make(ref("Pet"))
    assert len({make({"type": "integer"}, seed=seed) for seed in range(20)}) > 1


READ_ONLY = {"type": "object", "required": ["id", "name"], "properties": {"id": {"readOnly": True}, "name": {"const": "a"}}}
WRITABLE = {"required": ["id", "name"], "properties": {"id": {"const": 7}, "name": {"const": "b"}}, "example": {"name": "b"}}
UNREADABLE = {"type": "string", "pattern": r"\p{L}"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (WRITABLE, {"id": 7, "name": "b"}),
        (READ_ONLY | {"example": {"name": "a"}}, {"name": "a"}),
        ({"required": ["inner"], "properties": {"inner": WRITABLE, "id": {"readOnly": True}}}, {"inner": {"id": 7, "name": "b"}}),
        ({"oneOf": [{"required": ["id"]}], "properties": {"id": {"allOf": [{"readOnly": True}]}}, "type": "object"}, {}),
        ({"allOf": [{"required": ["id"]}, {"properties": {"id": {"readOnly": True}}}]}, {}),
        (UNREADABLE | {"enum": ["known"]}, None),
    ],
)
def test_a_value_does_not_depend_on_what_was_made_before(schema: Any, expected: Any) -> None:
    values = SchemaValues(DOCUMENT, seed=1)
    for _ in range(2):
        try:
            assert values.value(schema, "body") == expected
        except NoValue:
            assert expected is None
        for before in (READ_ONLY, UNREADABLE | {"example": "known"}):
            assert values.value(before, "before")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 0}, 0),
        ({"enum": [None, "a"]}, "a"),
        ({"enum": [None]}, None),
        ({"type": "string", "default": "d", "enum": ["d", "e"]}, "d"),
        ({"example": None}, None),
        ({"examples": ["x", "y"]}, "x"),
        ({"type": ["null", "boolean"], "enum": [True]}, True),
        ({"type": "null"}, None),
        ({"oneOf": [{"type": "null"}, {"const": 5}]}, 5),
        ({"oneOf": [False, ref("Endless"), {"const": 6}]}, 6),
        ({"anyOf": [{"type": "null"}]}, None),
        ({"oneOf": [{"properties": {"a": {"const": 1}}}], "properties": {"b": {"const": 2}}}, {"b": 2, "a": 1}),
        ({"allOf": [{"minimum": 3}, {"minimum": 5, "maximum": 9}], "maximum": 5, "type": "integer"}, 5),
        ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, 2),
        ({"allOf": [{"properties": {"a": {"minimum": 4}}}, {"properties": {"a": {"maximum": 4, "type": "integer"}}}]}, {"a": 4}),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True, "maximum": 4}, 4),
        ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}, 4),
        ({"type": "integer", "exclusiveMinimum": 3, "maximum": 7, "multipleOf": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 1.5, "maximum": 2}, 2),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.01}, 0.005),
        ({"type": "integer", "minimum": 4, "exclusiveMinimum": 3, "maximum": 4}, 4),
        ({"type": "integer", "minimum": 1, "maximum": 1, "multipleOf": 1e-320}, 1),
        ({"type": "integer", "multipleOf": 7, "minimum": 8, "maximum": 20}, 14),
        ({"type": "array", "items": {"const": 1}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, [1, 2]),
        ({"type": "array", "maxItems": 0}, []),
        ({"type": "array", "uniqueItems": True, "minItems": 2, "items": {"enum": [1, 2]}, "maxItems": 2}, "set of 1 and 2"),
        ({"required": ["a"], "additionalProperties": {"const": 1}}, {"a": 1}),
        ({"type": "object", "minProperties": 2, "additionalProperties": {"const": 1}}, {"property1": 1, "property2": 1}),
        (ref("Tree"), "a list"),
    ],
)  # fmt: skip
def test_rules_are_kept(schema: dict[str, Any], expected: Any) -> None:
    made = make(schema)
    if expected == "set of 1 and 2":
        assert sorted(made) == [1, 2]
    elif expected == "a list":
        assert isinstance(made, list)
    else:
        assert made == expected and type(made) is type(expected)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (False, "allows no value"),
        (ref("Endless"), "back to itself"),
        (ref("Self"), "back to itself"),
        (ref("AllSelf"), "back to itself"),
        (ref("Missing"), "leads nowhere"),
        ({"oneOf": [ref("Missing"), {"const": 6}]}, "leads nowhere"),
        ({"$ref": "http://elsewhere.test/#/x"}, "leads out of the document"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "no number"),
        ({"type": "array", "minItems": 10**9}, f"more than {MAX_VALUES} values"),
        ({"type": "array", "minItems": 9000, "items": {"type": "array", "minItems": 9000}}, f"more than {MAX_VALUES} values"),
        ({"type": "string", "minLength": 10**12}, "characters"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "at least 3 characters, and 2 are allowed"),
        ({"type": "string", "pattern": "^ab$", "minLength": 3}, r"no text of 3 to \d+ characters"),
        ({"type": "string", "pattern": "a{5}", "maxLength": 3}, "at least 5 characters, and 3 are allowed"),
        ({"type": "array", "minItems": 3, "items": {"type": "string", "minLength": 400_000}}, "more than 1000000 characters"),
        ({"type": "array", "minItems": 3, "items": {"example": "x" * 400_000}}, "more than 1000000 characters"),
        ({"type": "array", "minItems": 3, "items": {"enum": [["x" * 400_000]]}}, "more than 1000000 characters"),
        ({"type": "array", "minItems": 3, "items": {"required": ["x" * 400_000]}}, "more than 1000000 characters"),
        ({"allOf": [{"properties": {f"p{n}": True for n in range(50_000)}}] * 5000}, "too much"),
        ({"allOf": [{"enum": list(range(5000))}] * 5000}, "too much"),
        ({"allOf": [{"enum": ["x" * 1_000_000]}] * 5000}, "too much"),
        ({"allOf": [{"enum": [{"x" * 1_000_000: 0}]}] * 5000}, "too much"),
        ({"enum": ["x" * 1_000_000], "anyOf": [{"enum": ["x" * 1_000_000 + "y"]}] * 5000}, "too much"),
        ({"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "boolean"}}, "different values"),
        ({"oneOf": [False]}, "allows no value"),
        ({"allOf": [{"enum": [1]}, {"enum": [2]}]}, "in all of its enums"),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 1}, "no number"),
        ({"type": "object", "minProperties": 10**9}, "values"),
        ({"type": "integer", "minimum": 1, "maximum": 1, "multipleOf": 1e308}, "no multiple"),
        ({"properties": {"a": {"type": "string"}}, "minProperties": 2, "additionalProperties": False}, "allows no value"),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "multipleOf": 1}]}, "more than one"),
        ({"type": "boolean", "not": {"type": "boolean"}}, "`not`"),
        ({"type": "object", "unevaluatedProperties": False}, "can't be followed"),
        ({"type": "string", "format": "uuid", "maxLength": 3}, "at most 3 characters"),
        ({"allOf": [{"pattern": "^a$"}, {"pattern": "^b$"}]}, "all its patterns"),
        ({"type": "string", "not": {"pattern": r"\p{L}"}}, "can't be followed"),
    ],
)
def test_where_nothing_fits_it_is_said_why(schema: Any, reason: str) -> None:
    with pytest.raises(NoValue, match=reason):
        make(schema)


CHECKS: dict[str, Any] = {
    "date-time": lambda text: datetime.fromisoformat(text),
    "date": date.fromisoformat,
    "ipv4": ip_address,
    "ipv6": ip_address,
    "uuid": UUID,
    "byte": lambda text: base64.b64decode(text, validate=True),
    "email": lambda text: re.fullmatch(r"\w+@example\.com", text)[0],  # type: ignore[index]
}


@pytest.mark.parametrize("form", FORMATS)
def test_formats_are_what_they_are_called(form: str) -> None:
    for seed in range(20):
        text = make({"type": "string", "format": form}, seed=seed)
        assert isinstance(text, str) and text
        CHECKS.get(form, str)(text)


def test_an_example_is_taken_if_it_fits_or_nobody_can_tell() -> None:
    for pattern in ("(", r"\p{L}+", r"\bo"):
        assert make({"type": "string", "pattern": pattern, "example": "own"}) == "own"
    values = SchemaValues({}, seed=1)
    assert values.value({"type": "object", "properties": {"n": {"type": "integer", "maximum": 1, "example": "5"}}}, "q")["n"] <= 1
    assert values.problems == ["q.n: '5' of the document does not fit: '5' is not of type 'integer'"]


TYPES = ["object", "array", "string", "integer", "number"]
KEYWORDS = [
    "$ref",
    "a",
    "allOf",
    "anyOf",
    "enum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "multipleOf",
    "oneOf",
    "pattern",
    "prefixItems",
    "properties",
    "required",
    "type",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(TYPES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYWORDS),
            inner | st.just("#"),
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(ANYTHING, st.booleans())
def test_any_schema_gives_a_value_or_says_why_not(schema: Any, fills_optional: bool) -> None:
    document = schema if isinstance(schema, dict) else {}
    with suppress(NoValue):
        SchemaValues(document, seed=1, fills_optional=fills_optional).value(schema, "x")


@pytest.mark.timeout(20)
def test_many_different_items_are_told_apart_in_time() -> None:
    items = [{"same": list(range(50)), "number": number} for number in range(3_000)]
    schema = {"type": "array", "uniqueItems": True}
    assert make(schema | {"example": items}) == items
    assert make(schema | {"example": [*items, items[0]]}) != [*items, items[0]]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("key", ["items", "allOf"])
def test_long_members_of_an_enum_are_told_apart_in_time(key: str) -> None:
    members = [[[0] * 1_000, number] for number in range(300)]
    alike = [[[0] * 1_000, number] for number in range(299, 600)]
    if key == "items":
        check = SchemaCheck({}, Effort(200_000))
        assert check.problem(alike[:1] * 2_000, {"items": {"enum": members}}) is None
        with pytest.raises(Exhausted):
            check.problem(alike[:1] * 10_000, {"items": {"enum": members}})
    else:
        merged = both({"enum": members}, {"enum": alike})
        assert merged["enum"] == [[[0] * 1_000, 299]]
        assert merging_cost({"enum": members}, {"enum": alike}) > 30_000


@pytest.mark.parametrize(
    ("one", "other", "is_same"), [(1, 1.0, True), (1, True, False), ({"a": [0]}, {"a": [0.0]}, True), ([1], [True], False)]
)
def test_members_of_enums_are_the_same_as_json_has_it(one: Any, other: Any, is_same: bool) -> None:
    for value, member in ((one, other), (other, one)):
        check = SchemaCheck({}, Effort(1000))
        assert (check.problem(value, {"enum": ["x", member]}) is None) is is_same
        assert (check.problem(value, {"const": member}) is None) is is_same
        assert bool(both({"enum": [value]}, {"enum": [member]})["enum"]) is is_same


@pytest.mark.parametrize(
    ("one", "other", "is_unique"), [(1, 1.0, False), (1, True, True), ("1", 1, True), ({"a": [0]}, {"a": [0.0]}, False)]
)
def test_items_are_the_same_as_json_has_it(one: Any, other: Any, is_unique: bool) -> None:
    for pair in ([one, other], [other, one]):
        check = SchemaCheck({}, Effort(1000))
        assert (check.problem(pair, {"uniqueItems": True}) is None) is is_unique


@pytest.mark.parametrize(
    ("choices", "is_enough"),
    [([1, True], True), ([0, False], True), ([1, 1.0], False), ([[1], [True]], True), ([{"a": 1}, {"a": 1.0}], False)],
)
def test_items_are_made_different_as_json_has_it(choices: list[Any], is_enough: bool) -> None:
    schema = {"type": "array", "items": {"enum": choices}, "minItems": 2, "uniqueItems": True}
    if is_enough:
        assert sorted(map(repr, make(schema))) == sorted(map(repr, choices))
    else:
        with pytest.raises(NoValue, match="different values"):
            make(schema)


def test_telling_made_items_apart_is_counted() -> None:
    schema = {"type": "array", "items": {"type": "string", "minLength": 200_000}, "minItems": 4, "uniqueItems": True}
    assert len(SchemaValues({}, effort=Effort(20_000)).value(schema, "body")) == 4
    with pytest.raises(NoValue, match="too many steps"):
        SchemaValues({}, effort=Effort(12_000)).value(schema, "body")

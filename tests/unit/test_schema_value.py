"""Values made from schemas: they fit, they are the same each time, and no schema takes them without end."""

import base64
import math
import re
import sys
from contextlib import suppress
from datetime import date, datetime
from ipaddress import ip_address
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from domain.effort import Effort, Exhausted
from domain.pattern_text import Unmatchable, matches, matching_text
from domain.schema_check import SchemaCheck
from domain.schema_number import LARGEST
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


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{3}-\d{4}$",
        r"a|b|cc",
        r"^(?<year>\d{4})-(0[1-9]|1[0-2])$",
        r"[^a-z]+",
        r"\w+@\w+\.(com|org)",
        r".{5,}",
        r"^\S*$",
        r"x?y*?",
        "",
    ],
)
def test_patterns_are_matched(pattern: str) -> None:
    for seed in range(20):
        assert re.fullmatch(pattern.replace("(?<", "(?P<"), matching_text(pattern, Random(seed)))


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        (r"^[A-Z]{2,}$", 5, 5),
        (r"^(aa|bbbbb)+$", 7, 8),
        (r"^(?:(?:a{0,3}){0,5}b)+$", 17, 17),
        (r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", 63, 63),
        (r"^(a*)*$", 30, 31),
        (r"^.*$", 500, 500),
        (r"[A-Z]", 8, 8),  # not tied to the ends: filled up
        (r"^x", 5, 9),
        (r"y$", 5, 6),
        (r"^[^:]{1,128}$", 1, 3),
    ],
)
def test_a_pattern_and_a_length_are_both_kept(pattern: str, least: int, most: int) -> None:
    for seed in range(50):
        text = make({"type": "string", "pattern": pattern, "minLength": least, "maxLength": most}, seed=seed)
        assert re.search(pattern, text) and least <= len(text) <= most


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(((a{0,100}){0,100}){0,100}){0,100}",
        "(" * 3000 + "a" + ")" * 3000,
        "(a|" * 300 + "b" + ")" * 300,
        "[\\u0000-\\uffff]{9000}",
        "[" + "".join(f"{chr(n)}-{chr(n + 900)}" for n in range(200, 2000)) + "]{500}",
        "a" * 10_000_000,
        "(a?){5000}" * 500,
    ],
)
def test_no_pattern_takes_time_out_of_proportion(pattern: str) -> None:
    for least in (0, 500):
        with suppress(Unmatchable, Exhausted):
            matching_text(pattern, Random(1), least, 1000)


def test_surrogates_in_a_pattern_are_characters_in_pairs_alone() -> None:
    for pattern in (r"^\uD83D\uDE00$", r"^[\uD83D][\uDE00]$"):
        assert matching_text(pattern, Random(1)) == "\U0001f600"
    assert matching_text(r"^[a\uD83D]$", Random(1)) == "a"
    with pytest.raises(Unmatchable):
        matching_text(r"^[\uD83D]$", Random(1))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("pattern", ["(a?){5000}", "(" * 90 + "a" + "?){2}" * 90])
def test_many_patterns_of_many_values_do_not_either(pattern: str) -> None:
    values = SchemaValues({}, seed=1)
    for place in range(40):
        with suppress(NoValue):
            values.value({"type": "array", "minItems": 900, "items": {"type": "string", "pattern": pattern}}, f"q{place}")
    with pytest.raises(NoValue, match="too many steps"):
        values.value({"type": "string"}, "q")


@pytest.mark.parametrize("pattern", ["(", r"(?=a)b", r"(a)\1", r"\p{L}+", "((a{1000}){1000}){1000}", "a{1000000000}", r"\bx"])
def test_for_patterns_that_can_not_be_walked_a_value_has_to_be_given(pattern: str) -> None:
    with pytest.raises(Unmatchable):
        matching_text(pattern, Random(1))
    with pytest.raises(NoValue, match=r"can't be followed|wants more"):
        make({"type": "string", "pattern": pattern})


def test_an_example_is_taken_if_it_fits_or_nobody_can_tell() -> None:
    for pattern in ("(", r"\p{L}+", r"\bo"):
        assert make({"type": "string", "pattern": pattern, "example": "own"}) == "own"
    values = SchemaValues({}, seed=1)
    assert values.value({"type": "object", "properties": {"n": {"type": "integer", "maximum": 1, "example": "5"}}}, "q")["n"] <= 1
    assert values.problems == ["q.n: '5' of the document does not fit: '5' is not of type 'integer'"]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        (r"^\d+$", "12a", False),
        (r"^(a|bc)*$", "abcbca", True),
        (r"^(a+)+$", "a" * 5000 + "b", False),
        (r"^[^\W\d]{2,3}?$", "ab", True),
        (r"^[^\W\d]{2,3}?$", "abcd", False),
        (r"^(?=.*\d)(?!x).{3}$", "ab1", True),
        (r"^(?=.*\d)(?!x).{3}$", "xb1", False),
        (r"^[\uD83D][\uDE00]$", "\U0001f600", True),
        (r"^.$", "\U0001f600", True),
        (r"^\w$", "é", False),
        (r"^a$", "a\n", False),
    ],
)
def test_whether_a_text_matches_a_pattern(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text, Effort(100_000)) is expected


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


def test_a_pattern_that_is_nested_too_deeply_is_refused() -> None:
    pattern = "(?:a" * 400 + "b" + ")*" * 400
    with pytest.raises(Unmatchable, match="too deeply"):
        matches(pattern, "a" * 400 + "b", Effort(1_000_000))
    with pytest.raises(NoValue, match="too deeply"):
        make({"type": "string", "pattern": pattern.replace("*", "+")})

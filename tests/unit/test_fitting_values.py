"""Whatever value is made without a word fits its schema, by the judgement of a library that knows nothing of how it was made."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator

from domain.schema_value import NoValue, SchemaValues

NAMES = st.sampled_from(["a", "b", "c", "kind"])
PATTERNS = st.sampled_from(["^[a-c]+$", "^a", "b$", r"\d{2,4}", "^(x|yy)*z?$", r"^(?!q)[a-z]+$"])
VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "12"]) | st.just([1]) | st.just({"a": 1})
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
NAMED = {name: {"$ref": f"#/components/schemas/{name}"} for name in ("One", "Two")}


def counts(low: str, high: str, most: int = 4) -> dict[str, st.SearchStrategy[Any]]:
    return {low: st.integers(0, most), high: st.integers(0, most)}


def schemas(inner: st.SearchStrategy[Any], is_new: bool) -> st.SearchStrategy[Any]:
    """Schemas with any of the rules that are followed, and some that are not."""
    some = st.lists(inner, min_size=1, max_size=3)
    members = st.dictionaries(NAMES, inner, max_size=3)
    optional: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(TYPES),
        **counts("minLength", "maxLength"),
        **counts("minItems", "maxItems"),
        **counts("minProperties", "maxProperties"),
        **counts("minimum", "maximum"),
        "multipleOf": st.sampled_from([1, 2, 3, 0.5, 0.25]),
        "pattern": PATTERNS,
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "uniqueItems": st.booleans(),
        "items": inner,
        "properties": members,
        "required": st.lists(NAMES, min_size=1, max_size=3, unique=True),
        "additionalProperties": inner,
        "patternProperties": st.dictionaries(PATTERNS, inner, max_size=1),
        "default": VALUES,
        "allOf": some,
        "anyOf": some,
        "oneOf": some,
        "not": inner,
    }
    if is_new:
        optional |= {
            "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True),
            "const": VALUES,
            "examples": st.lists(VALUES, max_size=2),
            "exclusiveMinimum": st.integers(0, 3),
            "contains": inner,
            "propertyNames": inner,
            "prefixItems": some,
            "if": inner,
            "then": inner,
            "else": inner,
            "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
            "unevaluatedProperties": st.booleans(),
            "$ref": st.sampled_from([each["$ref"] for each in NAMED.values()]),
        }
    few = st.lists(st.sampled_from(sorted(optional)), max_size=5, unique=True)
    built = few.flatmap(lambda names: st.fixed_dictionaries({name: optional[name] for name in names}))
    return built | st.sampled_from(list(NAMED.values()))


OLD: st.SearchStrategy[Any] = st.recursive(st.just({}), lambda inner: schemas(inner, False), max_leaves=8)
NEW: st.SearchStrategy[Any] = st.recursive(st.just({}) | st.booleans(), lambda inner: schemas(inner, True), max_leaves=8)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("version", "drawn", "validator"), [("3.0.3", OLD, Draft4Validator), ("3.1.0", NEW, Draft202012Validator)]
)
def test_what_is_made_without_a_word_fits(version: str, drawn: Any, validator: Any) -> None:
    count = 0

    @settings(deadline=None, max_examples=300)
    @given(drawn, drawn, drawn, st.booleans())
    def check(schema: Any, one: Any, two: Any, fills_optional: bool) -> None:
        nonlocal count
        document = {"openapi": version, "components": {"schemas": {"One": one, "Two": two}}}
        try:
            made = SchemaValues(document, seed=1, fills_optional=fills_optional).value(schema, "q")
            problems = list(validator({**document, "allOf": [schema]}).iter_errors(made))
        except (NoValue, RecursionError):  # the library's, where a schema leads back to itself with the same value
            return
        count += 1
        assert not problems, (made, problems[0].message)

    check()
    assert count > 100, "most schemas have a value"


CAT = {"required": ["kind", "meow"], "properties": {"kind": {"type": "string"}, "meow": {"type": "integer"}}}
DOG = {"required": ["kind"], "properties": {"kind": {"type": "string"}}}
MAPPED = {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat", "dog": "Dog"}}
BASE = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}, "discriminator": MAPPED}
CAT_OF_BASE = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"required": ["meow"], "properties": {"meow": {"const": 1}}}]}


def made_of(schema: Any, schemas: Any, version: str = "3.0.3", **options: Any) -> Any:
    return SchemaValues({"openapi": version, "components": {"schemas": schemas}}, seed=1, **options).value(schema, "q")


def to(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_a_discriminator_names_what_is_made() -> None:
    animals = {"Cat": CAT, "Dog": DOG}
    for key in ("oneOf", "anyOf"):
        made = made_of({key: [to("Cat"), to("Dog")], "discriminator": MAPPED}, animals)
        assert made["kind"] == "cat" and isinstance(made["meow"], int)
        assert made_of({key: [to("Dog"), to("Cat")], "discriminator": MAPPED}, animals) == {"kind": "dog"}
        assert made_of({key: [to("Dog")], "discriminator": {"propertyName": "kind"}}, animals) == {"kind": "Dog"}
    derived = {"Base": BASE, "Cat": CAT_OF_BASE, "Dog": {"allOf": [to("Base")]}}
    assert made_of(to("Base"), derived) == {"kind": "cat", "meow": 1}
    assert made_of(to("Dog"), derived) == {"kind": "dog"}
    own = {"Cat": {"required": ["kind"], "properties": {"kind": {"enum": ["CAT"]}}}}
    assert made_of({"oneOf": [to("Cat")], "discriminator": {"propertyName": "kind"}}, own) == {"kind": "CAT"}


def test_what_stands_in_several_places_holds_together() -> None:
    both = {"allOf": [{"oneOf": [{"required": ["a"]}]}, {"oneOf": [{"required": ["b"]}]}]}
    assert made_of(both, {}).keys() == {"a", "b"}
    assert made_of({"allOf": [{"pattern": "^.{3}$"}, {"pattern": "^a?b*$", "type": "string"}]}, {}) in ("abb", "bbb")
    closed = [{"properties": {"a": {"const": 1}}, "additionalProperties": False}, {"properties": {"b": True}}]
    assert made_of({"type": "object", "allOf": closed}, {}, "3.1.0") == {"a": 1}


def test_what_stands_beside_a_reference_counts_since_3_1() -> None:
    short = {"Short": {"type": "string", "maxLength": 20}}
    assert len(made_of({**to("Short"), "minLength": 12}, short, "3.1.0")) >= 12
    assert len(made_of({**to("Short"), "minLength": 12}, short)) < 12
    assert len(made_of(to("Long"), {**short, "Long": {**to("Short"), "minLength": 12}}, "3.1.0")) >= 12


def test_objects_have_as_many_properties_as_they_may() -> None:
    declared = {"properties": {name: {"const": name} for name in "abc"}, "additionalProperties": False}
    assert made_of({**declared, "minProperties": 2}, {}, fills_optional=False) == {"a": "a", "b": "b"}
    assert made_of({**declared, "maxProperties": 1, "required": ["c"]}, {}) == {"c": "c"}
    assert made_of(
        {**declared, "dependentRequired": {"a": ["c"]}, "required": ["a"]}, {}, "3.1.0", fills_optional=False
    ).keys() == {"a", "c"}
    named = {
        "type": "object",
        "minProperties": 1,
        "patternProperties": {"^x-[a-z]$": {"const": 1}},
        "additionalProperties": False,
    }
    assert list(made_of(named, {}).values()) == [1]


def test_what_is_read_only_is_not_sent_also_behind_references() -> None:
    schemas = {"Id": {"type": "integer", "readOnly": True}, "Stamp": {"allOf": [to("Id")]}}
    properties = {"id": to("Id"), "at": to("Stamp"), "name": {"const": "n"}}
    assert made_of({"type": "object", "properties": properties, "required": ["id", "name"]}, schemas) == {"name": "n"}

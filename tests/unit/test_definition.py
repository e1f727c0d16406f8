"""The document of a kit as people send it: what is accepted reads back the same, everything else is named by field."""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.definition import MAX_DOCUMENT, NewKit, parse_kit
from domain.errors import ValidationFailed
from domain.kit import ProductLine
from domain.step_template import builtin_template
from domain.validation import check_document

DEMO = Path(__file__).parents[2] / "demo"
DOCUMENTS = {name: json.loads((DEMO / f"{name}.json").read_text("utf-8")) for name in ("table", "spice")}
TEMPLATES = {"builtin": builtin_template("python")}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def parse(document: Mapping[str, Any], functions: Mapping[str, str] | None = None) -> NewKit:
    return parse_kit(document, TEMPLATES, [str(DEMO)], functions or {})


def wrong_fields(document: Mapping[str, Any]) -> set[str]:
    with pytest.raises(ValidationFailed) as refused:
        parse(document)
    assert all(problem.message for problem in refused.value.problems)
    return {problem.field for problem in refused.value.problems}


def paths(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document, from the outside in."""
    entries = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from paths(value, (*path, key))


def with_value(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


PLACES = [(name, path) for name, document in DOCUMENTS.items() for path in paths(document)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_accepted_reads_back_the_same(name: str) -> None:
    kit = parse(DOCUMENTS[name])
    assert kit.product_line is ProductLine.LOGIC and kit.name == DOCUMENTS[name]["name"]
    again = json.loads(json.dumps(kit.definition.as_json(), allow_nan=False))
    assert parse({**DOCUMENTS[name], "definition": again}) == kit


@settings(max_examples=400)
@given(st.sampled_from(PLACES), JUNK)
def test_anything_anywhere_is_taken_as_it_is_or_refused_by_field(place: tuple[str, tuple[str | int, ...]], junk: Any) -> None:
    name, path = place
    document = with_value(DOCUMENTS[name], path, junk)
    try:
        kit = parse(document)
    except ValidationFailed as error:
        assert error.problems and all(problem.field and problem.message for problem in error.problems)
        return
    check_document("definition", kit.definition.as_json(), most=MAX_DOCUMENT)
    assert parse({**document, "definition": kit.definition.as_json()}) == kit


@given(
    st.dictionaries(st.text(max_size=10) | st.sampled_from(["name", "definition", "metadata", "productLine"]), JUNK, max_size=6)
)
def test_any_document_at_all_is_refused_by_field(document: dict[str, Any]) -> None:
    assert wrong_fields(document)


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("name",), "", "name"),
        (("name",), "x" * 201, "name"),
        (("name",), "x" * 10_000_000, "name"),
        (("name",), "a\x00b", "name"),
        (("name",), "\ud800", "name"),
        (("productLine",), "FLASH", "productLine"),
        (("productLine",), None, "productLine"),
        (("metadata",), [1], "metadata"),
        (("metadata",), {"a": float("nan")}, "metadata.a"),
        (("metadata",), {"a": "x" * 65_536}, "metadata"),
        (("metadata",), {"a": [10**30]}, "metadata.a.0"),
        (("definition",), "x", "definition"),
        (("definition",), {"deck": "x" * MAX_DOCUMENT}, "definition"),
        (("definition", "deck"), [], "definition.deck"),
        (("definition", "deck", "source"), {}, "definition.deck.source"),
        (("definition", "deck", "source", "folder"), "/etc", "definition.deck.source.folder"),
        (("definition", "deck", "source", "folder"), "demo/../..", "definition.deck.source.folder"),
        (("definition", "design", "seed"), -1, "definition.design.seed"),
        (("definition", "design", "variables", 0, "low"), float("inf"), "definition.design.variables.0.low"),
        (("definition", "design", "variables", 0, "low"), "x", "definition.design.variables.0.low"),
        (("definition", "design", "constraints", 0), "__import__('os')", "definition.design.constraints.0"),
        (("definition", "template"), "none", "definition.template"),
        (("definition", "ml", "algorithm"), "none", "definition.ml.algorithm"),
        (("definition", "optimize", "trials"), 0, "definition.optimize.trials"),
        (("definition", "optimize", "trails"), 5, "definition.optimize.trails"),
        (("nmae",), "x", "nmae"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_wrong_value_is_named(path: tuple[str | int, ...], value: Any, field: str) -> None:
    assert field in wrong_fields(with_value(DOCUMENTS["table"], path, value))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    document = with_value(DOCUMENTS["table"], ("definition", "ml", "algorithm"), "none")
    document = with_value(document, ("definition", "template"), "none")
    document = with_value(document, ("metadata",), {"a": float("nan")})
    assert wrong_fields({**document, "name": ""}) == {"name", "metadata.a", "definition.ml.algorithm", "definition.template"}


def test_a_function_is_one_that_the_server_names() -> None:
    document = with_value(DOCUMENTS["spice"], ("definition", "design", "evaluator"), {"function": "os.system"})
    document = with_value(document, ("definition", "deck"), {"kind": "FUNCTION", "responses": ["area"]})
    assert wrong_fields(document) == {"definition.design.evaluator.function"}
    parse(document, {"os.system": "module:system"})
    with pytest.raises(ValidationFailed, match="must be one of"):
        parse(document, {"ring": "module:ring"})


def test_an_empty_definition_names_what_it_lacks() -> None:
    document = {**DOCUMENTS["table"], "definition": {}}
    assert wrong_fields(document) >= {"definition.deck.kind", "definition.deck.source", "definition.design.method"}

"""The deck section of a definition: sources, files, names, how it fits the design, and where relative folders lead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deck import Deck, check_design_fits, parse_deck, resolve_folder
from domain.design import parse_design
from domain.errors import ValidationFailed
from domain.validation import Problems

TABLE = {"kind": "TABLE", "source": {"folder": "lot7"}, "inputs": ["w", "l"], "responses": ["delay"]}
SPICE = {"kind": "SPICE", "source": {"url": "s3://decks/inverter.zip"}}
FUNCTION = {"kind": "FUNCTION", "responses": ["area"]}
CALL = {"evaluator": {"function": "f"}}
W, L = {"name": "w", "low": 1, "high": 2}, {"name": "l", "low": 1, "high": 2}


def read(document: dict[str, Any]) -> Deck:
    problems = Problems("deck.")
    deck = parse_deck(document, problems)
    problems.check()
    return deck


@pytest.mark.parametrize(
    "document", [TABLE, SPICE, FUNCTION, SPICE | {"files": "a/*.cir,b?.sp", "inputs": ["Wn"], "responses": ["tp"]}]
)
def test_a_deck_survives_its_document(document: dict[str, Any]) -> None:
    deck = read(document)
    assert read(deck.as_json()) == deck


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "GDS"}, "deck.kind"),
        ({"kind": None}, "deck.kind"),
        ({"source": None}, "deck.source"),
        ({"source": {}}, "deck.source"),
        ({"source": {"folder": "a", "url": "https://x/y"}}, "deck.source"),
        ({"source": {"folder": 7}}, "deck.source.folder"),
        ({"source": {"folder": "a/../../etc"}}, "deck.source.folder"),
        ({"source": {"path": "a"}}, "deck.source"),
        ({"source": {"upload": "17"}}, "deck.source.upload"),
        ({"source": {"upload": "A" * 64}}, "deck.source.upload"),
        ({"source": {"url": "file:///etc/passwd"}}, "deck.source.url"),
        ({"source": {"url": "gopher://x/"}}, "deck.source.url"),
        ({"source": {"url": "https://"}}, "deck.source.url"),
        ({"source": {"url": "http://[::1"}}, "deck.source.url"),
        ({"source": {"url": "http://h:99999/"}}, "deck.source.url"),
        ({"source": {"url": "http://h/a b"}}, "deck.source.url"),
        ({"source": {"url": "http://me:secret@h/x.zip"}}, "deck.source.url"),
        ({"source": {"url": "s3://bucket/"}}, "deck.source.url"),
        ({"source": {"url": "x" * 3000}}, "deck.source.url"),
        ({"files": " , "}, "deck.files"),
        ({"inputs": []}, "deck.inputs"),
        ({"responses": None}, "deck.responses"),
        ({"inputs": ["w", "w"]}, "deck.inputs.1"),
        ({"inputs": ["w\n"]}, "deck.inputs.0"),
        ({"inputs": ["w" * 101]}, "deck.inputs.0"),
        ({"inputs": "w"}, "deck.inputs"),
        ({"inputs": ["delay"]}, "deck.responses"),
        ({"inputs": ["x"] * 200}, "deck.inputs"),
        ({"kind": "SPICE", "inputs": ["W", "w"]}, "deck.inputs.1"),
        ({"kind": "SPICE", "inputs": ["w=1"]}, "deck.inputs.0"),
        ({"colour": "red"}, "deck.colour"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(TABLE | changes)
    assert field in {problem.field for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"responses": None}, "deck.responses"),
        ({"source": {"folder": "a"}}, "deck.source"),
        ({"files": "*.csv"}, "deck.files"),
        ({"inputs": ["w"]}, "deck.inputs"),
        ({"colour": "red"}, "deck.colour"),
    ],
)
def test_a_function_has_responses_and_nothing_else(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(FUNCTION | changes)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_an_error_never_repeats_a_password() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read(TABLE | {"source": {"url": "http://me:secret@h/x.zip"}})
    assert "secret" not in str(caught.value)


def test_files_are_chosen_by_name() -> None:
    deck = read(SPICE | {"files": "*.cir, corners/*.sp"})
    assert [path for path in ("a.cir", "x/y/b.cir", "corners/c.sp", "d.sp", "a.cir.bak") if deck.takes(path)] == [
        "a.cir",
        "x/y/b.cir",
        "corners/c.sp",
    ]
    assert read(TABLE).takes("x/rows.parquet") and read(TABLE).takes("X/T.CSV")


@pytest.mark.parametrize(
    ("deck", "design", "field"),
    [
        (TABLE, {"method": "SOBOL", "variables": [W]}, "design.method"),
        (TABLE, {"method": "MEASURED", "evaluator": {"function": "f"}}, "design.evaluator"),
        (TABLE, {"method": "MEASURED", "variables": [{"name": "W", "low": 1, "high": 2}]}, "design.variables.0.name"),
        (TABLE, {"method": "MEASURED", "variables": [W]}, None),
        (TABLE, {"method": "MEASURED", "variables": [W, {"name": "l", "categories": ["x"]}]}, None),
        (TABLE, {"method": "MEASURED", "variables": [{"name": "lot", "categories": ["x"]}]}, "design.variables"),
        (TABLE, {"method": "MEASURED"}, None),
        (SPICE, {"method": "MEASURED"}, "design.method"),
        (SPICE, {"method": "SOBOL", "variables": [W, {"name": "W", "low": 1, "high": 2}]}, "design.variables.1.name"),
        (SPICE | {"inputs": ["W"]}, {"method": "SOBOL", "variables": [W]}, None),
        (SPICE | {"inputs": ["W", "l"]}, {"method": "SOBOL", "variables": [W]}, "design.variables"),
        (SPICE | {"inputs": ["W"]}, {"method": "SOBOL", "variables": [W, L]}, "design.variables.1.name"),
        (SPICE, {"method": "SOBOL", "variables": [W], **CALL}, "design.evaluator"),
        (FUNCTION, {"method": "SOBOL", "variables": [W], **CALL}, None),
        (FUNCTION, {"method": "SOBOL", "variables": [W]}, "design.evaluator"),
        (FUNCTION, {"method": "MEASURED", **CALL}, "design.method"),
        (FUNCTION | {"responses": ["y", "w"]}, {"method": "SOBOL", "variables": [W], **CALL}, "deck.responses"),
    ],
)
def test_deck_and_design_fit(deck: dict[str, Any], design: dict[str, Any], field: str | None) -> None:
    problems = Problems()
    check_design_fits(read(deck), parse_design(design, Problems()), problems)
    if field is None:
        problems.check()
        return
    with pytest.raises(ValidationFailed) as caught:
        problems.check()
    assert [problem.field for problem in caught.value.problems] == [field]


@pytest.mark.parametrize(
    ("allowed", "text", "expected"),
    [
        (["/srv/demo"], "demo/decks/table", "/srv/demo/decks/table"),
        (["/other", "/srv/demo/decks"], "demo/decks/table", "/srv/demo/decks/table"),
        (["/a", "/b"], "x/y", "/a/x/y"),
        (["/a"], "/a/x", "/a/x"),
        (["/a"], "/a", "/a"),
        (["/a"], "/ab", None),
        (["/a"], "/", None),
        (["/a"], "x/../../b", None),
        (["/a"], "/a/../b", None),
        (["/a"], "..", None),
        (["/a"], "x\\..\\y", None),
        (["/a"], "x\x00", None),
        (["/a"], "", None),
        ([], "x", None),
    ],
)
def test_folders_resolve_inside_the_allowed_ones_only(allowed: list[str], text: str, expected: str | None) -> None:
    assert resolve_folder(allowed, text) == expected


@given(st.text(alphabet="ab./\\~ ", max_size=20))
def test_no_text_leads_out_of_the_allowed_folders(text: str) -> None:
    resolved = resolve_folder(["/a/b", "/b"], text)
    assert resolved is None or f"{resolved}/".startswith(("/a/b/", "/b/"))
    assert resolved is None or ".." not in resolved.split("/")

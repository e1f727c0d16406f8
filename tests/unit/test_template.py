"""Texts with references: unambiguous, able to carry any text, and nothing of them is lost on the way into a request."""

import json
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.template import Encoding, Marks, Reference, ReferenceKind, WrongReference, free_prefix, read_text, references, shown

VALUE, SECRET = ReferenceKind.VALUE, ReferenceKind.SECRET
TEXT = st.text(max_size=12).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)
NAMES = st.from_regex("[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ""),
        ("$5 {x} $ { $$", "$5 {x} $ { $$"),
        ("${a}", (Reference(VALUE, "a"),)),
        ("x${secret:a}y${b}", ("x", Reference(SECRET, "a"), "y", Reference(VALUE, "b"))),
        ("${$}{a}", "${a}"),
        ("$${a}", ("$", Reference(VALUE, "a"))),
        ("${$}${a}", ("$", Reference(VALUE, "a"))),
    ],
)
def test_what_a_text_says(text: str, parts: object) -> None:
    assert read_text(text) == parts


@pytest.mark.parametrize("text", ["${", "${}", "${a", "${1}", "${a b}", "${secret:}", "${other:a}", "${ä}", "${a\n}", "${${a}}"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(WrongReference):
        read_text(text)


@given(TEXT)
def test_every_text_can_be_said(text: str) -> None:
    assert read_text(text.replace("${", "${$}{")) == text == read_text(text.replace("$", "${$}"))


@given(st.lists(st.tuples(TEXT, NAMES), min_size=1, max_size=4), TEXT)
def test_marks_go_through_every_encoding(pairs: list[tuple[str, str]], rest: str) -> None:
    escaped = [text.replace("$", "${$}") for text, _ in pairs]
    text = "".join(f"{before}${{{name}}}" for before, (_, name) in zip(escaped, pairs, strict=True)) + rest.replace("$", "${$}")
    literal = "".join(before for before, _ in pairs) + rest
    for write, read, encodings in (
        (lambda text: quote(text, safe=""), unquote, (Encoding.URL,)),
        (json.dumps, json.loads, (Encoding.JSON,)),
        (str, str, ()),
    ):
        without = write(Marks(None).text(text, *encodings))
        assert read(without) == literal
        marks = Marks(free_prefix(without))
        split = marks.split(write(marks.text(text, *encodings)))
        assert not isinstance(split, str)
        assert [each.name for each in references(split)] == [name for _, name in pairs]
        assert {each.encodings for each in references(split)} == {encodings}
        assert "".join(part for part in split if isinstance(part, str)) == without
        assert "plogref" not in shown(split) or "plogref" in literal or any("plogref" in name for _, name in pairs)


def test_a_text_that_looks_like_a_mark_stays_itself() -> None:
    text = "plogref0x0z ${a} plogref1x0z"
    without = Marks(None).text(text)
    marks = Marks(free_prefix(without))
    assert marks.split(marks.text(text)) == ("plogref0x0z ", Reference(VALUE, "a"), " plogref1x0z")


def test_json_of_a_value_is_the_whole_of_a_text_in_a_json_body() -> None:
    marks = Marks("plogref0x")
    written = json.dumps(marks.value({"id": "${json:a}", "text": "${a}!"}, 0))
    assert marks.split(written) == (
        '{"id": ',
        Reference(ReferenceKind.JSON, "a"),
        ', "text": "',
        Reference(VALUE, "a", (Encoding.JSON,)),
        '!"}',
    )
    for wrong in (lambda: marks.text("${json:a}"), lambda: marks.value(["x${json:a}"], 0), lambda: marks.value("${json:a}", 2)):
        with pytest.raises(WrongReference):
            wrong()


def test_levels_and_encodings_of_values_in_a_query() -> None:
    marks = Marks("plogref0x")
    value = marks.value({"a": "${a}", "b": {"c": "${b}"}}, 2, Encoding.URL)
    assert [each.encodings for each in marks.references] == [(Encoding.URL,), (Encoding.JSON, Encoding.URL)]
    assert parse_qsl(urlsplit(f"http://x/?q={value['a']}").query) == [("q", "plogref0x0z")]

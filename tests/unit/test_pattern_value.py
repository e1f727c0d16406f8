"""Values and texts that a pattern allows."""

import re
from contextlib import suppress
from random import Random

import pytest

from domain.effort import Effort, Exhausted
from domain.pattern_text import Unmatchable, matches, matching_text
from domain.schema_value import NoValue, SchemaValues
from tests.unit.test_schema_value import make


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


def test_a_pattern_that_is_nested_too_deeply_is_refused() -> None:
    pattern = "(?:a" * 400 + "b" + ")*" * 400
    with pytest.raises(Unmatchable, match="too deeply"):
        matches(pattern, "a" * 400 + "b", Effort(1_000_000))
    with pytest.raises(NoValue, match="too deeply"):
        make({"type": "string", "pattern": pattern.replace("*", "+")})

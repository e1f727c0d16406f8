"""Patterns that are long where nobody looks: reading and following them is counted in steps, about as long as it takes."""

from contextlib import suppress
from random import Random
from typing import Any

import pytest

from domain.effort import Effort
from domain.pattern_text import MAX_PATTERN, Unmatchable, matches, matching_text

STEPS = 1_000_000
WIDE = "[" + "".join(map(chr, range(0x4E00, 0x4E00 + 9000))) + "]"


def steps_of(what: Any, *args: Any, **options: Any) -> int:
    effort = Effort(STEPS)
    with suppress(Unmatchable):
        what(*args, effort=effort, **options)
    return STEPS - effort.left


@pytest.mark.parametrize("end", ["", "("])
def test_reading_a_pattern_is_counted_by_its_length(end: str) -> None:
    pattern = "a" * (MAX_PATTERN - len(end)) + end
    nested = "(?:" * 90 + "a?" * 4000 + ")" * 90
    assert steps_of(matches, nested, "x") > 8000 * 90 // 250 + steps_of(matches, "a?" * 4000, "x")
    assert steps_of(matches, pattern, "x") >= MAX_PATTERN // 20
    assert steps_of(matching_text, pattern, Random(1), most=1) >= MAX_PATTERN // 20


def test_looking_for_nothing_in_a_long_text_is_counted() -> None:
    assert steps_of(matches, "", "x" * 1_000_000) >= 10_000


def test_each_character_of_a_set_counts() -> None:
    short, long = (steps_of(matches, pattern, "x" * 1000) for pattern in ("[abc]", WIDE))
    assert long > 100 * short
    assert steps_of(matching_text, WIDE + "{50}", Random(1)) >= 50 * 9000 // 20


def test_each_alternative_counts() -> None:
    branches = "(?:" + "|" * 5000 + ")"
    assert steps_of(matches, branches, "x" * 1000) >= 5000 * 1000 // 100
    assert steps_of(matching_text, branches + "{50}", Random(1)) >= 50 * 5000 // 20


@pytest.mark.parametrize("pattern", ["^[A-Z]", "[A-Z]$"])
def test_filling_up_is_counted(pattern: str) -> None:
    assert steps_of(matching_text, pattern, Random(1), least=900_000, most=1_000_000) >= 900_000 // 500


def test_ordinary_patterns_cost_little() -> None:
    assert steps_of(matches, "^[a-z]+$", "x" * 20) < 100
    assert steps_of(matching_text, "^[a-z]{20}$", Random(1)) < 100

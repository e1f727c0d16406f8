"""Numbers within the bounds of a JSON Schema."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from random import Random
from typing import Any

from domain.schema_rules import is_number

LARGEST = 2**53 - 1  # what every JSON reader keeps exactly
LONGEST = 2**64  # no format of integers goes further
SMALLEST_STEP = 1e-6


class NoNumber(Exception):
    """No number keeps all the rules; the message says which were looked at."""


def number_of(rules: Mapping[str, Any], random: Random, *, is_whole: bool) -> float:
    """A multiple of the step within the bounds, small where they leave it open; whole numbers are exact."""
    given = rules.get("multipleOf")
    step: float = 1 if is_whole else 0.01
    if is_number(given) and SMALLEST_STEP <= given <= LARGEST and (not is_whole or given == int(given)):
        step = given
    pace = Fraction(str(step))
    low, high, excludes_low, excludes_high = _range(rules, pace, LONGEST if is_whole else LARGEST)
    first = math.floor(low / pace) + 1 if excludes_low else math.ceil(low / pace)
    last = math.ceil(high / pace) - 1 if excludes_high else math.floor(high / pace)
    if first > last:
        if is_whole or "multipleOf" in rules or low > high or (low == high and (excludes_low or excludes_high)):
            raise NoNumber(f"no number is from {float(low):g} to {float(high):g} in steps of {step:g}")
        return float(low + high) / 2
    made = random.randint(first, last) * pace
    return int(made) if is_whole or isinstance(step, int) else round(float(made), 10)


def _range(rules: Mapping[str, Any], pace: Fraction, greatest: int) -> tuple[Fraction, Fraction, bool, bool]:
    """The least and the greatest number, and whether each is excluded itself: near to the one given where the other is not.

    Beyond what every reader keeps exactly it goes only where the bounds leave nothing else.
    """
    low, excludes_low = _bound(rules, "minimum", "exclusiveMinimum", max, greatest)
    high, excludes_high = _bound(rules, "maximum", "exclusiveMaximum", min, greatest)
    if high is not None and (low is None or low + 99 * pace <= LARGEST):
        high = min(high, Fraction(LARGEST))
    if low is not None and (high is None or high - 99 * pace >= -LARGEST):
        low = max(low, Fraction(-LARGEST))
    if low is None:
        low = Fraction(1) if high is None else high - 99 * pace
    return low, low + 99 * pace if high is None else high, excludes_low, excludes_high


def _bound(
    rules: Mapping[str, Any], inclusive: str, exclusive: str, tighter: Callable[[Fraction, Fraction], Fraction], greatest: int
) -> tuple[Fraction | None, bool]:
    """The bound of those names, and whether it is excluded itself; the exclusive one is a boolean beside the other in 3.0."""
    limit, strict = (
        Fraction(str(max(-greatest, min(greatest, each)))) if is_number(each) else None
        for each in (rules.get(inclusive), rules.get(exclusive))
    )
    if strict is None:
        return limit, rules.get(exclusive) is True
    if limit is None or tighter(limit, strict) == strict:
        return strict, True
    return limit, False

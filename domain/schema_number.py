"""Numbers within the bounds of a JSON Schema."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

from domain.schema_rules import LONGEST, is_number

LARGEST = 2**53 - 1  # what every JSON reader keeps exactly
SMALLEST_STEP = 1e-6


class NoNumber(Exception):
    """No number keeps all the rules; the message says which were looked at."""


class _Range(NamedTuple):
    """The least and the greatest number, and whether each is excluded itself."""

    low: Fraction
    high: Fraction
    excludes_low: bool
    excludes_high: bool

    def has(self, value: float) -> bool:
        """Whether the number, as it is written, is one of them; infinity never is."""
        if not is_number(value):
            return False
        exact = Fraction(str(value))
        is_above = exact > self.low or (exact == self.low and not self.excludes_low)
        return is_above and (exact < self.high or (exact == self.high and not self.excludes_high))


def number_of(rules: Mapping[str, Any], random: Random, *, is_whole: bool) -> float:
    """A multiple of the step within the bounds, small where they leave it open; whole numbers are exact."""
    given = rules.get("multipleOf")
    step: float = 1 if is_whole else 0.01
    if is_number(given) and SMALLEST_STEP <= given <= LARGEST and (not is_whole or given == int(given)):
        step = given
    pace, greatest = Fraction(str(step)), LONGEST if is_whole else sys.float_info.max
    bounds = _range(rules, pace, greatest)
    is_free = not is_whole and "multipleOf" not in rules
    if is_free:
        pace = _float_pace(bounds, pace)
        bounds = _range(rules, pace, greatest)
    low, high, excludes_low, excludes_high = bounds
    first = math.floor(low / pace) + 1 if excludes_low else math.ceil(low / pace)
    last = math.ceil(high / pace) - 1 if excludes_high else math.floor(high / pace)
    if first <= last:
        made = _written(random.randint(first, last) * pace, is_whole=is_whole or isinstance(step, int))
        if not is_free or bounds.has(made):
            return made
    found = next(filter(bounds.has, _floats(low, high)), None) if is_free else None
    if found is None:
        raise NoNumber(f"no number is from {float(low):g} to {float(high):g} in steps of {step:g}")
    return found


def _written(number: Fraction, *, is_whole: bool) -> float:
    if is_whole or (number.denominator == 1 and LARGEST < abs(number) <= LONGEST):
        return int(number)
    return round(float(number), 10)


def _float_pace(bounds: _Range, pace: Fraction) -> Fraction:
    """The pace, but where a float has no such neighbour twice their distance: each multiple is a float, and none is a bound's."""
    low, high = abs(bounds.low), abs(bounds.high)
    least = min(low, high) if bounds.low * bounds.high > 0 else Fraction(0)
    return pace if 2 * math.ulp(float(least)) <= pace else 2 * Fraction(math.ulp(float(max(low, high))))


def _floats(low: Fraction, high: Fraction) -> Iterator[float]:
    """Floats of which one is in the range where it has any."""
    yield float((low + high) / 2)
    yield math.nextafter(float(low), math.inf)
    yield math.nextafter(float(high), -math.inf)
    yield float(low)
    yield float(high)


def _range(rules: Mapping[str, Any], pace: Fraction, greatest: float) -> _Range:
    """The numbers between the bounds: near to the one given where the other is not.

    Beyond what every reader keeps exactly it goes only where the bounds leave nothing else.
    """
    low, excludes_low = _bound(rules, "minimum", "exclusiveMinimum", max, greatest)
    high, excludes_high = _bound(rules, "maximum", "exclusiveMaximum", min, greatest)
    if high is not None and high > LARGEST and (low is None or low + 99 * pace <= LARGEST):
        high, excludes_high = Fraction(LARGEST), False
    if low is not None and low < -LARGEST and (high is None or high - 99 * pace >= -LARGEST):
        low, excludes_low = Fraction(-LARGEST), False
    most = Fraction(str(greatest))
    if low is None:
        low = Fraction(1) if high is None else max(high - 99 * pace, -most)
    return _Range(low, min(low + 99 * pace, most) if high is None else high, excludes_low, excludes_high)


def _bound(
    rules: Mapping[str, Any], inclusive: str, exclusive: str, tighter: Callable[[Fraction, Fraction], Fraction], greatest: float
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

"""Interval arithmetic over numpy columns: what proves that a condition can't be met anywhere in a box.

Bounds are computed by the same floating-point operations as values, which are monotone, so they enclose what those give.
Source of the rules: Moore, Kearfott, Cloud, Introduction to Interval Analysis, SIAM 2009, chapters 2 and 5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Closed intervals [low, high], one per element; every operation encloses all values that its operands allow."""

    low: Column
    high: Column

    @classmethod
    def of(cls, value: float) -> "Interval":
        """The interval that holds `value` alone."""
        return cls(np.full(1, value), np.full(1, value))

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.low)

    def __pos__(self) -> "Interval":
        return self

    def __add__(self, other: "Interval") -> "Interval":
        return _enclosing(self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + -other

    def __mul__(self, other: "Interval") -> "Interval":
        return _enclosing(
            self.low * other.low, self.low * other.high, self.high * other.low, self.high * other.high
        )  # 0 * inf is NaN, which widens to everything

    def __truediv__(self, other: "Interval") -> "Interval":
        holds_zero = (other.low <= 0) & (other.high >= 0)
        low, high = np.where(holds_zero, 1.0, other.low), np.where(holds_zero, 1.0, other.high)
        return _enclosing(self.low / low, self.low / high, self.high / low, self.high / high)._anything_where(holds_zero)

    def __pow__(self, exponent: float) -> "Interval":
        base = self
        if exponent % 1:
            base = of_positive(lambda values: np.where(values < 0, np.nan, values))(self)
        elif exponent % 2 == 0 and exponent:
            base = abs(self)
        raised = rising(base, lambda values: values**exponent)
        if exponent >= 0:
            return raised
        return Interval(raised.high, raised.low)._anything_where((base.low <= 0) & (base.high >= 0))

    def __abs__(self) -> "Interval":
        holds_zero = (self.low <= 0) & (self.high >= 0)
        low, high = np.abs(self.low), np.abs(self.high)
        return Interval(np.where(holds_zero, 0.0, np.minimum(low, high)), np.maximum(low, high))

    def _anything_where(self, undefined: NDArray[np.bool_]) -> "Interval":
        return Interval(np.where(undefined, -np.inf, self.low), np.where(undefined, np.inf, self.high))


def _enclosing(*bounds: Column) -> Interval:
    together = np.stack(np.broadcast_arrays(*bounds))
    return Interval(together.min(axis=0), together.max(axis=0))._anything_where(np.isnan(together).any(axis=0))


def rising(interval: Interval, function: Callable[[Column], Column]) -> Interval:
    """The range of a rising `function` over the interval."""
    return Interval(function(interval.low), function(interval.high))


def of_positive(function: Callable[[Column], Column]) -> Callable[[Interval], Interval]:
    """The rising `function`, defined for positive numbers only, on intervals; NaN, which meets nothing, where it has no value."""
    return lambda interval: Interval(function(np.maximum(interval.low, 0)), function(interval.high))


def least(first: Interval, *others: Interval) -> Interval:
    """The range of the smallest of the values."""
    for other in others:
        first = Interval(np.minimum(first.low, other.low), np.minimum(first.high, other.high))
    return first


def most(first: Interval, *others: Interval) -> Interval:
    """The range of the largest of the values."""
    return -least(-first, *(-other for other in others))

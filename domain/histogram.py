"""Distributions of times that can be added up: how many samples lie in each of many narrow ranges.

Source: C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
PVLDB 12 (2019). Range number i holds what is above G^(i-1) and up to G^i, with G = (1 + a) / (1 - a) and a = 0.01; the value that
stands for it is at most a hundredth off any sample in it. Zero, and what is below `SMALLEST`, is counted by itself. Nothing is
ever merged into coarser ranges: from a nanosecond to a year there are fewer than 2,000 of them.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from typing import Any, Self

ACCURACY = 0.01
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
LOG_GAMMA = math.log(GAMMA)
SMALLEST = 1e-6
ZERO = -(2**31)  # the range of what is too small to have one, before all others


@dataclass(slots=True)
class Histogram:
    """The distribution of some samples: times in milliseconds, none of them negative.

    `ranges` has the count of each range by its number. `total` is the sum of all samples; `least` and `greatest` are exact, and
    infinite where there is no sample.
    """

    ranges: dict[int, int] = field(default_factory=dict)
    total: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    def add(self, sample: float) -> None:
        """Count a sample."""
        number = math.ceil(math.log(sample) / LOG_GAMMA) if sample >= SMALLEST else ZERO
        self.ranges[number] = self.ranges.get(number, 0) + 1
        self.total += sample
        if sample < self.least:
            self.least = sample
        if sample > self.greatest:
            self.greatest = sample

    @property
    def count(self) -> int:
        """How many samples there are."""
        return sum(self.ranges.values())

    @property
    def mean(self) -> float | None:
        """Their mean; None without samples."""
        count = self.count
        return self.total / count if count else None

    def percentiles(self, shares: Iterable[float | Fraction]) -> list[float | None]:
        """For each share q from 0 to 1 the sample at rank floor(q(n - 1)), counted from 0 in order of size, at most 1 % off.

        None for each where there is no sample.
        """
        numbers = sorted(self.ranges)
        before = list(accumulate(self.ranges[number] for number in numbers))
        found: list[float | None] = []
        for share in shares:
            if not before:
                found.append(None)
                continue
            rank = math.floor(share * (before[-1] - 1))
            number = numbers[bisect_right(before, rank)]
            value = self.greatest if rank == before[-1] - 1 else self.least if rank == 0 else range_value(number)
            found.append(min(max(value, self.least), self.greatest))
        return found

    def as_json(self) -> dict[str, Any]:
        """The document from which `of` reads the same distribution."""
        numbers = sorted(self.ranges)
        return {
            "ranges": [[number, self.ranges[number]] for number in numbers],
            "total": self.total,
            "least": self.least if numbers else None,
            "greatest": self.greatest if numbers else None,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The distribution that `as_json` wrote."""
        ranges = {int(number): int(count) for number, count in document["ranges"]}
        if not ranges:
            return cls()
        return cls(ranges, float(document["total"]), float(document["least"]), float(document["greatest"]))

    @classmethod
    def merged(cls, parts: Iterable["Histogram"]) -> Self:
        """The distribution of the samples of all parts together."""
        found = cls()
        for part in parts:
            for number, count in part.ranges.items():
                found.ranges[number] = found.ranges.get(number, 0) + count
            found.total += part.total
            found.least, found.greatest = min(found.least, part.least), max(found.greatest, part.greatest)
        return found


def range_value(number: int) -> float:
    """What stands for the samples of a range."""
    return 0.0 if number == ZERO else 2 * math.exp(number * LOG_GAMMA) / (GAMMA + 1)

"""How sure a mean is of values that depend on their neighbours, as those of windows that follow one another do.

Source: E. Lazarus, D. J. Lewis, J. H. Stock, M. W. Watson, "HAR Inference: Recommendations for Practice", Journal of Business &
Economic Statistics 36 (2018): the long-run variance is the mean of squared cosine transforms of low frequency, and the mean
divided by its error follows Student's t with as many degrees of freedom as there are transforms. There is nothing random in it.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Values = NDArray[np.float64]
LEAST_WINDOWS = 8  # with fewer there is not one transform that is free of the trend and of single windows


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of an estimate, and the degrees of freedom that it was estimated with."""

    variance: float
    freedom: float

    @property
    def error(self) -> float:
        """The standard error."""
        return float(np.sqrt(self.variance))

    def half_width(self, confidence: float) -> float:
        """How far the two-sided interval of that confidence (0 to 1) reaches to either side."""
        return float(scipy.special.stdtrit(self.freedom, 0.5 + confidence / 2)) * self.error

    def p_value(self, distance: float) -> float:
        """How likely an estimate is so far off, to either side, by chance alone."""
        if self.variance == 0.0:
            return 0.0 if distance > 0.0 else 1.0
        return float(2.0 * scipy.special.stdtr(self.freedom, -distance / self.error))

    def __add__(self, other: "Spread") -> "Spread":
        """That of the difference of two independent estimates; degrees of freedom by Welch and Satterthwaite."""
        variance = self.variance + other.variance
        if variance == 0.0:
            return Spread(0.0, min(self.freedom, other.freedom))
        parts = self.variance**2 / self.freedom + other.variance**2 / other.freedom
        return Spread(variance, variance**2 / parts)


def transforms(count: int) -> int:
    """How many cosine transforms are taken of so many values: the source's rule, and at least two."""
    return max(2, int(0.4 * count ** (2 / 3)))


def spread_of_mean(values: Values) -> Spread:
    """That of the mean of values in the order of time; they need not be centred."""
    count = values.size
    freedom = transforms(count)
    angles = np.pi * np.outer(np.arange(1, freedom + 1), np.arange(count) + 0.5) / count
    weights = np.cos(angles) @ (values - values.mean()) * np.sqrt(2.0 / count)
    return Spread(float(np.mean(weights**2)) / count, float(freedom))


def independent_count(values: Values) -> float:
    """As many independent values would be as sure about the mean: no more than there are, and one at least."""
    variance = spread_of_mean(values).variance
    return float(values.size if variance == 0.0 else min(max(values.var() / variance, 1.0), values.size))

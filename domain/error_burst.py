"""When errors gather: windows next to each other in which far more requests fail than at other times.

Every stretch of windows is held against the rest of the run; the greatest likelihood ratio of all is held against what chance
makes of as many errors spread evenly over the requests. Where errors scatter more than that anyway, from window to window or over
longer stretches, the ratio of a stretch is divided by how much more stretches as long as it scatter (robustly: a burst does not
hide itself).

Sources: M. Kulldorff, "A spatial scan statistic", Communications in Statistics 26 (1997); A. M. Abrams, K. Kleinman, M.
Kulldorff, "Gumbel based p-value approximations for spatial scan statistics", International Journal of Health Geographics 9
(2010); Z. Zhang, R. Assunção, M. Kulldorff, "Spatial scan statistics adjusted for multiple clusters", Journal of Probability and
Statistics (2010): what was found is taken out before the next is looked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from domain.long_run import Values

FALSE_ALARM = 0.01
LEAST_WINDOWS = 6
LEAST_FAILED = 5
LEAST_ODDS = 3.0  # of failing, over those elsewhere: errors that come and go by less are no burst
MOST_BURSTS = 5
TRIALS = 199
SEED = 20260
MAD_OF_NORMAL = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBurst:
    """Windows number `first` to `last` (from 0), in which so many of the requests failed; `elsewhere` is the error rate of the
    rest.

    `p_value` is how likely chance alone gathers errors so.
    """

    first: int
    last: int
    failed: int
    requests: int
    elsewhere: float
    p_value: float

    @property
    def odds(self) -> float:
        """How many times the odds of failing are those elsewhere."""
        outside = self.elsewhere * (self.requests - self.failed)
        return self.failed * (1.0 - self.elsewhere) / outside if outside else np.inf


def error_bursts(failed: Values, requests: Values, false_alarm: float = FALSE_ALARM) -> Iterator[ErrorBurst]:
    """The bursts of a run, by window in the order of time, the clearest first; none by chance but with that probability."""
    failed, requests = failed.copy(), requests.copy()
    lengths = _lengths(failed.size)
    for _ in range(MOST_BURSTS):
        if failed.size < LEAST_WINDOWS or failed.sum() < LEAST_FAILED:
            return
        share = requests / requests.sum()
        scatter = _scatter(failed, share * failed.sum(), lengths)
        ratios = _ratios(failed, share, lengths, scatter)
        place = max(range(len(lengths)), key=lambda each: float(ratios[each].max()))
        first = int(ratios[place].argmax())
        inside = slice(first, first + lengths[place])
        trials = _ratios(_by_chance(share * failed.sum(), scatter[0]), share, lengths, scatter)
        greatest = np.max([each.max(axis=1) for each in trials], axis=0)
        p_value = _gumbel(float(ratios[place].max()), greatest)
        burst = ErrorBurst(
            first=first,
            last=first + lengths[place] - 1,
            failed=int(failed[inside].sum()),
            requests=int(requests[inside].sum()),
            elsewhere=float((failed.sum() - failed[inside].sum()) / max(requests.sum() - requests[inside].sum(), 1.0)),
            p_value=p_value,
        )
        if p_value > false_alarm or burst.failed < LEAST_FAILED or burst.odds < LEAST_ODDS:
            return
        yield burst
        failed[inside] = requests[inside] = 0.0


def _lengths(count: int) -> list[int]:
    """How many windows a burst may have: every length up to 4, then in steps of about two fifths, up to a third of the run."""
    found = [1, 2, 3, 4, 6]
    while found[-1] * 2 <= count:
        found.append(found[-2] * 2)
    return [each for each in found if each <= max(1, count // 3)]


def _sums(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Of each stretch of that many windows, along the last axis."""
    total = np.cumsum(values, axis=-1)
    total = np.concatenate([np.zeros((*total.shape[:-1], 1)), total], axis=-1)
    return np.asarray(total[..., length:] - total[..., :-length])


def _ratios(failed: NDArray[np.float64], share: Values, lengths: list[int], scatter: list[float]) -> list[NDArray[np.float64]]:
    """The logarithm of the likelihood ratio of each stretch of each length, along the last axis; 0 where it has too few errors.

    `share` is that of each window in all requests.
    """
    total, xlogy = failed.sum(axis=-1, keepdims=True), scipy.special.xlogy
    found = []
    for length, excess in zip(lengths, scatter, strict=True):
        inside, part = _sums(failed, length), np.clip(_sums(share, length), 1e-12, 1.0 - 1e-12)
        outside = total - inside
        ratio = xlogy(inside, inside / (part * total)) + xlogy(outside, outside / ((1.0 - part) * total))
        found.append(np.where(inside > part * total, ratio / excess, 0.0))
    return found


def _by_chance(expected: Values, scatter: float) -> NDArray[np.float64]:
    """Errors as chance makes them, in rows: spread evenly, or with a variance of so many times that (negative binomial)."""
    chance = np.random.default_rng(SEED)
    if scatter <= 1.0:
        return chance.multinomial(round(expected.sum()), expected / expected.sum(), TRIALS).astype(float)
    rates = chance.gamma(np.maximum(expected, 1e-12) / (scatter - 1.0), scatter - 1.0, (TRIALS, expected.size))
    made = chance.poisson(rates).astype(float)
    return np.asarray(made[made.sum(axis=1) > 0.0])


def _scatter(failed: Values, expected: Values, lengths: list[int]) -> list[float]:
    """How many times the variance of stretches of each length is what chance makes; never below 1 nor below that of shorter
    ones.
    """
    found, most = [], 1.0
    for length in lengths:
        inside, mean = _sums(failed, length), _sums(expected, length)
        there = mean > 0.0
        scores = (inside[there] - mean[there]) / np.sqrt(mean[there])
        deviation = float(np.median(np.abs(scores - np.median(scores)))) * MAD_OF_NORMAL
        most = max(most, deviation**2)
        found.append(most)
    return found


def _gumbel(value: float, trials: Values) -> float:
    """How likely the greatest of many is so great, from trials of it."""
    scale = float(trials.std(ddof=1)) * np.sqrt(6.0) / np.pi
    if scale == 0.0:
        return float(value <= trials[0])
    place = float(trials.mean()) - np.euler_gamma * scale
    return float(-np.expm1(-np.exp(-(value - place) / scale)))

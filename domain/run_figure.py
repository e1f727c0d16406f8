"""The figures by which runs are judged and compared, and how sure each is.

Each is estimated from windows together with its influence values: how much each window moves it. A figure's error is that of the
mean of those values, which may depend on their neighbours (`domain/long_run.py`). A percentile moves by the share of requests
beyond it, times how far the percentile moves for that share (its sparsity), on either side, taken over the percentile's own
interval.

Sources: F. R. Hampel, "The influence curve and its role in robust estimation", JASA 69 (1974). R. S. Woodruff, "Confidence
intervals for medians and other position measures", JASA 47 (1952). A. Agresti, B. Caffo, "Simple and effective confidence
intervals for proportions and differences of proportions", The American Statistician 54 (2000): errors are never surer than
independent ones.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from domain.histogram import ACCURACY
from domain.long_run import Values, spread_of_mean
from domain.window_sample import WindowSample

LEAST_BEYOND = 10  # requests that lie beyond a percentile


class RunFigure(StrEnum):
    """Figures of a run: requests a second, response times in milliseconds, the share of requests that failed."""

    TPS = "TPS"
    MEAN = "MEAN"
    P50 = "P50"
    P95 = "P95"
    P99 = "P99"
    ERROR_RATE = "ERROR_RATE"

    @property
    def unit(self) -> str:
        """What it is measured in."""
        return {RunFigure.TPS: "requests/s", RunFigure.ERROR_RATE: ""}.get(self, "ms")

    @property
    def phrase(self) -> str:
        """What it is called in a sentence."""
        return PHRASES[self]


PHRASES = {
    RunFigure.TPS: "TPS",
    RunFigure.MEAN: "the mean response time",
    RunFigure.P50: "the median response time",
    RunFigure.P95: "the 95th percentile of the response times",
    RunFigure.P99: "the 99th percentile of the response times",
    RunFigure.ERROR_RATE: "the error rate",
}
SHARES = {RunFigure.P50: 0.5, RunFigure.P95: 0.95, RunFigure.P99: 0.99}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, how much each window moves it, and by how much it may be off for reasons that no variance shows.

    Windows move a percentile up (`up`) by another measure than down (`down`): the values beyond it lie farther apart than those
    below. `least_variance` is what it would have if nothing depended on anything. `unknown` says why there is none, else it is
    empty.
    """

    value: float = 0.0
    down: Values | None = None
    up: Values | None = None
    slack: float = 0.0
    least_variance: float = 0.0
    unknown: str = ""


def estimate(sample: WindowSample, figure: RunFigure, confidence: float) -> Estimate:
    """The figure of a sample of two windows or more; `confidence` is that of the interval which it will be used for."""
    requests = sample.requests.sum()
    if figure is RunFigure.TPS:
        tps = sample.requests / sample.seconds
        # A request at the edge of what is compared falls to either side of it.
        influence = tps - tps.mean()
        return Estimate(float(tps.mean()), influence, influence, slack=1.0 / (len(sample) * sample.seconds))
    if not requests:
        return Estimate(unknown="No requests were completed.")
    if figure is RunFigure.MEAN:
        mean, influence = _ratio(sample.totals, sample.requests)
        return Estimate(mean, influence, influence)
    if figure is RunFigure.ERROR_RATE:
        rate, influence = _ratio(sample.failed, sample.requests)
        share = (sample.failed.sum() + 1.0) / (requests + 2.0)
        return Estimate(rate, influence, influence, least_variance=float(share * (1.0 - share) / (requests + 2.0)))
    share = SHARES[figure]
    needed = round(LEAST_BEYOND / (1.0 - share))
    if requests < needed:
        return Estimate(unknown=f"{requests:.0f} requests were completed; this percentile needs at least {needed}.")
    return _percentile(sample, share, confidence)


def _ratio(parts: Values, wholes: Values) -> tuple[float, Values]:
    value = float(parts.sum() / wholes.sum())
    return value, (parts - value * wholes) / wholes.mean()


def _percentile(sample: WindowSample, share: float, confidence: float) -> Estimate:
    below = np.cumsum(sample.counts.sum(axis=0))
    total = below[-1]

    def at(wanted: float) -> float:
        rank = np.floor(min(max(wanted, 0.0), 1.0) * (total - 1))
        return float(sample.times[np.searchsorted(below, rank, side="right")])

    value = at(share)
    up_to = sample.times <= value
    within = sample.counts[:, up_to].sum(axis=1)
    _, influence = _ratio(within, sample.requests)
    reach = max(spread_of_mean(influence).half_width(confidence), 1.0 / total)
    low, high = max(share - reach, 0.0), min(share + reach, 1.0)
    below_it, beyond_it = (value - at(low)) / (share - low), (at(high) - value) / (high - share)
    return Estimate(value, -below_it * influence, -beyond_it * influence, slack=ACCURACY * value)

"""Where more load stops bringing TPS: a straight line that bends, held against one that does not.

The TPS of a window is taken as a straight line of the load up to a knee, and as another one beyond. The knee lies where the two
lines leave the least over. Whether there is one at all is judged by the change of slope there, with the chance of a false alarm
multiplied by `PLACES` (Bonferroni), as the knee was sought all along the load. What is left over may be more where the load is
greater, and lasts from window to window: errors are by White's estimator, times what a first-order autoregression makes of them.

Sources: H. White, "A heteroskedasticity-consistent covariance matrix estimator", Econometrica 48 (1980). F. H. C. Marriott, J. A.
Pope, "Bias in the estimation of autocorrelations", Biometrika 41 (1954). The interval holds all knees that leave over not much
more than the best: B. E. Hansen, "Regression kink with an unknown threshold", Journal of Business & Economic Statistics 35
(2017).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.long_run import Spread, Values, spread_of_mean

FALSE_ALARM = 0.01
LEAST_WINDOWS = 12
LEAST_SHARE = 0.1  # of the windows lie below the knee, and beyond it
LEAST_RISE = 1.5  # of the greatest load over the least: with less of it nothing can be told
MOST_BEYOND = 1 / 3  # of what more load brought below the knee, for it to have stopped bringing TPS
MOST_LASTING = 0.95
PLACES = 9
GRID = 161
COEFFICIENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """More load than `load` brings no more than about `tps` requests a second.

    `low` and `high` are the 95 % interval of `load`; `p_value` is how likely noise alone makes a knee like that. `from_start`
    says that the least load was too much already, which is then `load`.
    """

    load: float
    low: float
    high: float
    tps: float
    p_value: float
    from_start: bool = False


def can_tell(load: Values) -> bool:
    """Whether there are enough windows under loads that differ enough."""
    return load.size >= LEAST_WINDOWS and float(load.max()) >= LEAST_RISE * float(load.min())


def saturation(load: Values, tps: Values) -> Saturation | None:
    """Where the load (positive, by window in the order of time) stops bringing TPS; None where it does not, within the noise."""
    return _bend(load, tps) or _flat(load, tps)


def _bend(load: Values, tps: Values) -> Saturation | None:
    line = np.column_stack([np.ones_like(load), load])
    least, most = (float(np.quantile(load, share)) for share in (LEAST_SHARE, 1 - LEAST_SHARE))
    knees = np.linspace(least, most, GRID)
    hinges = np.maximum(load[:, None] - knees, 0.0)
    hinges -= line @ np.linalg.lstsq(line, hinges, rcond=None)[0]
    weights = (hinges**2).sum(axis=0)
    is_possible = weights > 1e-9 * float(load @ load)
    weights[~is_possible] = np.inf
    gains = (hinges.T @ tps) ** 2 / weights
    best = int(np.argmax(gains))
    if not is_possible[best]:
        return None
    (_, before, bend), left_over = _least_squares(np.column_stack([line, np.maximum(load - knees[best], 0.0)]), tps)
    if before <= 0.0 or before + bend > MOST_BEYOND * before:
        return None
    lasting = _lasting(left_over) * load.size / (load.size - COEFFICIENTS)
    freedom = max(2.0, load.size / lasting - COEFFICIENTS)
    error = Spread(lasting * float(hinges[:, best] ** 2 @ left_over**2) / weights[best] ** 2, freedom)
    p_value = min(1.0, PLACES * error.p_value(abs(bend)))
    if p_value > FALSE_ALARM:
        return None
    beyond = load > knees[best]
    noise = lasting * max(float(np.mean(left_over[each] ** 2)) for each in (beyond, ~beyond))
    near = knees[gains[best] - gains <= Spread(noise, freedom).half_width(0.95) ** 2]
    return Saturation(
        load=float(knees[best]), low=float(near[0]), high=float(near[-1]), tps=float(tps[beyond].mean()), p_value=p_value
    )


def _flat(load: Values, tps: Values) -> Saturation | None:
    """Where TPS does not follow the load at all."""
    mean = float(tps.mean())
    if not mean:
        return None
    weights = (load - load.mean()) / ((load - load.mean()) ** 2).sum()
    slope = float(weights @ tps)
    left_over = tps - mean - slope * (load - load.mean())
    spread = spread_of_mean(weights * left_over * load.size)
    enough = MOST_BEYOND * mean / float(load.mean())
    p_value = spread.p_value(max(enough - slope, 0.0))
    if p_value > FALSE_ALARM:
        return None
    least = float(load.min())
    return Saturation(load=least, low=least, high=least, tps=mean, p_value=p_value, from_start=True)


def _lasting(left_over: Values) -> float:
    """How many times the variance of slow sums of the noise is that of independent noise of its size."""
    square = float(left_over @ left_over)
    memory = float(left_over[1:] @ left_over[:-1]) / square if square else 0.0
    # Fitting takes away a part of what lasts: of so many coefficients about so much.
    memory = (memory + COEFFICIENTS / left_over.size) / (1.0 - 6.0 / left_over.size)
    memory = min(max(memory, 0.0), MOST_LASTING)
    return (1.0 + memory) / (1.0 - memory)


def _least_squares(design: NDArray[np.float64], values: Values) -> tuple[Values, Values]:
    """The coefficients, and what they leave over."""
    coefficients = np.asarray(np.linalg.lstsq(design, values, rcond=None)[0], dtype=np.float64)
    return coefficients, values - design @ coefficients

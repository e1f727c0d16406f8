"""Samples of a constrained design space that keep what makes them good: every stratum of a Latin hypercube, a Sobol prefix."""

import math
from dataclasses import dataclass

import numpy as np
import scipy  # which imports a part of itself when that is first used
from numpy.typing import NDArray

from domain.design_space import DesignSpace, Points

MAX_CANDIDATES = 2**16
MAX_HYPERCUBES = 200
MAX_SEARCHED = 2**23


@dataclass(frozen=True, slots=True)
class Sample:
    """Points that meet the constraints, shape (n, variables), out of `candidates` points spread over the whole space.

    `left_out` is the number of candidates that meet the constraints too and are not taken.
    """

    points: Points
    candidates: int
    left_out: int = 0


class TooFewPoints(ValueError):
    """The space does not yield as many points as asked; `found` are those of the largest set of candidates."""

    def __init__(self, found: int) -> None:
        self.found = found
        super().__init__(f"{found} points of {MAX_CANDIDATES} candidates")


def sample_hypercube(space: DesignSpace, count: int, seed: int) -> Sample:
    """`count` points that are all the feasible ones of one Latin hypercube, if one can be found that has so many.

    Taken whole they are as evenly spread along every variable as the constraints allow; a part of them is not. So hypercubes of
    the likely size are tried, each with a random stream of its own. Where none fits within `MAX_HYPERCUBES` tries or
    `MAX_SEARCHED` values, the one with the fewest too many is cut down. `TooFewPoints` where none has enough.
    """
    dimensions = len(space.names)
    best: Sample | None = None
    size, attempt, met, tried = count, 0, 0, 0
    while True:
        stream = np.random.default_rng([seed, attempt])
        points = _feasible(space, scipy.stats.qmc.LatinHypercube(dimensions, rng=stream).random(size))
        surplus = len(points) - count
        if surplus >= 0 and (best is None or surplus < best.left_out):
            best = Sample(points[:count], size, left_out=surplus)
        is_over = attempt >= MAX_HYPERCUBES or tried * dimensions > MAX_SEARCHED
        if best is not None and (is_over or best.left_out == 0):
            return best
        if best is None and size == MAX_CANDIDATES:
            raise TooFewPoints(len(points))
        attempt, met, tried = attempt + 1, met + len(points), tried + size
        likely = 1.2 * size if is_over else count * tried / met if met else 2 * size
        size = min(MAX_CANDIDATES, max(count, math.ceil(likely)))


def sample_sobol(space: DesignSpace, count: int, seed: int) -> Sample:
    """The feasible points among the first of a scrambled Sobol sequence: as many of the first as it takes to have `count`.

    `TooFewPoints` where they are too rare.
    """
    size = count
    while True:
        # A Sobol sequence is balanced over powers of two only, and its beginning does not depend on its length.
        units = scipy.stats.qmc.Sobol(len(space.names), rng=seed).random_base2(math.ceil(math.log2(size)))
        points = space.spread(units)
        is_new = space.satisfied(points) & _first_seen(space, points)
        places = np.flatnonzero(is_new)[:count]
        if len(places) == count:
            return Sample(points[places], candidates=int(places[-1]) + 1)
        if len(units) >= MAX_CANDIDATES:
            raise TooFewPoints(len(places))
        size = 2 * len(units)


def _feasible(space: DesignSpace, units: Points) -> Points:
    points = space.spread(units)
    return np.asarray(points[space.satisfied(points) & _first_seen(space, points)])


def _first_seen(space: DesignSpace, points: Points) -> NDArray[np.bool_]:
    """Which points are no repetition of one before."""
    is_first = np.ones(len(points), dtype=np.bool_)
    if all(variable.levels for variable in space.variables):
        # Only then, since no two points of a continuous variable coincide, and sorting them is dear.
        is_first[:] = False
        is_first[np.unique(points, axis=0, return_index=True)[1]] = True
    return is_first

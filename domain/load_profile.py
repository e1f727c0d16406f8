"""The load that a run was to make in each of its windows, from the executors of its scenarios."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domain.executor import ARRIVAL_RATE, ITERATIONS, Executor
from domain.load_test import Scenario
from domain.long_run import Values
from domain.window_sample import MeasuredRun

SETTLING = 1  # windows that stand aside, before and after each change of the load


def planned_load(measured: MeasuredRun, executor: Executor, starts: Values) -> Values:
    """The mean load in windows of a run that begin then, one after the other: VUs, or iterations a second; 0 before and after."""
    edges = np.append(starts, starts[-1:] + measured.run.window_seconds) - measured.load_began_at
    points = executor.profile()
    # The area below the straight lines between the points, up to each edge.
    moments = np.union1d(edges, [at for at, _ in points])
    middles = (moments[1:] + moments[:-1]) / 2
    levels = np.array([_level(points, at) for at in middles])
    areas = np.concatenate([[0.0], np.cumsum(levels * np.diff(moments))])
    return np.asarray(np.diff(np.interp(edges, moments, areas)) / np.diff(edges))


def _level(points: list[tuple[float, float]], at: float) -> float:
    """The load at a moment that is none of the points."""
    for (before, first), (after, last) in pairwise(points):
        if before < at < after:
            return first + (last - first) * (at - before) / (after - before)
    return 0.0


def steady_windows(measured: MeasuredRun, starts: Values) -> NDArray[np.bool_]:
    """In which windows of those that begin then no scenario's load changes, those next to a change left out: it takes a while to
    show.
    """
    steady = np.ones(starts.size, dtype=bool)
    for scenario in measured.run.definition.scenarios:
        for first, last in _changes(measured, scenario):
            steady &= _is_apart(measured, starts, first, last)
    return steady


def _changes(measured: MeasuredRun, scenario: Scenario) -> Iterator[tuple[float, float]]:
    """From when to when the load of a scenario changes: it begins, goes to its next level, or ends.

    A load of iterations ends bit by bit, from when the first virtual user may have no more to make.
    """
    began, points = measured.load_began_at, scenario.executor.profile()
    yield began + points[0][0], began + points[0][0]
    for (before, first), (after, last) in pairwise(points):
        if first != last:
            yield began + before, began + after
    ended = measured.load_ended_at(scenario.name) if scenario.executor.kind in ITERATIONS else began + points[-1][0]
    yield min(measured.idle_from(scenario), ended), ended


def constant_stretches(measured: MeasuredRun, scenarios: Sequence[str | None]) -> dict[str | None, range]:
    """When the windows begin of the longest time in which no load changes, for each of these scenarios, or all together (None).

    It lies between answers of the scenario, and the scenario is under load in it.
    """
    starts = np.array(measured.starts, dtype=float)
    if not starts.size:
        return {name: range(0) for name in scenarios}
    steady, loads = steady_windows(measured, starts), dict[str, Values]()
    for each in measured.run.definition.scenarios:
        load = planned_load(measured, each.executor, starts)
        is_over = each.executor.kind in ITERATIONS and starts >= measured.load_ended_at(each.name)
        loads[each.name] = np.where(is_over, 0.0, load)
    found = {}
    for name in scenarios:
        own = measured.load(name)[1:-1]
        is_loaded = np.any([load > 0.0 for key, load in loads.items() if name in (None, key)], axis=0)
        chosen = steady & is_loaded & (starts >= own.start) & (starts < own.stop)
        edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
        first, last = max(zip(edges[::2], edges[1::2], strict=True), key=lambda span: span[1] - span[0], default=(0, 0))
        found[name] = measured.starts[first:last]
    return found


def _is_apart(measured: MeasuredRun, starts: Values, first: float, last: float) -> NDArray[np.bool_]:
    """Which windows lie apart from a change that goes on from `first` to `last`."""
    seconds = measured.run.window_seconds
    return (starts + seconds * (1 + SETTLING) <= first) | (starts - seconds * SETTLING >= last)


def is_arrival_rate(executor: Executor) -> bool:
    """Whether its load is iterations a second, and not VUs."""
    return executor.kind in ARRIVAL_RATE

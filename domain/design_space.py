"""The space that a design explores: variables with ranges, levels and scales, and the constraints between them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.expression import Constraint, ExpressionError
from domain.interval import Column, Interval
from domain.validation import Problems

Points = NDArray[np.float64]
Texts = NDArray[np.object_]

MAX_VARIABLES = 50
MAX_LEVELS = 100
MAX_CONSTRAINTS = 20
MAX_NAME = 100
MAX_BOXES = 4096
MAX_SPLITS = 60
TOLERANCE = 1e-9


class Scale(StrEnum):
    """How a range is spread: evenly, or evenly in the logarithm."""

    LINEAR = "LINEAR"
    LOG = "LOG"


@dataclass(frozen=True, slots=True)
class Variable:
    """An input that is varied from `low` to `high`, or over `levels` (ascending) where it has any."""

    name: str
    low: float
    high: float
    levels: tuple[float, ...] = ()
    scale: Scale = Scale.LINEAR

    def spread(self, unit: Column) -> Column:
        """The values for positions from 0 to 1 within the variable; rising, so that it maps ranges to ranges."""
        if self.levels:
            chosen = np.minimum((unit * len(self.levels)).astype(np.intp), len(self.levels) - 1)
            return np.asarray(self.levels)[chosen]
        if self.scale is Scale.LOG:
            values = np.exp(math.log(self.low) + unit * (math.log(self.high) - math.log(self.low)))
        else:
            values = self.low + unit * (self.high - self.low)
        return np.clip(values, self.low, self.high)

    def accepts(self, values: Column) -> NDArray[np.bool_]:
        """Where a value lies in the range, and on a level where there are levels, up to rounding; NaN never does."""
        if self.levels:
            matches = np.isclose(values[:, None], np.asarray(self.levels), rtol=TOLERANCE, atol=0.0)
            return np.asarray(matches.any(axis=1), dtype=np.bool_)
        margin = TOLERANCE * max(abs(self.low), abs(self.high))
        return np.asarray((values >= self.low - margin) & (values <= self.high + margin), dtype=np.bool_)

    def objection(self, value: float) -> str:
        """What is wrong with a value that is not accepted, in words."""
        wanted = "one of its levels" if self.levels else f"from {self.low:g} to {self.high:g}"
        return f"{self.name} = {value:g} is not {wanted}"

    def as_json(self) -> dict[str, Any]:
        """The document from which `parse_space` reads the same variable."""
        return {"name": self.name, "low": self.low, "high": self.high, "levels": list(self.levels), "scale": str(self.scale)}


@dataclass(frozen=True, slots=True)
class Categorical:
    """A column of a table that holds texts, and those of them that are wanted."""

    name: str
    categories: tuple[str, ...]

    def accepts(self, values: Texts) -> NDArray[np.bool_]:
        """Where a text is among the wanted; a missing one never is."""
        return np.asarray([value in self.categories for value in values], dtype=np.bool_)

    def objection(self, value: str | None) -> str:
        """What is wrong with a text that is not accepted, in words."""
        return f"{self.name} is missing" if value is None else f"{self.name} = {value!r} is not one of its categories"

    def as_json(self) -> dict[str, Any]:
        """The document from which `parse_space` reads the same."""
        return {"name": self.name, "categories": list(self.categories)}


@dataclass(frozen=True, slots=True)
class DesignSpace:
    """Variables in the order of the columns of every array of points, and the constraints that points must meet.

    `categoricals` restrict given rows besides; no design is made of them.
    """

    variables: tuple[Variable, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    categoricals: tuple[Categorical, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables, in order."""
        return tuple(variable.name for variable in self.variables)

    @property
    def rules(self) -> tuple[Variable | Categorical, ...]:
        """What is said of single columns: the variables, then the categoricals."""
        return (*self.variables, *self.categoricals)

    def spread(self, units: Points) -> Points:
        """Points of shape (n, variables) for positions from 0 to 1 in each variable."""
        columns = [variable.spread(units[:, index]) for index, variable in enumerate(self.variables)]
        return np.stack(columns, axis=1) if columns else np.empty((len(units), 0))

    def satisfied(self, points: Points) -> NDArray[np.bool_]:
        """Which rows of `points`, shape (n, variables), meet every constraint."""
        columns = {name: points[:, index] for index, name in enumerate(self.names)}
        met = np.ones(len(points), dtype=np.bool_)
        for constraint in self.constraints:
            met &= constraint.holds(columns)
        return met

    def objections(self, columns: Mapping[str, NDArray[Any]], *, allows_missing: bool = False) -> list[str | None]:
        """For each given row the first rule that it breaks, in words, or None where it lies in the space.

        Args:
            columns: the given values by name, each of shape (rows,), with those of all variables and categoricals.
            allows_missing: whether a missing value breaks no rule, and neither does a constraint that names it.
        """
        count = len(next(iter(columns.values()), np.empty(0)))
        missing = {name: is_missing(values) & allows_missing for name, values in columns.items()}
        found: list[str | None] = [None] * count
        for rule in reversed(self.rules):
            values = columns[rule.name]
            for index in np.flatnonzero(~(rule.accepts(values) | missing[rule.name])):
                found[index] = rule.objection(values[index])
        for constraint in self.constraints:
            unknown = reduce(np.logical_or, [missing[name] for name in constraint.names], np.zeros(count, dtype=np.bool_))
            for index in np.flatnonzero(~(constraint.holds(columns) | unknown)):
                found[index] = found[index] or f"{constraint.text} does not hold"
        return found

    def is_provably_empty(self) -> bool:
        """Whether no point at all meets the constraints, proved by interval arithmetic.

        Boxes that may hold a solution are halved again and again. When none is left, the proof is complete; when a solution is
        met or the boxes grow too many or too small, nothing is proved. So True is never wrong, and the work is bounded.
        """
        if not self.constraints:
            return False
        low, high = np.zeros((1, len(self.variables))), np.ones((1, len(self.variables)))
        for split in range(MAX_SPLITS):
            possible = self._may_hold(low, high)
            low, high = low[possible], high[possible]
            if len(low) == 0:
                return True
            if len(low) > MAX_BOXES or not self.variables or self.satisfied(self.spread((low + high) / 2)).any():
                return False
            low, high = _halved(low, high, split % len(self.variables))
        return False

    def _may_hold(self, low: Points, high: Points) -> NDArray[np.bool_]:
        lowest, highest = self.spread(low), self.spread(high)
        boxes = {name: Interval(lowest[:, index], highest[:, index]) for index, name in enumerate(self.names)}
        possible = np.ones(len(low), dtype=np.bool_)
        for constraint in self.constraints:
            possible &= constraint.may_hold(boxes)
        return possible


def _halved(low: Points, high: Points, axis: int) -> tuple[Points, Points]:
    middle = (low[:, axis] + high[:, axis]) / 2
    upper, lower = low.copy(), high.copy()
    upper[:, axis] = middle
    lower[:, axis] = middle
    return np.concatenate([low, upper]), np.concatenate([lower, high])


def is_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a column of numbers or texts has no value: NaN or None."""
    return np.asarray(values == None if values.dtype == np.object_ else np.isnan(values), dtype=np.bool_)  # noqa: E711


def parse_space(raw: Mapping[str, Any], problems: Problems) -> DesignSpace:
    """Read `variables` and `constraints`; what is wrong is recorded in `problems`."""
    nested = problems.at("variables")
    rules: list[Variable | Categorical] = []
    for index, entry in enumerate(problems.items(raw, "variables", most=MAX_VARIABLES)):
        if not isinstance(entry, Mapping):
            nested.add(index, "must be an object")
            continue
        name = nested.at(index).text(entry, "name", most=MAX_NAME)
        if any(name == other.name for other in rules):
            nested.at(index).add("name", f"{name!r} is named twice")
        parse = _parse_variable if entry.get("categories") is None else _parse_categorical
        rules.append(parse(name, entry, nested.at(index)))
    variables = tuple(rule for rule in rules if isinstance(rule, Variable))
    categoricals = tuple(rule for rule in rules if isinstance(rule, Categorical))
    return DesignSpace(variables, _parse_constraints(raw, problems, [each.name for each in variables]), categoricals)


def _parse_categorical(name: str, raw: Mapping[str, Any], problems: Problems) -> Categorical:
    problems.no_others(raw, ["name", "categories"])
    categories = tuple(category.strip() for category in problems.texts(raw, "categories", most=MAX_LEVELS))
    if not categories or len(set(categories)) != len(categories):
        problems.add("categories", "must be one or more, different from each other")
    return Categorical(name, categories)


def _parse_variable(name: str, raw: Mapping[str, Any], problems: Problems) -> Variable:
    problems.no_others(raw, ["name", "low", "high", "levels", "scale"])
    scale = problems.choice(raw, "scale", Scale, Scale.LINEAR)
    entries = problems.items(raw, "levels", most=MAX_LEVELS)
    at_levels = problems.at("levels")
    levels = tuple(sorted(at_levels.number({str(index): value}, str(index), None) for index, value in enumerate(entries)))
    if len(set(levels)) != len(levels):
        problems.add("levels", "must differ from each other")
    low = problems.number(raw, "low", levels[0] if levels else None)
    high = problems.number(raw, "high", levels[-1] if levels else None)
    if levels and (low > levels[0] or high < levels[-1]):
        problems.add("levels", f"must lie from {low:g} to {high:g}")
    if not levels and raw.get("low") is not None and raw.get("high") is not None and not low < high:
        problems.add("high", f"must be greater than low, {low:g}")
    if scale is Scale.LOG and (levels or raw.get("low") is not None) and low <= 0:
        problems.add("low", "must be greater than 0 on a logarithmic scale")
    if not math.isfinite(high - low):
        problems.add("high", "is too far from low")
    return Variable(name, low, high, levels, scale)


def _parse_constraints(raw: Mapping[str, Any], problems: Problems, names: Sequence[str]) -> tuple[Constraint, ...]:
    nested = problems.at("constraints")
    constraints = []
    for index, text in enumerate(problems.texts(raw, "constraints", most=MAX_CONSTRAINTS)):
        if not text:
            continue
        try:
            constraint = Constraint.parse(text)
        except ExpressionError as error:
            nested.add(index, str(error))
            continue
        unknown = sorted(constraint.names - set(names))
        if unknown:
            nested.add(index, f"names {', '.join(unknown)}, which is no variable of the design")
        constraints.append(constraint)
    return tuple(constraints)

"""How a model is to be trained and tuned: the `ml` and `optimize` sections of a kit's definition, and what each algorithm takes.

One table holds the hyperparameters with their ranges. A value that a person gives, a default and a search all obey it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from domain.errors import ValidationFailed
from domain.validation import Problems

MAX_SEED = 2**32 - 1
MAX_POLYNOMIAL_TERMS = 2000

Value = int | float | str


class Algorithm(StrEnum):
    """A regression of scikit-learn; the names of hyperparameters are scikit-learn's own."""

    RIDGE = "RIDGE"
    RANDOM_FOREST = "RANDOM_FOREST"
    GRADIENT_BOOSTING = "GRADIENT_BOOSTING"
    GAUSSIAN_PROCESS = "GAUSSIAN_PROCESS"
    SVR = "SVR"
    KNN = "KNN"


class Scaler(StrEnum):
    """How inputs are scaled. Responses are always brought to mean 0 and variance 1 for the fit, and back for predictions.

    `NONE` is refused where an algorithm could not tell the values of an input apart as they are.
    """

    STANDARD = "STANDARD"
    MIN_MAX = "MIN_MAX"
    ROBUST = "ROBUST"
    NONE = "NONE"


class Missing(StrEnum):
    """What happens to rows without a value of some input: left out, or filled in (a category by the most frequent one).

    Rows without a value of some response are always left out.
    """

    DROP = "DROP"
    MEAN = "MEAN"
    MEDIAN = "MEDIAN"


class Outliers(StrEnum):
    """Which training rows are left out for a response far off: by Tukey's fences (1.5 IQR) or beyond 3 standard deviations.

    Inputs are not looked at, since the design space says which values of them are wanted.
    """

    KEEP = "KEEP"
    IQR = "IQR"
    Z_SCORE = "Z_SCORE"


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric hyperparameter, from `low` to `high` inclusive; `is_log` says that a search goes by orders of magnitude."""

    name: str
    low: float
    high: float
    default: float
    is_whole: bool = False
    is_log: bool = False

    def read(self, raw: Mapping[str, Any], problems: Problems) -> Value:
        """The value in `raw`, where there is one that fits, else the default."""
        if self.is_whole:
            return problems.integer(raw, self.name, int(self.default), int(self.low), int(self.high))
        return problems.number(raw, self.name, self.default, self.low, self.high)

    def up_to(self, high: float) -> "Number":
        """The same with a range that ends at `high` at the latest."""
        high = max(self.low, min(self.high, high))
        return replace(self, high=high, default=min(self.default, high))


@dataclass(frozen=True, slots=True)
class Choice:
    """A hyperparameter that is one of a few values."""

    name: str
    options: tuple[Value, ...]
    default: Value

    def read(self, raw: Mapping[str, Any], problems: Problems) -> Value:
        """The value in `raw`, where there is one that fits, else the default."""
        value = raw.get(self.name)
        if value is None:
            return self.default
        if isinstance(value, bool) or value not in self.options:
            problems.add(self.name, f"must be one of {', '.join(map(str, self.options))}")
            return self.default
        return self.options[self.options.index(value)]


Hyperparameter = Number | Choice

HYPERPARAMETERS: Mapping[Algorithm, tuple[Hyperparameter, ...]] = {
    Algorithm.RIDGE: (
        Number("alpha", 1e-6, 1e4, 1.0, is_log=True),
        Number("degree", 1, 3, 1, is_whole=True),
    ),
    Algorithm.RANDOM_FOREST: (
        Number("n_estimators", 10, 500, 100, is_whole=True, is_log=True),
        Number("max_depth", 2, 32, 32, is_whole=True),
        Number("min_samples_leaf", 1, 20, 1, is_whole=True),
        Number("max_features", 0.1, 1.0, 1.0),
    ),
    Algorithm.GRADIENT_BOOSTING: (
        Number("n_estimators", 10, 1000, 100, is_whole=True, is_log=True),
        Number("learning_rate", 0.005, 1.0, 0.1, is_log=True),
        Number("max_depth", 1, 10, 3, is_whole=True),
        Number("min_samples_leaf", 1, 20, 1, is_whole=True),
        Number("subsample", 0.3, 1.0, 1.0),
    ),
    Algorithm.GAUSSIAN_PROCESS: (
        Number("alpha", 1e-10, 1.0, 1e-6, is_log=True),
        Choice("nu", (0.5, 1.5, 2.5), 2.5),
    ),
    Algorithm.SVR: (
        Number("C", 1e-3, 1e4, 1.0, is_log=True),
        Number("epsilon", 1e-4, 1.0, 0.1, is_log=True),
        Number("gamma", 1e-4, 10.0, 0.1, is_log=True),
    ),
    Algorithm.KNN: (
        Number("n_neighbors", 1, 50, 5, is_whole=True),
        Choice("weights", ("uniform", "distance"), "uniform"),
        Choice("p", (1, 2), 2),
    ),
}

MAX_TRAINING_ROWS: Mapping[Algorithm, int] = {Algorithm.GAUSSIAN_PROCESS: 4_000, Algorithm.SVR: 20_000}
"""Rows beyond which a fit would take hours: its time grows with the third (Gaussian process) or second power (SVR) of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MlOptions:
    """The `ml` section. `test_share` is the part of the rows held out, `parameters` the hyperparameters that were given."""

    algorithm: Algorithm = Algorithm.RANDOM_FOREST
    scaler: Scaler = Scaler.STANDARD
    missing: Missing = Missing.DROP
    outliers: Outliers = Outliers.KEEP
    test_share: float = 0.2
    seed: int = 1
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The section with all defaults filled in; parsing it gives the same options."""
        return {
            "algorithm": self.algorithm.value,
            "scaler": self.scaler.value,
            "missing": self.missing.value,
            "outliers": self.outliers.value,
            "testShare": self.test_share,
            "seed": self.seed,
            "parameters": dict(self.parameters),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizeOptions:
    """The `optimize` section: at most `trials` trials in at most `timeout_seconds`, each judged by `folds`-fold cross-validation.

    No `algorithms` stands for the one of the `ml` section.
    """

    trials: int = 30
    timeout_seconds: float = 600.0
    folds: int = 5
    seed: int = 1
    algorithms: tuple[Algorithm, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The section with all defaults filled in; parsing it gives the same options."""
        return {
            "trials": self.trials,
            "timeoutSeconds": self.timeout_seconds,
            "folds": self.folds,
            "seed": self.seed,
            "algorithms": [algorithm.value for algorithm in self.algorithms],
        }


def parse_ml(raw: Mapping[str, Any], problems: Problems) -> MlOptions:
    """Read the `ml` section; what is wrong with it is added to `problems`."""
    problems.no_others(raw, ("algorithm", "scaler", "missing", "outliers", "testShare", "seed", "parameters"))
    algorithm = problems.choice(raw, "algorithm", Algorithm, Algorithm.RANDOM_FOREST)
    return MlOptions(
        algorithm=algorithm,
        scaler=problems.choice(raw, "scaler", Scaler, Scaler.STANDARD),
        missing=problems.choice(raw, "missing", Missing, Missing.DROP),
        outliers=problems.choice(raw, "outliers", Outliers, Outliers.KEEP),
        test_share=problems.number(raw, "testShare", 0.2, 0.05, 0.5),
        seed=problems.integer(raw, "seed", 1, 0, MAX_SEED),
        parameters=_read_given(problems.mapping(raw, "parameters"), HYPERPARAMETERS[algorithm], problems.at("parameters")),
    )


def parse_optimize(raw: Mapping[str, Any], problems: Problems) -> OptimizeOptions:
    """Read the `optimize` section; what is wrong with it is added to `problems`."""
    problems.no_others(raw, ("trials", "timeoutSeconds", "folds", "seed", "algorithms"))
    nested = problems.at("algorithms")
    named = [
        nested.choice({str(index): name}, str(index), Algorithm)
        for index, name in enumerate(problems.items(raw, "algorithms", most=len(Algorithm)))
    ]
    return OptimizeOptions(
        trials=problems.integer(raw, "trials", 30, 1, 10_000),
        timeout_seconds=problems.number(raw, "timeoutSeconds", 600.0, 1.0, 7 * 86_400.0),
        folds=problems.integer(raw, "folds", 5, 2, 20),
        seed=problems.integer(raw, "seed", 1, 0, MAX_SEED),
        algorithms=tuple(dict.fromkeys(named)),
    )


def search_space(algorithm: Algorithm, *, inputs: int, rows: int) -> tuple[Hyperparameter, ...]:
    """The hyperparameters of `algorithm` with their ranges narrowed to what `rows` rows of `inputs` inputs allow.

    A polynomial of degree d in n inputs has C(n + d, d) - 1 terms, of which there may be `MAX_POLYNOMIAL_TERMS`; neighbours
    can't be more than rows.
    """
    narrowed = {"degree": max(d for d in (1, 2, 3) if d == 1 or math.comb(inputs + d, d) - 1 <= MAX_POLYNOMIAL_TERMS)}
    narrowed["n_neighbors"] = rows
    return tuple(
        each.up_to(narrowed[each.name]) if isinstance(each, Number) and each.name in narrowed else each
        for each in HYPERPARAMETERS[algorithm]
    )


def complete_parameters(given: Mapping[str, Value], space: Sequence[Hyperparameter]) -> dict[str, Value]:
    """All hyperparameters of `space`: those given, defaults for the rest; ValidationFailed where one given is outside of it."""
    problems = Problems("ml.parameters.")
    values = {each.name: each.read(given, problems) for each in space}
    problems.check()
    return values


def check_rows(algorithm: Algorithm, rows: int) -> None:
    """ValidationFailed where `algorithm` can't be trained on that many rows in a sensible time."""
    most = MAX_TRAINING_ROWS.get(algorithm)
    if most is not None and rows > most:
        message = f"{algorithm} takes at most {most:,} training rows; there are {rows:,}"
        raise ValidationFailed.of("algorithm", message)


def _read_given(raw: Mapping[str, Any], known: Sequence[Hyperparameter], problems: Problems) -> dict[str, Value]:
    problems.no_others(raw, [each.name for each in known])
    return {each.name: each.read(raw, problems) for each in known if raw.get(each.name) is not None}

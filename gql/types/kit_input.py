"""The document of a new kit as GraphQL inputs; the domain decides what may be left out and what is wrong, field by field."""

from dataclasses import fields, is_dataclass
from typing import Any

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from domain.deck import DeckKind
from domain.design import Method as DesignMethod
from domain.design_space import Scale
from domain.training import Algorithm, Missing, Outliers, Scaler
from gql.types.enums import ProductLine

strawberry.enum(
    DeckKind,
    name="DeckKind",
    description=(
        "Rows of a table (`TABLE`: CSV, Parquet), netlists (`SPICE`), or none, since a Python function that the server names "
        "computes the responses (`FUNCTION`)."
    ),
)
strawberry.enum(
    DesignMethod,
    name="DesignMethod",
    description=(
        "How points are chosen. `MEASURED`: the table's rows. `LATIN_HYPERCUBE`, `SOBOL`: sampled in the ranges. "
        "`FULL_FACTORIAL`: every combination of levels. `FRACTIONAL_FACTORIAL`: a balanced part of them. `CENTRAL_COMPOSITE`: "
        "corners, axes and centre."
    ),
)
strawberry.enum(
    Scale, name="Scale", description="How a variable's range is spread: evenly (`LINEAR`) or evenly in the logarithm (`LOG`)."
)
strawberry.enum(
    Algorithm,
    name="Algorithm",
    description=(
        "What is trained, of scikit-learn: `RIDGE` (linear), `RANDOM_FOREST`, `GRADIENT_BOOSTING`, `GAUSSIAN_PROCESS`, `SVR` "
        "(support vectors), `KNN` (nearest neighbours)."
    ),
)
strawberry.enum(
    Scaler,
    name="Scaler",
    description=(
        "How inputs are scaled: to mean 0 and variance 1 (`STANDARD`), from 0 to 1 (`MIN_MAX`), by quartiles (`ROBUST`), `NONE`."
    ),
)
strawberry.enum(
    Missing,
    name="Missing",
    description=(
        "What is done about a missing value of an input: `DROP` leaves the row out, `MEAN` and `MEDIAN` fill it in, "
        "a category by the most frequent one."
    ),
)
strawberry.enum(
    Outliers,
    name="Outliers",
    description=(
        "Which training rows are left out for a response far off: none (`KEEP`), beyond Tukey's fences of 1.5 interquartile "
        "ranges (`IQR`), beyond 3 standard deviations (`Z_SCORE`)."
    ),
)


@strawberry.input(description="Where decks come from: exactly one of these.")
class DeckSourceInput:
    folder: str | None = strawberry.field(default=None, description="A folder that the server allows.")
    upload: str | None = strawberry.field(default=None, description="The SHA-256 checksum of an uploaded zip.")
    url: str | None = strawberry.field(default=None, description="An http, https or s3 address.")


@strawberry.input(description="The decks of a kit.")
class DeckInput:
    kind: DeckKind | None = strawberry.field(default=None, description="Which kind of decks. Required.")
    source: DeckSourceInput | None = strawberry.field(
        default=None, description="Where they come from. Required, but of a function."
    )
    files: str | None = strawberry.field(default=None, description="Which files are decks: patterns joined by commas.")
    inputs: list[str] | None = strawberry.field(
        default=None, description="Columns or `.param` names that are inputs; of a function they are the design's variables."
    )
    responses: list[str] | None = strawberry.field(
        default=None, description="Columns or `.meas` names that are responses, or what a function returns."
    )


@strawberry.input(description="A variable of a design space: a range, levels, or categories.")
class VariableInput:
    name: str | None = strawberry.field(default=None, description="The input's name. Required.")
    low: float | None = strawberry.field(default=None, description="The least value.")
    high: float | None = strawberry.field(default=None, description="The greatest value.")
    levels: list[float] | None = strawberry.field(default=None, description="The values it can take, in place of a range.")
    categories: list[str] | None = strawberry.field(
        default=None, description="Of a table's column that holds categories, those that are wanted; nothing else is given then."
    )
    scale: Scale | None = strawberry.field(default=None, description="`LINEAR` unless said otherwise.")


@strawberry.input(description="What evaluates a point.")
class EvaluatorInput:
    function: str | None = strawberry.field(default=None, description="The name of a Python function in the server's settings.")


@strawberry.input(description="The design of experiments of a kit.")
class DesignInput:
    method: DesignMethod | None = strawberry.field(default=None, description="How points are chosen. Required.")
    points: int | None = strawberry.field(default=None, description="How many points a sampled design has; 64 by default.")
    seed: int | None = strawberry.field(default=None, description="The same seed gives the same points; 0 by default.")
    variables: list[VariableInput] | None = strawberry.field(default=None, description="The design space.")
    constraints: list[str] | None = strawberry.field(
        default=None, description="Conditions on points, as in `w1 + w2 <= 10`; a name that is no plain word stands in backticks."
    )
    evaluator: EvaluatorInput | None = strawberry.field(
        default=None, description="What evaluates points, for decks of kind `FUNCTION`."
    )
    max_failed_share: float | None = strawberry.field(
        default=None, description="The share of points, 0 to 1, that may fail; 0.1 by default."
    )
    parallel: int | None = strawberry.field(default=None, description="Evaluations at a time; 0: one per processor.")
    timeout_seconds: float | None = strawberry.field(default=None, description="The time limit of one evaluation.")
    generator: str | None = strawberry.field(default=None, description="Of a fractional factorial, as in `a b c abc`.")
    resolution: int | None = strawberry.field(default=None, description="Of a fractional factorial without a generator.")


@strawberry.input(description="The training of a kit's model.")
class MlInput:
    algorithm: Algorithm | None = strawberry.field(default=None, description="What is trained.")
    scaler: Scaler | None = strawberry.field(default=None, description="How features are scaled.")
    missing: Missing | None = strawberry.field(default=None, description="What is done about missing values.")
    outliers: Outliers | None = strawberry.field(default=None, description="What is done about outliers.")
    test_share: float | None = strawberry.field(default=None, description="The share of rows held out for the test.")
    seed: int | None = strawberry.field(default=None, description="The same seed gives the same split and model.")
    parameters: JSON | None = strawberry.field(default=None, description="Hyperparameters of the algorithm by name.")


@strawberry.input(description="The tuning of a kit's model.")
class OptimizeInput:
    trials: int | None = strawberry.field(default=None, description="How many trials at most.")
    timeout_seconds: float | None = strawberry.field(default=None, description="How long to search at most.")
    folds: int | None = strawberry.field(default=None, description="Folds of the cross-validation.")
    seed: int | None = strawberry.field(default=None, description="The same seed gives the same trials.")
    algorithms: list[Algorithm] | None = strawberry.field(default=None, description="What is tried; else the trained one.")


@strawberry.input(description="What the jobs of a kit are to do.")
class KitDefinitionInput:
    template: str | None = strawberry.field(default=None, description="The step template; `builtin` by default.")
    deck: DeckInput | None = strawberry.field(default=None, description="The decks. Required.")
    design: DesignInput | None = strawberry.field(default=None, description="The design of experiments. Required.")
    ml: MlInput | None = strawberry.field(default=None, description="The training; all defaults where left out.")
    optimize: OptimizeInput | None = strawberry.field(default=None, description="The tuning; all defaults where left out.")


@strawberry.input(description="A new kit. What is missing or wrong is answered as `ValidationFailed`.")
class KitInput:
    name: str | None = strawberry.field(default=None, description="Its name. Required.")
    product_line: ProductLine | None = strawberry.field(default=None, description="The product line it belongs to. Required.")
    definition: KitDefinitionInput | None = strawberry.field(default=None, description="What its jobs are to do. Required.")
    metadata: JSON | None = strawberry.field(default=None, description="Anything to attach to it, at most 64 KiB.")


def as_document(given: Any) -> Any:
    """An input as the JSON document that the domain reads: names as in the SDL, nothing for what was left out."""
    if isinstance(given, list):
        return [as_document(each) for each in given]
    if is_dataclass(given):
        values = {
            getattr(field, "graphql_name", None) or to_camel_case(field.name): as_document(getattr(given, field.name))
            for field in fields(given)
        }
        return {name: value for name, value in values.items() if value is not None}
    return given

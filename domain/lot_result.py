"""Results of models for lots: what goes into a model, what it predicted, and whether that lay within what it was trained on."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.kit import ProductLine
from domain.lot_row import LotRowDefinition
from domain.model_version import FeatureKind, ModelFeature, VersionKey

MAX_SHOWN = 80

Value = float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfRange:
    """An input that the model was not trained on: a number outside `low` to `high`, or a text that is none of its categories."""

    feature: str
    value: Value
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotInputs:
    """What a model takes of a lot row: values in the order of its features, their checksum, and which lie out of range."""

    values: tuple[Value, ...]
    sha256: str
    out_of_range: tuple[OutOfRange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotResult:
    """What a version of a model predicted for a version of a lot row, stored once for ever.

    `outputs` are in the order of `targets`, `input_sha256` is the checksum of what the model was given, `run_id` the run of the
    daily batch that stored it. `id` and `recorded_at` are given by the database.
    """

    product_line: ProductLine
    lot_row_id: int
    lot_row_version: int
    model_version: VersionKey
    targets: tuple[str, ...]
    outputs: tuple[float, ...]
    input_sha256: str
    out_of_range: tuple[OutOfRange, ...]
    run_id: int
    id: int = 0
    recorded_at: datetime = datetime.min


class NoInputs(Exception):
    """The row lacks something that the model takes; the message says what."""


def inputs_of(row: LotRowDefinition, features: Sequence[ModelFeature]) -> LotInputs:
    """What the model takes of the row; `NoInputs` where something is missing or of the wrong kind.

    A feature is the attribute of its name. Where the row has none, `product`, `step`, `equipment` and `quantity` are the row's
    own. The checksum is the SHA-256 of the JSON object of all features, by name, with numbers as they are given to the model
    (64-bit floating point, written as `repr` does), without spaces, in UTF-8.
    """
    own: dict[str, int | str] = {"product": row.product, "step": row.step, "equipment": row.equipment, "quantity": row.quantity}
    found: dict[str, int | float | str] = {**own, **row.attributes}
    missing = [feature.name for feature in features if feature.name not in found]
    if missing:
        raise NoInputs(f"the row has no {', '.join(missing[:20])[:1000]}")
    values = tuple(_value(feature, found[feature.name]) for feature in features)
    out_of_range = (_out_of_range(feature, value) for feature, value in zip(features, values, strict=True))
    named = {feature.name: value for feature, value in zip(features, values, strict=True)}
    text = json.dumps(named, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return LotInputs(
        values=values,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        out_of_range=tuple(each for each in out_of_range if each is not None),
    )


def _value(feature: ModelFeature, value: int | float | str) -> Value:
    is_text = isinstance(value, str)
    if feature.kind is FeatureKind.NUMBER and is_text:
        raise NoInputs(f"{feature.name} is the text {str(value)[:MAX_SHOWN]!r}, and the model takes a number")
    if feature.kind is FeatureKind.CATEGORY and not is_text:
        raise NoInputs(f"{feature.name} is the number {value}, and the model takes one of some texts")
    return value if isinstance(value, str) else float(value)


def _out_of_range(feature: ModelFeature, value: Value) -> OutOfRange | None:
    if isinstance(value, str):
        is_known = not feature.categories or value in feature.categories
        return None if is_known else OutOfRange(feature=feature.name, value=value)
    is_below = feature.low is not None and value < feature.low
    is_above = feature.high is not None and value > feature.high
    if not is_below and not is_above:
        return None
    return OutOfRange(feature=feature.name, value=value, low=feature.low, high=feature.high)

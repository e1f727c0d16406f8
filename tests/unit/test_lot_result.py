"""What models take of lot rows: the right values in the right order, or a reason; and what lies out of their range."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.kit import ProductLine
from domain.lot_result import NoInputs, OutOfRange, inputs_of
from domain.lot_row import LotRowDefinition
from domain.model_version import FeatureKind, ModelFeature
from tests.architecture.sources import ROOT

NUMBER = FeatureKind.NUMBER


def a_row(**attributes: Any) -> LotRowDefinition:
    return LotRowDefinition(
        product_line=ProductLine.LOGIC,
        lot_id="LOT-1",
        product="SoC",
        step="ETCH",
        equipment="EQP-1",
        measured_at=datetime(2026, 7, 1, tzinfo=UTC),
        quantity=25,
        attributes=attributes,
    )


def feature(name: str, kind: FeatureKind = FeatureKind.UNKNOWN, **given: Any) -> ModelFeature:
    return ModelFeature(name=name, kind=kind, **given)


def test_values_stand_in_the_order_of_the_features_as_the_model_takes_them() -> None:
    inputs = inputs_of(a_row(b=2, a=1.5, other=9), [feature("b", NUMBER), feature("a"), feature("quantity"), feature("step")])
    assert inputs.values == (2.0, 1.5, 25.0, "ETCH") and isinstance(inputs.values[0], float)
    assert inputs.sha256 == hashlib.sha256(b'{"a":1.5,"b":2.0,"quantity":25.0,"step":"ETCH"}').hexdigest()
    assert inputs.out_of_range == ()


def test_an_attribute_goes_before_what_the_row_says_itself() -> None:
    assert inputs_of(a_row(quantity=7.5), [feature("quantity")]).values == (7.5,)


def test_the_checksum_depends_on_what_the_model_takes_and_on_nothing_else() -> None:
    features = [feature("a"), feature("b")]
    assert inputs_of(a_row(a=1, b=2, c=3), features).sha256 == inputs_of(a_row(b=2.0, a=1.0), features).sha256
    assert inputs_of(a_row(a=1, b=2), features).sha256 != inputs_of(a_row(a=1, b=2.0000000000000004), features).sha256


def test_the_checksum_is_that_of_the_page_s_example() -> None:
    page = (ROOT / "docs" / "daily-batch.md").read_text()
    example = re.search(r"```\n(\{.*\})\n```\n\nIts SHA-256 checksum is `([0-9a-f]{64})`", page)
    assert example and hashlib.sha256(example[1].encode()).hexdigest() == example[2]
    row = a_row(cd_nm=17.25, dose=10**16, leak=2.5e-7, step="ETCH-30")
    assert inputs_of(row, [feature(name) for name in ("step", "quantity", "leak", "dose", "cd_nm")]).sha256 == example[2]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(NoInputs, match=r"the row has no x, y$"):
        inputs_of(a_row(a=1), [feature("a"), feature("x"), feature("y")])


def test_a_text_is_no_number_and_a_number_no_text() -> None:
    with pytest.raises(NoInputs, match="step is the text 'ETCH', and the model takes a number"):
        inputs_of(a_row(), [feature("step", NUMBER)])
    with pytest.raises(NoInputs, match=r"a is the number 1\.5, and the model takes one of some texts"):
        inputs_of(a_row(a=1.5), [feature("a", FeatureKind.CATEGORY)])


@pytest.mark.parametrize(("value", "is_flagged"), [(0.0, False), (1.0, False), (0.5, False), (-0.1, True), (1.0000001, True)])
def test_numbers_outside_of_what_the_model_was_trained_on_are_flagged(value: float, is_flagged: bool) -> None:
    found = inputs_of(a_row(a=value), [feature("a", NUMBER, low=0.0, high=1.0)]).out_of_range
    assert found == ((OutOfRange(feature="a", value=value, low=0.0, high=1.0),) if is_flagged else ())


def test_texts_that_the_model_has_not_seen_are_flagged() -> None:
    kind = FeatureKind.CATEGORY
    assert inputs_of(a_row(), [feature("step", kind, categories=("ETCH", "CMP"))]).out_of_range == ()
    assert inputs_of(a_row(), [feature("step", kind, categories=("CMP",))]).out_of_range == (
        OutOfRange(feature="step", value="ETCH"),
    )
    assert inputs_of(a_row(), [feature("step", kind)]).out_of_range == ()

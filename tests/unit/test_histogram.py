"""Distributions of times: percentiles as close as promised, and the same however the samples were divided."""

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.histogram import ACCURACY, Histogram

SAMPLE = st.one_of(
    st.just(0.0),
    st.floats(1e-9, 1e12, allow_nan=False),
    st.sampled_from([1e-6, 1.0, 1.02, 99.99, 100.0]),
    st.integers(0, 10).map(float),
)
SAMPLES = st.lists(SAMPLE, max_size=200)
SHARES = (0.0, 0.5, 0.9, 0.95, 0.99, 1.0)


def filled(samples: Sequence[float]) -> Histogram:
    histogram = Histogram()
    for sample in samples:
        histogram.add(sample)
    return histogram


@given(SAMPLES.filter(bool), st.floats(0, 1))
def test_a_percentile_is_the_sample_of_that_rank_at_most_a_hundredth_off(samples: list[float], share: float) -> None:
    exact = sorted(samples)[math.floor(share * (len(samples) - 1))]
    (found,) = filled(samples).percentiles([share])
    assert found is not None and abs(found - exact) <= ACCURACY * exact * (1 + 1e-9) + 1e-6


@given(st.lists(SAMPLES, max_size=5))
def test_parts_together_are_the_whole(parts: list[list[float]]) -> None:
    whole, merged = filled([each for part in parts for each in part]), Histogram.merged(map(filled, parts))
    assert (merged.ranges, merged.least, merged.greatest) == (whole.ranges, whole.least, whole.greatest)
    assert merged.total == pytest.approx(whole.total) and merged.count == sum(map(len, parts))
    assert merged.percentiles(SHARES) == whole.percentiles(SHARES)


@given(SAMPLES)
def test_a_distribution_survives_being_written(samples: list[float]) -> None:
    histogram = filled(samples)
    again = Histogram.of(json.loads(json.dumps(histogram.as_json(), allow_nan=False)))
    assert again == histogram


def test_without_samples_there_is_nothing_to_tell() -> None:
    assert Histogram().percentiles(SHARES) == [None] * len(SHARES) and Histogram().mean is None and Histogram().count == 0


def test_the_least_and_greatest_are_exact() -> None:
    histogram = filled([0.0, 3.7, 1234.5])
    assert histogram.percentiles([0.0, 1.0]) == [0.0, 1234.5]
    assert (histogram.least, histogram.greatest) == (0.0, 1234.5) and histogram.mean == pytest.approx(412.733, rel=1e-5)

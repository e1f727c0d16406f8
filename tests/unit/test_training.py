from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationFailed
from domain.training import (
    HYPERPARAMETERS,
    Algorithm,
    Choice,
    Missing,
    MlOptions,
    Number,
    OptimizeOptions,
    Outliers,
    Scaler,
    check_rows,
    complete_parameters,
    parse_ml,
    parse_optimize,
    search_space,
)
from domain.validation import Problems

TEXT = st.text("aCp\x00\ud800é", max_size=5)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ML_KEYS = ["algorithm", "scaler", "missing", "outliers", "testShare", "seed", "parameters"]
OPTIMIZE_KEYS = ["trials", "timeoutSeconds", "folds", "seed", "algorithms"]


def ml(raw: Mapping[str, Any]) -> MlOptions:
    problems = Problems("ml.")
    options = parse_ml(raw, problems)
    problems.check()
    return options


def optimize(raw: Mapping[str, Any]) -> OptimizeOptions:
    problems = Problems("optimize.")
    options = parse_optimize(raw, problems)
    problems.check()
    return options


def refused(parse: Any, raw: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as caught:
        parse(raw)
    return {problem.field: problem.message for problem in caught.value.problems}


@st.composite
def ml_sections(draw: st.DrawFn) -> dict[str, Any]:
    algorithm = draw(st.sampled_from(Algorithm))
    parameters: dict[str, Any] = {}
    for each in HYPERPARAMETERS[algorithm]:
        if draw(st.booleans()):
            if isinstance(each, Choice):
                parameters[each.name] = draw(st.sampled_from(each.options))
            elif each.is_whole:
                parameters[each.name] = draw(st.integers(int(each.low), int(each.high)))
            else:
                parameters[each.name] = draw(st.floats(each.low, each.high))
    return {
        "algorithm": algorithm.value,
        "scaler": draw(st.sampled_from(Scaler)).value,
        "missing": draw(st.sampled_from(Missing)).value,
        "outliers": draw(st.sampled_from(Outliers)).value,
        "testShare": draw(st.floats(0.05, 0.5)),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "parameters": parameters,
    }


def test_an_empty_section_is_valid() -> None:
    assert ml({}) == MlOptions()
    assert optimize({}) == OptimizeOptions()


@given(ml_sections())
def test_a_valid_ml_section_comes_back_as_given(section: dict[str, Any]) -> None:
    assert ml(section).as_json() == section
    assert ml(ml(section).as_json()) == ml(section)


@given(
    st.fixed_dictionaries(
        {
            "trials": st.integers(1, 10_000),
            "timeoutSeconds": st.floats(1, 604_800),
            "folds": st.integers(2, 20),
            "seed": st.integers(0, 2**32 - 1),
            "algorithms": st.lists(st.sampled_from([each.value for each in Algorithm]), unique=True),
        }
    )
)
def test_a_valid_optimize_section_comes_back_as_given(section: dict[str, Any]) -> None:
    assert optimize(section).as_json() == section


@given(st.dictionaries(st.sampled_from([*ML_KEYS, "other"]), ANYTHING), st.dictionaries(st.sampled_from(OPTIMIZE_KEYS), ANYTHING))
def test_whatever_is_sent_gives_options_or_problems(raw_ml: dict[str, Any], raw_optimize: dict[str, Any]) -> None:
    problems = Problems()
    options = parse_ml(raw_ml, problems)
    assert options.algorithm in Algorithm and 0.05 <= options.test_share <= 0.5
    tuning = parse_optimize(raw_optimize, problems)
    assert 1 <= tuning.trials <= 10_000 and tuning.timeout_seconds <= 604_800


def test_everything_wrong_is_named_at_once() -> None:
    parameters = {"C": 1e9, "gamma": "auto", "n_neighbors": 3}
    section = {"algorithm": "SVR", "testShare": 0.9, "seed": -1, "shape": 1, "parameters": parameters}
    assert refused(ml, section) == {
        "ml.testShare": "must be from 0.05 to 0.5",
        "ml.seed": "must be from 0 to 4294967295",
        "ml.shape": "is not known here",
        "ml.parameters.C": "must be from 0.001 to 10000",
        "ml.parameters.gamma": "must be a number",
        "ml.parameters.n_neighbors": "is not known here",
    }
    assert refused(optimize, {"trials": 0, "folds": 1, "algorithms": ["RIDGE", "MAGIC"]}).keys() == {
        "optimize.trials",
        "optimize.folds",
        "optimize.algorithms.1",
    }


@pytest.mark.parametrize(
    ("name", "value"), [("p", True), ("p", 3), ("weights", "heavy"), ("weights", ["uniform"]), ("p", float("nan"))]
)
def test_a_choice_takes_its_options_only(name: str, value: Any) -> None:
    assert list(refused(ml, {"algorithm": "KNN", "parameters": {name: value}})) == [f"ml.parameters.{name}"]


def test_the_same_algorithm_twice_counts_once() -> None:
    assert optimize({"algorithms": ["SVR", "KNN", "SVR"]}).algorithms == (Algorithm.SVR, Algorithm.KNN)


@pytest.mark.parametrize("algorithm", Algorithm)
@given(inputs=st.integers(1, 200), rows=st.integers(1, 5000))
def test_a_search_space_has_its_defaults_inside(algorithm: Algorithm, inputs: int, rows: int) -> None:
    space = search_space(algorithm, inputs=inputs, rows=rows)
    for each in space:
        if isinstance(each, Number):
            assert each.low <= each.default <= each.high
    assert complete_parameters({}, space) == {each.name: each.default for each in space}


def test_data_narrow_the_search_space() -> None:
    neighbours = search_space(Algorithm.KNN, inputs=3, rows=12)[0]
    assert isinstance(neighbours, Number) and neighbours.high == 12
    degrees = {inputs: search_space(Algorithm.RIDGE, inputs=inputs, rows=100)[1] for inputs in (3, 20, 21, 61, 62, 200)}
    assert [each.high for each in degrees.values() if isinstance(each, Number)] == [3, 3, 2, 2, 1, 1]


def test_a_given_value_that_the_data_do_not_allow_is_refused() -> None:
    space = search_space(Algorithm.KNN, inputs=3, rows=12)
    assert refused(lambda given: complete_parameters(given, space), {"n_neighbors": 13}) == {
        "ml.parameters.n_neighbors": "must be from 1 to 12"
    }


def test_slow_algorithms_have_a_bound_of_rows() -> None:
    check_rows(Algorithm.GAUSSIAN_PROCESS, 4000)
    check_rows(Algorithm.RIDGE, 10_000_000)
    with pytest.raises(ValidationFailed, match="at most 4,000 training rows; there are 4,001"):
        check_rows(Algorithm.GAUSSIAN_PROCESS, 4001)

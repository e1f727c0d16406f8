"""Designs: every method gives the points it should, the same each time, and an infeasible one is refused beforehand."""

from itertools import combinations
from typing import Any

import numpy as np
import pyDOE3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.design import MAX_POINTS, Design, InfeasibleDesign, Method, fractional_generator, generate, parse_design
from domain.design_space import Points
from domain.errors import ValidationFailed
from domain.validation import Problems


def variable(name: str, low: float = 1, high: float = 10, **more: Any) -> dict[str, Any]:
    return {"name": name, "low": low, "high": high, **more}


def read(method: str, variables: list[Any], **more: Any) -> Design:
    problems = Problems("design.")
    design = parse_design({"method": method, "variables": variables, **more}, problems)
    problems.check()
    return design


def points(method: str, variables: list[Any], **more: Any) -> Points:
    return generate(read(method, variables, **more)).points


@pytest.mark.parametrize("method", ["LATIN_HYPERCUBE", "SOBOL"])
def test_sampled_designs_have_as_many_points_as_asked_inside_the_space(method: str) -> None:
    found = points(method, [variable("a"), variable("b", scale="LOG")], points=50, constraints=["a + b <= 5"])
    assert found.shape == (50, 2)
    assert (found >= 1).all() and (found.sum(axis=1) <= 5).all()
    assert len(np.unique(found, axis=0)) == 50


@pytest.mark.parametrize("method", ["LATIN_HYPERCUBE", "SOBOL"])
def test_the_seed_alone_decides(method: str) -> None:
    first, again, other = (points(method, [variable("a")], points=20, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_latin_hypercube_has_one_point_in_each_slice() -> None:
    found = points("LATIN_HYPERCUBE", [variable("a", 0, 1), variable("b", 0, 1)], points=30)
    assert all(sorted((found[:, column] * 30).astype(int)) == list(range(30)) for column in (0, 1))


@pytest.mark.parametrize(
    ("count", "constraints"), [(30, ["a + b <= 1"]), (96, ["a >= b", "a + b <= 1.5"]), (500, ["a*a + b*b + c*c <= 1"])]
)
def test_a_constrained_latin_hypercube_is_all_that_is_feasible_of_one(count: int, constraints: list[str]) -> None:
    variables = [variable(name, 0, 1) for name in "abc"]
    sample = generate(read("LATIN_HYPERCUBE", variables, points=count, constraints=constraints))
    assert len(sample.points) == count and sample.left_out == 0
    for column in sample.points.T:
        slices = (column * sample.candidates).astype(int)
        assert len(set(slices.tolist())) == count


def test_a_hypercube_is_cut_down_where_no_size_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.sampling.MAX_HYPERCUBES", 0)
    sample = generate(read("LATIN_HYPERCUBE", AB, points=101, constraints=["a + b <= 11"]))
    assert sample.points.shape == (101, 2) and sample.left_out > 0
    assert (sample.points.sum(axis=1) <= 11).all()


def test_a_constrained_sobol_design_is_all_that_is_feasible_of_a_beginning() -> None:
    variables = [variable("a", 0, 1), variable("b", 0, 1)]
    whole = generate(read("SOBOL", variables, points=256))
    part = generate(read("SOBOL", variables, points=60, constraints=["a + b <= 1"]))
    beginning = whole.points[: part.candidates]
    assert (part.points == beginning[beginning.sum(axis=1) <= 1]).all()


def test_a_sobol_sequence_is_balanced() -> None:
    found = points("SOBOL", [variable("a", 0, 1), variable("b", 0, 1)], points=64)
    counts = np.histogram2d(found[:, 0], found[:, 1], bins=8, range=[[0, 1], [0, 1]])[0]
    assert (counts == 1).all()


def test_full_factorial() -> None:
    found = points("FULL_FACTORIAL", [{"name": "a", "levels": [3, 1, 2]}, variable("b", 5, 7)], constraints=["a + b < 10"])
    assert {tuple(row) for row in found.tolist()} == {(1, 5), (2, 5), (3, 5), (1, 7), (2, 7)}


def test_central_composite_stays_in_range_with_one_centre() -> None:
    found = points("CENTRAL_COMPOSITE", [variable("a", -1, 1), variable("b", -1, 1)])
    expected = [
        [0, 0],
        [-1, 0],
        [1, 0],
        [0, -1],
        [0, 1],
        *([x, y] for x in (-(0.5**0.5), 0.5**0.5) for y in (-(0.5**0.5), 0.5**0.5)),
    ]
    np.testing.assert_allclose(sorted(found.tolist()), sorted(expected), atol=1e-12)


def test_fractional_factorial_by_generator() -> None:
    found = points("FRACTIONAL_FACTORIAL", [variable("a", -1, 1), variable("b", -1, 1), variable("c", 3, 4)], generator="a b -ab")
    assert found.shape == (4, 3)
    assert all((row[2] == 4) == (row[0] * row[1] < 0) for row in found)


def resolution(signs: Any) -> int:
    for size in range(1, signs.shape[1] + 1):
        if any(abs(signs[:, chosen].prod(axis=1).sum()) == len(signs) for chosen in combinations(range(signs.shape[1]), size)):
            return size
    return int(signs.shape[1]) + 1


@pytest.mark.parametrize(
    ("factors", "wanted", "runs"), [(3, 3, 4), (7, 3, 8), (5, 5, 16), (6, 4, 16), (7, 5, 64), (8, 4, 16), (9, 4, 32)]
)
def test_generators_reach_their_resolution(factors: int, wanted: int, runs: int) -> None:
    signs = pyDOE3.fracfact(fractional_generator(factors, wanted))
    assert signs.shape == (runs, factors)
    assert resolution(signs) >= wanted


AB = [variable("a"), variable("b")]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"method": "SOBOL", "variables": AB, "constraints": ["a + b <= 1"]}, "design.constraints"),
        ({"method": "LATIN_HYPERCUBE", "variables": AB, "constraints": ["a == b"]}, "design.constraints"),
        ({"method": "LATIN_HYPERCUBE", "variables": AB, "constraints": ["a + b <= 2.1"], "points": 5000}, "design.points"),
        ({"method": "SOBOL", "variables": [{"name": "a", "levels": [1, 2]}], "points": 3}, "design.points"),
        ({"method": "MEASURED", "variables": AB, "constraints": ["a > b", "b > a + 1"]}, "design.constraints"),
        ({"method": "FULL_FACTORIAL", "variables": AB, "constraints": ["a + b == 5"]}, "design.constraints"),
        ({"method": "FULL_FACTORIAL", "variables": [variable(f"v{i}") for i in range(14)]}, "design.variables"),
        ({"method": "FULL_FACTORIAL"}, "design.variables"),
        ({"method": "CENTRAL_COMPOSITE", "variables": AB[:1]}, "design.variables"),
        ({"method": "CENTRAL_COMPOSITE", "variables": [*AB, {"name": "c", "levels": [1, 2]}]}, "design.variables.2.levels"),
        ({"method": "CENTRAL_COMPOSITE", "variables": [variable(f"v{i}") for i in range(14)]}, "design.variables"),
        ({"method": "FRACTIONAL_FACTORIAL", "variables": [variable(f"v{i}") for i in range(21)]}, "design.variables"),
        ({"method": "FRACTIONAL_FACTORIAL", "variables": AB, "generator": "a b ab"}, "design.generator"),
        ({"method": "FRACTIONAL_FACTORIAL", "variables": AB, "generator": "a; import os"}, "design.generator"),
        ({"method": "FRACTIONAL_FACTORIAL", "variables": AB, "generator": "a zz"}, "design.generator"),
        ({"method": "FRACTIONAL_FACTORIAL", "variables": AB, "generator": "a a"}, "design.generator"),
        ({"method": "FRACTIONAL_FACTORIAL", "variables": [variable("a", levels=[1, 5, 10])]}, "design.variables.0.levels"),
        ({"method": "GUESS", "variables": AB}, "design.method"),
        ({"variables": AB}, "design.method"),
        ({"method": "SOBOL", "variables": AB, "points": 10**9}, "design.points"),
        ({"method": "SOBOL", "variables": AB, "points": -1}, "design.points"),
        ({"method": "SOBOL", "variables": AB, "seed": 2**40}, "design.seed"),
        ({"method": "SOBOL", "variables": AB, "maxFailedShare": 1.5}, "design.maxFailedShare"),
        ({"method": "SOBOL", "variables": AB, "timeoutSeconds": 0}, "design.timeoutSeconds"),
        ({"method": "SOBOL", "variables": AB, "evaluator": {"command": "ls"}}, "design.evaluator.command"),
        ({"method": "SOBOL", "variables": AB, "evaluator": "ls"}, "design.evaluator"),
        ({"method": "SOBOL", "variables": AB, "pionts": 3}, "design.pionts"),
    ],
)
def test_what_can_not_be_run_is_refused(document: dict[str, Any], field: str) -> None:
    problems = Problems("design.")
    parse_design(document, problems)
    with pytest.raises(ValidationFailed) as caught:
        problems.check()
    assert field in {problem.field for problem in caught.value.problems}


def test_measured_points_are_not_generated_and_may_lie_on_a_line() -> None:
    design = read("MEASURED", AB, constraints=["a == 2*b"])
    with pytest.raises(ValueError, match="given"):
        generate(design)


@settings(max_examples=60)
@given(
    method=st.sampled_from([method for method in Method if method is not Method.MEASURED]),
    ranges=st.lists(st.tuples(st.floats(0.001, 100), st.floats(1.01, 1000), st.booleans()), min_size=2, max_size=4),
    count=st.integers(1, 200),
    seed=st.integers(0, 2**32 - 1),
    limit=st.floats(0.5, 4000),
)
def test_a_design_that_passes_yields_its_points(
    method: Method, ranges: list[tuple[float, float, bool]], count: int, seed: int, limit: float
) -> None:
    variables = [
        variable(f"v{i}", low, low * factor, scale="LOG" if log else "LINEAR") for i, (low, factor, log) in enumerate(ranges)
    ]
    document = {"method": method, "variables": variables, "points": count, "seed": seed, "constraints": [f"v0 + v1 <= {limit!r}"]}
    problems = Problems()
    design = parse_design(document, problems)
    if not problems.is_clean:
        with pytest.raises(InfeasibleDesign):
            generate(design)
        return
    found = generate(design).points
    assert 1 <= len(found) <= MAX_POINTS
    assert design.space.satisfied(found).all()
    assert all(v.accepts(found[:, i]).all() for i, v in enumerate(design.space.variables))
    assert parse_design(design.as_json(), Problems()) == design

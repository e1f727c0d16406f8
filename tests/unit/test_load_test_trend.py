"""Trends: which points they have of which runs."""

from datetime import UTC, datetime

import pytest

from domain.load_test_run import RunStatus
from domain.load_test_trend import TrendRun, trends_of


def trend_run(number: int, *scenarios: str) -> TrendRun:
    return TrendRun(
        id=number,
        load_test_id=1,
        load_test_version=1,
        title=f"title {number}",
        scenarios=scenarios,
        label=None,
        created_at=datetime(2026, 5, 1, tzinfo=UTC),
        status=RunStatus.PASSED,
        figures=(),
    )


@pytest.mark.parametrize("count", [3, 30])
def test_points_are_as_many_as_runs_and_their_own_scenarios_not_their_product(count: int) -> None:
    found = trends_of([trend_run(number, "always", f"named {number}") for number in range(count)])
    assert len(found) == 2 + count and sum(len(each.runs) for each in found) == 3 * count
    assert all(len(each.runs) == len(each.figures) for each in found)


def test_a_scenario_has_its_own_runs_and_all_together_have_all_the_oldest_first() -> None:
    found = trends_of([trend_run(3, "b"), trend_run(2, "b", "a"), trend_run(1, "a")])
    assert [(each.scenario, [run.id for run in each.runs]) for each in found] == [(None, [1, 2, 3]), ("a", [1, 2]), ("b", [2, 3])]
    assert {each.title for each in found} == {"title 3"}


def test_only_scenarios_that_are_asked_for_are_there() -> None:
    (only,) = trends_of([trend_run(1, "a"), trend_run(2, "b")], ["b", "c"])
    assert (only.scenario, [run.id for run in only.runs]) == ("b", [2])

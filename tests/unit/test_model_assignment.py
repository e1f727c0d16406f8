"""Assignments of models: what is asked for, which two are the same, and that one is taken back once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.errors import IllegalTransition, ValidationFailed
from domain.kit import ProductLine
from domain.model_assignment import AssignmentOrder, LotRule, ModelAssignment, assignment_order

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def problems(model_id: int | None = 1, lot_row_id: int | None = 2, **given: Any) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as failure:
        assignment_order(given, model_id, lot_row_id)
    return {problem.field: problem.message for problem in failure.value.problems}


def test_a_model_is_assigned_to_one_row_or_by_a_rule() -> None:
    assert assignment_order({"modelId": "m", "lotRowId": "r"}, 1, 2) == AssignmentOrder(model_id=1, lot_row_id=2)
    rule = {"product": "SoC", "step": "ETCH", "measuredFrom": NOON}
    found = assignment_order({"modelId": "m", "rule": rule}, 1, None)
    assert found == AssignmentOrder(model_id=1, rule=LotRule(product="SoC", step="ETCH", measured_from=NOON))


def test_what_is_missing_or_wrong_is_named() -> None:
    assert problems() == {"input.modelId": "is required", "input": "name either one row (`lotRowId`) or a rule (`rule`)"}
    both = problems(modelId="m", lotRowId="r", rule={"product": "SoC"})
    assert both == {"input": "name either one row (`lotRowId`) or a rule (`rule`)"}
    assert problems(modelId="m", rule={}) == {"input.rule": "say at least one of product, step, measuredFrom and measuredTo"}
    assert set(problems(modelId="m", rule={"product": "x" * 201, "step": 7})) == {"input.rule.product", "input.rule.step"}
    assert set(problems(modelId="m", rule={"measuredFrom": NOON, "measuredTo": NOON})) == {"input.rule.measuredTo"}
    assert set(problems(modelId="m", rule={"measuredFrom": datetime(2026, 7, 1)})) == {"input.rule.measuredFrom"}


def test_scopes_are_the_same_where_the_rows_are() -> None:
    def scope(**rule: Any) -> str:
        return AssignmentOrder(model_id=1, rule=LotRule(**rule)).scope

    assert scope(product="SoC", step="E") == scope(step="E", product="SoC") != scope(product="SoC")
    assert scope(product="row 2") != AssignmentOrder(model_id=1, lot_row_id=2).scope
    assert scope(measured_from=NOON) != scope(measured_to=NOON)


def test_an_assignment_is_taken_back_once() -> None:
    order = AssignmentOrder(model_id=1, lot_row_id=2)
    line = ProductLine.LOGIC
    made = ModelAssignment(id=3, order=order, product_line=line, actor="a", actor_name="A", created_at=NOON)
    ended = made.ended("b", "B", NOON)
    assert (ended.version, ended.ended_at, ended.ended_by, ended.ended_by_name) == (2, NOON, "b", "B")
    with pytest.raises(IllegalTransition, match="Assignment 3 was taken back by B on 2026-07-01"):
        ended.ended("c", "C", NOON)

"""The requests that a definition makes of a document."""

import json
from typing import Any

import pytest

from domain.errors import ValidationFailed
from domain.executor import LoadLimits
from domain.load_plan import LoadPlan, plan_load
from domain.load_test import load_test_definition
from domain.openapi import read_openapi
from domain.template import shown

SERVER = "http://x.test"
EXECUTOR = {"kind": "CONSTANT_VUS", "vus": 1, "duration": 1}


def planned(operation: dict[str, Any]) -> LoadPlan:
    """The plan of one scenario with one request."""
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": operation}}}
    scenario = {"name": "s", "allowUnsafe": True, "requests": [{"endpoint": "POST /a"}], "executor": EXECUTOR}
    definition = load_test_definition(
        {"title": "t", "server": SERVER, "fillOptional": True, "scenarios": [scenario]}, LoadLimits()
    )
    endpoints = {each.key: each for each in read_openapi(document, SERVER).endpoints}
    return plan_load(definition, endpoints, document)


def body_of(content: dict[str, Any]) -> str | None:
    body = planned({"requestBody": {"required": True, "content": content}}).scenarios[0].requests[0].body
    return None if body is None else shown(body)


def test_an_example_is_the_body_if_its_media_type_can_carry_it() -> None:
    assert json.loads(body_of({"application/json": {"example": {"a": 1}}}) or "") == {"a": 1}
    examples = {"wrong": {"value": {"a": 1}}, "right": {"value": "a,b"}}
    assert body_of({"text/csv": {"examples": examples}}) == "a,b"
    assert body_of({"text/plain": {"example": {"a": 1}, "schema": {"type": "string", "enum": ["made"]}}}) == "made"


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ({"requestBody": {"required": True, "content": {"application/json": {"example": "x" * 50_000_000}}}}, "body"),
        (
            {
                "requestBody": {
                    "required": True,
                    "content": {"text/plain": {"schema": {"type": "string", "minLength": 50_000_000}}},
                }
            },
            "body",
        ),
        ({"parameters": [{"name": "q", "in": "query", "required": True, "example": "x" * 200_000}]}, "parameters"),
        ({"parameters": [{"name": "q", "in": "query", "required": True, "schema": {"minLength": 10**9}}]}, "parameters.q"),
    ],
)
def test_what_is_too_large_is_refused(operation: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        planned(operation)
    assert [(each.field, "characters" in each.message) for each in caught.value.problems] == [
        (f"input.scenarios.0.requests.0.{field}", True)
    ]


def test_a_list_in_a_form_is_a_field_for_each_element() -> None:
    form = {"application/x-www-form-urlencoded": {"example": {"a": ["x y", 2, True], "b": {"c": None}, "d": "&"}}}
    assert body_of(form) == "a=x%20y&a=2&a=true&b=%7B%22c%22%3Anull%7D&d=%26"

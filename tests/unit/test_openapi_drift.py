"""What came, went and changed from one document to the next."""

import copy
from typing import Any

import pytest

from domain.api_document import drift
from domain.endpoint import Endpoint
from domain.openapi import read_openapi
from tests.unit.test_openapi import PETS, URL


def test_drift_names_what_came_went_and_changed() -> None:
    before = read_openapi(PETS, URL).endpoints
    raw = copy.deepcopy(PETS)
    del raw["paths"]["/größe"]
    raw["paths"]["/new"] = {"post": {}}
    raw["paths"]["/pets/{id}"]["get"]["summary"] = "Other words"
    raw["paths"]["/pets/{id}"]["put"]["requestBody"]["required"] = False
    found = drift(before, read_openapi(raw, URL).endpoints)
    assert (found.added, found.removed, found.changed) == (("POST /new",), ("GET /größe",), ("PUT /pets/{id}",))
    assert drift(before, before).is_none and not found.is_none


REF, TO_T = {"$ref": "#/components/schemas/S"}, {"$ref": "#/components/schemas/T"}


def demanding(schema: Any, **schemas: Any) -> tuple[Endpoint, ...]:
    body = {"content": {"application/json": {"schema": schema}}}
    raw = {"openapi": "3.1.0", "paths": {"/a": {"post": {"requestBody": body}}}, "components": {"schemas": schemas}}
    return read_openapi(raw, URL).endpoints


@pytest.mark.parametrize(
    ("before", "after", "is_changed"),
    [
        (demanding(REF, S={"type": "object"}), demanding(REF, S={"type": "object", "required": ["n"]}), True),
        (demanding(REF, S={"allOf": [TO_T]}, T={}), demanding(REF, S={"allOf": [TO_T]}, T={"type": "string"}), True),
        (demanding(REF, S={"items": REF}), demanding(REF, S={"items": REF, "minItems": 1}), True),
        (demanding({"properties": {"description": {"type": "string"}}}), demanding({"properties": {}}), True),
        (demanding(REF), demanding(REF, S={}), True),
        (demanding({"description": "a", "x-y": 1}), demanding({"title": "b", "example": 2, "default": 3}), False),
        (demanding(REF, S={"description": "a"}), demanding(REF, S={"description": "b"}), False),
        (demanding(REF, S={"items": REF}, T={}), demanding(REF, T={"type": "object"}, S={"items": REF}), False),
        (
            demanding({"minimum": 1, "properties": {"a": {}, "b": {}}}),
            demanding({"properties": {"b": {}, "a": {}}, "minimum": 1}),
            False,
        ),
    ],
)
def test_what_a_request_must_be_is_compared_wherever_it_is_said(
    before: tuple[Endpoint, ...], after: tuple[Endpoint, ...], is_changed: bool
) -> None:
    assert bool(drift(before, after).changed) is is_changed
    assert drift(before, before).is_none

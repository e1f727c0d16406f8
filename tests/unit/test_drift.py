"""What is a change between two documents, and which."""

import copy
from typing import Any

import pytest

from domain import schema_fingerprint
from domain.api_document import ApiDocument, Drift, EndpointChange, drift
from domain.openapi import read_openapi
from domain.schema_fingerprint import SchemaFingerprints

LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "enum": [1, 2, {"description": "a"}]}}
PET = {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "number"}}}
NODE = {"properties": {"next": {"$ref": "#/components/schemas/Node"}, "leaf": {"$ref": "#/components/schemas/Pet"}}}
CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
OPERATION = {
    "parameters": [LIMIT],
    "requestBody": {"content": CONTENT},
    "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}},
    "security": [{"key": []}],
}


def read(operation: Any = OPERATION, **schemas: Any) -> ApiDocument:
    known = {"Pet": PET, "Node": NODE, **schemas}
    document = {"openapi": "3.1.0", "info": {}, "paths": {"/a": {"post": operation}}, "components": {"schemas": known}}
    return read_openapi(copy.deepcopy(document), "http://x.test/")


def differs(after: ApiDocument) -> Drift:
    return drift(read().endpoints, after.endpoints)


def with_limit(**rules: Any) -> Any:
    return {**OPERATION, "parameters": [{**LIMIT, "schema": {**LIMIT["schema"], **rules}}]}  # type: ignore[dict-item]


SAME: dict[str, ApiDocument] = {
    "the order of what is required": read(Pet={**PET, "required": ["b", "a"]}),
    "the order of an enum": read(with_limit(enum=[{"description": "a"}, 2, 1])),
    "the order of types": read(Pet={**PET, "properties": {"b": {"type": "number"}, "a": {"type": ["null", "string"]}}}),
    "how a number is written": read(with_limit(minimum=1.0)),
    "a schema in its place": read({**OPERATION, "requestBody": {"content": {"application/json": {"schema": PET}}}}),
    "another name": read(
        {**OPERATION, "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Animal"}}}}},
        Animal=PET,
    ),
    "another name in a circle": read(
        {**OPERATION, "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/N"}}}}}},
        N={"properties": {"next": {"$ref": "#/components/schemas/N"}, "leaf": {"$ref": "#/components/schemas/Pet"}}},
    ),
    "words": read(with_limit(description="many", title="t", default=2)),
}


@pytest.mark.parametrize("case", SAME)
def test_what_is_no_change(case: str) -> None:
    assert differs(SAME[case]).is_none


CHANGED: dict[str, tuple[ApiDocument, dict[str, tuple[str, ...]]]] = {
    "a word in a value": (read(with_limit(enum=[1, 2, {"description": "b"}])), {"changed": ("query limit",)}),
    "a bound": (read(with_limit(minimum=2)), {"changed": ("query limit",)}),
    "behind a reference": (read(Pet={**PET, "required": ["a"]}), {"changed": ("body application/json", "response 200")}),
    "a parameter more": (
        read({**OPERATION, "parameters": [LIMIT, {"name": "X", "in": "header", "schema": {}}]}),
        {"added": ("header X",)},
    ),
    "no body": (
        read({name: each for name, each in OPERATION.items() if name != "requestBody"}),
        {"removed": ("body application/json",)},
    ),
    "a login": (read({**OPERATION, "security": []}), {"changed": ("security",)}),
    "a server": (read({**OPERATION, "servers": [{"url": "/v2"}]}), {"changed": ("servers",)}),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_changes_requests_and_how(case: str) -> None:
    after, change = CHANGED[case]
    found = differs(after)
    assert found.changed == ("POST /a",)
    assert found.details == (EndpointChange(endpoint="POST /a", **change),)


def test_other_answers_are_told_and_change_no_request() -> None:
    found = differs(read({**OPERATION, "responses": {"200": {"description": ""}, "404": {"description": ""}}}))
    assert found.changed == ()
    assert found.details == (EndpointChange(endpoint="POST /a", added=("response 404",), changed=("response 200",)),)


@pytest.mark.parametrize("name", ["One", "Two", "Three"])
def test_a_change_anywhere_in_a_circle_is_one(name: str) -> None:
    circle = {
        one: {"properties": {"to": {"$ref": f"#/components/schemas/{other}"}, "x": {"type": "string"}}}
        for one, other in (("One", "Two"), ("Two", "Three"), ("Three", "One"))
    }
    operation = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/One"}}}}}
    changed = {**circle, name: {**circle[name], "required": ["x"]}}
    assert drift(read(operation, **circle).endpoints, read(operation, **changed).endpoints).changed == ("POST /a",)
    assert drift(read(operation, **circle).endpoints, read(operation, **copy.deepcopy(circle)).endpoints).is_none


def link(to: str, **more: Any) -> Any:
    return {"properties": {"to": {"$ref": f"#/components/schemas/{to}"}, "x": {"type": "string", **more}}}


CIRCLES = {
    "Self": link("Self"),
    "One": link("Two", maxLength=1),
    "Two": link("Three", maxLength=2),
    "Three": link("One", maxLength=3),
}
STORED = {
    "Self": "eaebeb451a6913f937511e30143306def4a0028d2af5ddbe9dc374beb5154c6d",
    "One": "8587aa3751226dba44387195d87d5df92cbf04c7a3bed3a61575283eb003710f",
    "Two": "9febc050793970320e8dbc4d71f98b719f2300e195d556ec147829b094bb05e7",
    "Three": "f14a9223347ac2252f11fc72ddc274db3dec407de0598d46ad9295843de56214",
}


@pytest.mark.parametrize("name", STORED)
def test_fingerprints_of_circles_stay_what_was_stored(name: str) -> None:
    fingerprints = SchemaFingerprints({"components": {"schemas": CIRCLES}})
    assert fingerprints.of(None, {"$ref": f"#/components/schemas/{name}"}) == STORED[name]


def test_a_circle_may_lead_through_a_list() -> None:
    whole = {"$ref": "#/components/schemas/A"}
    schemas = {"A": {"allOf": [whole, {"type": "object"}], "properties": {"x": {"$ref": "#/components/schemas/A/allOf"}}}}
    fingerprints = SchemaFingerprints({"components": {"schemas": schemas}})
    assert fingerprints.of(None, whole) != fingerprints.of(None, True)


@pytest.mark.timeout(20)
def test_no_circle_takes_time_out_of_proportion() -> None:
    many = 12_000
    links = {f"S{at}": {"properties": {"next": {"$ref": f"#/components/schemas/S{(at + 1) % many}"}}} for at in range(many)}
    fingerprints = SchemaFingerprints({"components": {"schemas": links}})
    assert fingerprints.of(None, links["S0"]) == fingerprints.of(None, links["S4000"])


@pytest.mark.timeout(20)
def test_nor_does_one_of_schemas_that_all_differ() -> None:
    many = 12_000
    links = {f"S{at}": link(f"S{(at + 1) % many}", maxLength=at) for at in range(many)}
    fingerprints = SchemaFingerprints({"components": {"schemas": links}})
    assert fingerprints.of(None, links["S0"]) != fingerprints.of(None, links["S4000"])


def test_a_schema_is_walked_once_however_its_place_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_fingerprint, "MAX_VALUES", 5000)
    document = {"a b": [{"properties": {f"p{n}": {"type": "string"} for n in range(1000)}}]}
    fingerprints = SchemaFingerprints(document)
    places = ("#/a b/0", "#/a%20b/0", "#/%61 b/0", "#/%61%20b/00", "#/a b/000", "#/%61 b/0000")
    found = {fingerprints.of(None, {"$ref": place}) for place in places}
    assert len(found) == 1 and not fingerprints.is_exhausted


def test_schemas_within_one_another_are_not_walked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_fingerprint, "MAX_VALUES", 5000)
    nested: Any = {"properties": {f"p{n}": {"type": "string"} for n in range(1000)}}
    for _ in range(40):
        nested = {"not": nested}
    schemas = [{"$ref": f"#/components/schemas/Nested{'/not' * depth}"} for depth in range(40)]
    operation = {"parameters": [{"name": f"p{at}", "in": "query", "schema": each} for at, each in enumerate(schemas)]}
    api = read(operation, Nested=nested)
    assert api.problems == ("schemas: they are too much together, so that not every change in them will be noticed.",)
    assert len(api.endpoints[0].parameters) == 40
    assert drift(api.endpoints, read(operation, Nested=nested).endpoints).is_none
    assert read().problems == ()


def test_members_are_put_in_order_by_their_names_alone() -> None:
    class Unwritten(dict[str, Any]):
        __repr__ = None  # type: ignore[assignment]

    assert SchemaFingerprints({}).of(None, {"b": Unwritten(c=Unwritten()), "a": Unwritten()})


def test_a_reference_without_a_word_is_one_that_is_not_followed() -> None:
    empty = SchemaFingerprints({}).of(None, {"allOf": [{"$ref": ""}]})
    assert empty != SchemaFingerprints({}).of(None, {"allOf": [{"$ref": "#/b"}]})

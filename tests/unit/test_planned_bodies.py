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


def planned(operation: dict[str, Any], components: Any = None, **given: Any) -> LoadPlan:
    """The plan of one scenario with one request."""
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": operation}}}
    document["components"] = components or {}
    scenario = {"name": "s", "allowUnsafe": True, "requests": [{"endpoint": "POST /a", **given}], "executor": EXECUTOR}
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


SHOP = {
    "Pet": {
        "type": "object",
        "xml": {"name": "pet", "namespace": "http://x.test/ns", "prefix": "p"},
        "required": ["id", "name", "photos", "tags"],
        "properties": {
            "id": {"const": 7, "xml": {"attribute": True}},
            "name": {"const": 'a<b> & "c"'},
            "photos": {"type": "array", "minItems": 2, "items": {"const": "u", "xml": {"name": "url"}}},
            "tags": {"type": "array", "minItems": 2, "xml": {"wrapped": True}, "items": {"const": True, "xml": {"name": "tag"}}},
        },
    },
    "Word": {"const": "w"},
}
XML = (
    '<p:pet xmlns:p="http://x.test/ns" id="7"><name>a&lt;b&gt; &amp; "c"</name>'
    "<url>u</url><url>u</url><tags><tag>true</tag><tag>true</tag></tags></p:pet>"
)


def sent(content: dict[str, Any], **given: Any) -> tuple[str | None, str]:
    """The media type and the body of a request."""
    operation = {"requestBody": {"required": True, "content": content}}
    request = planned(operation, {"schemas": SHOP}, **given).scenarios[0].requests[0]
    return str(dict(request.headers).get("Content-Type")), shown(request.body or "")


def test_xml_is_written_as_the_schema_says() -> None:
    content = {"application/xml": {"schema": {"$ref": "#/components/schemas/Pet"}}}
    assert sent(content) == ("application/xml", XML)
    assert sent(content, body={"id": "1&2", "photos": []}) == (
        "application/xml",
        '<p:pet xmlns:p="http://x.test/ns" id="1&amp;2" />',
    )
    assert sent(content, body="<own/>") == ("application/xml", "<own/>")
    assert sent({"text/xml": {"schema": {"$ref": "#/components/schemas/Word"}}}) == ("text/xml", "<Word>w</Word>")
    assert sent({"application/xml": {"schema": {"type": "string"}, "example": "<e/>"}}) == ("application/xml", "<e/>")


@pytest.mark.parametrize("body", [None, {"a b": 1}, {"a": "\x01"}, {"a": "${secret:key}"}])
def test_what_can_not_be_xml_has_to_be_given_as_text(body: Any) -> None:
    schema = {"type": "object"} if body is None else {"type": "object", "xml": {"name": "r"}}
    with pytest.raises(ValidationFailed) as caught:
        sent({"application/xml": {"schema": schema}}, body=body)
    assert [each.field for each in caught.value.problems] == ["input.scenarios.0.requests.0.body"]


def test_of_a_range_of_media_types_one_is_sent() -> None:
    assert sent({"*/*": {"schema": {"const": {"a": 1}}}}) == ("application/json", '{"a":1}')
    assert sent({"text/*": {"schema": {"const": "a"}}}) == ("text/plain", "a")
    assert sent({"multipart/*": {"schema": {"const": {"a": "b"}}}})[0].startswith("multipart/form-data; boundary=")  # type: ignore[union-attr]

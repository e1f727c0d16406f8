"""From a definition to the texts that are sent, with what is put in while the test runs."""

from dataclasses import replace
from typing import Any

import pytest

from domain.answer import CheckKind, ExtractionSource
from domain.endpoint import Endpoint, Method, Parameter, ParameterLocation, RequestBody
from domain.errors import ValidationFailed
from domain.executor import LoadLimits
from domain.load_plan import LoadPlan, plan_load
from domain.load_test import LoadTestDefinition, load_test_definition, stored_definition
from domain.request import Request
from domain.template import shown

EXECUTOR = {"kind": "CONSTANT_VUS", "vus": 1, "duration": 1}
HEADER = {"name": "X", "value": "${id}"}
TAKE = {"endpoint": "GET /x", "extract": [{"name": "id", "source": "JSON", "pointer": "/items/0/i~1d"}]}


def parameter(location: str, name: str, **more: Any) -> Parameter:
    style = "form" if location in ("QUERY", "COOKIE") else "simple"
    values = {"is_required": False, "schema": True, "style": style, "explode": True, **more}
    return Parameter(name=name, location=ParameterLocation(location), **values)


ENDPOINTS = {
    each.key: each
    for each in (
        Endpoint(method=Method.GET, path="/x"),
        Endpoint(
            method=Method.POST,
            path="/x/{p}",
            parameters=(
                parameter("PATH", "p"),
                parameter("QUERY", "q"),
                parameter("QUERY", "doc", media_type="application/json"),
                parameter("HEADER", "H"),
                parameter("COOKIE", "c"),
            ),
            bodies=tuple(
                RequestBody(media_type=media_type, is_required=False, schema=True)
                for media_type in ("application/json", "application/x-www-form-urlencoded", "text/plain")
            ),
        ),
        Endpoint(
            method=Method.GET, path="/example", parameters=(parameter("QUERY", "q", is_required=True, examples=("${secret:x}",)),)
        ),
    )
}


def test_a_definition_without_a_wish_for_all_together_is_read_by_the_version_before() -> None:
    definition = LoadTestDefinition(title="t", server="http://x.test", scenarios=())
    assert not {"percentile", "responseTime", "errorRate"} & set(definition.as_json())
    written = replace(definition, percentile=90.0, response_time=0.0, error_rate=0.0).as_json()
    assert (written["percentile"], written["responseTime"], written["errorRate"]) == (90.0, 0.0, 0.0)


def plan(*requests: dict[str, Any]) -> LoadPlan:
    document = {
        "title": "t",
        "server": "http://x.test",
        "scenarios": [{"name": "s", "requests": list(requests), "executor": EXECUTOR, "allowUnsafe": True}],
    }
    definition = load_test_definition(document, LoadLimits())
    assert stored_definition(definition.as_json()) == definition
    return plan_load(definition, ENDPOINTS, {})


def posted(**more: Any) -> Request:
    parameters = more.pop("parameters", {})
    given = [{"location": key.split()[0], "name": key.split()[1], "value": value} for key, value in parameters.items()]
    path = {"location": "PATH", "name": "p", "value": "1"} if "PATH p" not in parameters else None
    request = {"endpoint": "POST /x/{p}", "parameters": [*given, *([path] if path else [])], **more}
    return plan(TAKE, request).scenarios[0].requests[1]


def test_a_value_can_go_everywhere_and_is_encoded_for_its_place() -> None:
    found = posted(
        parameters={
            "PATH p": "a/${id}",
            "QUERY q": ["${id}", "&"],
            "QUERY doc": {"k": "${id}"},
            "HEADER H": "h ${id}",
            "COOKIE c": "${id}",
        },
        headers=[{"name": "X-Own", "value": "${$}{ ${id}"}],
        body={"number": "${json:id}", "text": ["<${id}>"]},
    )
    assert shown(found.url) == "http://x.test/x/a%2F${id}?q=${id}&q=%26&doc=%7B%22k%22%3A%22${id}%22%7D"
    headers = {name: shown(text) for name, text in found.headers}
    assert headers["H"] == "h ${id}" and headers["Cookie"] == "c=${id}" and headers["X-Own"] == "${ ${id}"
    assert found.body is not None and shown(found.body) == '{"number":${json:id},"text":["<${id}>"]}'
    assert [tuple(map(str, each.encodings)) for each in found.references] == [
        ("url",),
        ("url",),
        ("json", "url"),
        (),
        ("url",),
        (),
        (),
        ("json",),
    ]


@pytest.mark.parametrize(
    ("media_type", "body", "written", "encodings"),
    [
        ("application/x-www-form-urlencoded", {"a": "ä${id}"}, "a=%C3%A4${id}", ("url",)),
        ("text/plain", "as it is: ${id}", "as it is: ${id}", ()),
        ("application/json", '{"i": "${id}"}', '{"i": "${id}"}', ()),
    ],
)
def test_bodies_of_other_kinds(media_type: str, body: Any, written: str, encodings: tuple[str, ...]) -> None:
    found = posted(mediaType=media_type, body=body)
    assert found.body is not None and shown(found.body) == written
    assert [tuple(map(str, each.encodings)) for each in found.references] == [encodings]


def test_what_a_document_gives_as_an_example_is_no_reference() -> None:
    (found,) = plan({"endpoint": "GET /example"}).scenarios[0].requests
    assert found.url == "http://x.test/example?q=%24%7Bsecret%3Ax%7D" and not list(found.references)


def test_checks_and_extractions_reach_the_request() -> None:
    checks = [
        {"kind": "JSON_EQUALS", "pointer": "/a~1b/0", "value": {"x": [1]}},
        {"kind": "RESPONSE_TIME_BELOW", "milliseconds": 9},
    ]
    found, _ = (
        plan({**TAKE, "checks": checks}, {"endpoint": "GET /x", "headers": [{"name": "X", "value": "${id}"}]})
        .scenarios[0]
        .requests
    )
    assert [each.kind for each in found.checks] == [CheckKind.JSON_EQUALS, CheckKind.RESPONSE_TIME_BELOW]
    assert found.checks[0].as_plan() == {"kind": "JSON_EQUALS", "json": '{"x":[1]}', "path": ["a/b", "0"]}
    assert found.extractions[0].source is ExtractionSource.JSON and found.keeps_body
    assert found.extractions[0].as_plan() == {"name": "id", "source": "JSON", "path": ["items", "0", "i/d"]}


OTHER = {"location": "PATH", "name": "p", "value": ["${no}"]}
WRONG: list[tuple[list[dict[str, Any]], str]] = [
    ([{"endpoint": "GET /x", "headers": [HEADER]}], "0.headers.0.value"),
    ([{**TAKE, "headers": [HEADER]}], "0.headers.0.value"),
    ([{"endpoint": "GET /x", "headers": [HEADER]}, TAKE], "0.headers.0.value"),
    ([TAKE, {"endpoint": "POST /x/{p}", "body": {"a": ["${", 1]}}], "1.body.a.0"),
    (
        [TAKE, {"endpoint": "POST /x/{p}", "parameters": [{"location": "PATH", "name": "p", "value": ["${no}"]}]}],
        "1.parameters.0.value.0",
    ),
    ([TAKE, {"endpoint": "GET /x", "headers": [{"name": "X", "value": "${json:id}"}]}], "1.headers.0.value"),
    ([TAKE, {"endpoint": "POST /x/{p}", "body": {"a": "no. ${json:id}"}}], "1.body.a"),
    ([{"endpoint": "GET /x", "extract": [{"name": "1a", "source": "COOKIE", "key": "k"}]}], "0.extract.0.name"),
    ([{"endpoint": "GET /x", "extract": [{"name": "a", "source": "COOKIE"}]}], "0.extract.0.key"),
    ([{"endpoint": "GET /x", "extract": [{"name": "a", "source": "NONE"}]}], "0.extract.0.source"),
    ([{"endpoint": "GET /x", "extract": [{"name": "a", "source": "JSON", "pointer": "a"}]}], "0.extract.0.pointer"),
    ([{"endpoint": "GET /x", "extract": [{"name": "a", "source": "JSON", "key": "a"}]}], "0.extract.0.key"),
    ([{"endpoint": "GET /x", "extract": [{"name": "a", "source": "JSON"}] * 2}], "0.extract.1.name"),
    ([{"endpoint": "GET /x", "checks": [{"text": "a"}]}], "0.checks.0.kind"),
    ([{"endpoint": "GET /x", "checks": [{"kind": "BODY_MATCHES", "text": "(a+)+$"}]}], "0.checks.0.kind"),
    ([{"endpoint": "GET /x", "checks": [{"kind": "BODY_CONTAINS"}]}], "0.checks.0.text"),
    ([{"endpoint": "GET /x", "checks": [{"kind": "JSON_EXISTS", "pointer": "a"}]}], "0.checks.0.pointer"),
    ([{"endpoint": "GET /x", "checks": [{"kind": "HEADER_EQUALS", "text": "a"}]}], "0.checks.0.header"),
    ([{"endpoint": "GET /x", "checks": [{"kind": "RESPONSE_TIME_BELOW", "milliseconds": -1}]}], "0.checks.0.milliseconds"),
    ([{"endpoint": "GET /x", "checks": [{"kind": "RESPONSE_TIME_BELOW", "milliseconds": 1, "text": "a"}]}], "0.checks.0.text"),
]


@pytest.mark.parametrize(("requests", "field"), WRONG)
def test_what_is_wrong_is_named(requests: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        plan(*requests)
    assert [each.field for each in caught.value.problems] == [f"input.scenarios.0.requests.{field}"]


def test_json_of_a_value_in_a_form_is_refused() -> None:
    with pytest.raises(ValidationFailed, match="json:"):
        posted(mediaType="application/x-www-form-urlencoded", body={"a": "${json:id}"})


def test_definitions_of_before_are_read() -> None:
    request = {"endpoint": "GET /x", "demands": "", "parameters": [], "headers": [{"name": "X", "value": "${old"}], "body": None}
    stored = {
        "title": "t",
        "description": "",
        "server": "http://x.test",
        "targetTps": None,
        "seed": 1,
        "fillOptional": False,
        "scenarios": [{"name": "s", "requests": [request | {"mediaType": None, "expectedStatuses": []}], "executor": EXECUTOR}],
    }
    found = stored_definition(stored)
    assert found.scenarios[0].requests[0].checks == () == found.scenarios[0].requests[0].extractions
    with pytest.raises(ValidationFailed) as caught:
        plan_load(found, ENDPOINTS, {})
    assert [each.field for each in caught.value.problems] == ["input.scenarios.0.requests.0.headers.0.value"]

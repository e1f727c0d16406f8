"""OpenAPI documents by people who mean harm: read in seconds, and requests made of them go to the server that was chosen."""

from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from domain.endpoint import ParameterLocation
from domain.errors import ValidationFailed
from domain.executor import LoadLimits
from domain.load_plan import plan_load
from domain.load_test import load_test_definition
from domain.openapi import MAX_ENDPOINTS, MAX_ITEMS, read_openapi
from domain.request import build_request
from domain.template import shown

LONG = "x" * 1_000_000
NEXT = "#/components/schemas/S{}"
EXECUTOR = {"kind": "CONSTANT_VUS", "vus": 1, "duration": 1}


def posting(schema: Any, schemas: dict[str, Any] | None = None) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"paths": {"/a": {"post": {"requestBody": body}}}, "components": {"schemas": schemas or {}}}


def nested(key: str, depth: int = 100) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        schema = {key: [schema]}
    return schema


def negated(schema: dict[str, Any], times: int) -> dict[str, Any]:
    for _ in range(times):
        schema = {"not": schema}
    return schema


def chain(length: int, **link: int) -> dict[str, Any]:
    """Schemas of which each names the next, as often as `link` says under a keyword."""
    ((key, times),) = link.items()
    return {f"S{n}": {key: [{"$ref": NEXT.format(n + 1)}] * times} for n in range(length)}


def many(operation: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"paths": {f"/a{n}": {"get": operation} for n in range(MAX_ENDPOINTS)}, **more}


HOSTILE: dict[str, dict[str, Any]] = {
    "a million tags": {"tags": [{"name": f"t{n}"} for n in range(10**6)], "paths": {"/a": {"get": {}}}},
    "a million tags of one endpoint": {"paths": {"/a": {"get": {"tags": [f"t{n}" for n in range(10**6)]}}}},
    "texts of a megabyte": many({"summary": LONG, "description": LONG, "operationId": LONG, "tags": [LONG]}),
    "one operationId for all": many({"operationId": "x"}),
    "many parameters by reference": many(
        {"parameters": [{"$ref": "#/components/parameters/P"}] * MAX_ITEMS},
        components={"parameters": {"P": {"name": "p", "in": "query", "schema": {"enum": list(range(100))}}}},
    ),
    "a pointer of a megabyte": many(
        {"parameters": [{"$ref": "#/components/parameters/P"}] * 15},
        components={"parameters": {"P": {"$ref": f"#/components/{LONG}"}}},
    ),
    "a server of a megabyte": many({"servers": [{"url": "http://x/" + "é" * 10**6}]}),
    "a variable of a megabyte": many(
        {"servers": [{"url": "http://x/" + "{v}" * 500, "variables": {"v": {"default": LONG}}}] * 15}
    ),
    "a form of many fields": many(
        {"requestBody": {"content": {"multipart/form-data": {"schema": {"$ref": NEXT.format("")}}}}},
        components={"schemas": {"S": {"properties": {f"p{n}": {} for n in range(100_000)}}}},
    ),
    "a field of many media types": many(
        {"requestBody": {"content": {"multipart/form-data": {"encoding": {"p": {"contentType": "," * 10**6}}}}}}
    ),
    "a text in many places": posting(
        {"anyOf": [{"$ref": NEXT.format("" + "/not" * n)} for n in range(150)]}, {"S": negated({"enum": ["x" * 10**7]}, 150)}
    ),
    "many alternatives of security": many({}, security=[{f"s{n}": [] for n in range(10_000)}] * 500),
    "allOf within allOf": posting(nested("allOf")),
    "oneOf within oneOf": posting(nested("oneOf")),
    "a chain of references": posting({"$ref": NEXT.format(0)}, {f"S{n}": {"$ref": NEXT.format(n + 1)} for n in range(20_000)}),
    "a chain that doubles": posting({"$ref": NEXT.format(0)}, chain(20_000, allOf=2)),
    "a chain that triples": posting({"$ref": NEXT.format(0)}, chain(100, oneOf=3)),
    "everything of the wrong type": {
        "info": 5,
        "tags": 5,
        "servers": {"url": "/"},
        "components": [],
        "security": "s",
        "paths": {
            "/a": {"get": {"parameters": [5, None, {"name": 1, "in": []}], "responses": [], "tags": 5, "security": 5}},
            "/b": 5,
        },
    },
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_hostile_is_read_or_refused_in_seconds(kind: str) -> None:
    document = {"openapi": "3.0.3", "info": {"title": "t"}, **HOSTILE[kind]}
    api = read_openapi(document, "http://x.test/")
    assert 1 <= len(api.endpoints) <= MAX_ENDPOINTS and len(api.problems) <= 100 and len(api.tags) <= MAX_ITEMS
    endpoint = api.endpoints[0]
    scenario = {"name": "s", "allowUnsafe": True, "requests": [{"endpoint": endpoint.key}], "executor": EXECUTOR}
    given = {"title": "t", "server": "http://x.test", "fillOptional": True, "scenarios": [scenario]}
    with suppress(ValidationFailed):
        plan_load(load_test_definition(given, LoadLimits()), {endpoint.key: endpoint}, document)


@pytest.mark.parametrize(
    "path",
    [
        *("/{b", "/b}", "/{{b}}", "/{b}{b}", "/{}", "/{ b }", "/{a/{b}/c}", "/{b}?x={c}", "/{b}#f", "/{" * 200, "/{b;x}"),
        *("//evil.test/{b}", "/\\evil.test/{b}", "/{b}@evil.test", "/{b}\r\nHost: evil.test", "/a b/ü/{b}", "/{b}\u2028"),
    ],
)
@pytest.mark.parametrize("value", ["{c}/{b}", "/../..", "@evil.test", "?", "#", "\r\nHost: evil.test"])
def test_no_path_and_no_value_leads_elsewhere(path: str, value: str) -> None:
    given = {"name": "b", "in": "path", "required": True, "schema": {"type": "string"}}
    document = {"openapi": "3.0.3", "info": {}, "paths": {path: {"get": {"parameters": [given]}}}}
    (endpoint,) = read_openapi(document, "http://x.test/").endpoints
    values = {(ParameterLocation.PATH, each.name): value for each in endpoint.parameters}
    url = shown(build_request(replace(endpoint, servers=()), "http://x.test/v1", values).url)
    parts = urlsplit(url)
    assert (parts.netloc, parts.query, parts.fragment) == ("x.test", "", "") and url.isascii() and url.isprintable()
    assert parts.path.startswith("/v1/") and " " not in url

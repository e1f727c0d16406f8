"""OpenAPI documents of every version, right, wrong and hostile."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import openapi
from domain.api_document import ApiDocument, OAuthGrant, SecurityKind
from domain.endpoint import Endpoint, Method, ParameterLocation
from domain.errors import ValidationFailed
from domain.openapi import is_openapi, read_openapi

URL = "http://shop.test/api/openapi.json"
PETS: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets — Тварини 🐈", "version": "1.2", "description": "All of them."},
    "servers": [
        {"url": "/v1"},
        {"url": "https://{region}.pets.test:{port}", "variables": {"region": {"default": "eu"}, "port": {"enum": ["8443"]}}},
    ],
    "security": [{"key": []}],
    "tags": [{"name": "pets", "description": "Furry"}],
    "paths": {
        "/pets/{id}": {
            "parameters": [
                {"$ref": "#/components/parameters/Id"},
                {"name": "verbose", "in": "query", "schema": {"type": "boolean"}},
            ],
            "get": {
                "operationId": "getPet",
                "summary": "One pet",
                "tags": ["pets", "pets"],
                "parameters": [
                    {"name": "verbose", "in": "query", "required": True, "schema": {"type": "string"}, "example": "yes"}
                ],
                "responses": {
                    "200": {"description": "It", "content": {"application/json": {}}},
                    "4XX": {"$ref": "#/components/responses/No"},
                },
            },
            "put": {
                "deprecated": True,
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Pet"},
                            "examples": {"cat": {"value": {"name": "Tom"}}, "far": {"externalValue": "http://x"}},
                        }
                    },
                },
                "servers": [{"url": "https://write.test"}],
            },
        },
        "/größe": {"get": {}},
    },
    "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "default": 7}}},
        "responses": {"No": {"description": "no"}},
        "schemas": {
            "Pet": {"type": "object", "example": {"name": "Rex"}, "properties": {"friend": {"$ref": "#/components/schemas/Pet"}}}
        },
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "login": {"type": "http", "scheme": "Bearer"},
            "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {"read": "r"}}}},
        },
    },
}
SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Old pets", "version": "0.9"},
    "host": "old.test:8080",
    "basePath": "/v1",
    "schemes": ["https", "ws", "http"],
    "consumes": ["application/xml", "application/json"],
    "produces": ["application/json"],
    "parameters": {"Id": {"name": "id", "in": "path", "required": True, "type": "integer", "x-example": 3}},
    "paths": {
        "/pets/{id}": {
            "parameters": [{"$ref": "#/parameters/Id"}],
            "get": {
                "parameters": [
                    {"name": "tag", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"},
                    {"name": "sort", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"},
                ],
                "responses": {
                    "200": {"description": "It", "schema": {"$ref": "#/definitions/Pet"}},
                    "404": {"description": "no"},
                },
            },
            "put": {"parameters": [{"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}]},
            "post": {"parameters": [{"name": "photo", "in": "formData", "type": "file", "required": True}]},
        }
    },
    "definitions": {"Pet": {"type": "object", "example": {"name": "Rex"}}},
    "securityDefinitions": {
        "basic": {"type": "basic"},
        "oauth": {"type": "oauth2", "flow": "application", "tokenUrl": "https://auth.test/token", "scopes": {}},
    },
}


def of(document: ApiDocument, key: str) -> Endpoint:
    endpoint = document.endpoint(key)
    assert endpoint is not None
    return endpoint


def test_openapi_3_is_read_whole() -> None:
    document = read_openapi(PETS, URL)
    assert (document.dialect, document.title, document.version) == ("OpenAPI 3.0.3", "Pets — Тварини 🐈", "1.2")
    assert document.servers == ("http://shop.test/v1", "https://eu.pets.test:8443")
    assert [endpoint.key for endpoint in document.endpoints] == ["GET /pets/{id}", "PUT /pets/{id}", "GET /größe"]
    assert document.problems == ()
    read = of(document, "GET /pets/{id}")
    assert (read.operation_id, read.tags, read.security, read.is_safe) == ("getPet", ("pets",), (("key",),), True)
    assert [(each.status, each.media_types) for each in read.responses] == [("200", ("application/json",)), ("4XX", ())]
    write = of(document, "PUT /pets/{id}")
    assert (write.security, write.is_deprecated, write.is_safe, write.servers) == ((), True, False, ("https://write.test",))
    assert write.bodies[0].examples == ({"name": "Tom"}, {"name": "Rex"})
    assert write.bodies[0].schema == {"$ref": "#/components/schemas/Pet"}


def test_an_operations_parameter_takes_the_place_of_its_paths() -> None:
    number, verbose = of(read_openapi(PETS, URL), "GET /pets/{id}").parameters
    assert (number.name, number.location, number.is_required, number.examples) == ("id", ParameterLocation.PATH, True, (7,))
    assert (verbose.is_required, verbose.schema, verbose.examples) == (True, {"type": "string"}, ("yes",))
    assert (verbose.style, verbose.explode) == ("form", True)
    assert of(read_openapi(PETS, URL), "PUT /pets/{id}").parameters[1].is_required is False


def test_security_schemes_are_read() -> None:
    key, login, oauth = read_openapi(PETS, URL).security_schemes
    assert (key.kind, key.location, key.parameter) == (SecurityKind.API_KEY, "header", "X-Key")
    assert login.kind is SecurityKind.BEARER
    (flow,) = oauth.flows
    assert (flow.grant, flow.token_url, flow.scopes) == (OAuthGrant.CLIENT_CREDENTIALS, "http://shop.test/token", ("read",))


def test_swagger_2_says_the_same_as_openapi_3() -> None:
    document = read_openapi(SWAGGER, URL)
    assert (document.dialect, document.problems) == ("Swagger 2.0", ())
    assert document.servers == ("https://old.test:8080/v1", "http://old.test:8080/v1")
    number, tag, sort = of(document, "GET /pets/{id}").parameters
    assert (number.location, number.schema, number.examples) == (ParameterLocation.PATH, {"type": "integer"}, (3,))
    assert (tag.style, tag.explode, tag.schema) == ("form", True, {"type": "array", "items": {"type": "string"}})
    assert (sort.style, sort.explode) == ("pipeDelimited", False)
    assert [each.media_types for each in of(document, "GET /pets/{id}").responses] == [("application/json",), ()]
    put = of(document, "PUT /pets/{id}")
    assert [body.media_type for body in put.bodies] == ["application/xml", "application/json"]
    assert put.bodies[1].is_required and put.bodies[1].examples == ({"name": "Rex"},)
    (photo,) = of(document, "POST /pets/{id}").bodies
    assert photo.media_type == "multipart/form-data"
    assert photo.schema == {
        "type": "object",
        "properties": {"photo": {"type": "string", "format": "binary"}},
        "required": ["photo"],
    }
    basic, oauth = document.security_schemes
    assert basic.kind is SecurityKind.BASIC
    assert (oauth.kind, oauth.flows[0].token_url) == (SecurityKind.OAUTH2, "https://auth.test/token")


def test_a_swagger_without_host_is_served_where_it_was_found() -> None:
    raw = {key: value for key, value in SWAGGER.items() if key not in ("host", "schemes", "basePath")}
    assert read_openapi(raw, URL).servers == ("http://shop.test/",)


@pytest.mark.parametrize("raw", [{"openapi": "4.0"}, {"swagger": "1.2"}, {"openapi": None}, {}])
def test_other_versions_are_refused_by_name(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read_openapi(raw, URL)
    assert caught.value.problems[0].field == "url"


def test_what_is_wrong_is_named_and_the_rest_is_read() -> None:
    raw = copy.deepcopy(PETS)
    raw["servers"] = [{"url": "ws://x"}, {"url": "//[bad"}, {}]
    raw["paths"]["no-slash"] = {"get": {}}
    raw["paths"]["/loop"] = {"get": {"parameters": [{"$ref": "#/components/parameters/A"}, 7, {"name": "q", "in": "body"}]}}
    raw["paths"]["/far"] = {"$ref": "https://other.test/doc.json#/paths/x"}
    raw["paths"]["/missing/{what}"] = {"get": {"responses": {"banana": {}}}, "put": {"requestBody": {"$ref": "#/nowhere"}}}
    raw["components"]["parameters"] |= {"A": {"$ref": "#/components/parameters/B"}, "B": {"$ref": "#/components/parameters/A"}}
    document = read_openapi(raw, URL)
    text = "\n".join(document.problems)
    for part in (
        "ws://x",
        "//[bad",
        "has no address",
        "no-slash",
        "back to itself",
        "leads out of the document",
        "leads nowhere",
    ):
        assert part in text, part
    assert "'what': is in the path and not described" in text
    assert "'banana' is no status" in text
    assert document.servers == ("http://shop.test/",)
    assert [each.name for each in of(document, "GET /missing/{what}").parameters] == ["what"]
    assert document.endpoint("GET /pets/{id}") is not None


def test_text_that_no_database_holds_is_replaced() -> None:
    raw = {"openapi": "3.1.0", "info": {"title": "a\x00b\ud800c"}, "paths": {"/\x00": {"get": {"summary": "x" * 1000}}}}
    document = read_openapi(raw, URL)
    assert document.title == "a\ufffdb\ufffdc"
    assert document.endpoints[0].path == "/\ufffd"
    assert len(document.endpoints[0].summary) == 500


WORDS = ["#/paths", "#/a", "query", "path", "body"]
KEYS = [
    "$ref",
    "name",
    "in",
    "get",
    "put",
    "parameters",
    "schema",
    "content",
    "requestBody",
    "responses",
    "type",
    "url",
    "examples",
    "example",
    "default",
    "flows",
    "variables",
    "servers",
    "tags",
    "security",
    "/a/{b}",
    "200",
    "enum",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)
PLACES = [
    "info",
    "servers",
    "paths",
    "components",
    "tags",
    "security",
    "securityDefinitions",
    "host",
    "basePath",
    "schemes",
    "consumes",
]


@given(st.sampled_from([{"openapi": "3.1.0"}, {"swagger": "2.0"}]), st.dictionaries(st.sampled_from(PLACES), JSON))
def test_garbage_is_read_or_named_and_never_breaks(version: dict[str, str], rest: dict[str, Any]) -> None:
    raw = {**rest, **version}
    assert is_openapi(raw)
    document = read_openapi(raw, URL)
    assert len(document.problems) <= 100
    assert all(server.startswith(("http://", "https://")) for server in document.servers)


@given(st.sampled_from([PETS, SWAGGER]), st.data())
def test_a_document_with_one_part_replaced_never_breaks(document: dict[str, Any], data: st.DataObject) -> None:
    raw = copy.deepcopy(document)
    place: Any = raw
    key = data.draw(st.sampled_from([name for name in raw if name not in ("openapi", "swagger")]))
    for _ in range(data.draw(st.integers(0, 6))):
        inner = place[key]
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
        if not keys:
            break
        place, key = inner, data.draw(st.sampled_from(keys))
    place[key] = data.draw(JSON)
    read_openapi(raw, URL)


def test_every_method_is_read() -> None:
    raw = {"openapi": "3.1.0", "paths": {"/": {method.lower(): {} for method in Method}}}
    assert {endpoint.method for endpoint in read_openapi(raw, URL).endpoints} == set(Method)


def test_references_do_not_make_few_bytes_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "MAX_PARTS", 2000)
    item = {"parameters": [{"name": f"p{n}", "in": "query"} for n in range(600)], "get": {}}
    raw = {"openapi": "3.0.0", "paths": {"/": item} | {f"/{n}": {"$ref": "#/paths/~1"} for n in range(100)}}
    document = read_openapi(raw, URL)
    assert len(document.endpoints) == 4 and len(document.endpoints[0].parameters) == 500
    assert "only the first 4 endpoints are read" in "".join(document.problems)
    assert "only the first 500 are read" in document.problems[0]


@pytest.mark.parametrize(
    ("place", "style", "taken", "explode"),
    [
        ("query", "form", "form", True),
        ("query", "pipeDelimited", "pipeDelimited", False),
        ("query", "deepObject", "deepObject", False),
        ("query", "simple", None, True),
        ("query", "Form", None, True),
        ("query", ["form"], None, True),
        ("header", "form", None, False),
        ("cookie", "form", "form", True),
        ("path", "label", "label", False),
        ("path", "deepObject", None, False),
    ],
)
def test_a_style_that_is_none_there_is_named(place: str, style: Any, taken: str | None, explode: bool) -> None:
    given = {"name": "p", "in": place, "required": True, "style": style, "schema": {}}
    paths = {"/{p}" if place == "path" else "/": {"get": {"parameters": [given]}}}
    api = read_openapi({"openapi": "3.0.3", "info": {}, "paths": paths}, "http://x.test/")
    (read,) = api.endpoints[0].parameters
    default = {"query": "form", "cookie": "form"}.get(place, "simple")
    assert (read.style, read.explode) == (taken or default, explode)
    assert [("is no style" in problem) for problem in api.problems] == ([] if taken else [True])


def test_how_fields_of_forms_are_written_is_part_of_what_is_demanded_and_what_makes_no_sense_is_named() -> None:
    def read(encoding: Any, schema: Any = True) -> ApiDocument:
        content = {"application/x-www-form-urlencoded": {"schema": schema, "encoding": encoding}}
        paths = {"/": {"post": {"requestBody": {"content": content}}}}
        return read_openapi({"openapi": "3.1.0", "info": {}, "paths": paths}, "http://x.test/")

    meaningless: list[Any] = [{}, {"v": {}}, {"v": {"headers": {}}}, None, {"v": {"contentType": "a b"}}, {1: {"contentType": 1}}]
    assert len({read(each).endpoints[0].demands for each in meaningless}) == 1
    different: list[Any] = [{}, *({"v": each} for each in ({"style": "form"}, {"explode": False}, {"contentType": "a/b"}))]
    assert len({read(each).endpoints[0].demands for each in different}) == len(different)
    wrong: list[Any] = [[], {"v": 1}, {"v": {"style": 1}}, {"v": {"style": "simple"}}]
    for encoding in wrong:
        assert len(read(encoding).problems) == 1, encoding
    for schema in (
        1,
        {"properties": 1},
        {"allOf": 1},
        {"allOf": [1, {"properties": {"v": 1}}]},
        {"properties": {"v": {"items": 1}}},
    ):
        read({}, schema)


def test_a_collection_format_of_swagger_2_that_is_none_is_named() -> None:
    given = {"name": "p", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "xml"}
    document = {"swagger": "2.0", "info": {}, "paths": {"/": {"get": {"parameters": [given]}}}}
    assert ["'xml' is no style" in problem for problem in read_openapi(document, "http://x.test/").problems] == [True]

"""Requests as OpenAPI says that their parameters are written."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.endpoint import Endpoint, Method, Parameter, ParameterLocation
from domain.errors import ValidationFailed
from domain.openapi import read_openapi
from domain.request import Request, build_request

LIST, OBJECT = ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}
PATH, QUERY, HEADER, COOKIE = ParameterLocation


def parameter(location: ParameterLocation, style: str, explode: bool, name: str = "color") -> Parameter:
    return Parameter(name=name, location=location, is_required=True, schema=True, style=style, explode=explode)


def build(value: Any, given: Parameter, **more: Any) -> Request:
    path = "/a/{color}" if given.location is PATH else "/a"
    endpoint = Endpoint(method=Method.GET, path=path, parameters=(given,))
    return build_request(endpoint, "http://x.test/v1/", {(given.location, given.name): value}, **more)


@pytest.mark.parametrize(
    ("style", "explode", "value", "expected"),
    [  # the table of OpenAPI 3.0.4, "Style Examples"
        ("matrix", False, "", ";color"),
        ("matrix", False, "blue", ";color=blue"),
        ("matrix", False, LIST, ";color=blue,black,brown"),
        ("matrix", False, OBJECT, ";color=R,100,G,200,B,150"),
        ("matrix", True, LIST, ";color=blue;color=black;color=brown"),
        ("matrix", True, OBJECT, ";R=100;G=200;B=150"),
        ("label", False, "blue", ".blue"),
        ("label", True, LIST, ".blue.black.brown"),
        ("label", True, OBJECT, ".R=100.G=200.B=150"),
        ("simple", False, "blue", "blue"),
        ("simple", False, LIST, "blue,black,brown"),
        ("simple", False, OBJECT, "R,100,G,200,B,150"),
        ("simple", True, OBJECT, "R=100,G=200,B=150"),
    ],
)
def test_styles_of_paths(style: str, explode: bool, value: Any, expected: str) -> None:
    assert build(value, parameter(PATH, style, explode)).url == f"http://x.test/v1/a/{expected}"


@pytest.mark.parametrize(
    ("style", "explode", "value", "expected"),
    [
        ("form", False, "", "color="),
        ("form", False, "blue", "color=blue"),
        ("form", False, LIST, "color=blue,black,brown"),
        ("form", False, OBJECT, "color=R,100,G,200,B,150"),
        ("form", True, LIST, "color=blue&color=black&color=brown"),
        ("form", True, OBJECT, "R=100&G=200&B=150"),
        ("spaceDelimited", False, LIST, "color=blue%20black%20brown"),
        ("pipeDelimited", False, LIST, "color=blue%7Cblack%7Cbrown"),
        ("deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
        ("form", True, True, "color=true"),
        ("form", True, None, "color="),
        ("form", True, 1.5, "color=1.5"),
    ],
)
def test_styles_of_queries(style: str, explode: bool, value: Any, expected: str) -> None:
    assert build(value, parameter(QUERY, style, explode)).url == f"http://x.test/v1/a?{expected}"


@pytest.mark.parametrize(
    ("collection", "in_path", "in_query", "in_header"),
    [  # Swagger 2.0, "Parameter Object", collectionFormat
        (None, "blue,black,brown", "color=blue,black,brown", "blue,black,brown"),
        ("csv", "blue,black,brown", "color=blue,black,brown", "blue,black,brown"),
        ("ssv", "blue%20black%20brown", "color=blue%20black%20brown", "blue black brown"),
        ("tsv", "blue%09black%09brown", "color=blue%09black%09brown", "blue\tblack\tbrown"),
        ("pipes", "blue%7Cblack%7Cbrown", "color=blue%7Cblack%7Cbrown", "blue|black|brown"),
        ("multi", "blue,black,brown", "color=blue&color=black&color=brown", "blue,black,brown"),  # allowed in queries alone
    ],
)
def test_lists_of_swagger_2(collection: str | None, in_path: str, in_query: str, in_header: str) -> None:
    def requested(place: str) -> Request:
        listed: dict[str, Any] = {"name": "color", "in": place, "required": True, "type": "array", "items": {"type": "string"}}
        listed |= {"collectionFormat": collection} if collection else {}
        paths = {"/a/{color}" if place == "path" else "/a": {"get": {"parameters": [listed]}}}
        api = read_openapi({"swagger": "2.0", "info": {}, "host": "x.test", "basePath": "/v1", "paths": paths}, "http://x.test/")
        assert api.problems == ()
        return build_request(api.endpoints[0], api.servers[0], {(ParameterLocation(place.upper()), "color"): LIST})

    assert requested("path").url == f"http://x.test/v1/a/{in_path}"
    assert requested("query").url == f"http://x.test/v1/a?{in_query}"
    assert requested("header").headers == (("color", in_header),)


def test_headers_and_cookies() -> None:
    assert build(OBJECT, parameter(HEADER, "simple", True)).headers == (("color", "R=100,G=200,B=150"),)
    assert build(LIST, parameter(COOKIE, "form", False)).headers == (("Cookie", "color=blue,black,brown"),)


def test_a_body_has_its_media_type_and_the_users_header_wins() -> None:
    given = parameter(QUERY, "form", True)
    assert build(1, given, body="{}").headers == (("Content-Type", "application/json"),)
    assert build(1, given, body="a", media_type="text/csv").headers == (("Content-Type", "text/csv"),)
    assert build(1, given, body="a", headers=[("content-type", "x/y")]).headers == (("content-type", "x/y"),)
    assert build(1, given).body is None and build(1, given).headers == ()


def test_a_parameter_that_is_a_document_is_written_as_one() -> None:
    given = Parameter(name="filter", location=QUERY, is_required=True, schema=True, style="form", media_type="application/json")
    assert parse_qsl(urlsplit(str(build({"a": ["é"]}, given).url)).query) == [("filter", '{"a":["é"]}')]


def test_a_path_without_its_value_and_headers_that_http_can_not_carry_are_named() -> None:
    endpoint = Endpoint(method=Method.GET, path="/{a}", parameters=(parameter(PATH, "simple", False, "a"),))
    with pytest.raises(ValidationFailed) as caught:
        build_request(
            endpoint, "http://x.test", {}, headers=[("X", "ok"), ("Bad Name", "1"), ("", "2"), ("Y", "a\r\nZ: b"), ("U", "é")]
        )
    assert [each.field for each in caught.value.problems] == [
        "parameters.a",
        "headers.1.name",
        "headers.2.name",
        "headers.3.value",
        "headers.4.value",
    ]


@given(st.text(max_size=20).filter(lambda text: text.encode("utf-8", "ignore").decode() == text), st.sampled_from([PATH, QUERY]))
def test_any_text_arrives_as_it_is_and_leads_nowhere_else(text: str, location: ParameterLocation) -> None:
    assume(location is QUERY or text not in ("", ".", ".."))
    url = urlsplit(str(build(text, parameter(location, "form" if location is QUERY else "simple", True)).url))
    assert (url.netloc, url.fragment) == ("x.test", "")
    if location is PATH:
        assert unquote(url.path.removeprefix("/v1/a/")) == text and url.path.count("/") == 3
    else:
        assert parse_qsl(url.query, keep_blank_values=True) == [("color", text)]


def test_an_endpoint_with_servers_of_its_own_is_called_at_that_which_is_where_the_test_calls() -> None:
    servers = ("http://elsewhere.test", "http://x.test/alt", "http://x.test/other")
    endpoint = Endpoint(method=Method.GET, path="/a", servers=servers)
    assert build_request(endpoint, "http://x.test/v1", {}).url == "http://x.test/alt/a"
    assert build_request(endpoint, "http://x.test/other", {}).url == "http://x.test/other/a"
    with pytest.raises(ValidationFailed, match=r"endpoint: is served at 'http://elsewhere.test'"):
        build_request(endpoint, "http://y.test", {})

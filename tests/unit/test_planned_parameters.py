"""The parameters that planned requests carry: none leads elsewhere, none is sent twice."""

from typing import Any

import pytest

from domain.errors import ValidationFailed
from domain.executor import LoadLimits
from domain.load_plan import plan_load
from domain.load_test import load_test_definition
from domain.openapi import read_openapi
from domain.request import Request
from domain.template import shown

SERVER = "http://x.test"
EXECUTOR = {"kind": "CONSTANT_VUS", "vus": 1, "duration": 1}
KEY = {"kind": "API_KEY", "secret": "key", "parameter": "api_key"}
WORD = {"type": "string", "enum": ["made"]}


def planned(
    path: str, parameters: list[dict[str, Any]], given: list[Any] | None = None, login: Any = None, version: Any = None
) -> Request:
    """The one request of a test that calls an endpoint with these parameters; `given` are the user's."""
    item = {"get": {"parameters": parameters}}
    document = {**(version or {"openapi": "3.0.3"}), "info": {"title": "t", "version": "1"}, "paths": {path: item}}
    request = {"endpoint": f"GET {path}", "parameters": given or []}
    whole = {"title": "t", "server": SERVER, "scenarios": [{"name": "s", "requests": [request], "executor": EXECUTOR}]}
    definition = load_test_definition({**whole, "login": login}, LoadLimits())
    endpoints = {each.key: each for each in read_openapi(document, SERVER).endpoints}
    return plan_load(definition, endpoints, document).scenarios[0].requests[0]


@pytest.mark.parametrize("example", [None, "", ".", "..", [], {}])
def test_an_example_that_would_lead_to_another_path_is_passed_over(example: Any) -> None:
    identity = {"name": "id", "in": "path", "required": True, "schema": WORD}
    assert planned("/items/{id}", [{**identity, "example": example}]).url == f"{SERVER}/items/made"
    kept = planned("/items/{id}", [{**identity, "examples": {"no": {"value": example}, "yes": {"value": "7"}}}])
    assert kept.url == f"{SERVER}/items/7"


@pytest.mark.parametrize(
    ("style", "value"), [("simple", ""), ("simple", []), ("simple", "."), ("simple", ".."), ("label", ""), ("matrix", [])]
)
def test_what_the_user_gives_must_not_lead_to_another_path(style: str, value: Any) -> None:
    identity = {"name": "id", "in": "path", "required": True, "schema": WORD, "style": style, "explode": True}
    with pytest.raises(ValidationFailed) as caught:
        planned("/items/{id}", [identity], [{"location": "PATH", "name": "id", "value": value}])
    assert "another path" in caught.value.problems[0].message


def test_two_parameters_together_must_not_lead_to_another_path_either() -> None:
    declared = [{"name": name, "in": "path", "required": True, "schema": WORD} for name in ("a", "b")]
    one, dots = ({"location": "PATH", "name": "a", "value": value} for value in (".x", ".."))
    assert planned("/items/{a}{b}", declared, [one]).url == f"{SERVER}/items/.xmade"
    with pytest.raises(ValidationFailed, match="another path"):
        planned("/items/{a}{b}", declared, [dots, {**one, "name": "b", "value": ""}])


def test_a_text_that_is_made_must_not_lead_to_another_path() -> None:
    with pytest.raises(ValidationFailed, match="another path"):
        planned("/items/{id}", [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 0}}])


@pytest.mark.parametrize("place", ["query", "header", "cookie"])
def test_a_key_is_sent_once_though_the_endpoint_has_a_parameter_for_it(place: str) -> None:
    declared = [{"name": "api_key", "in": place, "required": True, "schema": WORD}]
    request = planned("/a", declared, login={**KEY, "location": place.upper()})
    texts = [shown(request.url), *(f"{name}: {shown(text)}" for name, text in request.headers)]
    assert "made" not in str(texts) and str(texts).count("api_key") == 1, texts
    given = [{"location": place.upper(), "name": "api_key", "value": "mine"}]
    own = planned("/a", declared, given, {**KEY, "location": place.upper()})
    assert "mine" in str(own) and not list(own.references), "the user's stands alone"


def test_headers_that_openapi_3_ignores_are_not_made() -> None:
    names = ("Accept", "content-type", "AUTHORIZATION", "X-Own")
    declared = [{"name": name, "in": "header", "required": True, "schema": WORD} for name in names]
    assert planned("/a", declared).headers == (("X-Own", "made"),)
    typed = [{"name": "Authorization", "in": "header", "required": True, "type": "string", "enum": ["made"]}]
    assert planned("/a", typed, version={"swagger": "2.0"}).headers == (("Authorization", "made"),), "not so in 2.0"

"""What of a document can't be called is named, and nothing is called otherwise than it says."""

from typing import Any

import pytest

from domain.openapi import read_openapi

URL = "http://shop.test/openapi.json"


@pytest.mark.parametrize("operation", [None, "x", 1, []])
def test_what_is_no_operation_is_named_and_can_not_be_called(operation: Any) -> None:
    api = read_openapi({"openapi": "3.0.0", "paths": {"/a": {"get": operation, "put": {}}}}, URL)
    assert [each.key for each in api.endpoints] == ["PUT /a"]
    assert api.problems == ("GET /a: is no operation.",)


def test_an_operation_of_swagger_2_may_have_schemes_of_its_own() -> None:
    paths = {"/a": {"get": {"schemes": ["https"]}, "put": {"schemes": ["http"]}, "post": {}}}
    api = read_openapi({"swagger": "2.0", "host": "x.test", "basePath": "/v1", "schemes": ["http"], "paths": paths}, URL)
    assert {each.key: each.servers for each in api.endpoints} == {
        "GET /a": ("https://x.test/v1",),
        "PUT /a": (),
        "POST /a": (),
    }

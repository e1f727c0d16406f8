"""Forms as servers read them: k6 sends what the document says to aiohttp, which parses it."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.executor import LoadLimits
from domain.form import write_form
from domain.load_plan import plan_load
from domain.load_test import load_test_definition
from domain.openapi import read_openapi
from tests.k6 import run
from tests.receiver import Received, receiving

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
EXECUTOR = {"kind": "PER_VU_ITERATIONS", "vus": 1, "iterations": 1, "maxDuration": 20}
TEXT, FILE = {"type": "string"}, {"type": "string", "format": "binary"}
TYPES = {"file": FILE, "files": {"type": "array", "items": FILE}}
Case = tuple[dict[str, Any], Any, list[tuple[str | None, ...]]]
LIST, OBJECT = ["a b", "c,d&", "é|"], {"x": "1 2", "y": [True, None]}
IN_JSON = '{"x":"1 2","y":[true,null]}'


async def sent(raw: dict[str, Any], *requests: dict[str, Any], answer: Any = None) -> list[Received]:
    """What arrives of requests to a document, whose server is the receiver."""
    async with receiving() as receiver:
        receiver.answer = answer
        found = read_openapi(raw, receiver.address)
        assert found.problems == ()
        scenario = {"name": "s", "allowUnsafe": True, "requests": list(requests), "executor": EXECUTOR}
        wanted = {"title": "t", "server": receiver.address, "scenarios": [scenario]}
        endpoints = {each.key: each for each in found.endpoints}
        await run(plan_load(load_test_definition(wanted, LoadLimits()), endpoints, raw).script)
    return receiver.received


def of_version(version: str, media_type: str, bodies: Sequence[tuple[dict[str, Any], Any]]) -> dict[str, Any]:
    """An OpenAPI document with `POST /0`, `POST /1`, …, each with the encodings and the example of a body."""
    paths = {}
    for place, (encoding, value) in enumerate(bodies):
        properties = {
            name: FILE if name == "file" else {"type": "array", "items": FILE} if name == "files" else TEXT for name in value
        }
        schema = {"allOf": [{"type": "object", "properties": properties}]}
        content = {media_type: {"schema": schema, "encoding": encoding, "example": value}}
        paths[f"/{place}"] = {"post": {"requestBody": {"required": True, "content": content}, "responses": {}}}
    return {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths}


STYLED: list[Case] = [
    ({"style": "form", "explode": True}, LIST, [("v", each) for each in LIST]),
    ({"explode": True}, LIST, [("v", each) for each in LIST]),
    ({"style": "form"}, OBJECT, [("x", "1 2"), ("y", "[true,null]")]),
    ({"explode": False}, LIST, [("v", "a b,c,d&,é|")]),
    ({"style": "form", "explode": False}, OBJECT, [("v", "x,1 2,y,[true,null]")]),
    ({"style": "spaceDelimited"}, LIST, [("v", "a b c,d& é|")]),
    ({"style": "pipeDelimited"}, LIST, [("v", "a b|c,d&|é|")]),
    ({"style": "deepObject"}, OBJECT, [("v[x]", "1 2"), ("v[y][0]", "true"), ("v[y][1]", "")]),
    ({"allowReserved": True}, "/a?b=c&d+e#[é]%41%", [("v", "/a?b=c&d+e#[é]A%")]),
]
PLAIN: list[Case] = [
    ({}, LIST, [("v", each) for each in LIST]),
    ({}, OBJECT, [("v", IN_JSON)]),
    ({}, [OBJECT, 2, False, None], [("v", IN_JSON), ("v", "2"), ("v", "false"), ("v", "")]),
    ({"contentType": "application/json"}, OBJECT, [("v", IN_JSON)]),
    ({}, "a\r\nb +%&=ü\U0001f600", [("v", "a\r\nb +%&=ü\U0001f600")]),
    ({}, [], []),
]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
async def test_fields_of_forms_that_are_urlencoded(version: str) -> None:
    cases = STYLED + PLAIN
    raw = of_version(version, URLENCODED, [({"v": encoding}, {"v": value, "é =&": 1}) for encoding, value, _ in cases])
    found = await sent(raw, *({"endpoint": f"POST /{place}"} for place in range(len(cases))))
    assert [each.form for each in found] == [[*expected, ("é =&", "1")] for _, _, expected in cases]


async def test_fields_of_forms_in_parts() -> None:
    """OpenAPI 3.0 knows no styles there."""
    typed = {"contentType": "text/csv, text/plain"}
    styled: list[Case] = [
        ({"v": each}, {"v": value}, [(*one, None, None) for one in fields]) for each, value, fields in STYLED[:-1]
    ]
    pictures = {"contentType": "image/*, image/png"}
    cases: list[Case] = [
        *styled,
        ({"v": {}}, {"v": LIST}, [("v", each, None, None) for each in LIST]),
        ({"v": {}}, {"v": OBJECT}, [("v", IN_JSON, "application/json", None)]),
        ({"v": {"contentType": "application/vnd.x+json"}}, {"v": [OBJECT]}, [("v", IN_JSON, "application/vnd.x+json", None)]),
        ({"v": typed}, {"v": "1,2\r\n--x\r\n"}, [("v", "1,2\r\n--x\r\n", "text/csv", None)]),
        ({"v": {"contentType": "a/b\r\nX: y"}}, {"v": "1"}, [("v", "1", None, None)]),
        ({}, {"file": "é"}, [("file", "é", "application/octet-stream", "file")]),
        ({"files": pictures}, {"files": ["1", "2"]}, [("files", each, "image/png", "files") for each in "12"]),
        ({}, {'"é\n;name=x\\': 1, "": None}, [("%22é%0A;name=x\\", "1", None, None), ("", "", None, None)]),
    ]
    raw = of_version("3.1.0", MULTIPART, [(encoding, value) for encoding, value, _ in cases])
    found = await sent(raw, *({"endpoint": f"POST /{place}"} for place in range(len(cases))))
    assert [each.form for each in found] == [expected for _, _, expected in cases]
    raw = of_version("3.0.3", MULTIPART, [({"v": encoding}, {"v": LIST}) for encoding, _, _ in STYLED])
    found = await sent(raw, *({"endpoint": f"POST /{place}"} for place in range(len(STYLED))))
    assert [each.form for each in found] == [[("v", each, None, None) for each in LIST]] * len(STYLED)


@pytest.mark.parametrize("media_type", [URLENCODED, MULTIPART])
async def test_lists_in_forms_of_swagger_2(media_type: str) -> None:
    cases = {None: "a b,c", "csv": "a b,c", "ssv": "a b c", "tsv": "a b\tc", "pipes": "a b|c", "multi": None}
    paths = {}
    for collection in cases:
        listed = {"name": "v", "in": "formData", "required": True, "type": "array", "items": TEXT, "default": ["a b", "c"]}
        listed |= {"collectionFormat": collection} if collection else {}
        plain = {"name": "w", "in": "formData", "required": True, "type": "string", "default": "x,y"}
        paths[f"/{collection}"] = {"post": {"consumes": [media_type], "parameters": [listed, plain], "responses": {}}}
    raw = {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": paths}
    found = await sent(raw, *({"endpoint": f"POST /{collection}"} for collection in cases))
    expected = [[("v", text)] if text else [("v", "a b"), ("v", "c")] for text in cases.values()]
    assert [[field[:2] for field in each.form] for each in found] == [[*fields, ("w", "x,y")] for fields in expected]


async def test_what_a_user_gives_is_written_in_the_same_way_and_values_of_answers_are_put_in() -> None:
    encoding = {"deep": {"style": "deepObject"}, "csv": {"explode": False}}
    body = {"t": "<${v}>", "o": {"a": "${v}"}, "deep": {"a": {"b": "${v}"}}, "csv": ["${v}", "&"], "l": ["${v}"]}
    in_json = '{"a":"ä&\\"+\\\\ %41"}'
    value = 'ä&"+\\ %41'
    for media_type in (URLENCODED, MULTIPART):
        raw = of_version("3.1.0", media_type, [(encoding, dict.fromkeys(body, "x"))])
        first = {"endpoint": "POST /0", "extract": [{"name": "v", "source": "JSON", "pointer": "/v"}]}
        _, found = await sent(raw, first, {"endpoint": "POST /0", "body": body}, answer={"v": value})
        fields = [
            ("t", f"<{value}>"),
            ("o", in_json),
            ("deep[a][b]", value),
            ("csv", f"{value},&"),
            ("l", value),
        ]
        assert [field[:2] for field in found.form] == fields


@settings(max_examples=200)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.lists(st.text(max_size=5), max_size=3), max_size=4))
def test_any_texts_in_forms_are_told_apart(values: dict[str, Any]) -> None:
    """By parsers of Python's own; names in parts have what can't stand there escaped."""
    pairs = [(name, text) for name, value in values.items() for text in (value if isinstance(value, list) else [value])]
    assert parse_qsl(write_form(values, (), URLENCODED)[1], keep_blank_values=True) == pairs
    media_type, text = write_form(values, (), MULTIPART)
    boundary = media_type.removeprefix(f"{MULTIPART}; boundary=")
    first, *parts, last = f"\r\n{text}".split(f"\r\n--{boundary}")
    assert (first, last) == ("", "--\r\n")
    found = [part.removeprefix('\r\nContent-Disposition: form-data; name="').partition('"\r\n\r\n') for part in parts]
    escaped = [name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A") for name, _ in pairs]
    assert [(name, content) for name, _, content in found] == list(zip(escaped, [each for _, each in pairs], strict=True))

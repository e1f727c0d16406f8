"""Finding OpenAPI documents: one table of the pages and documents that are out there, served by a real server."""

import asyncio
import gzip
import json
import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.documents import finder as finder_module
from adapters.documents import reading
from adapters.documents.finder import DocumentFinder
from adapters.documents.reading import Unreadable, document_of
from adapters.documents.strategies import MAX_PLACES, SwaggerUi, SwaggerUiSetUp, inline
from domain.api_document import FoundDocument
from domain.errors import ValidationFailed
from domain.openapi import read_openapi
from outbound import guarded_http
from outbound.guarded_http import Answer
from outbound.names import NameLookup
from tests.endurance import Tell
from tests.sites import Asked, Site, serving

API: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "Größe 尺寸", "version": "1"}, "paths": {"/größe": {"get": {}}}}
JSON = json.dumps(API, ensure_ascii=False).encode()
OTHER = json.dumps({**API, "info": {"title": "Other", "version": "2"}}).encode()
YAML = """openapi: 3.0.3
info: {title: "Größe 尺寸", version: 2024-01-05}
paths:
  /größe:
    get: {responses: {200: {description: &same yes}, 404: {description: *same}}}
""".encode()
SWAGGER = b'{"swagger": "2.0", "info": {"title": "Old", "version": "1"}, "host": "old.test", "paths": {"/a": {"get": {}}}}'
NODE = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
BODY = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
CYCLIC = json.dumps({**API, "paths": {"/größe": {"post": {"requestBody": BODY}}}, "components": {"schemas": {"Node": NODE}}})
PAGE = "<!DOCTYPE html>\n<html><head><title>API</title></head><body><div id='swagger-ui'></div>{}</body></html>"
INITIALIZER = """window.onload = function() {
  //<editor-fold desc="Changeable Configuration Block">
  window.ui = SwaggerUIBundle({ %s, "layout": "StandaloneLayout", dom_id: '#swagger-ui', deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis], plugins: [SwaggerUIBundle.plugins.DownloadUrl] });
};"""
FASTAPI = """
<script src="https://cdn.test/swagger-ui-bundle.js"></script>
<script>
const ui = SwaggerUIBundle({
    url: '/openapi.json',
    "dom_id": "#swagger-ui", "layout": "BaseLayout", "deepLinking": true,
    oauth2RedirectUrl: window.location.origin + '/docs/oauth2-redirect',
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
})
</script>"""
SWASHBUCKLE = r"""<script>
var configObject = JSON.parse('{"urls":[{"url":"/swagger/v1/swagger.json","name":"Shop \"one\""}],"deepLinking":false}');
</script>"""
SCRIPT = '<script src="./swagger-ui-bundle.js"></script><script src="swagger-initializer.js"></script>'
TWO = """url: "", urls: [ { url: "/one.json", name: "One" }, { "name": "Two", "url": "two.json" } ], 'urls.primaryName': "Two" """


def find(site: Site, path: str) -> FoundDocument:
    return asyncio.run(DocumentFinder(NameLookup(), allows_private=True, max_seconds=10.0).find(site.address + path))


def refusal(site: Site, path: str) -> str:
    with pytest.raises(ValidationFailed) as caught:
        find(site, path)
    assert [problem.field for problem in caught.value.problems] == ["url"]
    return caught.value.message


KINDS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # kind: what is served, where the user points, where the document is, by which strategy
    "OpenAPI 3.1, JSON": ({"/o.json": JSON}, "/o.json", "/o.json", "direct"),
    "OpenAPI 3.0, JSON": ({"/o.json": JSON.replace(b"3.1.0", b"3.0.4")}, "/o.json", "/o.json", "direct"),
    "OpenAPI 3.0, YAML": ({"/o.yaml": YAML}, "/o.yaml", "/o.yaml", "direct"),
    "Swagger 2.0": ({"/s.json": SWAGGER}, "/s.json", "/s.json", "direct"),
    "references in a circle": ({"/o.json": CYCLIC}, "/o.json", "/o.json", "direct"),
    "a BOM": ({"/o": b"\xef\xbb\xbf" + JSON}, "/o", "/o", "direct"),
    "UTF-16 with BOM": ({"/o": JSON.decode().encode("utf-16")}, "/o", "/o", "direct"),
    "UTF-16 without BOM": ({"/o": JSON.decode().encode("utf-16-le")}, "/o", "/o", "direct"),
    "UTF-16, YAML": ({"/o": YAML.decode().encode("utf-16")}, "/o", "/o", "direct"),
    "UTF-32": ({"/o": JSON.decode().encode("utf-32")}, "/o", "/o", "direct"),
    "gzip as coding": ({"/o": (200, {"Content-Encoding": "gzip"}, gzip.compress(JSON))}, "/o", "/o", "direct"),
    "gzip as file": ({"/o.json.gz": gzip.compress(YAML)}, "/o.json.gz", "/o.json.gz", "direct"),
    "a wrong content type": ({"/o": (200, {"Content-Type": "image/png"}, JSON)}, "/o", "/o", "direct"),
    "a redirect": ({"/a": (302, {"Location": "/b/o.json"}, b""), "/b/o.json": JSON}, "/a", "/b/o.json", "direct"),
    "FastAPI": ({"/docs": PAGE.format(FASTAPI), "/openapi.json": JSON}, "/docs", "/openapi.json", "Swagger UI"),
    "initializer with url": (
        {"/ui/": PAGE.format(SCRIPT), "/ui/swagger-initializer.js": INITIALIZER % "url: '../o.json'", "/o.json": JSON},
        "/ui/",
        "/o.json",
        "Swagger UI",
    ),
    "several urls, with a primary one": (
        {"/": PAGE.format(SCRIPT), "/swagger-initializer.js": INITIALIZER % TWO, "/one.json": OTHER, "/two.json": JSON},
        "/",
        "/two.json",
        "Swagger UI",
    ),
    "several urls, one chosen": (
        {"/": PAGE.format(f"<script>{INITIALIZER % TWO}</script>"), "/one.json": JSON, "/two.json": OTHER},
        "/?urls.primaryName=One",
        "/one.json",
        "Swagger UI",
    ),
    "springdoc": (
        {
            "/swagger-ui/index.html": PAGE.format(SCRIPT),
            "/swagger-ui/swagger-initializer.js": INITIALIZER % '"configUrl" : "/v3/api-docs/swagger-config", url: ""',
            "/v3/api-docs/swagger-config": '{"configUrl":"/v3/api-docs/swagger-config","url":"/v3/api-docs","validatorUrl":""}',
            "/v3/api-docs": JSON,
        },
        "/swagger-ui/index.html",
        "/v3/api-docs",
        "Swagger UI",
    ),
    "springdoc with groups": (
        {
            "/swagger-ui/index.html": PAGE.format(SCRIPT),
            "/swagger-ui/swagger-initializer.js": INITIALIZER % '"configUrl" : "/v3/api-docs/swagger-config"',
            "/v3/api-docs/swagger-config": '{"urls":[{"url":"/v3/api-docs/shop","name":"shop"},{"url":"/x","name":"x"}]}',
            "/v3/api-docs/shop": JSON,
        },
        "/swagger-ui/index.html",
        "/v3/api-docs/shop",
        "Swagger UI",
    ),
    "springdoc with groups, one chosen, from its base": (
        {
            "/swagger-ui/index.html": PAGE.format(SCRIPT),
            "/swagger-ui/swagger-initializer.js": INITIALIZER % '"configUrl" : "/v3/api-docs/swagger-config"',
            "/v3/api-docs/swagger-config": '{"urls":[{"url":"/x","name":"x"},{"url":"/v3/api-docs/shop","name":"shop"}]}',
            "/v3/api-docs/shop": JSON,
            "/x": OTHER,
        },
        "/?urls.primaryName=shop",
        "/v3/api-docs/shop",
        "Swagger UI",
    ),
    "Swashbuckle": (
        {"/swagger/index.html": PAGE.format(SWASHBUCKLE), "/swagger/v1/swagger.json": JSON},
        "/swagger/index.html",
        "/swagger/v1/swagger.json",
        "Swagger UI",
    ),
    "swagger-ui-express": (
        {
            "/api": PAGE.format('<script src="./swagger-ui-init.js"></script>'),
            "/swagger-ui-init.js": f'var options = {{"swaggerDoc": {JSON.decode()}, "customOptions": {{}}}};',
        },
        "/api",
        "/swagger-ui-init.js",
        "Swagger UI",
    ),
    "a document in the page": (
        {"/docs": PAGE.format(f"<script>SwaggerUIBundle({{spec: {JSON.decode()}, dom_id: '#ui'}})</script>")},
        "/docs",
        "/docs",
        "Swagger UI",
    ),
    "an address put together": (
        {"/docs": PAGE.format("<script>SwaggerUIBundle({url: window.location.origin + '/o.json'})</script>"), "/o.json": JSON},
        "/docs",
        "/o.json",
        "Swagger UI",
    ),
    "url in the page's address": ({"/ui": PAGE.format(""), "/o.json": JSON}, "/ui?url=/o.json", "/o.json", "Swagger UI"),
    "ReDoc": ({"/redoc": PAGE.format('<redoc spec-url="o.json"></redoc>'), "/o.json": JSON}, "/redoc", "/o.json", "Swagger UI"),
    "an API's base": ({"/api/v3/api-docs": JSON}, "/api", "/api/v3/api-docs", "well-known paths"),
    "a page without a document": (
        {"/": PAGE.format("<h1>Shop</h1>"), "/swagger.json": JSON},
        "/",
        "/swagger.json",
        "well-known paths",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_documents_and_pages(kind: str, tell: Tell) -> None:
    pages, asked, found, strategy = KINDS[kind]
    with serving(pages) as site:
        document = find(site, asked)
        assert document.url == site.address + found
        assert document.strategy == strategy
        assert document.tried[-1].outcome.startswith("answers 200 OK with the document")
    read = read_openapi(document.raw, document.url)
    assert read.title == ("Old" if kind == "Swagger 2.0" else "Größe 尺寸")
    assert read.problems == () and len(read.endpoints) == 1
    tell(f"{found} by {document.strategy}: {read.dialect}, {read.title!r}, {read.endpoints[0].key}")
    assert document_of(document.content.decode()) == document.raw


def test_of_several_documents_all_are_named() -> None:
    pages, asked, _, _ = KINDS["several urls, with a primary one"]
    with serving(pages) as site:
        assert {choice.name: choice.url.removeprefix(site.address) for choice in find(site, asked).choices} == {
            "Two": "/two.json",
            "One": "/one.json",
        }


NAMES = """urls: [{url: "/one.json", name: "A [v1] {x}"}, {url: '/two.json', name: 'é"B'}, {url: `c`, name: "\\u0043"}]"""


def test_names_of_documents_may_have_any_characters() -> None:
    page = PAGE.format(f"<script>/* url: 'http://x.test/no' */ // url: 'no'\n{INITIALIZER % NAMES}</script>")
    with serving({"/": page, "/one.json": JSON}) as site:
        found = find(site, "/")
        assert {choice.name: choice.url.removeprefix(site.address) for choice in found.choices} == {
            "A [v1] {x}": "/one.json",
            'é"B': "/two.json",
            "C": "/c",
        }
        assert [each.url.removeprefix(site.address) for each in found.tried] == ["/", "/one.json"]


@pytest.mark.parametrize("body", [b'{"openapi": "3.0.0", "x": nothing}', b"swagger: '2.0'\nx: [", b"openapi: 3.0.0\nx: \xff"])
def test_a_document_that_can_not_be_read_is_not_replaced_by_its_neighbour(body: bytes) -> None:
    with serving({"/d/schemas.json": body, "/d/swagger.json": JSON}) as site:
        assert "/d/schemas.json answers 200 OK, which is n" in refusal(site, "/d/schemas.json")
        assert len(site.asked) == 1


def test_half_a_surrogate_pair_does_not_refuse_a_document() -> None:
    text = r'{"openapi": "3.0.0", "x": ["\ud800", "\ud83d\ude00", "\\ud800", "\ude00\ud83d"]}'
    assert document_of(text)["x"] == ["\ufffd", "\U0001f600", "\\ud800", "\ufffd\ufffd"]


@pytest.mark.parametrize(
    "text",
    ['{"openapi": "3.0.0", "paths": {"/a": {"get": {}}, "/a": {}}}', 'openapi: "3.0.0"\npaths:\n  /a: {get: {}}\n  /a: {}'],
)
def test_a_name_that_stands_twice_is_named(text: str) -> None:
    with serving({"/o": text.encode()}) as site:
        found = find(site, "/o")
    assert found.problems == ("'/a' stands more than once in one object, of which the last is read.",)
    assert found.raw["paths"] == {"/a": {}}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["/*", '"\\', "urls: [", "urls: [{", "spec: {", "`'", '\\"'])
def test_no_script_takes_time_out_of_proportion(piece: str) -> None:
    content = (piece * (1_000_000 // len(piece))).encode()
    answer = Answer(url="http://x.test/", status=200, reason="OK", media_type="", encoding="identity", content=content)
    assert SwaggerUiSetUp().places("http://x.test/", answer) == []
    assert inline(answer) is None


def test_where_nothing_is_found_all_that_was_tried_is_said() -> None:
    with serving({"/": PAGE.format(FASTAPI), "/openapi.json": (500, {}, b"oops"), "/swagger.json": b"[1]"}) as site:
        message = refusal(site, "/")
    assert f"{site.address}/openapi.json answers 500" in message
    assert f"{site.address}/swagger.json answers 200 OK, which is no JSON or YAML object" in message
    assert f"{site.address}/v3/api-docs answers 404" in message


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "is no JSON"),
        (b"a: [1, 2", "is neither JSON nor YAML at line"),
        (b'{"a": 1}', "is a document, but none of OpenAPI"),
        (b'{"openapi": NaN}', "is no JSON: unexpected character"),
        (b"\xff\xfa\x00", "is no text"),
        (b"\x1f\x8bnot really", "is not packed as it says"),
        (gzip.compress(JSON, mtime=0)[:-12], "ends before its end"),
        (b"a: &a [*a]\nopenapi: 3", "nested more than"),
        (b"openapi: 3\nx: " + b"[" * 5000, "nested more than"),
        (b'{"openapi":"3.0.0","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "is no JSON"),
        (b"", "is neither JSON nor YAML"),
    ],
)
def test_garbage_is_named(body: bytes, reason: str) -> None:
    with serving({"/o": body}) as site:
        assert reason in refusal(site, "/o")


def test_a_page_that_leads_on_for_ever_is_left() -> None:
    with serving({"*": PAGE.format("<script>SwaggerUIBundle({url: 'deeper/'})</script>")}) as site:
        assert "no OpenAPI document was found" in refusal(site, "/")
        assert len(site.asked) <= finder_module.MAX_FETCHES


def test_a_site_that_does_not_answer_is_left_at_once() -> None:
    assert "can't be fetched" in refusal(Site({}, address="http://127.0.0.1:1"), "/")


def test_a_site_that_hangs_is_named_with_what_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_http, "IDLE_SECONDS", 0.2)
    over = threading.Event()

    def hangs(_: Asked) -> bytes:
        over.wait(10)
        return b""

    with serving({"/": hangs}) as site:
        message = refusal(site, "/")
        over.set()
    assert "can't be fetched: ReadTimeout" in message, message


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        text = reading.text_of(Answer(url="u", status=200, reason="", media_type="", encoding="identity", content=content))
        document_of(text)
    except Unreadable:
        pass


@pytest.mark.parametrize(
    "piece",
    [
        "<!---->",
        "<!--",
        "<script>",
        "urls:[",
        "urls:[{",
        "url:'",
        "url: \n",
        "\n",
        " ",
        "{",
        '{"a":',
        "a: &a\n",
        "- ",
        "[",
        "<a " + "x" * 50,
    ],
)
@pytest.mark.parametrize("prefix", ["", "<!doctype html><script>", "openapi: 3\n"])
@pytest.mark.timeout(60)
def test_no_text_takes_time_out_of_proportion(prefix: str, piece: str) -> None:
    text = prefix + piece * (300_000 // len(piece))
    answer = Answer(url="http://x.test/", status=200, reason="", media_type="", encoding="identity", content=text.encode())
    with suppress(Unreadable):
        document_of(text)
    for strategy in (SwaggerUi(), SwaggerUiSetUp()):
        assert len(strategy.places("http://x.test/", answer)) <= MAX_PLACES


def test_addresses_that_are_none_are_left_out() -> None:
    page = PAGE.format("<base href='http://[x'><script>SwaggerUIBundle({url: 'http://[bad', configUrl: '/o.json'})</script>")
    with serving({"/ui": page, "/o.json": JSON}) as site:
        assert find(site, "/ui?url=http://[worse").url == site.address + "/o.json"


@pytest.mark.parametrize("text", ["a:\n " + "- " * 25_000 + "x", "a: " + "[" * 100_000, "a:\n" + " ? " * 10_000 + "x"])
def test_a_depth_that_would_break_the_processors_stack_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        document_of(text)


@pytest.mark.parametrize("lead", ["http://x.test:99999/", "http://xn--zzzzzzz-/", "http://[oops/x", "http://x.test:0/"])
def test_leads_that_are_no_addresses_are_said_and_left(lead: str) -> None:
    page = PAGE.format(f"<script>SwaggerUIBundle({{configUrl: '{lead}', url: '/o.json'}})</script>")
    with serving({"/ui": page, "/o.json": JSON, "/r": (302, {"Location": lead}, b"")}) as site:
        assert find(site, "/ui").url == site.address + "/o.json"
        assert "was not fetched" in refusal(site, "/r")

"""Documents of more values than any API has: a few megabytes of text may take gigabytes to hold."""

import json

import pytest

from adapters.documents import reading, references
from adapters.documents.finder import DocumentFinder
from adapters.documents.reading import Unreadable, document_of, read_document
from adapters.documents.strategies import inline
from domain.api_document import FoundDocument
from outbound.guarded_http import Answer
from outbound.names import NameLookup
from tests.sites import serving

MANY = {
    "objects": "[" + "{}," * 60 + "{}]",
    "lists": "[" + "[]," * 60 + "[]]",
    "numbers": "[" + "1," * 101 + "1]",
    "names": json.dumps({f"n{n}": n for n in range(102)}),
    "texts": json.dumps(['a\\"'] * 102),
    "lists in lists": "[" * 102 + "]" * 102,
}


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_VALUES", 100)


@pytest.mark.parametrize("kind", MANY)
def test_json_of_too_many_values_is_refused(kind: str) -> None:
    with pytest.raises(Unreadable, match="has more than 100 values"):
        read_document(f' \n{{"openapi": "3.0.0", "a": {MANY[kind]}}}')


@pytest.mark.parametrize("text", ["x, {y}, [z]", '"{,', "\\", '\\",{[', "\\\\", "ü,\n"])
def test_what_texts_hold_is_not_counted(text: str) -> None:
    document = {text * 50: [text * 50, {"a": text}] * 10, "b": 1}
    assert read_document(json.dumps(document))[0] == document


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ['"', '"\\', "\\", '",', "]", '"a\\"', "{" * 20 + '"', '"{,'])
def test_no_text_takes_time_out_of_proportion(piece: str) -> None:
    with pytest.raises(Unreadable):
        read_document("{" + piece * (2_000_000 // len(piece)) + "," * 200)


def test_a_document_that_is_kept_is_read_again_whatever_its_size() -> None:
    assert document_of('{"openapi": "3.0.0", "a": ' + MANY["numbers"] + "}")["openapi"] == "3.0.0"


def test_a_page_of_too_many_values_has_no_document_in_it() -> None:
    def page(values: str) -> Answer:
        content = f'<html><script>var options = {{"swaggerDoc": {{"openapi": "3.0.0", "a": {values}}}}}</script>'.encode()
        return Answer(url="u", status=200, reason="", media_type="", encoding="identity", content=content)

    assert inline(page("[1]")) and inline(page(MANY["numbers"])) is None


async def test_the_values_of_all_documents_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_VALUES", 1000)
    monkeypatch.setattr(references, "MAX_BYTES", 100 * reading.VALUE_BYTES)

    async def found(values: int, address: str) -> FoundDocument:
        site.pages["/many.json"] = json.dumps({"a": [1] * values})
        with NameLookup() as names:
            finder = DocumentFinder(names, allows_private=True, max_seconds=10, allows_references=True)
            return await finder.find(address)

    with serving({"/o.json": '{"openapi": "3.0.0", "info": {}, "paths": {}, "x-a": {"$ref": "many.json#/a"}}'}) as site:
        assert (await found(80, site.address + "/o.json")).problems == ()
        (problem,) = (await found(110, site.address + "/o.json")).problems
    assert f"bytes together, where each value counts as {reading.VALUE_BYTES} or more" in problem

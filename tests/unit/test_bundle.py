"""Documents that take in what their references to others lead to."""

import json
from typing import Any
from urllib.parse import quote, urljoin

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain import bundle as bundle_module
from domain.api_document import drift
from domain.bundle import Bundle
from domain.errors import ValidationFailed
from domain.json_pointer import REFUSED, Unresolvable, resolve
from domain.openapi import read_openapi
from domain.schema_value import NoValue, SchemaValues
from domain.xml_body import write_xml

HOME = "http://api.test/v1/openapi.json"
PLENTY = 1_000_000


def bundled(document: dict[str, Any], others: dict[str, Any], most: int = PLENTY) -> tuple[list[str], tuple[str, ...]]:
    """Make the document whole with these others, by address; what was wanted, and what is wrong."""
    bundle, wanted = Bundle(document, [HOME], most), []
    while (address := bundle.wanted) is not None:
        wanted.append(address)
        if address in others:
            bundle.add(address, others[address], address)
        else:
            bundle.leave(address, "answers 404")
    return wanted, bundle.close()


@pytest.mark.parametrize(
    ("reference", "address", "found"),
    [
        ("common.json#/a", "http://api.test/v1/common.json", 1),
        ("./common.json#/a", "http://api.test/v1/common.json", 1),
        ("../common.json#/a", "http://api.test/common.json", 1),
        ("/x/../common.json#/a", "http://api.test/common.json", 1),
        ("?part=2#/a", "http://api.test/v1/openapi.json?part=2", 1),
        ("//other.test/c#/a", "http://other.test/c", 1),
        ("https://other.test/c~d/%C3%BC%20?q=a/b%2F#/a", "https://other.test/c~d/%C3%BC%20?q=a/b%2F", 1),
        ("common.json#/s~1l~0sh", "http://api.test/v1/common.json", 2),
        ("common.json#/s%7E1l~0sh", "http://api.test/v1/common.json", 2),
        ("common.json#/%C3%BC%20/1", "http://api.test/v1/common.json", 4),
        ("common.json#/gr%25n", "http://api.test/v1/common.json", 5),
        ("common.json#", "http://api.test/v1/common.json", None),
        ("common.json", "http://api.test/v1/common.json", None),
    ],
)
def test_references_are_relative_to_their_document_and_lead_to_the_same_in_the_bundle(
    reference: str, address: str, found: int | None
) -> None:
    other = {"a": 1, "s/l~sh": 2, "ü ": [3, 4], "gr%n": 5}
    document: dict[str, Any] = {"x": {"$ref": reference}}
    assert bundled(document, {address: other}) == ([address], ())
    read_again = json.loads(json.dumps(document))
    assert resolve(read_again, read_again["x"]) == (other if found is None else found)


def test_references_of_one_other_document_to_the_next_to_itself_and_back_are_followed_and_circles_end() -> None:
    document: dict[str, Any] = {"x": {"$ref": "a/one.json#/x"}, "y": {"deep": "home"}, "z": {"$ref": "openapi.json#/y"}}
    others = {
        "http://api.test/v1/a/one.json": {
            "x": {"$ref": "two.json"},
            "own": {"$ref": "#/back"},
            "back": {"$ref": "../openapi.json#/y"},
        },
        "http://api.test/v1/a/two.json": {
            "properties": {"n": {"$ref": "one.json#/own"}, "me": {"$ref": "#"}, "it": {"$ref": ""}}
        },
    }
    wanted, problems = bundled(document, others)
    assert (wanted, problems) == (list(others), ())
    two = resolve(document, document["x"])
    assert resolve(document, two["properties"]["n"]) == resolve(document, document["z"]) == {"deep": "home"}
    assert resolve(document, two["properties"]["me"]) is resolve(document, two["properties"]["it"]) is two
    assert document["z"] == {"$ref": "#/y"}


def test_a_document_that_redirects_lead_to_is_there_once() -> None:
    document = {"x": {"$ref": "/old"}, "y": {"$ref": "/moved/new"}, "z": {"$ref": "/home"}}
    bundle = Bundle(document, [HOME, "http://api.test/asked"], PLENTY)
    assert bundle.wanted == "http://api.test/home"
    bundle.add("http://api.test/home", {"a": "copy"}, "http://api.test/asked#x")
    assert bundle.wanted == "http://api.test/moved/new"
    bundle.add("http://api.test/moved/new", {"a": {"$ref": "beside"}}, "http://api.test/moved/new")
    assert bundle.wanted == "http://api.test/old"
    bundle.add("http://api.test/old", {"a": {"$ref": "beside"}}, "http://api.test/moved/new")
    assert bundle.wanted == "http://api.test/moved/beside"
    bundle.leave("http://api.test/moved/beside", "answers 404")
    assert bundle.wanted is None and len(bundle.close()) == 1
    assert (document["x"], document["z"]) == (document["y"], {"$ref": "#"})


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("gone.json#/a", "answers 404"),
        ("other.json#/b", "there '#/b' leads nowhere"),
        ("other.json#b", "there '#b' is no path in the document"),
        ("//[bad#/a", "it is no address"),
        ("http://x[.evil.example/y.json", "it is no address"),
        ("/" + "x" * 2000, "it has more than 2000 characters"),
    ],
)
def test_what_is_not_followed_is_named_with_its_reason_also_when_it_is_read_again(reference: str, reason: str) -> None:
    document: dict[str, Any] = {"x": {"$ref": reference}}
    _, problems = bundled(document, {"http://api.test/v1/other.json": {"a": 1}})
    assert len(problems) == 1 and reference[:100] in problems[0] and problems[0].endswith(f" is not followed: {reason}.")
    with pytest.raises(Unresolvable, match="leads out of the document and is not followed: ") as caught:
        resolve(document, document["x"])
    assert str(caught.value).endswith(reason)


def test_what_is_no_address_is_never_wanted() -> None:
    document: dict[str, Any] = {"x": {"$ref": "http://x[.evil.example/y.json#/a"}, "y": {"$ref": "http://x[.evil.example/y.json"}}
    wanted, problems = bundled(document, {"http://x[.evil.example/y.json": {"a": 1}})
    assert wanted == [] and len(problems) == 2


def test_without_a_bundle_the_refusal_names_the_setting() -> None:
    with pytest.raises(Unresolvable, match=REFUSED):
        resolve({}, {"$ref": "other.yaml#/components/schemas/Pet"})


def test_values_of_the_api_are_left_as_they_are_and_names_are_no_keywords() -> None:
    there = {"$ref": "a.json"}
    data = {"example": {**there}, "enum": [{**there}], "default": {**there}, "const": {**there}, "examples": [{**there}]}
    document: dict[str, Any] = {
        "schema": data,
        "responses": {"default": {**there}},
        "properties": {"example": {**there}, "$ref": {"type": "string"}, "discriminator": {"mapping": {"a": "b/c"}}},
        "examples": {"default": {**there}, "e": {"value": {**there}}},
    }
    bundled(document, {"http://api.test/v1/a.json": {"type": "string"}})
    place = {"$ref": "#/x-plog-bundle/documents/http:~1~1api.test~1v1~1a.json"}
    assert document["schema"] == {"example": there, "enum": [there], "default": there, "const": there, "examples": [there]}
    assert document["responses"]["default"] == document["properties"]["example"] == document["examples"]["default"] == place
    assert document["examples"]["e"] == {"value": there}
    assert document["properties"]["$ref"] == {"type": "string"}


def test_a_document_that_leads_nowhere_else_needs_nothing() -> None:
    document = {"a": {"$ref": "#/b"}, "b": {"example": {"$ref": "http://x.test"}}}
    assert not Bundle(document, [HOME], 0).is_needed


def test_a_bundle_that_is_served_as_a_document_keeps_what_it_has() -> None:
    document: dict[str, Any] = {"x": {"$ref": "a.json"}}
    bundled(document, {"http://api.test/v1/a.json": {"n": 1}})
    document["y"] = {"$ref": "b.json"}
    assert bundled(document, {"http://api.test/v1/b.json": {"n": 2}}) == (["http://api.test/v1/b.json"], ())
    assert (resolve(document, document["x"]), resolve(document, document["y"])) == ({"n": 1}, {"n": 2})


@pytest.mark.parametrize("name", ["animals.json#/components/schemas/Dog", "#/components/schemas/Dog", "Dog"])
def test_a_discriminator_of_another_document_chooses_there(name: str) -> None:
    dog = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": ["d"]}}}
    animal = {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "animals.json#/components/schemas/Dog"}],
        "discriminator": {"propertyName": "kind", "mapping": {"d": name}},
    }
    animals = {"components": {"schemas": {"Animal": animal, "Dog": dog, "Cat": {"type": "object"}}}}
    document: dict[str, Any] = {"openapi": "3.0.3", "x": {"$ref": "animals.json#/components/schemas/Animal"}}
    bundled(document, {"http://api.test/v1/animals.json": animals})
    place = "#/x-plog-bundle/documents/http:~1~1api.test~1v1~1animals.json/components/schemas/Dog"
    assert resolve(document, document["x"])["discriminator"]["mapping"] == {"d": place}
    assert SchemaValues({**document, "dog": dog}).value({"$ref": place}, "body") == {"kind": "d"}


def test_a_whole_file_names_no_schema_and_a_schema_in_it_does() -> None:
    cat = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}, "lives": {"const": 9}}}
    discriminator = {"propertyName": "kind"}
    document: dict[str, Any] = {
        "openapi": "3.0.3",
        "whole": {"oneOf": [{"$ref": "Cat.yaml"}], "discriminator": discriminator},
        "part": {"oneOf": [{"$ref": "all.yaml#/components/schemas/Cat"}], "discriminator": discriminator},
    }
    bundled(
        document, {"http://api.test/v1/Cat.yaml": cat, "http://api.test/v1/all.yaml": {"components": {"schemas": {"Cat": cat}}}}
    )
    values = SchemaValues(document)
    assert "Cat" not in values.value(document["whole"], "body")["kind"]
    assert values.value(document["part"], "body")["kind"] == "Cat"
    with pytest.raises(NoValue, match="gives its root element no name"):
        write_xml({"kind": "a"}, document["whole"]["oneOf"][0], document)
    assert write_xml({"kind": "a"}, document["part"]["oneOf"][0], document) == "<Cat><kind>a</kind></Cat>"


@pytest.mark.parametrize("target", ["other.json#/A", "openapi.json#/x", "A"])
def test_a_name_in_the_mapping_of_a_discriminator_may_look_like_a_reference(target: str) -> None:
    mapping = {"$ref": target}
    document: dict[str, Any] = {"x": {"discriminator": {"propertyName": "kind", "mapping": mapping}}}
    bundled(document, {"http://api.test/v1/other.json": {"A": {"type": "object"}}})
    place = "#/x-plog-bundle/documents/http:~1~1api.test~1v1~1other.json/A"
    assert mapping == {"$ref": {"other.json#/A": place, "openapi.json#/x": "#/x"}.get(target, target)}


@pytest.mark.parametrize(
    "name", ["default", "value", "example", "examples", "enum", "const", "headers", "content", "discriminator"]
)
@pytest.mark.parametrize("rest", ["", "/schema", "/properties/default"])
def test_what_a_reference_leads_to_is_no_value_of_the_api_whatever_its_name(name: str, rest: str) -> None:
    response = {"schema": {"$ref": "#/Body"}, "more": {"$ref": "more.json#/example"}}
    here = {**response, "properties": {"default": {"schema": {"$ref": "#/Body"}}}}
    way = f"parts.json#/{name}{'/0' if name == 'examples' else ''}"
    document: dict[str, Any] = {"x": {"$ref": way}, "y": {"$ref": way + rest}, "Body": {"type": "integer"}}
    parts = {name: [here] if name == "examples" else here, "Body": {"type": "string"}}
    more = {"example": {"schema": {"$ref": "#/Body"}}, "Body": {"type": "boolean"}}
    others = {"http://api.test/v1/parts.json": parts, "http://api.test/v1/more.json": more}
    assert bundled(document, others) == (list(others), ())
    found = resolve(document, document["x"])
    assert resolve(document, found["schema"]) == {"type": "string"}
    assert resolve(document, resolve(document, found["more"])["schema"]) == {"type": "boolean"}
    assert resolve(document, found["properties"]["default"]["schema"]) == {"type": "string"}
    assert resolve(document, document["y"]) in ({"type": "string"}, found, found["properties"]["default"])


def test_a_target_is_scanned_in_the_document_that_redirects_lead_to_and_once() -> None:
    document: dict[str, Any] = {"x": {"$ref": "/old#/default"}, "y": {"$ref": "/new#/default"}, "z": {"$ref": "/old#/no/where"}}
    new = {"default": {"not": {"$ref": "beside#/default/not"}}}
    bundle = Bundle(document, [HOME], PLENTY)
    bundle.add("http://api.test/new", new, "http://api.test/moved/new")
    bundle.add("http://api.test/old", new, "http://api.test/moved/new")
    assert bundle.wanted == "http://api.test/moved/beside"
    bundle.add("http://api.test/moved/beside", {"default": {"not": {"const": 1}}}, "http://api.test/moved/beside")
    assert bundle.wanted is None and len(bundle.close()) == 1
    assert resolve(document, resolve(document, document["x"])["not"]) == {"const": 1} and document["x"] == document["y"]


def test_targets_within_one_another_are_scanned_once() -> None:
    class Counted(dict[str, Any]):
        scans = 0

        def items(self) -> Any:
            Counted.scans += 1
            return super().items()

    nested: dict[str, Any] = {"type": "object"}
    for _ in range(200):
        nested = Counted({"not": nested})
    document = {"x": [{"$ref": f"parts.json#/default{'/not' * depth}"} for depth in range(200)]}
    assert bundled(document, {"http://api.test/v1/parts.json": {"default": nested}})[1] == ()
    assert 200 <= Counted.scans <= 500


def test_examples_of_swagger_2_are_data() -> None:
    there = {"$ref": "a.json"}
    examples = {"application/json": dict(there), "$ref": "b.json"}
    response = {"examples": examples, "schema": {"properties": {"examples": dict(there)}}}
    document: dict[str, Any] = {"swagger": "2.0", "paths": {"/a": {"get": {"responses": {"200": response}}}}}
    wanted, problems = bundled(document, {"http://api.test/v1/a.json": {"examples": {"a": {"$ref": "c.json"}}}})
    assert (wanted, problems) == (["http://api.test/v1/a.json"], ())
    assert response["examples"] == {"application/json": there, "$ref": "b.json"}


def test_many_references_and_long_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "//" + "x" * 1000 + ".test/"
    with pytest.raises(ValidationFailed, match="too large"):
        Bundle({"a": [{"$ref": f"{long}{n}"} for n in range(100)]}, [HOME], 50_000)
    document = {"a": [{"$ref": "a"} for _ in range(100)]}
    with pytest.raises(ValidationFailed, match="too large"):
        bundled(document, {"http://api.test/v1/a": {}}, 3000)
    monkeypatch.setattr(bundle_module, "MAX_LINKS", 99)
    with pytest.raises(ValidationFailed, match="more than 99 references"):
        Bundle({"a": [{"$ref": "a"} for _ in range(100)]}, [HOME], PLENTY)


def test_a_change_in_another_document_is_drift_and_the_place_of_a_schema_is_none() -> None:
    def api(schema: dict[str, Any], *, is_outside: bool = True) -> Any:
        body = {"content": {"application/json": {"schema": {"$ref": "pet.json"} if is_outside else schema}}}
        document = {"openapi": "3.1.0", "info": {}, "paths": {"/a": {"post": {"requestBody": body}}}}
        bundled(document, {"http://api.test/v1/pet.json": schema})
        return read_openapi(document, HOME)

    text, number = {"type": "string"}, {"type": "integer"}
    assert api(text).problems == ()
    assert drift(api(text).endpoints, api(number).endpoints).changed == ("POST /a",)
    assert drift(api(text).endpoints, api(text, is_outside=False).endpoints).is_none


def test_another_reason_why_a_reference_is_not_followed_is_no_drift() -> None:
    def api(reason: str) -> Any:
        body = {"content": {"application/json": {"schema": {"properties": {"a": {"$ref": "http://other.test/pet.json"}}}}}}
        document = {"openapi": "3.1.0", "info": {}, "paths": {"/a": {"post": {"requestBody": body}}}}
        if reason:
            bundle = Bundle(document, [HOME], PLENTY)
            bundle.leave("http://other.test/pet.json", reason)
            bundle.close()
        return read_openapi(document, HOME).endpoints

    assert drift(api("answers 503"), api("was not complete after 0.3 s")).is_none


KEYS = st.text(max_size=4)
SEGMENTS = st.text(st.sampled_from("ab~/%#? ü."), min_size=1, max_size=4)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(), min_size=1), min_size=1, max_size=4), SEGMENTS, st.data())
def test_whatever_the_names_the_bundle_leads_to_what_was_meant(other: dict[str, Any], segment: str, data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(sorted(other)))
    two = data.draw(st.sampled_from(sorted(other[one])))
    pointer = "".join("/" + quote(each.replace("~", "~0").replace("/", "~1"), safe="~") for each in (one, two))
    address = urljoin(HOME, quote(segment))
    assume(address != HOME)  # as of `//`
    document: dict[str, Any] = {"x": {"$ref": f"{quote(segment)}#{pointer}"}}
    wanted, problems = bundled(document, {address: other})
    assert (wanted, problems) == ([address], ()) and resolve(document, document["x"]) == other[one][two]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=20))
def test_circles_of_documents_end_whatever_they_lead_to(links: list[tuple[int, int]]) -> None:
    others: dict[str, Any] = {f"http://api.test/v1/{n}.json": {"links": [], "name": n} for n in range(5)}
    for source, target in links:
        others[f"http://api.test/v1/{source}.json"]["links"].append({"$ref": f"{target}.json#/name"})
    document: dict[str, Any] = {"x": {"$ref": "0.json"}}
    wanted, problems = bundled(document, others)
    assert problems == () and len(wanted) == len(set(wanted)) <= 5
    for address in wanted:
        targets = [target for each, target in links if address.endswith(f"/{each}.json")]
        assert [resolve(document, link) for link in others[address]["links"]] == targets

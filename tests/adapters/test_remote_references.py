"""Documents that lead to others: fetched by real requests where that is allowed, under the document's own guard and limits."""

import asyncio
import gzip
import json
import socket
from typing import Any

import pytest
import yaml

from adapters.documents import references
from adapters.documents.finder import DocumentFinder
from adapters.documents.reading import MAX_BYTES
from domain.api_document import FoundDocument
from domain.bundle import MAX_PROBLEMS
from domain.errors import ValidationFailed
from domain.json_pointer import resolve
from domain.openapi import read_openapi
from domain.remote_address import address_problem
from outbound import guarded_http
from outbound.names import NameLookup
from tests.adapters.test_documents import FASTAPI, PAGE
from tests.adapters.test_forged_addresses import ATTEMPTS, PAGES, looked_up
from tests.sites import Site, serving

__all__ = ["looked_up"]
PET = {"type": "object", "properties": {"name": {"type": "string"}}}


def document(*targets: str) -> dict[str, Any]:
    """A document with an endpoint for each of the references, which describe its body."""
    bodies = [{"content": {"application/json": {"schema": {"$ref": each}}}} for each in targets]
    paths = {f"/{place}": {"post": {"requestBody": body}} for place, body in enumerate(bodies)}
    return {"openapi": "3.1.0", "info": {"title": "t"}, "paths": paths}


def find(url: str, *, is_allowed: bool = True, allows_private: bool = True, seconds: float = 10) -> FoundDocument:
    finder = DocumentFinder(NameLookup(), allows_private=allows_private, max_seconds=seconds, allows_references=is_allowed)
    found = asyncio.run(finder.find(url))
    assert json.loads(json.dumps(finder.read(found.content))) == found.raw, "what is kept says all that was read"
    return found


def schemas(found: FoundDocument) -> list[Any]:
    """What the bodies' schemas are, as the kept text says it."""
    raw = json.loads(found.content)
    bodies = [item["post"]["requestBody"]["content"]["application/json"]["schema"] for item in raw["paths"].values()]
    return [resolve(raw, each) for each in bodies]


def refusal(site: Site, target: str, **options: Any) -> str:
    """Why a reference is not followed; the rest of the document is there."""
    site.pages["/o.json"] = json.dumps(document(target))
    found = find(site.address + "/o.json", **options)
    api = read_openapi(found.raw, found.url)
    assert [each.key for each in api.endpoints] == ["POST /0"]
    (problem,) = found.problems
    assert f"{target!r:.300}" in problem and any("is not followed: " in each for each in api.problems)
    return problem


def test_without_leave_nothing_more_is_asked_for() -> None:
    text = json.dumps(document("pet.json"))
    with serving({"/o.json": text, "/pet.json": json.dumps(PET)}) as site:
        found = find(site.address + "/o.json", is_allowed=False)
        assert site.asked == ["/o.json"] and found.content.decode() == text
    (problem,) = read_openapi(found.raw, found.url).problems
    assert "'pet.json' leads out of the document" in problem and "PLOG_TARGETS__ALLOW_REMOTE_REFERENCES" in problem


def test_json_and_yaml_of_other_sites_are_followed_from_one_to_the_next() -> None:
    with serving({}) as site, serving({}) as other:
        site.pages |= {
            "/v1/o.yaml": yaml.safe_dump(document("../s/pet.yaml", f"{other.address}/all.json#/a~1b/%C3%BC", "one.json#/x")),
            "/s/pet.yaml": yaml.safe_dump({**PET, "properties": {"owner": {"$ref": f"{other.address}/all.json#/owner"}}}),
            "/v1/one.json": (302, {"Location": "/moved/here.json"}, b""),
            "/moved/here.json": gzip.compress(json.dumps({"x": {"$ref": "beside.yaml"}}).encode()),
            "/moved/beside.yaml": "title: beside\n",
        }
        other.pages["/all.json"] = json.dumps({"a/b": {"ü": PET}, "owner": {"$ref": f"{site.address}/s/pet.yaml"}}).encode(
            "utf-16"
        )
        found = find(site.address + "/v1/o.yaml")
        assert sorted(site.asked) == ["/moved/beside.yaml", "/moved/here.json", "/s/pet.yaml", "/v1/o.yaml", "/v1/one.json"]
        assert other.asked == ["/all.json"]
    assert (found.problems, found.media_type, found.url) == ((), "application/json", site.address + "/v1/o.yaml")
    pet, direct, beside = schemas(found)
    assert (direct, beside) == (PET, {"title": "beside"})
    assert resolve(found.raw, pet["properties"]["owner"]) == pet


def test_a_document_without_such_references_is_kept_as_it_came() -> None:
    text = yaml.safe_dump({"openapi": "3.1.0", "info": {}, "paths": {"/a": {"get": {}}}})
    with serving({"/o.yaml": text}) as site:
        found = find(site.address + "/o.yaml")
    assert (found.content.decode(), found.media_type) == (text, "application/yaml")


def test_references_of_a_document_behind_a_page_are_relative_to_the_document() -> None:
    with serving({"/docs": PAGE.format(FASTAPI)}) as site:
        site.pages |= {"/openapi.json": (302, {"Location": "/api/o.json"}, b""), "/api/pet.json": json.dumps(PET)}
        site.pages["/api/o.json"] = json.dumps(document("pet.json", f"{site.address}/openapi.json#/info"))
        found = find(site.address + "/docs")
        assert site.asked == ["/docs", "/openapi.json", "/api/o.json", "/api/pet.json"]
    assert (found.strategy, schemas(found)) == ("Swagger UI", [PET, {"title": "t"}])


def test_a_document_within_a_page_may_lead_to_others_beside_the_page() -> None:
    inline = f"<script>var options = {{ swaggerDoc: {json.dumps(document('pet.json'))} }}</script>"
    with serving({"/ui/": PAGE.replace("{}", inline), "/ui/pet.json": json.dumps(PET)}) as site:
        assert schemas(find(site.address + "/ui/")) == [PET]


def test_path_items_and_parameters_of_swagger_2_are_followed() -> None:
    item = {"get": {"parameters": [{"$ref": "parameters.yaml#/limit"}]}}
    limit = {"limit": {"name": "limit", "in": "query", "type": "integer"}}
    with serving({"/paths/a.yaml": yaml.safe_dump(item), "/paths/parameters.yaml": yaml.safe_dump(limit)}) as site:
        site.pages["/s.json"] = json.dumps({"swagger": "2.0", "info": {}, "paths": {"/a": {"$ref": "paths/a.yaml"}}})
        found = find(site.address + "/s.json")
    (endpoint,) = read_openapi(found.raw, found.url).endpoints
    assert [(each.name, each.schema) for each in endpoint.parameters] == [("limit", {"type": "integer"})]


FAULTS: dict[str, tuple[Any, str, str]] = {
    # fault: what other.json is, the fragment, the reason
    "not found": (404, "", "/other.json answers 404 Not Found"),
    "a page": ("<!DOCTYPE html><p>a: b", "", "which is "),
    "no document": ("[1]", "", "which is no JSON or YAML object"),
    "no JSON": ("{", "", "which is no JSON"),
    "no text": (b"\xff\xfe\xff\xff\xff", "", "which is no text"),
    "too deep": ("[" * 300, "", "which is no JSON"),
    "too deep to be taken in": ('{"a":' * 253 + "{}" + "}" * 253, "", "nested too deeply"),
    "nowhere in it": (json.dumps(PET), "#/properties/age", "there '#/properties/age' leads nowhere"),
    "no path": (json.dumps(PET), "#age", "there '#age' is no path in the document"),
    "a bomb": (gzip.compress(b" " * (MAX_BYTES + 1)), "", f"which is larger than {MAX_BYTES} bytes when unpacked"),
    "a redirect without end": ((302, {"Location": "/other.json"}, b""), "", "redirects more than 5 times"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_can_not_be_had_is_named_and_the_rest_is_read(fault: str) -> None:
    page, fragment, reason = FAULTS[fault]
    with serving({"/other.json": page}) as site:
        assert reason in refusal(site, f"other.json{fragment}")


# A page is no document, whatever it names; what is private only is refused for the document already.
LEADING_AWAY = [name for name, (_, is_private, _) in ATTEMPTS.items() if is_private and not name.startswith(("page", "decomp"))]
# What is something else as a reference.
OTHERWISE = {"no scheme": "is a link-local or metadata address", "a newline": "is not a valid address"}


@pytest.mark.parametrize("attempt", LEADING_AWAY)
@pytest.mark.usefixtures("looked_up")
def test_references_lead_nowhere_where_addresses_must_not(attempt: str) -> None:
    address, _, reason = ATTEMPTS[attempt]
    with serving(dict(PAGES)) as site:
        assert OTHERWISE.get(attempt, reason) in refusal(site, address.format(site=site.address))
        assert set(site.asked) <= {"/o.json", *PAGES}


def test_private_references_of_a_public_document_are_refused_where_private_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The document comes from a name that is taken for public; where its reference leads is not."""
    with serving({}) as site:
        port = site.address.rpartition(":")[2]

        def judged(address: str, *, allows_private: bool) -> str | None:
            return None if address == "127.0.0.1" else address_problem(address, allows_private=allows_private)

        monkeypatch.setattr(guarded_http, "address_problem", judged)
        site.pages["/o.json"] = json.dumps(document("http://10.1.2.3/x.json", "/away", "http://[::1]/x.json"))
        site.pages["/away"] = (302, {"Location": "http://192.168.0.1/x.json"}, b"")
        found = find(f"http://127.0.0.1:{port}/o.json", allows_private=False)
    assert len(found.problems) == 3 and all("is a private address" in each for each in found.problems)


def test_a_name_that_changes_between_document_and_reference_is_checked_again(looked_up: list[str]) -> None:
    with serving({}) as site:
        port = site.address.rpartition(":")[2]
        site.pages["/o.json"] = json.dumps(document(f"http://changing.test:{port}/pet.json"))
        found = find(f"http://changing.test:{port}/o.json")
        assert site.asked == ["/o.json"] and len(looked_up) == 2
    assert "changing.test (169.254.169.254) is a link-local or metadata address" in found.problems[0]


def test_another_origin_learns_nothing_of_the_document() -> None:
    cookie = {"Set-Cookie": "session=secret; Path=/"}
    with serving({"/pet.json": json.dumps(PET)}) as other, serving({}) as site:
        text = json.dumps(document(f"{other.address}/pet.json"))
        site.pages |= {"/o.json": (302, {"Location": "/p.json", **cookie}, b""), "/p.json": (200, cookie, text)}
        find(site.address + "/o.json?key=secret")
    (asked,) = other.requests
    assert set(asked.headers) == {"host", "accept", "accept-encoding", "user-agent", "connection"}
    assert "secret" not in str(asked)


def test_the_number_of_documents_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_DOCUMENTS", 3)
    with serving({"*": lambda asked: json.dumps({"next": {"$ref": f"{asked.path}x"}})}) as site:
        site.pages["/o.json"] = json.dumps(document("/x"))
        found = find(site.address + "/o.json")
        assert site.asked == ["/o.json", "/x", "/xx", "/xxx"]
    (problem,) = found.problems
    assert "'/xxxx'" in problem and "more than 3 other documents" in problem


@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_document_does_not_say_itself_why_its_references_are_not_followed(is_allowed: bool) -> None:
    bundle = {"unfollowed": {"pet.json": "call us", "http://127.0.0.1/x": "call us"}, "documents": {"a": PET}}
    given = {**document("pet.json", "#/x-plog-bundle/documents/a"), "x-plog-bundle": bundle}
    with serving({"/o.json": json.dumps(given)}) as site:
        found = find(site.address + "/o.json", is_allowed=is_allowed)
    api = read_openapi(found.raw, found.url)
    assert b"call us" not in found.content and not any("call us" in each for each in (*found.problems, *api.problems))
    assert json.loads(found.content)["x-plog-bundle"]["documents"]["a"] == PET


@pytest.mark.timeout(60)
def test_a_flood_of_references_ends_with_the_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_DOCUMENTS", 1)
    with serving({"/0": "{}"}) as site:
        site.pages["/o.json"] = json.dumps({**document(), "x-all": [{"$ref": f"/{n}"} for n in range(100_000)][::-1]})
        found = find(site.address + "/o.json", seconds=50)
        assert site.asked == ["/o.json", "/0"] and len(found.problems) == MAX_PROBLEMS + 1
    assert found.problems[-1] == f"{99_999 - MAX_PROBLEMS} more problems are not listed."


@pytest.mark.parametrize("is_packed", [False, True])
def test_their_bytes_are_limited_together(monkeypatch: pytest.MonkeyPatch, is_packed: bool) -> None:
    monkeypatch.setattr(references, "MAX_BYTES", 5000)
    text = json.dumps({"a": "x" * 2000})
    with serving({"*": gzip.compress(text.encode()) if is_packed else text}) as site:
        site.pages["/o.json"] = json.dumps(document(*[f"{n}.json" for n in range(5)]))
        found = find(site.address + "/o.json")
        assert len(site.asked) == 6, "each of them may be small enough"
    assert len(found.problems) == 3 and all("more than 5000 bytes together" in each for each in found.problems)
    assert len(found.content) < 5000 + 1000


def test_one_that_is_too_large_takes_no_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_BYTES", 5000)
    with serving({"/pet.json": json.dumps(PET)}) as site, serving({"*": " " * 6000}) as large:
        targets = [f"{large.address}/{n}.json" for n in range(references.MAX_TOO_LARGE - 1)]
        site.pages["/o.json"] = json.dumps(document("pet.json", *targets))
        found = find(site.address + "/o.json")
        assert resolve(found.raw, found.raw["paths"]["/0"]["post"]["requestBody"]["content"]["application/json"]["schema"]) == PET
        assert len(found.problems) == len(large.asked) == len(targets)


def test_many_that_are_too_large_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_BYTES", 5000)
    with serving({"*": " " * 6000}) as site:
        site.pages["/o.json"] = json.dumps(document(*[f"{n}.json" for n in range(references.MAX_TOO_LARGE + 3)]))
        found = find(site.address + "/o.json")
        assert len(site.asked) == 1 + references.MAX_TOO_LARGE
    assert len(found.problems) == references.MAX_TOO_LARGE + 3


def test_a_site_that_is_silent_is_asked_once_and_takes_no_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, serving({"/z.json": json.dumps(PET)}) as site:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        site.pages |= {
            "/b.json": json.dumps({"$ref": f"{host}/late.json"}),
            "/o.json": json.dumps(document("z.json", "b.json", f"{host}/b.json", f"{host}/a.json")),
        }
        found = find(site.address + "/o.json")
        assert set(site.asked) == {"/o.json", "/b.json", "/z.json"}
        silent.accept()[0].close()
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert len(found.problems) == 3 and all("was not complete after 0.3 s" in each for each in found.problems)


@pytest.mark.usefixtures("looked_up")
def test_a_site_that_refuses_connections_is_asked_once_also_behind_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[str]()

    async def counted(url: str, *more: Any, **options: Any) -> Any:
        tried.append(url)
        return await guarded_http.fetch(url, *more, **options)

    monkeypatch.setattr(references, "fetch", counted)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with serving({"/away.json": (302, {"Location": f"{dead}/c.json"}, b""), "/pet.json": json.dumps(PET)}) as site:
        site.pages["/o.json"] = json.dumps(document(f"{dead}/b.json", f"{dead}/a.json", "pet.json", "away.json"))
        found = find(site.address + "/o.json")
        assert site.asked == ["/o.json", "/away.json", "/pet.json"]
        assert tried == [f"{site.address}/away.json", f"{site.address}/pet.json"]
    assert len(found.problems) == 3 and all("connection attempts failed" in each for each in found.problems)


def test_what_is_kept_holds_no_measured_figures() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, serving({}) as site:
        site.pages["/o.json"] = json.dumps(document(f"http://127.0.0.1:{silent.getsockname()[1]}/a.json"))
        first, second = (find(site.address + "/o.json", seconds=seconds) for seconds in (0.3, 0.4))
    assert first.content == second.content
    assert "was not complete after 0." in first.problems[0] and "was not complete after 0." in second.problems[0]


def test_the_problems_of_all_are_limited_and_the_rest_is_counted() -> None:
    twice = "{" + ",".join(f'"{n}": 1, "{n}": 2' for n in range(20)) + "}"
    with serving({"*": twice}) as site:
        site.pages["/o.json"] = json.dumps(document(*[f"{n}.json" for n in range(6)], *["no.json#/x"] * 2))
        problems = find(site.address + "/o.json").problems
    assert len(problems) == MAX_PROBLEMS + 1 and problems[-1] == "41 more problems are not listed."


def test_aliases_that_make_much_of_little_count_as_what_they_become(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_BYTES", 20_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 5)]
    with serving({"/other.yaml": "\n".join(lines)}) as site:
        assert "bytes together" in refusal(site, "other.yaml")


def test_references_that_make_a_document_large_are_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_BYTES", 30_000)
    with serving({"/p": "{}"}) as site:
        site.pages["/o.json"] = json.dumps({**document(), "x-all": [{"$ref": "p"}] * 1000})
        with pytest.raises(ValidationFailed, match="too large with all that its references"):
            find(site.address + "/o.json")


def test_their_time_is_that_of_the_document() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, serving({}) as site:
        port = silent.getsockname()[1]
        site.pages["/o.json"] = json.dumps(document(f"http://127.0.0.1:{port}/a.json", f"http://localhost:{port}/b.json"))
        found = find(site.address + "/o.json", seconds=0.5)
    assert "was not complete after 0." in found.problems[0] and "the time for an analysis is over" in found.problems[1]


def test_names_that_stand_twice_are_told_with_their_document() -> None:
    with serving({"/pet.json": '{"type": "object", "type": "string"}'}) as site:
        site.pages["/o.json"] = json.dumps(document("pet.json"))
        assert find(site.address + "/o.json").problems == (
            f"{site.address}/pet.json: 'type' stands more than once in one object, of which the last is read.",
        )

"""Targets through the API: added, analysed, analysed again, their endpoints searched."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import yaml

from domain.api_document import FoundDocument
from domain.artifact import document_location
from tests.api.hostile import fingerprint
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_project import ARCHIVE as ARCHIVE_PROJECT
from tests.api.test_project import create
from tests.endurance import Tell
from tests.sites import serving

DOCUMENT = "id name mediaType size sha256 ownerId attemptNumber analysisId inputIds actor createdAt downloadUrl"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Artifact {{ {DOCUMENT} }} }} }}"
ANALYSIS = """analysis { number analyzedAt actor url documentUrl strategy tried { url outcome } choices { name url } dialect title
  apiVersion description servers tags { name description } securitySchemes { name kind scheme location parameter discoveryUrl
  description flows { grant tokenUrl scopes } } problems endpointCount sha256 size
  drift { added removed changed serversAdded serversRemoved details { endpoint added removed changed } } }"""
PARTS = f"id number name url version createdAt updatedAt archivedAt project {{ id name }} {ANALYSIS}"
ANSWER = f"{{ __typename ... on TargetPayload {{ target {{ {PARTS} }} }} {ERROR} }}"
ADD = f"""mutation ($project: ID!, $input: TargetInput!, $key: String) {{
  targetAdd(projectId: $project, input: $input, idempotencyKey: $key) {ANSWER} }}"""
UPDATE = f"""mutation ($id: ID!, $input: TargetInput!, $expected: Int, $key: String) {{
  targetUpdate(id: $id, input: $input, expectedVersion: $expected, idempotencyKey: $key) {ANSWER} }}"""
ANALYZE = f"""mutation ($id: ID!, $expected: Int, $key: String) {{
  targetAnalyze(id: $id, expectedVersion: $expected, idempotencyKey: $key) {ANSWER} }}"""
ARCHIVE = f"mutation ($id: ID!, $key: String) {{ targetArchive(id: $id, idempotencyKey: $key) {ANSWER} }}"
LIST = f"""query ($filter: TargetFilter, $first: Int! = 50, $after: String) {{ targets(filter: $filter, first: $first,
  after: $after, orderBy: NAME, descending: false) {{ totalCount nodes {{ {PARTS} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
ENDPOINT = """__typename id method path operationId summary description tags isSafe isDeprecated security servers
  parameters { name location isRequired description schema examples style explode mediaType }
  bodies { mediaType isRequired schema examples } responses { status description mediaTypes }"""
ENDPOINTS = f"""query ($target: ID!, $filter: EndpointFilter, $first: Int! = 50, $after: String) {{
  endpoints(targetId: $target, filter: $filter, first: $first, after: $after) {{
    nodes {{ {ENDPOINT} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
ID: dict[str, Any] = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Größe", "version": "7", "description": "All."},
    "servers": [{"url": "/v1"}],
    "tags": [{"name": "pets", "description": "Furry"}],
    "paths": {
        "/pets/{id}": {
            "parameters": [ID],
            "get": {
                "summary": "Ein Haustier: ÄRGER",
                "tags": ["pets"],
                "parameters": [{**ID, "example": 2**70}],
                "responses": {"200": {"description": "It", "content": {"application/json": {}}}},
            },
            "delete": {"operationId": "removePet", "tags": ["pets"], "deprecated": True},
        },
        "/größe": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S"}}}}}},
    },
    "components": {
        "schemas": {"S": {"type": "object", "properties": {"s": {"$ref": "#/components/schemas/S"}}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "k"}},
    },
}


async def add(plog: Plog, url: str, name: str | None = None, project: dict[str, Any] | None = None) -> dict[str, Any]:
    project = project or await create(plog, members=[{"subject": "demo:bela"}])
    answer = await plog.answer(ADD, project=project["id"], input={"url": url, "name": name})
    assert answer["__typename"] == "TargetPayload", answer
    return dict(answer["target"])


async def keys(plog: Plog, target: dict[str, Any], **filters: Any) -> list[str]:
    nodes = (await plog.answer(ENDPOINTS, target=target["id"], filter=filters))["nodes"]
    return [f"{each['method']} {each['path']}" for each in nodes]


@BOTH_DATABASES
async def test_a_target_is_analysed_and_its_endpoints_are_found(plog: Plog) -> None:
    with serving({"/docs/openapi.json": json.dumps(API)}) as site:
        target = await add(plog, site.address + "/docs/")
        assert (target["name"], target["analysis"], target["version"]) == (site.address.removeprefix("http://"), None, 1)
        assert (await plog.answer(ENDPOINTS, target=target["id"]))["nodes"] == []
        analysed = (await plog.answer(ANALYZE, id=target["id"], expected=1))["target"]
    analysis = analysed["analysis"]
    assert (analysed["version"], analysis["number"], analysis["strategy"], analysis["actor"]) == (
        2,
        1,
        "well-known paths",
        "demo:ada",
    )
    assert [each["outcome"] for each in analysis["tried"]] == ["answers 404 Not Found", "answers 200 OK with the document"]
    assert (analysis["dialect"], analysis["title"], analysis["apiVersion"]) == ("OpenAPI 3.1.0", "Größe", "7")
    assert (analysis["servers"], analysis["problems"], analysis["endpointCount"]) == ([site.address + "/v1"], [], 3)
    assert analysis["securitySchemes"][0]["kind"] == "API_KEY" and analysis["tags"] == [{"name": "pets", "description": "Furry"}]
    assert not any(analysis["drift"].values())
    assert await plog.container.services.artifacts.size(document_location(analysis["sha256"])) == analysis["size"]
    read, *_ = (await plog.answer(ENDPOINTS, target=target["id"]))["nodes"]
    assert read["parameters"][0]["schema"] == {"type": "integer"} and read["parameters"][0]["location"] == "PATH"
    assert read["responses"] == [{"status": "200", "description": "It", "mediaTypes": ["application/json"]}]
    assert (
        await plog.answer(f"query ($id: ID!) {{ node(id: $id) {{ ... on Endpoint {{ {ENDPOINT} }} }} }}", id=read["id"]) == read
    )


@BOTH_DATABASES
async def test_the_document_of_an_analysis_is_an_artifact_of_its_target(plog: Plog) -> None:
    text, later = json.dumps(API), json.dumps({**API, "tags": []})
    with serving({"/o.json": text, "/o.yaml": yaml.safe_dump(API)}) as site:
        target = await add(plog, site.address + "/o.json")
        first, again = [await kept_document(plog, target) for _ in range(2)]
        other = await kept_document(plog, await add(plog, site.address + "/o.json", project=await create(plog, "other")))
        in_yaml = await kept_document(plog, await add(plog, site.address + "/o.yaml", project=await create(plog, "third")))
        site.pages["/o.json"] = later
        changed = await kept_document(plog, target)
    assert {**first, "downloadUrl": ""} == {**again, "downloadUrl": ""}
    assert (first["name"], first["mediaType"], first["ownerId"]) == ("target-1.json", "application/json", target["id"])
    assert first["sha256"] == other["sha256"] == hashlib.sha256(text.encode()).hexdigest() and first["id"] != other["id"]
    assert (first["actor"], first["attemptNumber"], first["analysisId"], first["inputIds"]) == ("demo:ada", None, None, [])
    assert (in_yaml["name"], in_yaml["mediaType"]) == ("target-3.yaml", "application/yaml")
    for document, content in ((first, text), (other, text), (changed, later), (in_yaml, yaml.safe_dump(API))):
        response = await plog.http.get(document["downloadUrl"])
        assert (response.status_code, response.text, len(response.content)) == (200, content, document["size"])
        node = await plog.answer(
            f"query ($id: ID!) {{ node(id: $id) {{ ... on Artifact {{ {DOCUMENT} }} }} }}", id=document["id"]
        )
        assert {**node, "downloadUrl": ""} == {**document, "downloadUrl": ""}


async def kept_document(plog: Plog, target: dict[str, Any]) -> dict[str, Any]:
    assert (await plog.answer(ANALYZE, id=target["id"]))["__typename"] == "TargetPayload"
    read = f"query ($id: ID!) {{ target(id: $id) {{ analysis {{ document {{ {DOCUMENT} }} }} }} }}"
    return dict((await plog.answer(read, id=target["id"]))["analysis"]["document"])


@BOTH_DATABASES
async def test_endpoints_are_searched_filtered_and_paged(plog: Plog) -> None:
    with serving({"/o.json": json.dumps(API)}) as site:
        target = await add(plog, site.address + "/o.json")
        await plog.answer(ANALYZE, id=target["id"])
    everything = ["GET /pets/{id}", "DELETE /pets/{id}", "POST /größe"]
    assert await keys(plog, target) == everything
    assert await keys(plog, target, search="ärger") == everything[:1]
    assert await keys(plog, target, search="GRÖSSE") == await keys(plog, target, search="größe") == everything[2:]
    assert await keys(plog, target, search="delete /p") == await keys(plog, target, search="removepet") == everything[1:2]
    assert await keys(plog, target, search="%") == []
    assert await keys(plog, target, tag="pets", methods=["GET", "POST"]) == everything[:1]
    assert await keys(plog, target, tag="pet") == []
    assert await keys(plog, target, isDeprecated=False) == [everything[0], everything[2]]
    first = await plog.answer(ENDPOINTS, target=target["id"], first=2)
    assert first["pageInfo"]["hasNextPage"]
    rest = await plog.answer(ENDPOINTS, target=target["id"], first=2, after=first["pageInfo"]["endCursor"])
    assert [each["path"] for each in rest["nodes"]] == ["/größe"] and not rest["pageInfo"]["hasNextPage"]


@BOTH_DATABASES
async def test_analysing_again_shows_what_drifted(plog: Plog, tell: Tell) -> None:
    changed = json.loads(json.dumps(API))
    del changed["paths"]["/größe"]
    changed["paths"]["/new"] = {"put": {}}
    changed["paths"]["/pets/{id}"]["get"]["parameters"][0] = {**ID, "schema": {"type": "string"}}
    with serving({"/o.json": json.dumps(API)}) as site:
        target = await add(plog, site.address + "/o.json")
        await plog.answer(ANALYZE, id=target["id"])
        site.pages["/o.json"] = json.dumps(changed)
        again = (await plog.answer(ANALYZE, id=target["id"], key="k"))["target"]
        drift = dict(again["analysis"]["drift"])
        (detail,) = drift.pop("details")
        expected = {"added": ["PUT /new"], "removed": ["POST /größe"], "changed": ["GET /pets/{id}"]}
        assert drift == {**expected, "serversAdded": [], "serversRemoved": []}
        assert detail == {"endpoint": "GET /pets/{id}", "added": [], "removed": [], "changed": ["path id"]}
        asked = len(site.asked)
        assert (await plog.answer(ANALYZE, id=target["id"], key="k"))["target"] == again
        assert len(site.asked) == asked, "a repeat fetches nothing"
    assert await keys(plog, target) == ["GET /pets/{id}", "DELETE /pets/{id}", "PUT /new"]
    found = ", ".join(f"{change} {endpoint}" for change, (endpoint,) in expected.items())
    analysis = again["analysis"]
    document = f"{analysis['strategy']}, again: {analysis['dialect']}, {analysis['title']!r}"
    tell(f"/o.json by {document}, {found} ({detail['changed'][0]})")


@BOTH_DATABASES
async def test_where_no_document_is_found_nothing_is_kept(plog: Plog) -> None:
    with serving({"/o.json": json.dumps(API), "/old": b'{"swagger": "1.2"}'}) as site:
        target = await add(plog, site.address + "/o.json")
        await plog.answer(ANALYZE, id=target["id"])
        for path, reason in (("/nothing", "answers 404"), ("/old", "'1.2'")):
            await plog.answer(UPDATE, id=target["id"], input={"url": site.address + path})
            before = await fingerprint(plog)
            refused = await plog.answer(ANALYZE, id=target["id"], key=path)
            assert refused["problems"][0]["field"] == "url" and reason in refused["message"]
            assert await fingerprint(plog) == before
    assert (await plog.answer(ANALYZE, id=target["id"], expected=1))["code"] == "VERSION_CONFLICT"
    assert len(await keys(plog, target)) == 3, "the last analysis stays"


@BOTH_DATABASES
async def test_targets_belong_to_projects(plog: Plog) -> None:
    shop, other = await create(plog, "shop"), await create(plog, "other")
    for name in ("b", "a"):
        await add(plog, "http://x.test", name, shop)
    elsewhere = await add(plog, "http://x.test", "a", other)
    taken = await plog.answer(ADD, project=shop["id"], input={"url": "http://x.test", "name": "a"})
    assert [each["field"] for each in taken["problems"]] == ["input.name"]
    page = await plog.answer(LIST, filter={"projectId": shop["id"]})
    assert [(each["name"], each["project"]["name"]) for each in page["nodes"]] == [("a", "shop"), ("b", "shop")]
    assert (await plog.answer(LIST, filter={"projectId": "nonsense"}))["totalCount"] == 0
    assert (await plog.answer(LIST))["totalCount"] == 3
    archived = (await plog.answer(ARCHIVE, id=elsewhere["id"]))["target"]
    assert archived["archivedAt"] and (await plog.answer(LIST))["totalCount"] == 2
    for query, given in ((ARCHIVE, {}), (ANALYZE, {}), (UPDATE, {"input": {"url": "http://y.test"}})):
        assert (await plog.answer(query, id=elsewhere["id"], **given))["code"] == "ILLEGAL_TRANSITION"


async def test_bad_addresses_change_nothing(plog: Plog) -> None:
    project = await create(plog)
    before = await fingerprint(plog)
    for url in (
        "",
        "ftp://x.test/a",
        "x.test",
        "http://",
        "http://u:p@x.test/",
        "http://[x/",
        "http://x:0/",
        "http://x:y/",
        "h" * 3000,
    ):
        answer = await plog.answer(ADD, project=project["id"], input={"url": url})
        assert [each["field"] for each in answer["problems"]] == ["input.url"], url
    assert (await plog.answer(ADD, project="nope", input={"url": "http://x.test"}))["code"] == "NOT_FOUND"
    assert await fingerprint(plog) == before


@BOTH_DATABASES
async def test_the_same_document_analysed_by_many_at_once_or_half_stored_before(plog: Plog) -> None:
    project = await create(plog)
    document = json.dumps({**API, "x-padding": "x" * 2_000_000}).encode()
    sha256 = hashlib.sha256(document).hexdigest()

    async def half() -> AsyncIterator[bytes]:
        yield document[:10]

    await plog.container.services.artifacts.append(document_location(sha256), 0, half())
    with serving({"*": document}) as site:
        targets = [await add(plog, f"{site.address}/{number}", f"t{number}", project) for number in range(6)]
        answers = await asyncio.gather(*(plog.answer(ANALYZE, id=target["id"]) for target in targets))
    assert [answer["target"]["analysis"]["sha256"] for answer in answers] == [sha256] * 6


async def test_where_the_address_is_changed_meanwhile_the_new_one_is_analysed(plog: Plog) -> None:
    finder = plog.container.services.documents
    with serving({"/old": json.dumps(API), "/new": json.dumps(API)}) as site:
        target = await add(plog, site.address + "/old")
        is_asked, may_answer = asyncio.Event(), asyncio.Event()

        async def slow(url: str) -> FoundDocument:
            is_asked.set()
            await may_answer.wait()
            return await finder.find(url)

        object.__setattr__(plog.container.services, "documents", SimpleNamespace(find=slow))
        analysis = asyncio.create_task(plog.answer(ANALYZE, id=target["id"]))
        one_version = asyncio.create_task(plog.answer(ANALYZE, id=target["id"], expected=1))
        await is_asked.wait()
        await plog.answer(UPDATE, id=target["id"], input={"url": site.address + "/new"})
        may_answer.set()
        assert (await one_version)["code"] == "VERSION_CONFLICT"
        assert (await analysis)["target"]["analysis"]["url"] == site.address + "/new"


@BOTH_DATABASES
async def test_pages_after_one_another_are_of_one_analysis(plog: Plog) -> None:
    paths: dict[str, Any] = {f"/p{number}": {"get": {}} for number in range(4)}
    with serving({"/o": json.dumps({**API, "paths": paths})}) as site:
        target = await add(plog, site.address + "/o")
        await plog.answer(ANALYZE, id=target["id"])
        first = await plog.answer(ENDPOINTS, target=target["id"], first=2)
        site.pages["/o"] = json.dumps({**API, "paths": {"/new": {"get": {}}, **paths}})
        await plog.answer(ANALYZE, id=target["id"])
    rest = await plog.answer(ENDPOINTS, target=target["id"], first=2, after=first["pageInfo"]["endCursor"])
    assert [each["path"] for each in (*first["nodes"], *rest["nodes"])] == ["/p0", "/p1", "/p2", "/p3"]


@BOTH_DATABASES
async def test_targets_of_an_archived_project_stay_as_they_are(plog: Plog) -> None:
    project = await create(plog)
    target = await add(plog, "http://x.test", "t", project)
    await plog.answer(ARCHIVE_PROJECT, id=project["id"])
    for query, given in ((ARCHIVE, {}), (ANALYZE, {}), (UPDATE, {"input": {"url": "http://y.test"}})):
        assert (await plog.answer(query, id=target["id"], **given))["code"] == "ILLEGAL_TRANSITION"
    added = await plog.answer(ADD, project=project["id"], input={"url": "http://x.test"})
    assert added["code"] == "ILLEGAL_TRANSITION"
    assert (await plog.answer(LIST))["nodes"] == [target]


@BOTH_DATABASES
async def test_analyses_at_the_same_time_come_one_after_another(plog: Plog) -> None:
    with serving({"/openapi.json": json.dumps(API)}) as site:
        target = await add(plog, site.address + "/openapi.json")
        answers = await asyncio.gather(*(plog.answer(ANALYZE, id=target["id"]) for _ in range(5)))
        assert [each["__typename"] for each in answers] == ["TargetPayload"] * 5, answers
        assert sorted(each["target"]["analysis"]["number"] for each in answers) == [1, 2, 3, 4, 5]
        answers = await asyncio.gather(*(plog.answer(ANALYZE, id=target["id"], expected=6) for _ in range(3)))
    assert sorted(each.get("code", "") for each in answers) == ["", "VERSION_CONFLICT", "VERSION_CONFLICT"]

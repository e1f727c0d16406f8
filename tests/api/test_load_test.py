"""Load tests through the API: defined, previewed, changed, made stale by what their target becomes."""

import json
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.test_project import ARCHIVE as ARCHIVE_PROJECT
from tests.api.test_project import create
from tests.api.test_target import ANALYZE, add
from tests.k6 import inspect
from tests.sites import serving

SCENARIO = """name requests { endpoint parameters { location name value } headers { name value } body mediaType expectedStatuses
  checks { kind text pointer value header milliseconds } extract { name source pointer key } }
  executor { kind options profile { second level } mostVus plannedIterations lastSecond } shortestThinkTime longestThinkTime
  percentile responseTime errorRate allowUnsafe"""
PARTS = f"""__typename id number title description server targetTps percentile responseTime errorRate seed fillOptional
  scenarios {{ {SCENARIO} }} owner version createdAt updatedAt archivedAt project {{ id }} target {{ id }}
  staleScenarios {{ name gone changed isServerGone details {{ endpoint added removed changed }} }}"""
ANSWER = f"{{ __typename ... on LoadTestPayload {{ loadTest {{ {PARTS} }} }} {ERROR} }}"
CREATE = f"""mutation ($target: ID!, $input: LoadTestInput!, $key: String) {{
  loadTestCreate(targetId: $target, input: $input, idempotencyKey: $key) {ANSWER} }}"""
UPDATE = f"""mutation ($id: ID!, $input: LoadTestInput!, $expected: Int, $key: String) {{
  loadTestUpdate(id: $id, input: $input, expectedVersion: $expected, idempotencyKey: $key) {ANSWER} }}"""
ARCHIVE = f"mutation ($id: ID!, $key: String) {{ loadTestArchive(id: $id, idempotencyKey: $key) {ANSWER} }}"
READ = f"query ($id: ID!) {{ loadTest(id: $id) {{ {PARTS} }} }}"
LIST = """query ($filter: LoadTestFilter, $first: Int! = 50, $after: String) { loadTests(filter: $filter, first: $first,
  after: $after, orderBy: NAME, descending: false) { totalCount nodes { title } pageInfo { hasNextPage endCursor } } }"""
PREVIEW = """query ($target: ID!, $input: LoadTestInput!) { loadTestPreview(targetId: $target, input: $input) {
  problems { field message } script server lastSecond mostVus remarks
  scenarios { expectedRequests scenario { name } requests { name url headers body } } } }"""
START = f"mutation ($id: ID!) {{ loadTestStart(id: $id) {{ __typename {ERROR} }} }}"
API: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "/v1"}],
    "paths": {
        "/pets": {
            "get": {
                "parameters": [
                    {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer", "minimum": 5, "maximum": 5}},
                    {"name": "tag", "in": "query", "schema": {"type": "string"}, "example": "größe & más"},
                    {"name": "X-Name", "in": "header", "schema": {"type": "string"}, "example": "Joe"},
                ]
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                }
            },
        },
        "/pets/{id}": {
            "get": {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}, "example": 7}]}
        },
        "/named": {"get": {"parameters": [{"name": "X-Name", "in": "header", "required": True, "example": "Jörg"}]}},
        "/never": {"get": {"parameters": [{"name": "n", "in": "query", "required": True, "schema": {"enum": []}}]}},
        "/elsewhere": {"servers": [{"url": "http://elsewhere.example"}], "get": {}},
    },
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "enum": ["Rex"]}, "tag": {"type": "string", "enum": ["dog"]}},
            }
        }
    },
}
CONSTANT = {"kind": "CONSTANT_VUS", "vus": 2, "duration": 10}
ARRIVAL = {"kind": "CONSTANT_ARRIVAL_RATE", "rate": 50, "duration": 20, "preAllocatedVUs": 5, "maxVUs": 10}


def scenario(*endpoints: str, name: str = "browse", **values: Any) -> dict[str, Any]:
    requests = [{"endpoint": each} for each in endpoints or ("GET /pets",)]
    return {"name": name, "requests": requests, "executor": CONSTANT, **values}


def load_test(*scenarios: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"title": "nightly", "scenarios": list(scenarios) or [scenario()], **values}


async def analysed(plog: Plog, api: dict[str, Any] = API, project: dict[str, Any] | None = None) -> dict[str, Any]:
    """A target whose document was read; it is gone by now."""
    with serving({"/openapi.json": json.dumps(api)}) as site:
        target = await add(plog, site.address + "/openapi.json", project=project)
        answer = await plog.answer(ANALYZE, id=target["id"])
        return dict(answer["target"])


async def created(plog: Plog, target: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    answer = await plog.answer(CREATE, target=target["id"], input=document)
    assert answer["__typename"] == "LoadTestPayload", answer
    return dict(answer["loadTest"])


@BOTH_DATABASES
async def test_a_load_test_is_defined_read_changed_and_archived(plog: Plog) -> None:
    target = await analysed(plog)
    paced = scenario(
        "POST /pets",
        "GET /pets/{id}",
        name="größe `${x}`",
        executor=ARRIVAL,
        allowUnsafe=True,
        thinkTime={"shortest": 1, "longest": 2.5},
        responseTime=250,
        percentile=99,
        errorRate=0.01,
    )
    paced["requests"][0] |= {"body": {"name": "Ada"}, "headers": [{"name": "X-A", "value": "b"}], "expectedStatuses": [201]}
    checks: list[dict[str, Any]] = [
        {"kind": "BODY_CONTAINS", "text": "größe"},
        {"kind": "JSON_EQUALS", "pointer": "/a~1b", "value": [None, {"x": 1}]},
        {"kind": "HEADER_EQUALS", "header": "X-A", "text": "b"},
        {"kind": "RESPONSE_TIME_BELOW", "milliseconds": 250},
    ]
    taken = [{"name": "pet", "source": "JSON", "pointer": "/id"}, {"name": "sid", "source": "COOKIE", "key": "sid"}]
    paced["requests"][0] |= {"checks": checks, "extract": taken}
    headers = [{"name": "X-Session", "value": "${sid}"}]
    paced["requests"][1] |= {"parameters": [{"location": "PATH", "name": "id", "value": "${pet}"}], "headers": headers}
    wanted = {"targetTps": 40, "percentile": 99, "responseTime": None, "errorRate": 0}
    made = await created(plog, target, load_test(scenario(), paced, description="All of it", seed=5, **wanted))
    assert (made["version"], made["owner"], made["target"]["id"]) == (1, "demo:ada", target["id"])
    assert {each: made[each] for each in wanted} == wanted
    assert made["server"] == target["analysis"]["servers"][0] and made["staleScenarios"] == []
    read = made["scenarios"][1]
    assert (read["name"], read["allowUnsafe"], read["responseTime"], read["percentile"]) == ("größe `${x}`", True, 250, 99)
    assert (read["shortestThinkTime"], read["longestThinkTime"], read["errorRate"]) == (1, 2.5, 0.01)
    assert read["requests"][0]["body"] == {"name": "Ada"} and read["requests"][0]["expectedStatuses"] == [201]
    assert read["requests"][1]["parameters"] == [{"location": "PATH", "name": "id", "value": "${pet}"}]
    nothing = dict.fromkeys(("text", "pointer", "value", "header", "milliseconds"))
    assert read["requests"][0]["checks"] == [nothing | each for each in checks]
    assert read["requests"][0]["extract"] == [{"pointer": "", "key": ""} | each for each in taken]
    assert read["executor"]["options"] == {**ARRIVAL, "timeUnit": 1, "startTime": 0, "gracefulStop": 30}
    assert read["executor"]["profile"] == [{"second": 0, "level": 50}, {"second": 20, "level": 50}]
    assert (read["executor"]["plannedIterations"], read["executor"]["mostVus"], read["executor"]["lastSecond"]) == (1001, 10, 50)
    assert await plog.answer(READ, id=made["id"]) == made
    changed = (await plog.answer(UPDATE, id=made["id"], input=load_test(title="weekly"), expected=1))["loadTest"]
    assert (changed["title"], changed["version"], len(changed["scenarios"]), changed["seed"]) == ("weekly", 2, 1, 1)
    conflict = await plog.answer(UPDATE, id=made["id"], input=load_test(), expected=1)
    assert conflict["code"] == "VERSION_CONFLICT"
    archived = (await plog.answer(ARCHIVE, id=made["id"]))["loadTest"]
    assert archived["archivedAt"] and (await plog.answer(LIST))["nodes"] == []
    assert (await plog.answer(UPDATE, id=made["id"], input=load_test()))["code"] == "ILLEGAL_TRANSITION"
    await created(plog, target, load_test(title="weekly"))


@BOTH_DATABASES
async def test_lists_are_filtered_sorted_and_paged(plog: Plog) -> None:
    projects = [await create(plog, f"project {number}") for number in range(2)]
    targets = [await analysed(plog, project=project) for project in projects]
    for title in ("b", "A", "ä", "ab"):
        await created(plog, targets[0], load_test(title=title))
    await created(plog, targets[1], load_test(title="b"))

    async def titles(first: int = 50, **filters: Any) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            page = await plog.answer(LIST, filter=filters, first=first, after=after)
            found += [each["title"] for each in page["nodes"]]
            assert page["totalCount"] >= len(found)
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    assert await titles(2) == ["A", "ab", "b", "b", "ä"] == await titles()
    assert await titles(projectId=projects[1]["id"]) == ["b"] == await titles(targetId=targets[1]["id"])
    assert await titles(1, projectId=projects[0]["id"], titlePrefix="a") == ["ab"]
    assert await titles(projectId=targets[0]["id"]) == [], "an id of another kind leads nowhere"
    assert (await plog.answer(CREATE, target=targets[0]["id"], input=load_test(title="b")))["problems"][0][
        "field"
    ] == "input.title"


WRONG: list[tuple[dict[str, Any], str]] = [
    (load_test(title=" "), "input.title"),
    (load_test(title="x" * 201), "input.title"),
    ({"title": "t"}, "input.scenarios"),
    (load_test(scenario(), scenario()), "input.scenarios.1.name"),
    (load_test(scenario(name="")), "input.scenarios.0.name"),
    (load_test(*[scenario(name=str(number)) for number in range(51)]), "input.scenarios"),
    (load_test({"name": "a", "executor": CONSTANT}), "input.scenarios.0.requests"),
    (load_test(scenario("GET /pet")), "input.scenarios.0.requests.0.endpoint"),
    (load_test(scenario("POST /pets")), "input.scenarios.0.requests.0.endpoint"),
    (load_test(scenario(executor={"duration": 5})), "input.scenarios.0.executor.kind"),
    (load_test(scenario(executor={**CONSTANT, "vus": 0})), "input.scenarios.0.executor.vus"),
    (load_test(scenario(executor={**CONSTANT, "vus": 1_000_000_000})), "input.scenarios.0.executor.vus"),
    (load_test(scenario(executor={**CONSTANT, "rate": 1})), "input.scenarios.0.executor.rate"),
    (load_test(*[scenario(name=each, executor={**CONSTANT, "vus": 501}) for each in "ab"]), "input.scenarios"),
    (load_test(*[scenario(name=each, executor={**ARRIVAL, "rate": 5001}) for each in "ab"]), "input.scenarios"),
    (
        load_test(scenario(executor={"kind": "RAMPING_VUS", "stages": [{"duration": -1, "target": 3}]})),
        "input.scenarios.0.executor.stages.0.duration",
    ),
    (load_test(scenario(thinkTime={"shortest": 2, "longest": 1})), "input.scenarios.0.thinkTime.longest"),
    (load_test(scenario(errorRate=1.5)), "input.scenarios.0.errorRate"),
    (load_test(scenario(responseTime=-1)), "input.scenarios.0.responseTime"),
    (load_test(targetTps=-1), "input.targetTps"),
    (load_test(errorRate=1.01), "input.errorRate"),
    (load_test(responseTime=-1), "input.responseTime"),
    (load_test(percentile=100.1), "input.percentile"),
    (load_test(seed=-1), "input.seed"),
    (load_test(server="http://elsewhere.test/v1"), "input.server"),
    (load_test(server="javascript:alert(1)"), "input.server"),
    (load_test(description="x\x00"), "input.description"),
]
REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"parameters": [{"location": "QUERY", "name": "none", "value": 1}]}, "parameters.0.name"),
    ({"parameters": [{"location": "QUERY", "name": "limit"}]}, "parameters.0.value"),
    ({"parameters": [{"location": "QUERY", "name": "tag", "value": "a"}] * 2}, "parameters.1.name"),
    ({"body": {"a": 1}}, "body"),
    ({"headers": [{"value": "x"}]}, "headers.0.name"),
    ({"headers": [{"name": "X", "value": "a\r\nb: c"}]}, "headers.0.value"),
    ({"headers": [{"name": "X", "value": "a"}, {"name": "Y Z", "value": "a"}]}, "headers.1.name"),
    ({"parameters": [{"location": "HEADER", "name": "X-Name", "value": "Jörg"}]}, "parameters.0.value"),
    ({"expectedStatuses": [99]}, "expectedStatuses.0"),
    ({"checks": [{"kind": "JSON_EXISTS", "pointer": "a"}]}, "checks.0.pointer"),
    ({"checks": [{"kind": "BODY_CONTAINS", "text": "a", "header": "b"}]}, "checks.0.header"),
    ({"extract": [{"name": "a b", "source": "HEADER", "key": "X"}]}, "extract.0.name"),
    ({"headers": [{"name": "X", "value": "${nobody}"}]}, "headers.0.value"),
    ({"parameters": [{"location": "QUERY", "name": "tag", "value": ["${"]}]}, "parameters.0.value.0"),
]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        *WRONG,
        *[
            (load_test(scenario(requests=[{"endpoint": "GET /pets", **each}])), f"input.scenarios.0.requests.0.{field}")
            for each, field in REQUESTS
        ],
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_kept(plog: Plog, document: dict[str, Any], field: str) -> None:
    target = await analysed(plog)
    answer = await plog.answer(CREATE, target=target["id"], input=document)
    assert answer["__typename"] == "ValidationFailed", answer
    assert [each["field"] for each in answer["problems"]] == [field], answer
    assert (await plog.answer(LIST))["totalCount"] == 0
    preview = await plog.answer(PREVIEW, target=target["id"], input=document)
    assert preview["problems"] == answer["problems"] and preview["script"] is None and preview["scenarios"] == []


async def test_what_runs_one_after_the_other_is_not_added_up(plog: Plog) -> None:
    many = {**CONSTANT, "vus": 1000, "gracefulStop": 0}
    both = load_test(scenario(name="a", executor=many), scenario(name="b", executor={**many, "startTime": 10}))
    await created(plog, await analysed(plog), both)


async def test_a_preview_names_what_is_put_in_while_it_runs(plog: Plog) -> None:
    first = {"endpoint": "GET /pets", "extract": [{"name": "pet", "source": "JSON", "pointer": "/0/id"}]}
    second = {"endpoint": "GET /pets/{id}", "parameters": [{"location": "PATH", "name": "id", "value": "${pet}"}]}
    target = await analysed(plog)
    preview = await plog.answer(PREVIEW, target=target["id"], input=load_test(scenario(requests=[first, second])))
    assert preview["problems"] == []
    assert preview["scenarios"][0]["requests"][1]["url"].endswith("/pets/${pet}")
    assert '"needs": [\n            "pet"\n          ]' in preview["script"]
    await inspect(preview["script"])


async def test_only_a_target_that_was_analysed_can_be_tested(plog: Plog) -> None:
    target = await add(plog, "http://nobody.test")
    answer = await plog.answer(CREATE, target=target["id"], input=load_test())
    assert [each["field"] for each in answer["problems"]] == ["input.scenarios"] and "not been analysed" in answer["message"]
    assert (await plog.answer(CREATE, target="none", input=load_test()))["code"] == "NOT_FOUND"
    assert await plog.answer(PREVIEW, target="none", input=load_test()) is None


async def test_nobody_is_put_under_load_because_a_document_says_so(plog: Plog) -> None:
    target = await analysed(plog, {**API, "servers": [{"url": "https://victim.example/v1"}]})
    answer = await plog.answer(CREATE, target=target["id"], input=load_test())
    assert [each["field"] for each in answer["problems"]] == ["input.server"] and "victim.example" in answer["message"]
    chosen = await created(plog, target, load_test(server="https://victim.example/v1"))
    assert chosen["server"] == "https://victim.example/v1", "a person may say so"
    preview = await plog.answer(PREVIEW, target=target["id"], input=load_test(scenario("GET /elsewhere"), server=target["url"]))
    assert [each["field"] for each in preview["problems"]] == ["input.scenarios.0.requests.0.endpoint"]


async def test_a_preview_is_the_script_that_k6_would_run(plog: Plog) -> None:
    target = await analysed(plog)
    document = load_test(
        scenario("GET /pets", "GET /pets/{id}", executor=ARRIVAL),
        scenario("POST /pets", name="</script>`${alert(1)}`\n*/", allowUnsafe=True),
        fillOptional=True,
    )
    preview = await plog.answer(PREVIEW, target=target["id"], input=document)
    assert (preview["problems"], preview["lastSecond"], preview["mostVus"]) == ([], 50, 12)
    assert [each.split(";")[0] for each in preview["remarks"]] == ["The load lasts at most 20 s"]
    first, second = preview["scenarios"]
    assert (first["expectedRequests"], second["expectedRequests"]) == (2002, None)
    server = target["analysis"]["servers"][0]
    assert [each["url"] for each in first["requests"]] == [
        f"{server}/pets?limit=5&tag=gr%C3%B6%C3%9Fe%20%26%20m%C3%A1s",
        f"{server}/pets/7",
    ]
    (posted,) = second["requests"]
    assert json.loads(posted["body"]) == {"name": "Rex", "tag": "dog"} and posted["headers"] == ["Content-Type: application/json"]
    options = await inspect(preview["script"])
    assert options["scenarios"]["s1"]["rate"] == 50 and options["totalDuration"] == "50s"
    assert preview == await plog.answer(PREVIEW, target=target["id"], input=document), "the same input gives the same bytes"
    required = await plog.answer(PREVIEW, target=target["id"], input={**document, "fillOptional": False})
    assert required["scenarios"][0]["requests"][0]["url"] == f"{server}/pets?limit=5"
    assert json.loads(required["scenarios"][1]["requests"][0]["body"]) == {"name": "Rex"}
    assert (await plog.answer(LIST))["totalCount"] == 0


async def test_a_preview_says_what_can_t_be_made(plog: Plog) -> None:
    target = await analysed(plog)
    document = load_test(scenario("GET /never"), scenario("GET /pets", name="b"))
    preview = await plog.answer(PREVIEW, target=target["id"], input=document)
    assert [each["field"] for each in preview["problems"]] == ["input.scenarios.0.requests.0.parameters.n"]
    preview = await plog.answer(PREVIEW, target=target["id"], input=load_test(scenario("GET /named")))
    assert [each["field"] for each in preview["problems"]] == ["input.scenarios.0.requests.0.parameters.X-Name"]
    given = scenario(requests=[{"endpoint": "GET /never", "parameters": [{"location": "QUERY", "name": "n", "value": [1, 2]}]}])
    preview = await plog.answer(PREVIEW, target=target["id"], input=load_test(given))
    assert preview["problems"] == [] and preview["scenarios"][0]["requests"][0]["url"].endswith("/never?n=1&n=2")


async def test_what_belongs_to_an_archived_project_stays_as_it_is(plog: Plog) -> None:
    target = await analysed(plog)
    made = await created(plog, target, load_test())
    await plog.answer(ARCHIVE_PROJECT, id=made["project"]["id"])
    assert (await plog.answer(CREATE, target=target["id"], input=load_test(title="b")))["code"] == "ILLEGAL_TRANSITION"
    assert (await plog.answer(UPDATE, id=made["id"], input=load_test(title="b")))["code"] == "ILLEGAL_TRANSITION"
    assert (await plog.answer(ARCHIVE, id=made["id"]))["code"] == "ILLEGAL_TRANSITION"


@BOTH_DATABASES
async def test_a_repeat_with_its_key_is_answered_from_memory(plog: Plog) -> None:
    target = await analysed(plog)
    made = (await plog.answer(CREATE, target=target["id"], input=load_test(), key="k"))["loadTest"]
    assert (await plog.answer(CREATE, target=target["id"], input=load_test(), key="k"))["loadTest"] == made
    assert (await plog.answer(CREATE, target=target["id"], input=load_test(seed=2), key="k"))["code"] == "IDEMPOTENCY_KEY_REUSED"

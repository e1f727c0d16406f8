"""What projects, targets and load tests were, what documents said, and what happened to runs: pages of each, oldest first."""

import json
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.test_load_test import ARCHIVE as ARCHIVE_LOAD_TEST
from tests.api.test_load_test import UPDATE as UPDATE_LOAD_TEST
from tests.api.test_load_test import analysed, created, load_test, scenario
from tests.api.test_load_test_report import START, STOP
from tests.api.test_project import ARCHIVE, UPDATE, create
from tests.api.test_statements import cost
from tests.api.test_target import ANALYZE, add
from tests.api.test_target import ARCHIVE as ARCHIVE_TARGET
from tests.api.test_target import UPDATE as UPDATE_TARGET
from tests.sites import serving
from tests.statements import statements

MADE = "version kind actor recordedAt"
FIELDS = {
    "project": f"""versions(first: $first, after: $after) {{ nodes {{ __typename {MADE} name description
      members {{ subject }} }} %s }}""",
    "target": f"versions(first: $first, after: $after) {{ nodes {{ __typename {MADE} name url analysisNumber }} %s }}",
    "loadTest": f"""versions(first: $first, after: $after) {{ nodes {{ __typename {MADE} title
      targetTps percentile responseTime errorRate
      scenarios {{ name requests {{ endpoint }} }} }} %s }}""",
    "loadTestRun": """events(first: $first, after: $after) { nodes {
      version fromStatus toStatus actor recordedAt message } %s }""",
}
ANALYSES = """analyses(first: $first, after: $after) { nodes {
  number sha256 title apiVersion endpointCount actor analyzedAt drift { added removed changed } } %s }"""
PAGE = "edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor }"


async def pages(plog: Plog, kind: str, id: str, field: str, first: int = 50) -> list[dict[str, Any]]:
    """All that a connection of a thing has, read in pages of that length."""
    query = f"query ($id: ID!, $first: Int!, $after: String) {{ {kind}(id: $id) {{ {field % PAGE} }} }}"
    found: list[dict[str, Any]] = []
    after = None
    while True:
        (page,) = (await plog.answer(query, id=id, first=first, after=after)).values()
        assert len(page["nodes"]) == len(page["edges"]) <= first
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def check_pages(plog: Plog, kind: str, id: str, field: str) -> list[dict[str, Any]]:
    """All of it, which is the same in pages of any length."""
    found = await pages(plog, kind, id, field)
    for first in (1, 2, len(found)):
        assert await pages(plog, kind, id, field, first) == found
    return found


@BOTH_DATABASES
async def test_a_project_shows_what_it_was(plog: Plog) -> None:
    project = await create(plog, "a", description="d", members=[{"subject": "demo:bela", "role": "OWNER"}])
    await create(plog, "another")
    await plog.answer(UPDATE, id=project["id"], input={"name": "größe"}, headers=plog.signed_in("bela"))
    await plog.answer(ARCHIVE, id=project["id"])
    found = await check_pages(plog, "project", project["id"], FIELDS["project"])
    assert [(each["version"], each["kind"], each["actor"]) for each in found] == [
        (1, "CREATED", "demo:ada"),
        (2, "CHANGED", "demo:bela"),
        (3, "ARCHIVED", "demo:ada"),
    ]
    said = [(each["name"], each["description"], len(each["members"])) for each in found]
    assert said == [("a", "d", 2), ("größe", "", 2), ("größe", "", 2)]
    assert found[0]["recordedAt"] == project["createdAt"] and {each["__typename"] for each in found} == {"ProjectVersion"}


@BOTH_DATABASES
async def test_a_target_shows_what_it_was_and_what_its_documents_said(plog: Plog) -> None:
    apis = [
        {
            "openapi": "3.0.0",
            "info": {"title": f"T{number}", "version": f"{number}"},
            "paths": {path: {"get": {}} for path in paths},
        }
        for number, paths in enumerate((["/a"], ["/a", "/b"], ["/b", "/c"]))
    ]
    target: dict[str, Any] = {}
    for api in apis:
        with serving({"/openapi.json": json.dumps(api)}) as site:
            if not target:
                target = await add(plog, site.address + "/openapi.json")
            else:
                await plog.answer(UPDATE_TARGET, id=target["id"], input={"url": site.address + "/openapi.json", "name": "n"})
            assert (await plog.answer(ANALYZE, id=target["id"]))["__typename"] == "TargetPayload"
    await plog.answer(ARCHIVE_TARGET, id=target["id"])
    found = await check_pages(plog, "target", target["id"], FIELDS["target"])
    assert [(each["kind"], each["analysisNumber"]) for each in found] == [
        ("CREATED", None),
        ("ANALYZED", 1),
        ("CHANGED", 1),
        ("ANALYZED", 2),
        ("CHANGED", 2),
        ("ANALYZED", 3),
        ("ARCHIVED", 3),
    ]
    assert found[0]["url"] == target["url"] and found[2]["name"] == "n"
    analyses = await check_pages(plog, "target", target["id"], ANALYSES)
    assert [(each["number"], each["title"], each["apiVersion"], each["endpointCount"]) for each in analyses] == [
        (1, "T0", "0", 1),
        (2, "T1", "1", 2),
        (3, "T2", "2", 2),
    ]
    assert [each["drift"] for each in analyses[1:]] == [
        {"added": ["GET /b"], "removed": [], "changed": []},
        {"added": ["GET /c"], "removed": ["GET /a"], "changed": []},
    ]
    assert len({each["sha256"] for each in analyses}) == 3
    assert [each["analyzedAt"] for each in analyses] == [each["recordedAt"] for each in found if each["kind"] == "ANALYZED"]


@BOTH_DATABASES
async def test_a_load_test_and_its_run_show_what_they_were(plog: Plog) -> None:
    made = await created(plog, await analysed(plog), load_test(targetTps=5, responseTime=300, percentile=90, errorRate=0.1))
    run = (await plog.answer(START, id=made["id"]))["run"]
    await plog.answer(STOP, plog.signed_in("bela"), id=run["id"])
    changed = load_test(scenario("GET /pets/{id}", name="one"), title="größe")
    await plog.answer(UPDATE_LOAD_TEST, plog.signed_in("bela"), id=made["id"], input=changed)
    await plog.answer(ARCHIVE_LOAD_TEST, id=made["id"])
    found = await check_pages(plog, "loadTest", made["id"], FIELDS["loadTest"])
    said = [
        (each["kind"], each["actor"], each["title"], each["targetTps"], each["scenarios"][0]["requests"][0]["endpoint"])
        for each in found
    ]
    assert said == [
        ("CREATED", "demo:ada", "nightly", 5, "GET /pets"),
        ("CHANGED", "demo:bela", "größe", None, "GET /pets/{id}"),
        ("ARCHIVED", "demo:ada", "größe", None, "GET /pets/{id}"),
    ]
    wanted = [(each["percentile"], each["responseTime"], each["errorRate"]) for each in found]
    assert wanted == [(90, 300, 0.1), (95, None, None), (95, None, None)]
    events = await check_pages(plog, "loadTestRun", run["id"], FIELDS["loadTestRun"])
    assert [(each["version"], each["fromStatus"], each["toStatus"], each["actor"], each["message"]) for each in events] == [
        (1, None, "QUEUED", "demo:ada", ""),
        (2, "QUEUED", "ABORTED", "demo:bela", "Stopped by demo:bela before its turn came."),
    ]


@BOTH_DATABASES
async def test_ten_histories_cost_as_many_statements_as_one(plog: Plog) -> None:
    target = await analysed(plog)
    for number in range(10):
        project = target["project"] if number == 0 else await create(plog, f"p{number}")
        of = target if number == 0 else await analysed(plog, project=project)
        made = await created(plog, of, load_test(title=f"t{number}"))
        await plog.answer(UPDATE_LOAD_TEST, id=made["id"], input=load_test(title=f"t{number}"))
        run = (await plog.answer(START, id=made["id"]))["run"]
        await plog.answer(STOP, id=run["id"])
    arguments = {"first": "1", "after": "null"}
    fields = {
        "projects": FIELDS["project"],
        "targets": FIELDS["target"] + " " + ANALYSES,
        "loadTests": FIELDS["loadTest"],
    }
    for kind, field in fields.items():
        asked = (field.replace("$first", arguments["first"]).replace("$after", "null")).replace("%s", "pageInfo { hasNextPage }")
        query = f"query ($count: Int!) {{ {kind}(first: $count) {{ nodes {{ {asked} }} }} }}"
        one, few = await cost(plog, query, count=1)
        ten, many = await cost(plog, query, count=10)
        assert (len(few[kind]["nodes"]), len(many[kind]["nodes"])) == (1, 10)
        assert all(each["versions"]["pageInfo"]["hasNextPage"] for each in many[kind]["nodes"] if kind != "projects")
        assert one == ten <= 4, kind
    query = """query ($count: Int!) { loadTestRuns(first: $count) { nodes {
      events(first: 1) { nodes { toStatus } pageInfo { hasNextPage } } } } }"""
    with statements(unseen=()) as seen:
        data = await plog.ask(query, count=10)
    assert len(data["loadTestRuns"]["nodes"]) == 10
    assert all(each["events"]["pageInfo"]["hasNextPage"] for each in data["loadTestRuns"]["nodes"])
    assert len([each for each in seen if "load_test_run_event" in each]) == 1


@pytest.mark.parametrize("given", [{"first": 0}, {"first": 101}, {"after": "x"}, {"after": "WyJydW4gZXZlbnQiLDFd"}])
async def test_places_that_are_none_are_refused(plog: Plog, given: dict[str, Any]) -> None:
    project = await create(plog)
    query = f"query ($id: ID!, $first: Int! = 50, $after: String) {{ project(id: $id) {{ {FIELDS['project'] % PAGE} }} }}"
    assert await plog.codes(query, id=project["id"], **given) == ["VALIDATION_FAILED"]

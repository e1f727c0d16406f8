"""Projects of load tests through the API: created, changed, archived, listed."""

import asyncio
from typing import Any

import pytest

from tests.api.hostile import NUL, SURROGATE, fingerprint, outcome
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog

PARTS = "id number name description owner members { subject role } viewerRole version createdAt updatedAt archivedAt"
CREATE = f"""mutation ($input: ProjectInput!, $key: String) {{ projectCreate(input: $input, idempotencyKey: $key) {{
  __typename ... on ProjectCreatePayload {{ project {{ {PARTS} }} }} {ERROR} }} }}"""
UPDATE = f"""mutation ($id: ID!, $input: ProjectInput!, $expected: Int, $key: String) {{
  projectUpdate(id: $id, input: $input, expectedVersion: $expected, idempotencyKey: $key) {{
    __typename ... on ProjectCommandPayload {{ project {{ {PARTS} }} }} {ERROR} }} }}"""
ARCHIVE = f"""mutation ($id: ID!, $expected: Int, $key: String) {{
  projectArchive(id: $id, expectedVersion: $expected, idempotencyKey: $key) {{
    __typename ... on ProjectCommandPayload {{ project {{ {PARTS} }} }} {ERROR} }} }}"""
LIST = f"""query ($filter: ProjectFilter, $order: NamedOrder! = NUMBER, $descending: Boolean! = true, $first: Int! = 50,
  $after: String) {{ projects(filter: $filter, orderBy: $order, descending: $descending, first: $first, after: $after) {{
    totalCount nodes {{ {PARTS} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
ONE = f"query ($id: ID!) {{ project(id: $id) {{ {PARTS} }} }}"


async def create(plog: Plog, name: str = "shop", **more: Any) -> dict[str, Any]:
    answer = await plog.answer(CREATE, input={"name": name, **more})
    assert answer["__typename"] == "ProjectCreatePayload", answer
    return dict(answer["project"])


@BOTH_DATABASES
async def test_a_project_is_created_changed_and_archived_and_all_of_it_is_on_record(plog: Plog) -> None:
    named = [{"subject": "demo:bela", "role": "OWNER"}, {"subject": "demo:ada", "role": "VIEWER"}]
    project = await create(plog, " Größe ", description="d", members=named)
    assert (project["name"], project["owner"], project["version"]) == ("Größe", "demo:ada", 1)
    assert project["members"] == [{"subject": "demo:ada", "role": "OWNER"}, named[0]], "its creator owns it, whatever was said"
    changed = await plog.answer(UPDATE, id=project["id"], input={"name": "尺寸"}, expected=1, headers=plog.signed_in("bela"))
    assert (changed["project"]["version"], changed["project"]["members"]) == (2, project["members"])
    stale = await plog.answer(UPDATE, id=project["id"], input={"name": "x"}, expected=1)
    assert (stale["code"], await plog.answer(ONE, id=project["id"])) == ("VERSION_CONFLICT", changed["project"])
    archived = (await plog.answer(ARCHIVE, id=project["id"]))["project"]
    assert archived["archivedAt"] == archived["updatedAt"] and archived["version"] == 3
    for query, given in ((ARCHIVE, {}), (UPDATE, {"input": {"name": "x"}})):
        assert (await plog.answer(query, id=project["id"], **given))["code"] == "ILLEGAL_TRANSITION"
    assert (await create(plog, "尺寸"))["id"] != project["id"], "an archived project's name is free"
    rows = (await fingerprint(plog))["project_version"]
    assert len(rows) == 4 and "demo:bela" in rows[1]


@BOTH_DATABASES
async def test_a_name_belongs_to_one_project(plog: Plog) -> None:
    first, second = await create(plog, "a"), await create(plog, "b")
    taken = await plog.answer(CREATE, input={"name": "a"})
    assert [problem["field"] for problem in taken["problems"]] == ["input.name"]
    assert (await plog.answer(UPDATE, id=second["id"], input={"name": "a"}))["code"] == "VALIDATION_FAILED"
    assert (await plog.answer(UPDATE, id=first["id"], input={"name": "a", "description": "new"}))["project"]["version"] == 2


@BOTH_DATABASES
async def test_twenty_at_once_lose_no_version_and_create_one_of_a_name(plog: Plog) -> None:
    answers = await asyncio.gather(*(plog.answer(CREATE, input={"name": "same"}) for _ in range(20)))
    assert sorted(answer["__typename"] for answer in answers) == ["ProjectCreatePayload", *["ValidationFailed"] * 19]
    (project,) = (await plog.answer(LIST))["nodes"]
    changes = [plog.answer(UPDATE, id=project["id"], input={"name": "same", "description": f"{n}"}) for n in range(20)]
    versions = [answer["project"]["version"] for answer in await asyncio.gather(*changes)]
    assert sorted(versions) == list(range(2, 22))


@BOTH_DATABASES
async def test_a_repeat_returns_the_first_result(plog: Plog) -> None:
    first = await plog.answer(CREATE, input={"name": "once"}, key="k")
    assert await plog.answer(CREATE, input={"name": "once"}, key="k") == first
    assert (await plog.answer(CREATE, input={"name": "other"}, key="k"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    id = first["project"]["id"]
    changed = await plog.answer(UPDATE, id=id, input={"name": "twice"}, key="u", expected=1)
    assert await plog.answer(UPDATE, id=id, input={"name": "twice"}, key="u", expected=1) == changed
    archived = await plog.answer(ARCHIVE, id=id, key="a")
    assert await plog.answer(ARCHIVE, id=id, key="a") == archived


@BOTH_DATABASES
async def test_lists_are_filtered_sorted_and_paged(plog: Plog) -> None:
    for name in ("b", "a1", "a%", "A2", "é"):
        await create(plog, name)
    assert [each["name"] for each in (await plog.answer(LIST))["nodes"]] == ["é", "A2", "a%", "a1", "b"]
    seen: list[str] = []
    after = None
    while True:
        page = await plog.answer(LIST, order="NAME", descending=False, first=2, after=after)
        assert page["totalCount"] == 5
        seen += [each["name"] for each in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen == ["A2", "a%", "a1", "b", "é"]
    assert [each["name"] for each in (await plog.answer(LIST, filter={"namePrefix": "a%"}))["nodes"]] == ["a%"]
    assert (await plog.answer(LIST, filter={"owner": "demo:bela"}))["totalCount"] == 0
    id = (await plog.answer(LIST, filter={"namePrefix": "b"}))["nodes"][0]["id"]
    await plog.answer(ARCHIVE, id=id)
    assert (await plog.answer(LIST))["totalCount"] == 4
    assert (await plog.answer(LIST, filter={"isArchived": True}))["totalCount"] == 1
    assert (await plog.answer(LIST, filter={"isArchived": None}))["totalCount"] == 5


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": " "},
        {"name": "x" * 201},
        {"name": NUL},
        {"name": SURROGATE},
        {"name": "x", "description": "d" * 10_001},
        {"name": "x", "members": [{"subject": f"m{number}"} for number in range(1001)]},
        {"name": "x", "members": [{"subject": ""}]},
        {"name": "x", "members": [{"subject": SURROGATE}]},
        {"name": "x", "members": [{"subject": "m"}, {"subject": "m", "role": "VIEWER"}]},
        {"name": "x", "members": [{"subject": "m" * 256}]},
    ],
    ids=lambda given: str(given)[:40].encode("ascii", "replace").decode(),
)
async def test_bad_input_changes_nothing(plog: Plog, given: dict[str, Any]) -> None:
    before = await fingerprint(plog)
    assert await outcome(plog, CREATE, {"input": given}) in ("VALIDATION_FAILED", "BAD_REQUEST")
    assert await fingerprint(plog) == before


async def test_versions_that_there_never_were(plog: Plog) -> None:
    project = await create(plog)
    for expected in (0, -1, 2, 2**31 - 1):
        assert (await plog.answer(ARCHIVE, id=project["id"], expected=expected))["code"] == "VALIDATION_FAILED"
    for id in ("", "x", project["id"] + "x"):
        assert (await plog.answer(ARCHIVE, id=id))["code"] == "NOT_FOUND"
        assert await plog.ask(ONE, id=id) == {"project": None}

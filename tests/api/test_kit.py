"""Kits through the API: created as they were sent, commanded, and found in lists."""

import asyncio
from typing import Any

from tests.api.in_process import BOTH_DATABASES, CREATE, KIT, Plog, table_document
from tests.waiting import eventually

KITS = """query ($filter: KitFilter, $order: KitOrder! = NUMBER, $descending: Boolean! = true,
                                $first: Int! = 50, $after: String) {
  kits(filter: $filter, orderBy: $order, descending: $descending, first: $first, after: $after) {
    totalCount nodes { number } edges { cursor node { number } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
READ = f"{KIT} query ($id: ID!) {{ kit(id: $id) {{ ...KitParts }} }}"
BY_NUMBER = f"{KIT} query ($number: Int!) {{ kitByNumber(number: $number) {{ ...KitParts }} }}"
NAMES = [
    "a",
    "  spaces  ",
    "日本語キット",
    "مجموعة",
    "\u202eabc\u202c",
    "👩‍🔬🧪",
    "e\u0301 é",
    "'; DROP TABLE kit; --",
    "<b>%_\\",
    "x" * 200,
]


async def kit_of(plog: Plog, kit: dict[str, Any]) -> dict[str, Any]:
    return await plog.answer(READ, id=kit["id"])


@BOTH_DATABASES
async def test_a_kit_is_read_as_it_was_created(plog: Plog) -> None:
    metadata = {"größe": [1, -0.5, 1e-300, None, True, {"": ""}], "n": 2**53, "text": "\u202e\U0010ffff \t"}
    kit = await plog.create("first", metadata=metadata)
    assert (kit["number"], kit["owner"], kit["productLine"], kit["status"]) == (1, "demo:ada", "LOGIC", "PENDING")
    assert kit["metadata"] == metadata
    assert [job["type"] for job in kit["jobs"]] == ["DECK_COLLECTION", "DOE", "ML", "OPTIMIZE"]
    assert [[task["name"] for task in job["tasks"]] for job in kit["jobs"]] == [
        ["fetch", "parse", "check"],
        ["design", "evaluate", "assemble"],
        ["preprocess", "scale", "train", "test"],
        ["search", "compare", "register"],
    ]
    assert kit["version"] == 1 + 4 + 13, "one event for the kit and for each job and task"
    ml = kit["definition"]["ml"]
    assert ml["algorithm"] == "GRADIENT_BOOSTING" and {"scaler", "missing", "outliers", "testShare"} <= set(ml), (
        "with all defaults"
    )
    assert kit["createdAt"] == kit["updatedAt"] == kit["statusChangedAt"]
    assert (kit["startedAt"], kit["endedAt"], kit["archivedAt"]) == (None, None, None)
    assert await kit_of(plog, kit) == kit == await plog.answer(BY_NUMBER, number=1)
    assert (await plog.ask(BY_NUMBER, number=2)) == {"kitByNumber": None}


@BOTH_DATABASES
async def test_names_survive_as_they_are(plog: Plog) -> None:
    for name in NAMES:
        kit = await plog.create(name)
        assert (await kit_of(plog, kit))["name"] == name
        prefix = name[: len(name) // 2 + 1]
        found = await plog.answer(KITS, filter={"namePrefix": prefix, "createdFrom": kit["createdAt"]})
        assert [node["number"] for node in found["nodes"]] == [kit["number"]], name


async def test_what_is_wrong_with_a_kit_is_said_field_by_field(plog: Plog) -> None:
    document = table_document(name="", productLine=None)
    document["definition"]["design"]["variables"][0]["low"] = 9
    document["definition"]["ml"] = {"algorithm": "RIDGE", "testShare": 2}
    answer = await plog.answer(CREATE, input=document)
    assert answer["__typename"] == "ValidationFailed" and answer["code"] == "VALIDATION_FAILED"
    fields = {problem["field"] for problem in answer["problems"]}
    assert {"name", "productLine", "definition.ml.testShare"} <= fields
    assert any(field.startswith("definition.design.variables.0") for field in fields), fields
    assert all(problem["message"] for problem in answer["problems"])
    assert (await plog.answer(KITS))["totalCount"] == 0


@BOTH_DATABASES
async def test_of_two_who_archive_and_start_at_once_one_is_refused(plog: Plog) -> None:
    kits = [await plog.create(f"kit {number}") for number in range(10)]
    commands = [plog.command(name, kit) for kit in kits for name in ("kitArchive", "kitStart")]
    answers = await asyncio.gather(*commands)
    for archived, started in zip(answers[::2], answers[1::2], strict=True):
        assert sorted([archived["__typename"], started["__typename"]]) == ["IllegalTransition", "KitCommandPayload"]


async def test_a_kit_is_created_started_cancelled_and_archived(plog: Plog) -> None:
    kit = await plog.create()
    started = (await plog.command("kitStart", kit))["kit"]
    assert (started["jobs"][0]["status"], started["status"]) == ("QUEUED", "RUNNING") and started["isStarted"]
    assert (await plog.command("kitArchive", kit))["__typename"] == "IllegalTransition"
    cancelled = (await plog.command("kitCancel", kit))["kit"]
    assert cancelled["jobs"][0]["cancelRequested"] or cancelled["status"] == "CANCELLED"

    async def is_over() -> bool:
        return bool((await kit_of(plog, kit))["endedAt"])

    await eventually(is_over)
    archived = (await plog.command("kitArchive", kit))["kit"]
    assert archived["archivedAt"] and archived["status"] == "CANCELLED"
    for name in ("kitStart", "kitCancel", "kitArchive"):
        refused = await plog.command(name, kit)
        assert refused["__typename"] == "IllegalTransition", (name, refused)
    assert (await plog.answer(KITS))["nodes"] == []
    assert (await plog.answer(KITS, filter={"isArchived": True}))["nodes"] == [{"number": 1}]
    assert (await plog.answer(KITS, filter={"isArchived": None}))["totalCount"] == 1


@BOTH_DATABASES
async def test_lists_are_filtered_sorted_and_paged(plog: Plog) -> None:
    names = ["b", "a", "B", "a%", "a_", "é", "ab", "a"]
    kits = [await plog.create(name, productLine="DRAM" if name == "b" else "LOGIC") for name in names]
    await plog.command("kitStart", kits[2])

    async def numbers(**variables: Any) -> list[int]:
        found: list[int] = []
        after = None
        while True:
            page = await plog.answer(KITS, first=3, after=after, **variables)
            assert [edge["node"] for edge in page["edges"]] == page["nodes"]
            assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
            found += [node["number"] for node in page["nodes"]]
            if not page["pageInfo"]["hasNextPage"]:
                assert page["totalCount"] == len(found)
                return found
            after = page["pageInfo"]["endCursor"]

    assert await numbers() == list(range(8, 0, -1))
    assert await numbers(descending=False) == list(range(1, 9))
    by_name = await numbers(order="NAME", descending=False)
    assert by_name == [n for _, n in sorted((name, number) for number, name in enumerate(names, 1))]
    assert await numbers(order="NAME") == by_name[::-1]
    assert (await numbers(order="STATUS_CHANGED_AT"))[0] == 3
    assert await numbers(filter={"namePrefix": "a%"}) == [4]
    assert await numbers(filter={"namePrefix": "a_"}) == [5]
    assert await numbers(filter={"namePrefix": "a"}) == [8, 7, 5, 4, 2]
    assert await numbers(filter={"productLine": "DRAM"}) == [1]
    assert await numbers(filter={"status": ["RUNNING"]}) == [3]
    assert await numbers(filter={"status": ["RUNNING", "PENDING"], "namePrefix": "B"}) == [3]
    assert await numbers(filter={"owner": "nobody"}) == [] and len(await numbers(filter={"owner": "demo:ada"})) == 8
    at = kits[4]["createdAt"]
    assert await numbers(filter={"createdFrom": at}) == [8, 7, 6, 5] and await numbers(filter={"createdTo": at}) == [4, 3, 2, 1]

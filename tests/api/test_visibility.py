"""What lies outside a person's product lines does not exist for them: not in lists, counts, ids, errors, streams or downloads."""

from typing import Any

import pytest

from app.client import ServerRefused
from tests.api.in_process import BOTH_DATABASES, Plog, job_command, kit_command
from tests.api.permissions import granted
from tests.api.test_artifact import with_artifact
from tests.api.test_kit_subscription import LIST, LOG, STATE, watching

NODES = """query ($number: Int!) { kitByNumber(number: $number) { id deckIds: jobs { deckRequest { id } }
  events(first: 5) { nodes { id } }
  jobs { id attempts { nodes { id } } tasks { id } } } }"""
FIND = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
LISTS = """query ($kit: ID) { kits { totalCount nodes { id } } jobs(filter: {kitId: $kit}) { nodes { id } } }"""
MISSING = "S2l0OjIwMDAwMDAwMDA"  # Kit:2000000000


def ids_in(value: Any) -> list[str]:
    """All ids in an answer."""
    if isinstance(value, list):
        return [found for each in value for found in ids_in(each)]
    if isinstance(value, dict):
        return [found for name, each in value.items() for found in ([each] if name == "id" and each else ids_in(each))]
    return []


@BOTH_DATABASES
async def test_nothing_of_a_foreign_product_line_is_there(plog: Plog) -> None:
    kit = await plog.create("dram", productLine="DRAM")
    await plog.command("kitStart", kit)
    await granted(plog, "LOGIC_GENERAL")
    dana, own = plog.signed_in("dana"), await plog.create("logic", user="dana")
    found = ids_in(await plog.ask(NODES, number=kit["number"]))
    assert len(found) > 20 and all(await plog.answer(FIND, ids=found)), "Ada sees all of it"
    assert await plog.ask(FIND, dana, ids=found) == {"nodes": [None] * len(found)}
    assert await plog.ask(NODES, dana, number=kit["number"]) == {"kitByNumber": None}
    lists = await plog.ask(LISTS, dana, kit=kit["id"])
    assert lists == {"kits": {"totalCount": 1, "nodes": [{"id": own["id"]}]}, "jobs": {"nodes": []}}
    past = "query ($id: ID!, $at: DateTime) { kit(id: $id, asOf: $at) { __typename } }"
    assert await plog.ask(past, dana, id=kit["id"]) == await plog.ask(past, dana, id=kit["id"], at=kit["createdAt"])


@BOTH_DATABASES
async def test_a_command_says_the_same_of_what_is_foreign_and_of_what_is_not_there(plog: Plog) -> None:
    kit = await plog.create("dram", productLine="DRAM")
    await granted(plog, "LOGIC_GENERAL")
    dana = plog.signed_in("dana")
    for name in ("kitStart", "kitCancel", "kitArchive"):
        answers = [await plog.answer(kit_command(name), dana, id=each) for each in (kit["id"], MISSING)]
        assert answers[0]["__typename"] == answers[1]["__typename"] == "NotFound"
        said = [
            each["message"].replace(number, "N") for each, number in zip(answers, (str(kit["number"]), "2000000000"), strict=True)
        ]
        assert said[0] == said[1], "but for the number that was asked for"
        key = await plog.answer(kit_command(name), dana, id=kit["id"], key="k", expected=1)
        assert key["__typename"] == "NotFound"
    for name in ("jobStart", "jobRetry", "jobCancel"):
        assert (await plog.answer(job_command(name), dana, id=kit["jobs"][0]["id"]))["__typename"] == "NotFound"
    now = await plog.answer("query ($id: ID!) { kit(id: $id) { ... on Kit { version } } }", id=kit["id"])
    assert now["version"] == kit["version"]


async def test_a_foreign_kit_can_not_be_watched(plog: Plog) -> None:
    kit = await plog.run()
    for document, variables in ((STATE, {"id": kit["id"]}), (LOG, {"id": kit["jobs"][0]["id"]})):
        async with watching(plog, document, "dana", **variables) as frames:
            with pytest.raises(ServerRefused, match="exists"):
                await frames.next()
    async with watching(plog, LIST, "dana") as frames:
        assert (await frames.next())["order"] == []


async def test_a_foreign_artifact_is_not_there(plog: Plog) -> None:
    artifact = await with_artifact(plog)
    await granted(plog, "DRAM_GENERAL")
    found = await plog.ask(FIND, plog.signed_in("dana"), ids=[artifact["id"]])
    assert found == {"nodes": [None]}


async def test_results_are_not_shared_between_people_who_see_different_things(plog: Plog) -> None:
    """Both subscribe in the same words; one of them has no right to see anything."""
    kit = await plog.create()
    async with watching(plog, LIST, "ada") as ada, watching(plog, LIST, "dana") as dana:
        assert (await ada.next())["order"] == [kit["id"]] and (await dana.next())["order"] == []
        await plog.create("another")
        assert len((await ada.next())["order"]) == 2
    assert (await plog.ask(LISTS, plog.signed_in("dana")))["kits"]["totalCount"] == 0

"""Anything that has an id is found again by it, and by nothing else."""

import base64
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.artifact import AttemptArtifact
from domain.attempt import AttemptKey
from gql import ids
from tests.api.in_process import BOTH_DATABASES, UNSIGNED, Plog

EVERYTHING = """query ($number: Int!) { kitByNumber(number: $number) { __typename id
  events(first: 1) { nodes { __typename id } }
  jobs { __typename id kit { id } attempt { __typename id } attempts { nodes { __typename id } }
         artifacts { __typename id inputIds ownerId } deckRequest { __typename id jobId } tasks { __typename id } } }
  stepTemplates { __typename id } }"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
WHOLE = """query ($id: ID!) { node(id: $id) { __typename id
  ... on Kit { number name status jobs { id } } ... on Job { uuid type tasks { id } kit { number } }
  ... on Task { name order status } ... on KitEvent { version kind }
  ... on Attempt { number status } ... on Artifact { name sha256 downloadUrl }
  ... on DeckRequest { requestId jobId status } ... on StepTemplate { name steps { jobType tasks } } } }"""
KINDS = {"Kit", "Job", "Task", "KitEvent", "Attempt", "Artifact", "DeckRequest", "StepTemplate"}


async def furnished(plog: Plog) -> dict[str, Any]:
    """A kit with something of every kind."""
    kit = await plog.run()
    key = AttemptKey(UUID(kit["jobs"][0]["uuid"]), 1)
    async with plog.container.services.database.transaction() as work:
        at = await work.kits.now()
        shared = {"kit_id": kit["number"], "attempt": key, "media_type": "text/plain", "sha256": "ab" * 32, "size": 3}
        first = AttemptArtifact(id=uuid4(), name="first", inputs=(), created_at=at, **shared)
        await work.artifacts.add([first, AttemptArtifact(id=uuid4(), name="second", inputs=(first.id,), created_at=at, **shared)])
    return kit


def found_in(value: Any) -> dict[str, str]:
    """The ids in an answer with the kinds of their things."""
    nested = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    found = {key: kind for each in nested for key, kind in found_in(each).items()}
    return {**found, value["id"]: value["__typename"]} if isinstance(value, dict) and "__typename" in value else found


@BOTH_DATABASES
async def test_everything_with_an_id_is_found_again(plog: Plog) -> None:
    kit = await furnished(plog)
    answer = await plog.ask(EVERYTHING, number=kit["number"])
    known = found_in(answer)
    assert set(known.values()) == KINDS
    for id, kind in known.items():
        node = await plog.answer(WHOLE, id=id)
        assert (node["__typename"], node["id"]) == (kind, id)
        assert all(value is not None for value in node.values())
    chosen = [*list(known)[:50], *list(known)[:3]]
    nodes = (await plog.ask(NODES, ids=chosen))["nodes"]
    assert [(node["id"], node["__typename"]) for node in nodes] == [(id, known[id]) for id in chosen]
    jobs = answer["kitByNumber"]["jobs"]
    assert {job["kit"]["id"] for job in jobs} == {answer["kitByNumber"]["id"]}
    assert jobs[0]["deckRequest"]["jobId"] == jobs[0]["id"] and jobs[1]["deckRequest"] is None
    first, second = jobs[0]["artifacts"]
    assert (first["inputIds"], second["inputIds"]) == ([], [first["id"]])
    assert known[first["ownerId"]] == "Attempt" and first["ownerId"] == jobs[0]["attempt"]["id"]


@BOTH_DATABASES
async def test_what_does_not_exist_is_null(plog: Plog) -> None:
    kit = await furnished(plog)
    job = kit["jobs"][0]["uuid"]
    strange = [
        ids.encode("Kit", 0),
        ids.encode("Kit", kit["number"] + 1),
        ids.encode("Kit", 2**31 - 1),
        ids.encode("Kit", -1),
        ids.encode("Job", uuid4()),
        ids.encode("Job", "x"),
        ids.encode("Job", job, 1),
        ids.encode("Task", job, 0),
        ids.encode("Task", job, 99),
        ids.encode("Task", job),
        ids.encode("Task", uuid4(), 1),
        ids.encode("KitEvent", kit["number"], 0),
        ids.encode("KitEvent", kit["number"], 2**31 - 1),
        ids.encode("KitEvent", kit["number"] + 1, 1),
        ids.encode("KitEvent", 1),
        ids.encode("Attempt", job, 0),
        ids.encode("Attempt", job, 2),
        ids.encode("Attempt", job, 2**31 - 1),
        ids.encode("Artifact", uuid4()),
        ids.encode("Artifact", job),
        ids.encode("DeckRequest", 99),
        ids.encode("DeckRequest", 0),
        ids.encode("StepTemplate", "nope"),
        ids.encode("Project", 99),
        ids.encode("Target", 99),
        ids.encode("Endpoint", 1, 1, 1),
        ids.encode("Endpoint", 1, 1, 0),
        ids.encode("Endpoint", 1, 1),
        ids.encode("Query", 1),
        ids.encode("Viewer", "demo:ada"),
        "",
        "nonsense",
        "S2l0OjE=",
        "*",
        "é",
        base64.b64encode(b"Kit:1\n").decode(),
        "a" * 10_000,
    ]
    for id in strange:
        assert await plog.ask(NODE, id=id) == {"node": None}, id
    assert (await plog.ask(NODES, ids=strange))["nodes"] == [None] * len(strange)


async def test_at_most_a_hundred_at_once(plog: Plog) -> None:
    kit = await plog.create()
    nodes = (await plog.ask(NODES, ids=[kit["id"]] * 100))["nodes"]
    assert [node["id"] for node in nodes] == [kit["id"]] * 100
    assert (await plog.ask(NODES, ids=[]))["nodes"] == []
    assert await plog.codes(NODES, ids=[kit["id"]] * 101) == ["VALIDATION_FAILED"]


async def test_the_viewer(plog: Plog) -> None:
    query = "{ viewer { subject name groups expiresAt } }"
    viewer = await plog.answer(query)
    assert (viewer["subject"], viewer["groups"]) == ("demo:ada", ["logic-engineers"])
    assert (await plog.post(query, headers=UNSIGNED)).status_code == 401


async def test_step_templates_say_what_runs(plog: Plog) -> None:
    templates = (
        await plog.ask(
            "{ stepTemplates { name description steps { jobType tasks timeLimitSeconds memoryLimitMb cpuLimitCores } } }"
        )
    )["stepTemplates"]
    (builtin,) = templates
    assert builtin["name"] == "builtin" and builtin["description"]
    assert {step["jobType"]: step["tasks"] for step in builtin["steps"]} == {
        "DECK_COLLECTION": ["fetch", "parse", "check"],
        "DOE": ["design", "evaluate", "assemble"],
        "ML": ["preprocess", "scale", "train", "test"],
        "OPTIMIZE": ["search", "compare", "register"],
    }


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_ids_are_opaque_and_read_back(kind: str) -> None:
    key = {"Kit": (7,), "DeckRequest": (7,), "KitEvent": (7, 8), "StepTemplate": ("é b",)}.get(kind, (UUID(int=5),))
    key = (*key, 3) if kind in ("Task", "Attempt") else key
    text = ids.encode(kind, *key)
    assert ids.decode(text) == (kind, [str(part) for part in key])
    assert kind not in text and set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

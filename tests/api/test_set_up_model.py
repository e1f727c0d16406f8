"""Set-up models: made of what a job has registered, seen in their product line, used by those who may."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from domain.model_source import InspectedModel
from persistence.repositories.artifact import ArtifactRepository
from persistence.repositories.audit_entry import AuditRepository
from persistence.repositories.idempotency_key import IdempotencyKeyRepository
from persistence.repositories.model_version import ModelVersionRepository
from persistence.repositories.set_up_model import SetUpModelRepository
from tests.api.hostile import fingerprint
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.models import COPY, MODELS, ONE, a_model, card, copy, forbidden, model_of, optimized, set_up, trained
from tests.api.permissions import AUDIT, granted, revoke
from tests.api.test_model_version import ADD
from tests.models_here import InspectorHere

pytestmark = [BOTH_DATABASES, pytest.mark.usefixtures("models_here")]
ATTRIBUTES = {"node": "N3", "corner": 2, "isGolden": True, "threshold": 0.5, "from": "2026-01-31"}
OF_TWO = {"responses": {name: {"tuned": {"r2": 0.9}} for name in ("delay", "power")}}


async def models_of(plog: Plog, user: str = "ada", **filter: Any) -> list[dict[str, Any]]:
    return list((await plog.answer(MODELS, plog.signed_in(user), filter=filter))["nodes"])


async def test_what_a_job_has_registered_becomes_a_model_in_use(plog: Plog) -> None:
    kit = await optimized(plog)
    answer = await set_up(plog, kit, attributes=ATTRIBUTES, description="For signoff", key="k")
    model = answer["setUpModel"]
    assert (model["name"], model["productLine"], model["owner"], model["version"]) == ("delay", "LOGIC", "demo:ada", 1)
    assert model["attributes"] == ATTRIBUTES and model["description"] == "For signoff" and model["sourceModel"] is None
    version = model["activeVersion"]
    assert (version["number"], version["state"], version["origin"]) == (1, "ACTIVE", "JOB")
    assert (version["jobId"], version["attemptNumber"]) == (kit["jobs"][3]["id"], 1)
    assert [(each["name"], each["kind"], each["high"]) for each in version["features"]] == [
        ("w", "NUMBER", 1.0),
        ("l", "NUMBER", 1.0),
        ("c", "CATEGORY", None),
    ]
    assert version["targets"] == ["delay"] and version["metrics"] == {"delay": {"r2": 0.9, "rmse": 1.0}}
    assert version["frameworks"]["scikit-learn"] == "1.9"
    seen = await model_of(plog, model)
    (file,) = [each["artifact"] for each in seen["versions"]["nodes"]]
    assert (file["sha256"], file["size"]) == (hashlib.sha256(trained()).hexdigest(), len(trained()))
    assert [each["version"] for each in seen["activations"]["nodes"]] == [1]
    assert [(each["version"], each["kind"]) for each in seen["revisions"]["nodes"]] == [(1, "CREATED")]
    again = await set_up(plog, kit, attributes=ATTRIBUTES, description="For signoff", key="k")
    assert again["setUpModel"]["id"] == model["id"] and len(await models_of(plog)) == 1
    entries = (await plog.answer(AUDIT, filter={"actions": ["MODEL_CREATED"]}))["nodes"]
    assert [(each["actor"], each["person"], each["kind"]) for each in entries] == [("demo:ada", "demo:ada", None)]


async def test_its_name_is_single_in_its_product_line_and_free_once_it_is_archived(plog: Plog) -> None:
    kit = await optimized(plog)
    model = (await set_up(plog, kit))["setUpModel"]
    taken = await set_up(plog, kit)
    assert [each["field"] for each in taken["problems"]] == ["input.name"] and len(await models_of(plog)) == 1
    archive = """mutation ($id: ID!, $expected: Int) { setUpModelArchive(id: $id, expectedVersion: $expected) {
      __typename ... on SetUpModelPayload { setUpModel { archivedAt } } ... on UserError { code } } }"""
    assert (await plog.answer(archive, id=model["id"], expected=7))["code"] == "VALIDATION_FAILED"
    assert (await plog.answer(archive, id=model["id"], expected=1))["setUpModel"]["archivedAt"] is not None
    assert (await plog.answer(archive, id=model["id"]))["code"] == "ILLEGAL_TRANSITION"
    assert (await set_up(plog, kit))["__typename"] == "SetUpModelCreatePayload"
    assert [len(await models_of(plog, isArchived=each)) for each in (False, True, None)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["input.name"]),
        ({"name": "x" * 201}, ["input.name"]),
        ({"attributes": {"1a": 1}}, ["input.attributes.1a"]),
        ({"attributes": {"a": [1], "b": {}}}, ["input.attributes.a", "input.attributes.b"]),
        ({"attributes": {"a": 2**63}}, ["input.attributes.a"]),
        ({"attributes": {"a": "x" * 2001}}, ["input.attributes.a"]),
        ({"attributes": {f"a{number}": 1 for number in range(101)}}, ["input.attributes"]),
        ({"attributes": ["a"]}, ["input.attributes"]),
        ({"source": {}}, ["input.source"]),
    ],
)
async def test_what_can_not_be_a_model_is_refused_field_by_field(plog: Plog, given: dict[str, Any], fields: list[str]) -> None:
    answer = await set_up(plog, {"jobs": [{"id": "Sm9iOng"}] * 4}, **given) if "source" in given else None
    answer = answer or await set_up(plog, await optimized(plog), **given)
    assert answer["__typename"] == "ValidationFailed", answer
    assert [each["field"] for each in answer["problems"]] == fields and await models_of(plog) == []


async def test_a_job_that_has_left_no_model_is_refused(plog: Plog) -> None:
    content = trained()
    bad: list[dict[str, bytes]] = [
        {},
        {"model_card.json": b"{"},
        {"model_card.json": b"[1]"},
        {"model_card.json": json.dumps(card(content)).encode()},
        {"model_card.json": json.dumps(card(content, features={})).encode(), "tuned_model.skops": content},
        {"model_card.json": json.dumps(card(content)).encode(), "tuned_model.skops": content + b"x"},
    ]
    for files in bad:
        answer = await set_up(plog, await optimized(plog, files))
        assert [each["field"] for each in answer["problems"]] == ["input.source.jobId"], (files, answer)
    kit = await plog.create()
    unfinished = await set_up(plog, kit)
    assert "SUCCEEDED" in unfinished["problems"][0]["message"]
    other = await set_up(plog, {"jobs": [None] * 3 + [kit["jobs"][0]]})
    assert "OPTIMIZE" in other["problems"][0]["message"] and "ML" in other["problems"][0]["message"]
    dram = await set_up(plog, await optimized(plog, productLine="DRAM"))
    assert "DRAM" in dram["problems"][0]["message"]
    missing = await set_up(plog, {"jobs": [{"id": "Sm9iOjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMA"}] * 4})
    assert missing["__typename"] == "NotFound" and await models_of(plog) == []


async def test_a_job_that_is_not_seen_is_not_found(plog: Plog) -> None:
    kit = await optimized(plog, productLine="DRAM")
    await granted(plog, "LOGIC_MODEL_SET_UP")
    assert (await set_up(plog, kit, user="dana"))["__typename"] == "NotFound"


@pytest.mark.parametrize(
    ("content", "changes", "word"),
    [
        (b"x", {}, "can't be read as a model"),
        (forbidden(), {}, "not allowed in a model: "),
        (trained(), {"features": {"w": {"low": 0, "high": 1}}}, "other inputs"),
        (trained(), {"features": {name: {"low": 0, "high": 1} for name in ("w", "l", "d")}}, "other inputs"),
        (trained(), {"responses": ["delay", "power"], "comparison": OF_TWO}, "predicts 1 values"),
    ],
    ids=["no model", "types", "fewer inputs", "other inputs", "more targets"],
)
async def test_what_an_optimize_job_has_registered_is_looked_into(
    plog: Plog, content: bytes, changes: dict[str, Any], word: str
) -> None:
    files = {"tuned_model.skops": content, "model_card.json": json.dumps(card(content, **changes)).encode()}
    (problem,) = (await set_up(plog, await optimized(plog, files)))["problems"]
    assert problem["field"] == "input.source.jobId" and word in problem["message"] and await models_of(plog) == []


async def test_what_an_ml_job_has_trained_is_asked_for_its_inputs(plog: Plog) -> None:
    figures = json.dumps({"responses": {"delay": {"r2": 0.7}}}).encode()
    for content, figured in ((b"x", figures), (trained(), b"[]")):
        kit = await optimized(plog, by_ml={"model.skops": content, "metrics.json": figured})
        answer = await set_up(plog, {"jobs": [None] * 3 + [kit["jobs"][2]]})
        assert [each["field"] for each in answer["problems"]] == ["input.source.jobId"]
    kit = await optimized(plog, by_ml={"model.skops": trained(), "metrics.json": figures})
    version = (await set_up(plog, {"jobs": [None] * 3 + [kit["jobs"][2]]}))["setUpModel"]["activeVersion"]
    assert (version["origin"], version["jobId"], version["targets"]) == ("JOB", kit["jobs"][2]["id"], ["delay"])
    assert [each["name"] for each in version["features"]] == ["w", "l", "c"] and version["metrics"] == {"delay": {"r2": 0.7}}


async def test_a_registered_model_may_be_that_of_the_ml_job(plog: Plog) -> None:
    said = card(trained())
    said["registered"] |= {"model": "untuned", "artifact": "model.skops"}
    kit = await optimized(plog, {"model_card.json": json.dumps(said).encode()}, by_ml={"model.skops": trained()})
    version = (await set_up(plog, kit))["setUpModel"]["activeVersion"]
    assert (version["jobId"], version["metrics"]["delay"]["r2"]) == (kit["jobs"][2]["id"], 0.5)


async def test_general_users_see_it_without_its_file_and_set_nothing_up(plog: Plog) -> None:
    model = await a_model(plog)
    grant = await granted(plog, "LOGIC_GENERAL")
    dana = plog.signed_in("dana")
    seen = await model_of(plog, model, "dana")
    assert seen["activeVersion"]["metrics"] and [each["artifact"] for each in seen["versions"]["nodes"]] == [None]
    assert seen["viewerCanCopy"]["isAllowed"] is False and seen["viewerCanSetUp"]["isAllowed"] is False
    assert seen["viewerCanCopy"]["openedBy"] == ["LOGIC_MODEL_SET_UP"] and "/apply?kind=" in seen["viewerCanCopy"]["applyAt"]
    kit = await optimized(plog, user="dana")
    denied = await set_up(plog, kit, "mine", user="dana")
    assert (denied["__typename"], denied["openedBy"]) == ("PermissionDenied", ["LOGIC_MODEL_SET_UP"])
    await revoke(plog, grant)
    assert await plog.answer(ONE, dana, id=model["id"]) is None
    assert (await plog.answer(MODELS, dana)) | {"pageInfo": None} == {"totalCount": 0, "nodes": [], "pageInfo": None}


async def test_a_list_goes_on_where_a_page_ends(plog: Plog) -> None:
    kit = await optimized(plog)
    for name in ("a", "b", "c"):
        await set_up(plog, kit, name)
    page = await plog.answer(MODELS, first=2, filter={"productLine": ["LOGIC"], "owner": "demo:ada"})
    assert [each["name"] for each in page["nodes"]] == ["c", "b"] and page["totalCount"] == 3
    rest = await plog.answer(MODELS, first=2, after=page["pageInfo"]["endCursor"])
    assert [each["name"] for each in rest["nodes"]] == ["a"] and rest["pageInfo"]["hasNextPage"] is False
    assert [each["name"] for each in await models_of(plog, namePrefix="b")] == ["b"]


UPDATE = """mutation ($id: ID!, $input: SetUpModelUpdateInput!, $expected: Int) {
  setUpModelUpdate(id: $id, input: $input, expectedVersion: $expected) { __typename ... on UserError { code message }
    ... on SetUpModelPayload { setUpModel { version attributes description } } } }"""


async def test_a_version_by_its_own_id_is_there_for_who_sees_the_model(plog: Plog) -> None:
    of_version = "query ($id: ID!) { node(id: $id) { id } }"
    version = (await a_model(plog))["activeVersion"]
    assert (await plog.answer(of_version, id=version["id"]))["id"] == version["id"]
    assert (await plog.ask(of_version, plog.signed_in("dana"), id=version["id"]))["node"] is None


async def test_req_003_1_a_set_up_user_copies_a_model(plog: Plog) -> None:
    source = await a_model(plog, attributes=ATTRIBUTES, description="For signoff")
    copied = await copy(plog, source, user="bela")
    assert copied["__typename"] == "SetUpModelCreatePayload"
    model, version = copied["setUpModel"], copied["setUpModel"]["activeVersion"]
    assert (model["name"], model["owner"], model["productLine"]) == ("copy", "demo:bela", "LOGIC")
    assert (model["attributes"], model["description"]) == (ATTRIBUTES, "For signoff")
    assert (version["origin"], version["sourceVersionId"]) == ("COPY", source["activeVersion"]["id"])
    same = ("features", "targets", "metrics", "frameworks")
    assert [version[each] for each in same] == [source["activeVersion"][each] for each in same]


async def test_req_003_2_a_source_that_does_not_exist_is_a_clear_error(plog: Plog) -> None:
    for missing in ("U2V0VXBNb2RlbDo5OTk", "nonsense", "S2l0OjE"):
        answer = await copy(plog, {"id": missing})
        assert answer["__typename"] == "NotFound" and answer["code"] == "NOT_FOUND" and "exists" in answer["message"]
    assert await models_of(plog) == []


async def test_req_003_3_attributes_change_while_copying_and_the_source_does_not(plog: Plog) -> None:
    source = await a_model(plog, attributes=ATTRIBUTES)
    before = await model_of(plog, source)
    given = {"corner": 7, "threshold": None, "isGolden": False, "new": "text"}
    model = (await copy(plog, source, attributes=given, description="other"))["setUpModel"]
    assert model["attributes"] == {"node": "N3", "corner": 7, "isGolden": False, "from": "2026-01-31", "new": "text"}
    assert model["description"] == "other"
    after = await model_of(plog, source)
    assert after.pop("copies") == {"totalCount": 1, "nodes": [{"id": model["id"], "name": "copy"}]}
    assert after == {name: each for name, each in before.items() if name != "copies"}


async def test_req_003_4_who_may_not_set_up_is_told_what_to_apply_for(plog: Plog) -> None:
    source = await a_model(plog)
    assert (await copy(plog, source, user="dana"))["__typename"] == "NotFound", "outside of their product lines"
    await granted(plog, "LOGIC_GENERAL")
    answer = await copy(plog, source, user="dana", key="k")
    assert (answer["__typename"], answer["code"]) == ("PermissionDenied", "PERMISSION_DENIED")
    assert answer["openedBy"] == ["LOGIC_MODEL_SET_UP"] and answer["applyAt"].endswith("/apply?kind=LOGIC_MODEL_SET_UP")
    grant = await granted(plog, "LOGIC_MODEL_SET_UP")
    assert (await copy(plog, source, user="dana", key="k"))["__typename"] == "SetUpModelCreatePayload"
    await revoke(plog, grant)
    assert (await copy(plog, source, "another", "dana"))["__typename"] == "PermissionDenied", "at once"
    assert len(await models_of(plog)) == 2


async def test_req_003_5_the_copy_is_stored_whole_with_its_lineage(plog: Plog) -> None:
    source = await a_model(plog)
    answers = await asyncio.gather(*(copy(plog, source) for _ in range(6)))
    assert sorted(each["__typename"] for each in answers) == ["SetUpModelCreatePayload"] + ["ValidationFailed"] * 5
    model = next(each["setUpModel"] for each in answers if "setUpModel" in each)
    seen = await model_of(plog, model)
    assert seen["sourceModel"] == {"id": source["id"], "number": source["number"]}
    (version,), (activation,) = seen["versions"]["nodes"], seen["activations"]["nodes"]
    assert version["artifact"]["sha256"] == hashlib.sha256(trained()).hexdigest()
    assert (activation["version"], activation["actor"]) == (1, "demo:ada")
    assert (await model_of(plog, source))["copies"]["nodes"] == [{"id": model["id"], "name": "copy"}]
    (entry,) = (await plog.answer(AUDIT, filter={"actions": ["MODEL_COPIED"]}))["nodes"]
    assert entry["actor"] == entry["person"] == "demo:ada", "nothing is left of those that were refused"
    async with plog.container.services.database.snapshot() as work:
        rows = await work.connection.execute(text("SELECT count(*) FROM model_version"))  # type: ignore[attr-defined]
        assert rows.scalar_one() == 2


STORED = [
    (SetUpModelRepository, "add"),
    (ModelVersionRepository, "add"),
    (ArtifactRepository, "add_once"),
    (ModelVersionRepository, "activate"),
    (AuditRepository, "add"),
    (IdempotencyKeyRepository, "complete"),
]


class BrokenOff(Exception):
    """What a command is broken off with."""


async def test_req_003_5_a_copy_that_breaks_off_anywhere_leaves_nothing(
    plog: Plog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is broken off once behind each thing that it stores."""
    source = await a_model(plog)
    before = await fingerprint(plog)
    for repository, name in STORED:
        store = getattr(repository, name)

        async def break_off(*given: Any, store: Any = store, **named: Any) -> None:
            await store(*given, **named)
            raise BrokenOff

        with monkeypatch.context() as patch:
            patch.setattr(repository, name, break_off)
            response = await plog.post(COPY, {"source": source["id"], "input": {"name": "copy"}, "key": "k"})
        assert [each["extensions"]["code"] for each in response.json()["errors"]] == ["INTERNAL_ERROR"], name
        assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [BrokenOff], name
        caplog.clear()
        assert await fingerprint(plog) == before, f"{repository.__name__}.{name}"
    assert (await copy(plog, source, key="k"))["__typename"] == "SetUpModelCreatePayload"


async def test_a_copy_that_is_repeated_with_its_key_is_the_same(plog: Plog) -> None:
    source = await a_model(plog)
    answers = await asyncio.gather(*(copy(plog, source, key="k") for _ in range(5)))
    assert len({each["setUpModel"]["id"] for each in answers}) == 1 and len(await models_of(plog)) == 2
    assert (await copy(plog, source, "other", key="k"))["__typename"] == "IdempotencyKeyReused"


async def test_what_is_said_of_a_model_changes_by_revisions(plog: Plog) -> None:
    model = await a_model(plog, attributes={"a": 1, "b": 2})
    changed = await plog.answer(UPDATE, id=model["id"], input={"attributes": {"a": None, "c": 3}}, expected=1)
    assert changed["setUpModel"] == {"version": 2, "attributes": {"b": 2, "c": 3}, "description": ""}
    late = await plog.answer(UPDATE, id=model["id"], input={"description": "x"}, expected=1)
    assert late["__typename"] == "VersionConflict"
    cleared = await plog.answer(UPDATE, id=model["id"], input={"attributes": {"b": None, "c": None}, "description": "new"})
    assert cleared["setUpModel"] == {"version": 3, "attributes": {}, "description": "new"}
    entries = (await plog.answer(AUDIT, filter={"modelId": model["id"]}))["nodes"]
    assert [each["action"] for each in entries] == ["MODEL_CREATED", "MODEL_UPDATED", "MODEL_UPDATED"]
    revisions = (await model_of(plog, model))["revisions"]["nodes"]
    assert [(each["version"], each["attributes"]) for each in revisions] == [
        (1, {"a": 1, "b": 2}),
        (2, {"b": 2, "c": 3}),
        (3, {}),
    ]


@pytest.mark.parametrize("what", ["another model", "another version"])
async def test_a_permission_that_ends_while_the_model_is_looked_into_opens_nothing(
    plog: Plog, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    kit, model = await optimized(plog), await a_model(plog)
    grants = (await plog.answer("{ grants(first: 100) { nodes { id } } }"))["nodes"]
    inspect = InspectorHere.inspect

    async def revoke_and_inspect(inspector: InspectorHere, content: AsyncIterator[bytes]) -> InspectedModel:
        for grant in grants:
            await revoke(plog, grant)
        return await inspect(inspector, content)

    monkeypatch.setattr(InspectorHere, "inspect", revoke_and_inspect)
    if what == "another model":
        answer = await set_up(plog, kit, "another")
    else:
        answer = await plog.answer(ADD, id=model["id"], source={"jobId": kit["jobs"][3]["id"]})
    assert answer["__typename"] == "PermissionDenied"
    assert [each["id"] for each in await models_of(plog, user="bela")] == [model["id"]]
    assert len((await model_of(plog, model, "bela"))["versions"]["nodes"]) == 1


async def test_an_owner_for_whom_the_model_does_not_exist_any_more_is_told_nothing_new_of_it(plog: Plog) -> None:
    model = await a_model(plog)
    for grant in (await plog.answer("{ grants(first: 100) { nodes { id } } }"))["nodes"]:
        await revoke(plog, grant)
    await plog.answer("mutation ($id: ID!) { setUpModelArchive(id: $id) { __typename } }", plog.signed_in("bela"), id=model["id"])
    found = await plog.answer(AUDIT, filter={"modelId": model["id"]})
    assert [each["action"] for each in found["nodes"]] == ["MODEL_CREATED"] and found["totalCount"] == 1  # one's own deed

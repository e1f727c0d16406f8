"""Assigning models to lots: by row or rule, once each, by who may use the model; and every filter of results."""

import pytest

from tests.api.batch import (
    ASSIGN,
    ASSIGNMENTS,
    RESULTS,
    UNASSIGN,
    a_model_of_numbers,
    assigned,
    ran,
    results_of,
    some_lots,
)
from tests.api.in_process import BOTH_DATABASES, Plog
from tests.api.lots import CORRECT, added, lot_row
from tests.api.models import copy
from tests.api.permissions import granted, revoke

pytestmark = [BOTH_DATABASES, pytest.mark.usefixtures("models_here")]
AUDIT = """query ($id: ID!) { auditEntries(filter: {modelId: $id}, descending: false) { nodes { action actor } } }"""


async def test_an_assignment_says_what_it_is_about_who_has_made_it_and_that_it_holds(plog: Plog) -> None:
    row, model = await added(plog), await a_model_of_numbers(plog)
    of_row = await assigned(plog, model, lotRowId=row["id"])
    rule = {"product": "SoC-7", "step": "ETCH-30", "measuredFrom": "2026-07-01T00:00:00+09:00", "measuredTo": None}
    by_rule = await assigned(plog, model, "bela", rule=rule)
    assert of_row["lotRow"]["id"] == row["id"] and of_row["rule"] is None
    assert by_rule["rule"] == {**rule, "measuredFrom": "2026-06-30T15:00:00+00:00"} and by_rule["lotRow"] is None
    for each, subject in ((of_row, "demo:ada"), (by_rule, "demo:bela")):
        assert (each["actor"], each["model"]["id"], each["productLine"]) == (subject, model["id"], "LOGIC")
        assert each["isInForce"] and each["viewerCanUnassign"]["isAllowed"] and each["endedAt"] is None


async def test_the_same_assignment_is_refused_with_the_one_that_is_there(plog: Plog) -> None:
    row, model = await added(plog), await a_model_of_numbers(plog)
    for given in ({"lotRowId": row["id"]}, {"rule": {"step": "S"}}):
        first = await assigned(plog, model, **given)
        again = await plog.answer(ASSIGN, input={"modelId": model["id"], **given})
        assert (again["code"], again["modelAssignmentId"]) == ("ALREADY_ASSIGNED", first["id"])
        ended = await plog.answer(UNASSIGN, id=first["id"])
        assert ended["modelAssignment"]["endedBy"] == "demo:ada" and not ended["modelAssignment"]["isInForce"]
        assert (await assigned(plog, model, **given))["number"] > first["number"]


async def test_bad_input_names_the_field(plog: Plog) -> None:
    model = await a_model_of_numbers(plog)

    async def fields(**given: object) -> list[str]:
        answer = await plog.answer(ASSIGN, input=given)
        return [each["field"] for each in answer["problems"]]

    assert await fields() == ["input.modelId", "input"]
    assert await fields(modelId=model["id"]) == ["input"]
    assert await fields(modelId=model["id"], rule={}) == ["input.rule"]
    assert await fields(modelId=model["id"], rule={"step": "x" * 201}) == ["input.rule.step"]
    assert await fields(modelId=model["id"], rule={"product": "a\x00"}) == ["input.rule.product"]
    for nothing in ({"modelId": "TG90Um93OjE", "rule": {"step": "s"}}, {"modelId": model["id"], "lotRowId": "TG90Um93Ojk5"}):
        assert (await plog.answer(ASSIGN, input=nothing))["__typename"] == "NotFound"
    assert (await plog.answer(ASSIGNMENTS))["totalCount"] == 0


async def test_it_takes_access_to_the_model(plog: Plog) -> None:
    model = await a_model_of_numbers(plog)
    grant = await granted(plog, "LOGIC_GENERAL")
    dana = plog.signed_in("dana")
    denied = await plog.answer(ASSIGN, dana, input={"modelId": model["id"], "rule": {"step": "S"}})
    assert (denied["__typename"], denied["openedBy"]) == ("PermissionDenied", ["LOGIC_MODEL_SET_UP"])
    assert "modelAccessRequestCreate" in denied["message"]
    others = await assigned(plog, model, rule={"step": "S"})
    seen = (await plog.answer(ASSIGNMENTS, dana))["nodes"][0]
    assert seen["id"] == others["id"] and not seen["viewerCanUnassign"]["isAllowed"]
    assert (await plog.answer(UNASSIGN, dana, id=others["id"]))["__typename"] == "PermissionDenied"
    apply = """mutation ($input: ModelAccessRequestInput!) { modelAccessRequestCreate(input: $input) {
      ... on ModelAccessRequestCreatePayload { modelAccessRequest { id } } } }"""
    document = {"modelId": model["id"], "purpose": "signoff", "until": "2100-01-01T00:00:00Z"}
    request = (await plog.answer(apply, dana, input=document))["modelAccessRequest"]
    approve = 'mutation ($id: ID!) { modelAccessRequestApprove(id: $id, reason: "fine") { __typename } }'
    await plog.answer(approve, id=request["id"])
    own = await assigned(plog, model, "dana", rule={"step": "T"})
    assert own["isInForce"]
    withdraw = 'mutation ($id: ID!) { modelAccessRevoke(id: $id, reason: "over") { __typename } }'
    await plog.answer(withdraw, id=request["id"])
    held = {each["id"]: each["isInForce"] for each in (await plog.answer(ASSIGNMENTS))["nodes"]}
    assert held == {own["id"]: False, others["id"]: True}
    assert (await plog.answer(UNASSIGN, dana, id=own["id"]))["__typename"] == "ModelAssignmentPayload"
    assert (await plog.answer(UNASSIGN, dana, id=own["id"]))["__typename"] == "IllegalTransition"
    await revoke(plog, grant)


async def test_a_model_that_is_archived_is_assigned_to_nothing_and_predicts_no_more(plog: Plog) -> None:
    await some_lots(plog)
    model = await a_model_of_numbers(plog)
    await assigned(plog, model, rule={"product": "SoC-7"})
    archive = "mutation ($id: ID!) { setUpModelArchive(id: $id) { __typename } }"
    await plog.answer(archive, id=model["id"])
    refused = await plog.answer(ASSIGN, input={"modelId": model["id"], "rule": {"step": "S"}})
    assert refused["__typename"] == "IllegalTransition"
    assert (await ran(plog))["considered"] == 0


async def test_a_repeat_with_its_key_returns_the_first_and_decisions_are_in_the_audit(plog: Plog) -> None:
    model = await a_model_of_numbers(plog)
    document = {"modelId": model["id"], "rule": {"step": "S"}}
    first = await plog.answer(ASSIGN, input=document, key="k")
    assert (await plog.answer(ASSIGN, input=document, key="k")) == first
    ended = await plog.answer(UNASSIGN, id=first["modelAssignment"]["id"], key="k")
    assert (await plog.answer(UNASSIGN, id=first["modelAssignment"]["id"], key="k")) == ended
    audit = (await plog.answer(AUDIT, id=model["id"]))["nodes"]
    assert [(each["action"], each["actor"]) for each in audit] == [
        (action, "demo:ada") for action in ("MODEL_CREATED", "MODEL_ASSIGNED", "MODEL_UNASSIGNED")
    ]


async def test_assignments_and_results_are_found_by_what_they_are_about(plog: Plog) -> None:
    rows, model = await some_lots(plog), await a_model_of_numbers(plog)
    other = (await copy(plog, model))["setUpModel"]
    assignments = [
        await assigned(plog, model, lotRowId=rows[0]["id"]),
        await assigned(plog, other, rule={"product": "SoC-7"}),
        await assigned(plog, model, "bela", rule={"step": "none"}),
    ]
    numbers = [each["number"] for each in assignments]

    async def found(**chosen: object) -> list[int]:
        return sorted(each["number"] for each in (await plog.answer(ASSIGNMENTS, filter=chosen))["nodes"])

    assert await found() == numbers and await found(hasEnded=True) == []
    assert await found(modelId=model["id"]) == [numbers[0], numbers[2]]
    assert await found(lotRowId=rows[0]["id"]) == [numbers[0]]
    assert await found(actor="demo:bela") == [numbers[2]]
    assert await found(productLine="DRAM") == [] and await found(modelId="nothing") == []
    run = await ran(plog)
    assert len(await results_of(plog)) == 5
    assert len(await results_of(plog, modelId=other["id"])) == 4
    assert len(await results_of(plog, modelVersionId=model["activeVersion"]["id"])) == 1
    assert len(await results_of(plog, lotRowId=rows[0]["id"])) == 2
    assert len(await results_of(plog, dailyBatchRunId=run["id"], isOutOfRange=False)) == 5
    for nothing in (
        {"modelId": "nothing"},
        {"modelVersionId": "nothing"},
        {"modelId": other["id"], "modelVersionId": model["activeVersion"]["id"]},
        {"productLine": "DRAM"},
        {"isOutOfRange": True},
        {"recordedTo": "2020-01-01T00:00:00Z"},
    ):
        assert await results_of(plog, **nothing) == [], nothing
    await granted(plog, "LOGIC_GENERAL")
    moved = lot_row(rows[1]["lotId"], productLine="DRAM")
    assert (await plog.answer(CORRECT, id=rows[1]["id"], input=moved, reason="r"))["__typename"] == "LotRowPayload"
    for chosen, seen_by_ada, seen_by_dana in (
        ({"lotIdPrefix": "LOT-0"}, 2, 2),
        ({"product": "SoC-7", "step": "ETCH-30"}, 5, 4),  # Dana can't see what the row is that is DRAM's now
        ({"lotIdPrefix": "LOT-1"}, 1, 0),
        ({"lotRowId": rows[1]["id"]}, 1, 1),
        ({"product": "SoC-8"}, 0, 0),
        ({"step": "ETCH"}, 0, 0),
    ):
        seen = (len(await results_of(plog, **chosen)), len(await results_of(plog, "dana", **chosen)))
        assert seen == (seen_by_ada, seen_by_dana), chosen
    page = await plog.answer(RESULTS, first=2)
    rest = await plog.answer(RESULTS, first=5, after=page["pageInfo"]["endCursor"])
    assert page["totalCount"] == 5 and len(page["nodes"]) == 2 and len(rest["nodes"]) == 3
    assert {each["number"] for each in page["nodes"]} & {each["number"] for each in rest["nodes"]} == set()

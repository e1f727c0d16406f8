"""Versions of set-up models: candidates, which one is in use, going back, and who had what in use when."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.in_process import BOTH_DATABASES, ERROR, Plog
from tests.api.models import VERSION, a_model, card, copy, model_of, optimized, trained
from tests.api.permissions import AUDIT, granted

pytestmark = [BOTH_DATABASES, pytest.mark.usefixtures("models_here")]
CHANGED = f"""__typename ... on SetUpModelPayload {{ setUpModel {{ id version activeVersion {{ {VERSION} }} }} }} {ERROR}
  ... on IllegalTransition {{ current wanted }}"""
ADD = f"""mutation ($id: ID!, $source: ModelSourceInput!, $key: String) {{
  modelVersionAdd(modelId: $id, source: $source, idempotencyKey: $key) {{ {CHANGED} }} }}"""
PROMOTE = f"""mutation ($id: ID!, $reason: String, $expected: Int, $key: String) {{
  modelVersionPromote(id: $id, reason: $reason, expectedVersion: $expected, idempotencyKey: $key) {{ {CHANGED} }} }}"""
BACK = f"""mutation ($id: ID!, $reason: String, $expected: Int, $key: String) {{
  setUpModelRollBack(id: $id, reason: $reason, expectedVersion: $expected, idempotencyKey: $key) {{ {CHANGED} }} }}"""
AT = "query ($id: ID!, $at: DateTime!) { setUpModel(id: $id) { activeAt(time: $at) { version actor isRollBack } } }"


async def added(plog: Plog, model: dict[str, Any], alpha: float) -> dict[str, Any]:
    """The next version of the model, from a kit of its own."""
    content = trained(alpha)
    kit = await optimized(plog, {"tuned_model.skops": content, "model_card.json": json.dumps(card(content)).encode()})
    answer = await plog.answer(ADD, id=model["id"], source={"jobId": kit["jobs"][3]["id"]}, key=f"add {alpha}")
    assert answer["__typename"] == "SetUpModelPayload", answer
    return dict((await model_of(plog, model))["versions"]["nodes"][-1])


async def promote(plog: Plog, version: dict[str, Any], user: str = "ada", **given: Any) -> dict[str, Any]:
    return await plog.answer(PROMOTE, plog.signed_in(user), id=version["id"], **{"reason": "better", **given})


async def back(plog: Plog, model: dict[str, Any], **given: Any) -> dict[str, Any]:
    return await plog.answer(BACK, id=model["id"], **{"reason": "worse", **given})


async def test_a_version_is_a_candidate_until_it_is_promoted(plog: Plog) -> None:
    model = await a_model(plog)
    second = await added(plog, model, 2.0)
    assert (second["number"], second["state"]) == (2, "CANDIDATE")
    changed = (await promote(plog, second, "bela", expected=2))["setUpModel"]
    assert (changed["version"], changed["activeVersion"]["number"], changed["activeVersion"]["state"]) == (3, 2, "ACTIVE")
    assert [each["state"] for each in (await model_of(plog, model))["versions"]["nodes"]] == ["RETIRED", "ACTIVE"]
    again = await promote(plog, second)
    assert (again["__typename"], again["current"], again["wanted"]) == ("IllegalTransition", "ACTIVE", "ACTIVE")
    late = await promote(plog, {"id": model["activeVersion"]["id"]}, expected=2)
    assert late["__typename"] == "VersionConflict"
    silent = await promote(plog, {"id": model["activeVersion"]["id"]}, reason=" ")
    assert [each["field"] for each in silent["problems"]] == ["reason"]
    assert (await promote(plog, {"id": "TW9kZWxWZXJzaW9uOjE6OQ"}))["__typename"] == "NotFound"
    (entry,) = (await plog.answer(AUDIT, filter={"actions": ["MODEL_VERSION_ADDED"]}))["nodes"]
    assert (entry["actor"], entry["person"]) == ("demo:ada", "demo:ada")
    (entry,) = (await plog.answer(AUDIT, filter={"actions": ["MODEL_PROMOTED"]}))["nodes"]
    assert (entry["actor"], entry["person"], entry["reason"]) == ("demo:bela", "demo:ada", "better")


async def test_rolling_back_leads_to_what_was_in_use_before_step_by_step(plog: Plog) -> None:
    model = await a_model(plog)
    versions = [await added(plog, model, alpha) for alpha in (2.0, 3.0)]
    for version in versions:
        await promote(plog, version)
    active = [(await back(plog, model, key=f"back {step}"))["setUpModel"]["activeVersion"]["number"] for step in range(2)]
    assert active == [2, 1], "each call goes one further"
    first = await back(plog, model)
    assert first["__typename"] == "IllegalTransition" and "none to return to" in first["message"]
    await promote(plog, versions[1])
    assert (await back(plog, model))["setUpModel"]["activeVersion"]["number"] == 1
    seen = (await model_of(plog, model))["activations"]["nodes"]
    assert [(each["version"], each["isRollBack"]) for each in seen] == [
        (1, False),
        (2, False),
        (3, False),
        (2, True),
        (1, True),
        (3, False),
        (1, True),
    ]
    actions = [each["action"] for each in (await plog.answer(AUDIT))["nodes"] if each["action"].startswith("MODEL_")]
    assert actions.count("MODEL_PROMOTED") == 3 and actions.count("MODEL_ROLLED_BACK") == 3


async def test_what_was_in_use_at_a_time_and_by_whom(plog: Plog) -> None:
    model = await a_model(plog)
    await promote(plog, await added(plog, model, 2.0), "bela")
    first, second = (datetime.fromisoformat(each["recordedAt"]) for each in (await model_of(plog, model))["activations"]["nodes"])
    moment = timedelta(microseconds=1)
    found = [
        (await plog.answer(AT, id=model["id"], at=at.isoformat()))["activeAt"]
        for at in (first - moment, first, second - moment, second, second + timedelta(days=1))
    ]
    by_ada = {"version": 1, "actor": "demo:ada", "isRollBack": False}
    by_bela = {"version": 2, "actor": "demo:bela", "isRollBack": False}
    assert found == [None, by_ada, by_ada, by_bela, by_bela]


async def test_of_commands_at_once_one_is_first_and_each_is_on_record(plog: Plog) -> None:
    model = await a_model(plog)
    versions = [await added(plog, model, alpha) for alpha in (2.0, 3.0)]
    answers = await asyncio.gather(*(promote(plog, each, expected=3) for each in versions * 2))
    assert sorted(each["__typename"] for each in answers) == ["SetUpModelPayload"] + ["VersionConflict"] * 3
    await asyncio.gather(*(back(plog, model, key="k") for _ in range(4)))
    seen = await model_of(plog, model)
    assert [each["number"] for each in seen["activations"]["nodes"]] == [1, 2, 3]
    assert seen["activeVersion"]["number"] == 1


async def test_a_copy_has_the_version_that_was_in_use_alone(plog: Plog) -> None:
    model = await a_model(plog)
    await promote(plog, second := await added(plog, model, 2.0))
    copied = (await copy(plog, model))["setUpModel"]
    assert copied["activeVersion"]["sourceVersionId"] == second["id"]
    assert len((await model_of(plog, copied))["versions"]["nodes"]) == 1


async def test_general_users_put_nothing_in_use(plog: Plog) -> None:
    model = await a_model(plog)
    second = await added(plog, model, 2.0)
    assert (await promote(plog, second, "dana"))["__typename"] == "NotFound"
    await granted(plog, "LOGIC_GENERAL")
    assert (await promote(plog, second, "dana"))["openedBy"] == ["LOGIC_MODEL_SET_UP"]

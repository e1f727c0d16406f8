"""The file of a set-up model, wherever jobs have left it: for whom it is, and how long."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import commands
from tests.api.in_process import BOTH_DATABASES, HOUR, UNSIGNED, Plog, job_command
from tests.api.models import card, copy, optimized, padded, registered, set_up, trained
from tests.api.permissions import granted
from tests.api.test_model_access_request import approved, decided, use_of, without_set_up
from tests.api.test_open_streams import unread_download
from tests.waiting import eventually

pytestmark = [BOTH_DATABASES, pytest.mark.usefixtures("models_here")]
FILE = "id name sha256 size downloadUrl viewerCanDownload { isAllowed reason openedBy applyAt setUpModelId }"
LEFT = f"query ($id: ID!) {{ kit(id: $id) {{ ... on Kit {{ jobs {{ artifacts {{ {FILE} }} }} }} }} }}"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Artifact {{ {FILE} }} }} }}"
ARCHIVE = "mutation ($id: ID!) { setUpModelArchive(id: $id) { __typename } }"


async def left_by(plog: Plog, kit: dict[str, Any], user: str = "dana") -> dict[str, dict[str, Any]]:
    """What the kit's jobs have left, by name, as the person sees it."""
    seen = await plog.answer(LEFT, plog.signed_in(user), id=kit["id"])
    return {each["name"]: each for job in seen["jobs"] for each in job["artifacts"]}


async def status_of(plog: Plog, link: str | None) -> int:
    assert link is not None
    return (await plog.http.get(link, headers=UNSIGNED)).status_code


@pytest.fixture
async def kit(plog: Plog) -> dict[str, Any]:
    """A kit that has trained a model; Dana sees its product line."""
    await granted(plog, "LOGIC_GENERAL")
    return await optimized(plog)


async def test_what_a_job_has_left_is_for_who_may_use_the_model_that_was_made_of_it(plog: Plog, kit: dict[str, Any]) -> None:
    before = (await left_by(plog, kit))["tuned_model.skops"]
    assert before["viewerCanDownload"]["isAllowed"] and await status_of(plog, before["downloadUrl"]) == 200
    model = (await set_up(plog, kit))["setUpModel"]
    left = await left_by(plog, kit)
    closed = left["tuned_model.skops"]
    assert [closed[each] for each in ("id", "name", "sha256", "size")] == [
        before[each] for each in ("id", "name", "sha256", "size")
    ]
    refusal = closed["viewerCanDownload"]
    assert closed["downloadUrl"] is None and not refusal["isAllowed"] and f"set-up model {model['number']}" in refusal["reason"]
    assert refusal["setUpModelId"] == model["id"] and refusal["openedBy"] == ["LOGIC_MODEL_SET_UP"]
    assert refusal["applyAt"] == f"{plog.url}/apply?model={model['id']}"
    assert await plog.answer(NODE, plog.signed_in("dana"), id=closed["id"]) == closed
    late = await plog.http.get(before["downloadUrl"])
    assert (late.status_code, late.json()) == (403, {"code": "PERMISSION_DENIED", "message": refusal["reason"]})
    assert await status_of(plog, left["model_card.json"]["downloadUrl"]) == 200, "what is no model is open"
    for user in ("ada", "bela"):
        opened = (await left_by(plog, kit, user))["tuned_model.skops"]
        assert opened["viewerCanDownload"]["isAllowed"] and await status_of(plog, opened["downloadUrl"]) == 200, user
    request = await approved(plog, model)
    opened = (await left_by(plog, kit))["tuned_model.skops"]
    assert opened["viewerCanDownload"]["isAllowed"] and await status_of(plog, opened["downloadUrl"]) == 200
    await decided(plog, "Revoke", request)
    assert await status_of(plog, opened["downloadUrl"]) == 403 and (await left_by(plog, kit))["tuned_model.skops"] == closed


@pytest.mark.parametrize("ending", ["revoked", "over"])
async def test_its_download_is_cut_off_when_the_access_ends(plog: Plog, ending: str) -> None:
    await granted(plog, "LOGIC_GENERAL")
    content = padded(trained(), 2**26)  # more than the kernels of both sides take
    kit = await optimized(plog, registered(content))
    model = (await set_up(plog, kit))["setUpModel"]
    end = datetime.now(UTC) + (timedelta(seconds=4) if ending == "over" else HOUR)
    request = await approved(plog, model, until=end.isoformat())
    links = [(await left_by(plog, kit, user))["tuned_model.skops"]["downloadUrl"] for user in ("dana", "bela")]
    async with unread_download(plog, links[0]) as received, unread_download(plog, links[1]):
        if ending == "over":
            await eventually(lambda: datetime.now(UTC) > end)
        else:
            await decided(plog, "Revoke", request)
        assert await received() < len(content)
        assert [each.subject for each in plog.container.open_streams] == ["demo:bela"], "who sets models up needs no access"


async def test_the_untuned_model_is_closed_where_it_is_the_one_that_was_registered(plog: Plog) -> None:
    await granted(plog, "LOGIC_GENERAL")
    tuned, untuned = trained(2.0), trained()
    said = card(untuned)
    said["registered"] = {**said["registered"], "model": "untuned", "artifact": "model.skops"}
    files = {"tuned_model.skops": tuned, "model_card.json": json.dumps(said).encode()}
    kit = await optimized(plog, files, by_ml={"model.skops": untuned})
    await set_up(plog, kit)
    left = await left_by(plog, kit)
    assert left["model.skops"]["downloadUrl"] is None and left["tuned_model.skops"]["downloadUrl"] is not None


async def test_the_same_file_is_closed_by_whatever_name_and_in_no_other_product_line(plog: Plog, kit: dict[str, Any]) -> None:
    await granted(plog, "DRAM_GENERAL")
    other = await optimized(plog, {"a.bin": trained(), "b.bin": trained(2.0)}, name="other")
    dram = await optimized(plog, {"a.bin": trained()}, productLine="DRAM")
    await set_up(plog, kit)
    assert {name: each["downloadUrl"] is None for name, each in (await left_by(plog, other)).items()} == {
        "a.bin": True,
        "b.bin": False,
    }
    assert (await left_by(plog, dram))["a.bin"]["downloadUrl"] is not None


async def test_access_to_any_model_of_the_file_opens_it(plog: Plog, kit: dict[str, Any]) -> None:
    model = (await set_up(plog, kit))["setUpModel"]
    copied = (await copy(plog, model))["setUpModel"]
    request = await approved(plog, copied)
    opened = (await left_by(plog, kit))["tuned_model.skops"]
    assert await status_of(plog, opened["downloadUrl"]) == 200
    await decided(plog, "Revoke", request)
    assert (await left_by(plog, kit))["tuned_model.skops"]["viewerCanDownload"]["setUpModelId"] == model["id"]
    await plog.answer(ARCHIVE, id=model["id"])
    refusal = (await left_by(plog, kit))["tuned_model.skops"]["viewerCanDownload"]
    assert refusal["setUpModelId"] == copied["id"], "nobody can apply for what is archived"
    await plog.answer(ARCHIVE, id=copied["id"])
    refusal = (await left_by(plog, kit))["tuned_model.skops"]["viewerCanDownload"]
    assert not refusal["isAllowed"] and refusal["setUpModelId"] is None and "archived" in refusal["reason"]
    assert refusal["openedBy"] == ["LOGIC_MODEL_SET_UP"]


async def test_who_had_the_job_run_needs_access_as_others_do(plog: Plog) -> None:
    await granted(plog, "LOGIC_GENERAL")
    kit = await optimized(plog, user="dana")
    model = (await set_up(plog, kit))["setUpModel"]
    assert (await left_by(plog, kit))["tuned_model.skops"]["downloadUrl"] is None
    await without_set_up(plog, "ada")
    assert (await left_by(plog, kit, "ada"))["tuned_model.skops"]["downloadUrl"] is not None, "the model's owner needs none"
    assert (await use_of(plog, model))["link"] is None


async def test_later_jobs_of_the_kit_go_on_reading_it(plog: Plog) -> None:
    await granted(plog, "LOGIC_GENERAL")
    kit = await optimized(plog, by_ml={"model.skops": trained(2.0), "metrics.json": b'{"responses": {"delay": {"r2": 0.5}}}'})
    ml, optimize = kit["jobs"][2:]
    answer = await set_up(plog, {"jobs": [ml] * 4})
    assert answer["__typename"] == "SetUpModelCreatePayload", answer
    assert (await left_by(plog, kit))["model.skops"]["downloadUrl"] is None
    retried = await plog.answer(job_command("jobRetry"), plog.signed_in("dana"), id=optimize["id"])
    assert retried["__typename"] == "JobCommandPayload", retried
    await plog.change(kit, lambda change: commands.begin_attempt(change, UUID(optimize["uuid"]), 2, "runner"))
    given = (await plog.http.get("/attempt/input", headers=plog.worker(kit, 3, attempt=2))).json()["inputs"]
    (link,) = [each["url"] for each in given if each["name"] == "model.skops"]
    assert (await plog.http.get(link)).content == trained(2.0)

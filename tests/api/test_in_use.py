"""What a run that has not ended needs can't be archived, also not at the very moment of its start."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from domain.load_test_run import RunStatus
from domain.visibility import EVERY_PROJECT
from tests.api.hostile import fingerprint
from tests.api.in_process import BOTH_DATABASES, ERROR, Plog, serving
from tests.api.test_load_test import CONSTANT, analysed, created, load_test, scenario
from tests.api.test_load_test_report import RUNS, START, STOP
from tests.factories import queued_run

PLACES = {"project": "ProjectCommandPayload", "target": "TargetPayload", "loadTest": "LoadTestPayload"}
KINDS = pytest.mark.parametrize("kind", PLACES)


def archiving(kind: str) -> str:
    return f"""mutation ($id: ID!, $key: String) {{ {kind}Archive(id: $id, idempotencyKey: $key) {{ __typename
      ... on {PLACES[kind]} {{ {kind} {{ archivedAt }} }} ... on InUse {{ runIds }} {ERROR} }} }}"""


async def things(plog: Plog) -> dict[str, str]:
    """The ids of a load test, its target and its project."""
    target = await analysed(plog)
    made = await created(plog, target, load_test())
    return {"project": made["project"]["id"], "target": target["id"], "loadTest": made["id"]}


async def move(plog: Plog, number: int, status: RunStatus) -> None:
    """Take a run to a status, as the runner does."""
    async with plog.container.services.database.transaction() as work:
        run = (await work.load_test_runs.get_many([number], EVERY_PROJECT))[number]
        assert await work.load_test_runs.change(run, status, "runner") is not None


@KINDS
@BOTH_DATABASES
async def test_what_a_run_needs_is_archived_when_it_has_ended(plog: Plog, kind: str) -> None:
    of = await things(plog)
    first, second = [(await plog.answer(START, id=of["loadTest"]))["run"] for _ in range(2)]
    await plog.answer(STOP, id=second["id"])
    for status in (RunStatus.QUEUED, RunStatus.STARTING, RunStatus.RUNNING, RunStatus.STOPPING):
        if status is not RunStatus.QUEUED:
            await move(plog, first["number"], status)
        before = await fingerprint(plog)
        refused = await plog.answer(archiving(kind), id=of[kind], key="k")
        assert (refused["__typename"], refused["code"], refused["runIds"]) == ("InUse", "IN_USE", [first["id"]]), status
        assert f"not ended: {first['number']}." in refused["message"]
        assert await fingerprint(plog) == before, "nothing is stored, the key neither"
    await move(plog, first["number"], RunStatus.ABORTED)
    assert (await plog.answer(archiving(kind), id=of[kind], key="k"))[kind]["archivedAt"] is not None
    assert (await plog.answer(START, id=of["loadTest"]))["code"] == "ILLEGAL_TRANSITION"


@BOTH_DATABASES
async def test_other_projects_targets_and_load_tests_are_not_in_use(plog: Plog) -> None:
    target = await analysed(plog)
    one, other = [await created(plog, target, load_test(title=title)) for title in ("a", "b")]
    await plog.answer(START, id=one["id"])
    assert (await plog.answer(archiving("loadTest"), id=other["id"]))["loadTest"]["archivedAt"] is not None


async def archive(work: Any, kind: str, number: int) -> None:
    store = {"project": work.projects, "target": work.targets, "loadTest": work.load_tests}[kind]
    thing = (await store.get_many([number], EVERY_PROJECT))[number]
    assert await store.change(thing, thing.definition, "ada", is_archived=True) is not None


@KINDS
@BOTH_DATABASES
async def test_an_archiving_waits_for_a_start_that_is_being_stored(plog: Plog, kind: str) -> None:
    of = await things(plog)
    database = plog.container.services.database
    async with database.snapshot() as work:
        (stored,) = (await work.load_tests.get_many([1], EVERY_PROJECT)).values()
    async with database.transaction() as work:
        await work.load_tests.hold(stored.id)
        run = await work.load_test_runs.add(queued_run(stored), "")
        archiving_it = asyncio.create_task(plog.answer(archiving(kind), id=of[kind]))
        done, _ = await asyncio.wait({archiving_it}, timeout=0.5)
        assert not done, "it can't know yet whether there is a run"
    refused = await archiving_it
    assert (refused["code"], len(refused["runIds"]), run.id) == ("IN_USE", 1, 1)


@KINDS
@BOTH_DATABASES
async def test_a_start_waits_for_an_archiving_that_is_being_stored(plog: Plog, kind: str) -> None:
    of = await things(plog)
    async with plog.container.services.database.transaction() as work:
        await archive(work, kind, 1)
        starting = asyncio.create_task(plog.answer(START, id=of["loadTest"]))
        done, _ = await asyncio.wait({starting}, timeout=0.5)
        assert not done
    assert (await starting)["code"] == "ILLEGAL_TRANSITION"
    assert (await plog.answer(RUNS))["totalCount"] == 0


@KINDS
@BOTH_DATABASES
async def test_of_starts_and_an_archiving_at_once_either_is_refused(plog: Plog, kind: str) -> None:
    of = await things(plog)
    starts = [plog.answer(START, id=of["loadTest"]) for _ in range(8)]
    answers = await asyncio.gather(*starts[:4], plog.answer(archiving(kind), id=of[kind]), *starts[4:])
    archived = answers.pop(4)
    runs = {each["run"]["id"] for each in answers if "run" in each}
    assert {each["code"] for each in answers if "code" in each} <= {"ILLEGAL_TRANSITION"}
    if archived["__typename"] == "InUse":
        assert len(runs) == 8 and set(archived["runIds"]) <= runs
    else:
        assert not runs, "nothing that was archived is put under load"


async def test_what_asks_for_more_than_is_allowed_by_now_is_not_started(tmp_path: Path) -> None:
    async with serving(tmp_path / "plog") as plog:
        made = await created(plog, await analysed(plog), load_test(scenario(executor={**CONSTANT, "vus": 5, "duration": 90})))
        assert "run" in await plog.answer(START, id=made["id"])
    for changed in ({"max_minutes": 1}, {"max_vus": 4}):
        async with serving(tmp_path / "plog", {"k6": {"capacity": 0, **changed}}) as plog:
            refused = await plog.answer(START, id=made["id"])
            (problem,) = refused["problems"]
            assert problem["field"].startswith("input.scenarios"), "what of its definition is too much by now"
            assert (await plog.answer(RUNS))["totalCount"] == 1

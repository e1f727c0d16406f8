"""The read-only views for people with SQL: every code has its name, every row of the state and the history is there."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain import commands
from domain.attempt import Ending
from domain.change import Change
from domain.event import EventKind
from domain.job_type import DEFAULT_TASKS, JobType
from domain.kit import Kit, ProductLine
from domain.status import Status
from persistence.codes import EVENT_KIND, JOB_TYPE, PRODUCT_LINE, STATUS
from persistence.unit_of_work import Database
from tests.factories import change, store_kit
from tests.history import history_of

STEP_VIEWS = {
    JobType.DECK_COLLECTION: "deck_collection",
    JobType.DOE: "doe_step",
    JobType.ML: "ml_step",
    JobType.OPTIMIZE: "optimize_step",
}
TOTAL = "mlops_totalstate_table"
GIVEN_TO_KITS = {EventKind.CREATED, EventKind.STARTED, EventKind.CANCELLED, EventKind.ARCHIVED}


def connection_of(work: Any) -> AsyncConnection:
    connection: AsyncConnection = work.connection
    return connection


async def rows(database: Database, sql: str) -> Sequence[Mapping[Any, Any]]:
    async with database.snapshot() as work:
        return (await connection_of(work).execute(text(sql))).mappings().all()


@pytest.fixture
async def kit(database: Database) -> AsyncIterator[Kit]:
    """A kit with something of everything in its first job."""
    kit = await change(database, await store_kit(database, "한글", line=ProductLine.DRAM), commands.start_kit)
    job = kit.jobs[0]

    def life(made: Change) -> None:
        commands.begin_attempt(made, job.id, 1, "r")
        for kind in EventKind:
            if kind not in GIVEN_TO_KITS and kind is not EventKind.STATUS:
                if kind is not EventKind.CANCEL_REQUESTED:
                    made.emit_for_task(made.job(job.id), job.tasks[0], kind, metadata={"a": 1}, progress=0.5)
                else:
                    made.emit_for_job(made.job(job.id), kind)
        commands.settle_attempt(made, job.id, 1, Ending(exit_code=1, reports=0))

    yield await change(database, kit, life)


async def test_the_total_state_has_a_row_for_each_task(database: Database, kit: Kit) -> None:
    found = await rows(database, f"SELECT * FROM {TOTAL} ORDER BY kit_number, job_id, task_order")
    expected = {
        (job.type.value, task.order): (task.name, task.status.value, job.status.value, job.attempt.number)
        for job in kit.jobs
        for task in job.tasks
    }
    assert {
        (row["job_type"], row["task_order"]): (row["task_name"], row["task_status"], row["job_status"], row["attempt"])
        for row in found
    } == expected
    assert len(found) == sum(len(tasks) for tasks in DEFAULT_TASKS.values())
    for row in found:
        assert (row["kit_number"], row["kit_name"], row["owner"]) == (kit.id, "한글", "ada")
        assert (row["product_line"], row["status"], row["version"]) == ("DRAM", "FAILED", kit.version)


async def test_the_steps_have_a_row_for_each_event_of_their_jobs(database: Database, kit: Kit) -> None:
    async with database.snapshot() as work:
        history = await history_of(work, kit.id)
    for job_type, view in STEP_VIEWS.items():
        found = await rows(database, f"SELECT * FROM {view} ORDER BY version")
        expected = [event for event in history if event.job_type is job_type]
        assert [
            (row["kit_number"], row["version"], row["kind"], row["status"], row["task_name"], row["actor"], row["attempt"])
            for row in found
        ] == [(kit.id, e.version, e.kind.value, e.status, e.task, e.actor, e.attempt) for e in expected]
        assert [row["step_order"] for row in found] == [event.order for event in expected]
    kinds = {row["kind"] for row in await rows(database, "SELECT DISTINCT kind FROM deck_collection")}
    assert kinds == {kind.value for kind in EventKind if kind not in GIVEN_TO_KITS}


# Which column of which view shows which enum, and where its code stands. A new member without a name in the view fails here.
NAMED: list[tuple[type[StrEnum], Mapping[Any, int], str, str, str]] = [
    (ProductLine, PRODUCT_LINE.code, "kit", "product_line", "product_line"),
    (Status, STATUS.code, "kit_state", "status", "status"),
    (Status, STATUS.code, "job_state", "status", "job_status"),
    (Status, STATUS.code, "task_state", "status", "task_status"),
]


@pytest.mark.parametrize(("enum", "codes", "table", "column", "shown"), NAMED, ids=[f"{row[2]}.{row[3]}" for row in NAMED])
async def test_every_code_of_the_total_state_has_its_name(
    database: Database, enum: type[StrEnum], codes: Mapping[Any, int], table: str, column: str, shown: str
) -> None:
    await store_kit(database)
    assert set(codes) == set(enum)
    for member, code in codes.items():
        async with database.transaction() as work:
            await connection_of(work).execute(text(f"UPDATE {table} SET {column} = {code}"))
        assert {row[shown] for row in await rows(database, f"SELECT {shown} FROM {TOTAL}")} == {member.value}


async def test_every_job_type_has_its_name_and_its_view(database: Database) -> None:
    await store_kit(database)
    assert set(JOB_TYPE.code) == set(JobType) == set(STEP_VIEWS)
    found = await rows(database, f"SELECT DISTINCT job_type FROM {TOTAL}")
    assert {row["job_type"] for row in found} == {job_type.value for job_type in JobType}


async def test_every_kind_and_status_of_an_event_has_its_name(database: Database) -> None:
    """Every member that the enums have is stored as it is, whether a kit could have it or not."""
    kit = await store_kit(database)
    made = Change.of(kit, "ada")
    made.emit_for_job(kit.jobs[0], EventKind.NOTE)
    (event,) = made.events
    kinds = [kind for kind in EVENT_KIND.code if kind not in GIVEN_TO_KITS]
    made.events[:] = [replace(event, version=event.version + n, kind=kind) for n, kind in enumerate(kinds)]
    made.events += [replace(event, version=event.version + len(kinds) + n, status=status) for n, status in enumerate(Status)]
    async with database.transaction() as work:
        assert await work.kits.append([made])
    found = await rows(database, f"SELECT kind, status FROM deck_collection WHERE version > {kit.version} ORDER BY version")
    assert [row["kind"] for row in found[: len(kinds)]] == [kind.value for kind in kinds]
    assert [row["status"] for row in found[len(kinds) :]] == [status.value for status in Status]
    assert set(EVENT_KIND.code) == set(EventKind)


@pytest.mark.parametrize("view", [TOTAL, *STEP_VIEWS.values()])
async def test_views_are_read_only(database: Database, view: str) -> None:
    await store_kit(database)
    for statement in (f"DELETE FROM {view}", f"UPDATE {view} SET metadata = NULL"):
        with pytest.raises(DBAPIError):
            async with database.transaction() as work:
                await connection_of(work).execute(text(statement))

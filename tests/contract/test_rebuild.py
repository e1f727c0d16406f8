"""Proving the current state from the events: what was tampered with is named, and `fix` puts it right."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.bus.memory import MemoryBus
from domain import commands
from domain.actor import Worker
from domain.attempt import Cause, Ending
from domain.change import Change
from domain.event import EventKind
from domain.kit import Kit
from domain.report import Report, ReportState
from domain.status import Status
from domain.visibility import EVERYTHING
from persistence.engine import open_engines
from persistence.rebuild import rebuild
from persistence.unit_of_work import Database
from resolvers.report_intake import ReportIntake
from tests.contract.intake_bench import FOREVER
from tests.factories import change, store_kit
from tests.fakes import FakeArtifacts

TABLES = ("kit_state", "job_state", "attempt_state", "task_state")


@pytest.fixture
async def owner(migrated_url: str) -> AsyncIterator[AsyncEngine]:
    """The database as somebody who may do anything to it."""
    writer, reader = open_engines(migrated_url)
    yield writer
    await writer.dispose()
    await reader.dispose()


@pytest.fixture
async def kit(database: Database) -> Kit:
    """A kit with failed, repeated, running and waiting work; another one beside it that nobody touches."""
    await change(database, await store_kit(database, "other"), commands.start_kit)
    kit = await change(database, await store_kit(database), commands.start_kit)
    job_id = kit.jobs[0].id
    kit = await change(database, kit, partial(commands.begin_attempt, job_id=job_id, number=1, runner="r"))
    failed = Ending(exit_code=137, reports=0, cause=Cause.MEMORY_LIMIT, message="too much")
    kit = await change(database, kit, partial(commands.settle_attempt, job_id=job_id, number=1, ending=failed))
    kit = await change(database, kit, partial(commands.retry_job, job_id=job_id))
    kit = await change(database, kit, partial(commands.begin_attempt, job_id=job_id, number=2, runner="r"))
    job = kit.jobs[0]

    def report(made: Change) -> None:
        made.emit_for_task(job, job.tasks[0], EventKind.STATUS, status=Status.RUNNING, sequence=1, metadata={"a": 1e22})
        made.emit_for_task(job, job.tasks[0], EventKind.PROGRESS, progress=0.333333, sequence=2)
        made.emit_for_job(job, EventKind.NOTE, metadata={"b": [1, None]}, sequence=3)

    return await change(database, kit, report)


async def dump(owner: AsyncEngine) -> dict[str, Any]:
    """All rows of the current state, without the count of its writes."""
    found = {}
    async with owner.connect() as connection:
        for table in TABLES:
            result = await connection.execute(text(f"SELECT * FROM {table}"))
            found[table] = sorted(({**row, "revision": None} for row in result.mappings()), key=repr)
    return found


async def tamper(owner: AsyncEngine, kit: Kit, statement: str) -> None:
    job_id = kit.jobs[0].id.hex if owner.dialect.name == "sqlite" else str(kit.jobs[0].id)
    async with owner.begin() as connection:
        result = await connection.execute(text(statement.format(kit=kit.id, job=f"'{job_id}'")))
        assert result.rowcount > 0, "nothing was tampered with"


async def test_an_honest_database_has_no_differences(database: Database, kit: Kit, owner: AsyncEngine) -> None:
    before = await dump(owner)
    seen: list[int] = []
    report = await rebuild(database, fix=True, progress=seen.append)
    assert report.differences == [] and report.kits == 2 and seen[-1] == 2
    async with database.snapshot() as work:
        assert report.events == sum((await work.kits.versions([kit.id, kit.id - 1])).values())
    assert await dump(owner) == before


TAMPERED = {
    "a task's status": ("UPDATE task_state SET status = 4 WHERE kit_id = {kit} AND type = 1 AND task_order = 1", "status"),
    "a task's progress": (
        "UPDATE task_state SET progress = 0.9 WHERE kit_id = {kit} AND type = 1 AND task_order = 1",
        "progress",
    ),
    "a task's name": ("UPDATE task_state SET name = 'x' WHERE kit_id = {kit} AND type = 2 AND task_order = 3", "name"),
    "a task's metadata": ("UPDATE task_state SET metadata = NULL WHERE kit_id = {kit} AND type = 1", "metadata"),
    "a task's version": ("UPDATE task_state SET version = 1 WHERE kit_id = {kit} AND type = 4", "version"),
    "a task's job": ("UPDATE task_state SET job_id = {job} WHERE kit_id = {kit} AND type = 3", "tasks"),
    "a missing task": ("DELETE FROM task_state WHERE kit_id = {kit} AND type = 1 AND task_order = 2", "tasks"),
    "a task too many": (
        "INSERT INTO task_state (kit_id, type, task_order, job_id, name, status, progress, version, status_version,"
        " created_at, updated_at) SELECT kit_id, type, 9, job_id, 'extra', 1, 0, 1, 1, created_at, updated_at"
        " FROM task_state WHERE kit_id = {kit} AND type = 1 AND task_order = 1",
        "tasks",
    ),
    "a job's status": ("UPDATE job_state SET attempt = 1 WHERE kit_id = {kit} AND type = 1", "attempt"),
    "a job's request": ("UPDATE job_state SET cancel_requested = true WHERE kit_id = {kit} AND type = 1", "cancel_requested"),
    "a job's reports": ("UPDATE job_state SET last_sequence = 1 WHERE kit_id = {kit} AND type = 1", "last_sequence"),
    "a job's metadata": ("UPDATE job_state SET metadata = NULL WHERE kit_id = {kit} AND type = 1", "metadata"),
    "a job's times": ("UPDATE job_state SET updated_at = created_at WHERE kit_id = {kit} AND type = 1", "updated_at"),
    "a missing job": ("DELETE FROM job_state WHERE kit_id = {kit} AND type = 3", "jobs"),
    "an attempt's status": ("UPDATE attempt_state SET status = 4 WHERE kit_id = {kit} AND number = 1", "attempts"),
    "an attempt's cause": ("UPDATE attempt_state SET cause = NULL WHERE kit_id = {kit} AND number = 1", "attempts"),
    "an attempt's message": ("UPDATE attempt_state SET message = 'x' WHERE kit_id = {kit} AND number = 1", "attempts"),
    "an attempt's beginning": ("UPDATE attempt_state SET started_at = NULL WHERE job_id = {job} AND number = 2", "started_at"),
    "a missing attempt of old": ("DELETE FROM attempt_state WHERE job_id = {job} AND number = 1", "attempts"),
    "the missing current attempt": ("DELETE FROM attempt_state WHERE job_id = {job} AND number = 2", "jobs"),
    "an attempt too many": (
        "INSERT INTO attempt_state (job_id, number, kit_id, status, version, created_at)"
        " SELECT job_id, 3, kit_id, 4, version, created_at FROM attempt_state WHERE job_id = {job} AND number = 1",
        "attempts",
    ),
    "the kit's status": ("UPDATE kit_state SET status = 4 WHERE kit_id = {kit}", "status"),
    "the kit's version": ("UPDATE kit_state SET version = version + 1 WHERE kit_id = {kit}", "version"),
    "the kit's start": ("UPDATE kit_state SET is_started = false WHERE kit_id = {kit}", "is_started"),
    "the kit's end": ("UPDATE kit_state SET ended_at = updated_at WHERE kit_id = {kit}", "ended_at"),
    "the kit's archiving": ("UPDATE kit_state SET archived_at = updated_at WHERE kit_id = {kit}", "archived_at"),
    "the missing kit": ("DELETE FROM kit_state WHERE kit_id = {kit}", "state"),
}


@pytest.mark.parametrize(("statement", "named"), TAMPERED.values(), ids=TAMPERED)
async def test_what_was_tampered_with_is_named_and_put_right(
    database: Database, kit: Kit, owner: AsyncEngine, statement: str, named: str
) -> None:
    before = await dump(owner)
    await tamper(owner, kit, statement)
    tampered = await dump(owner)
    assert tampered != before
    report = await rebuild(database)
    assert report.differences
    assert all(difference.startswith(f"kit {kit.id}: ") for difference in report.differences), "another kit was blamed"
    assert any(named in difference for difference in report.differences), report.differences
    assert await dump(owner) == tampered, "a check without fix changed something"
    fixed = await rebuild(database, fix=True)
    assert fixed.differences == report.differences
    assert (await rebuild(database)).differences == []
    assert await dump(owner) == before


async def test_a_kit_that_was_put_right_goes_on(database: Database, kit: Kit, owner: AsyncEngine) -> None:
    await tamper(owner, kit, "UPDATE kit_state SET version = version + 5 WHERE kit_id = {kit}")
    await rebuild(database, fix=True)
    ended = Ending(exit_code=0, reports=3)
    async with database.snapshot() as work:
        current = await work.kits.get(kit.id, EVERYTHING)
    assert current is not None and current == kit
    await change(database, current, partial(commands.settle_attempt, job_id=kit.jobs[0].id, number=2, ending=ended))
    assert (await rebuild(database)).differences == []


async def test_numbers_used_up_by_reports_without_events_are_kept(database: Database, kit: Kit, owner: AsyncEngine) -> None:
    made = Change.of(kit, "worker")
    made.consume(kit.jobs[0].id, 9)
    async with database.transaction() as work:
        assert await work.kits.append([made])
    assert (await rebuild(database)).differences == []
    await tamper(owner, kit, "UPDATE task_state SET progress = 1 WHERE kit_id = {kit}")
    await rebuild(database, fix=True)
    async with database.snapshot() as work:
        found = await work.kits.get(kit.id, EVERYTHING)
    assert found == made.kit


async def unprotected(owner: AsyncEngine, *statements: str) -> None:
    """What only somebody can do who takes the protection of the events away first."""
    is_sqlite = owner.dialect.name == "sqlite"
    names = ("no_update", "no_delete", "no_replace")
    guards = [f"DROP TRIGGER kit_event_{name}" for name in names] if is_sqlite else ["ALTER TABLE kit_event DISABLE TRIGGER ALL"]
    if not is_sqlite:
        sql = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'kit_event'::regclass"
        async with owner.connect() as connection:
            partitions = (await connection.execute(text(sql))).scalars().all()
        guards = [f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in ("kit_event", *partitions)]
    async with owner.begin() as connection:
        for statement in (*guards, *statements):
            await connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM kit_event WHERE kit_id = {kit} AND version = 20", "at version 19 can't take event"),
        ("DELETE FROM kit_event WHERE kit_id = {kit} AND version = 1", "at version 0 can't take event"),
        ("UPDATE kit_event SET version = 999 WHERE kit_id = {kit} AND version = 20", "at version 19 can't take event"),
        ("UPDATE kit_event SET status = NULL WHERE kit_id = {kit} AND version = 2", "lacks a value"),
        ("UPDATE kit_event SET kind = 9, task = NULL WHERE kit_id = {kit} AND version = 20", "is not a job's event"),
    ],
)
async def test_a_history_that_was_tampered_with_is_named_and_left_alone(
    database: Database, kit: Kit, owner: AsyncEngine, statement: str, expected: str
) -> None:
    before = await dump(owner)
    await unprotected(owner, statement.format(kit=kit.id))
    report = await rebuild(database, fix=True)
    assert len(report.differences) == 1 and expected in report.differences[0], report.differences
    assert f"kit {kit.id}" in report.differences[0]
    assert await dump(owner) == before, "the state was overwritten by a history that is broken"
    assert report.kits == 2, "the check went on with the other kits"


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_versions_are_single_also_where_a_partition_would_allow_two(
    database: Database, kit: Kit, owner: AsyncEngine
) -> None:
    """The key of the table has the time in it; only the rebuild proves that no version is there twice."""
    sql = (
        "INSERT INTO kit_event (kit_id, version, recorded_at, actor, kind)"
        " SELECT kit_id, version, recorded_at + interval '1 microsecond', actor, kind FROM kit_event"
        f" WHERE kit_id = {kit.id} AND version = 1"
    )
    async with owner.begin() as connection:
        await connection.execute(text(sql))
    report = await rebuild(database)
    assert f"kit {kit.id} at version 1 can't take event {kit.id}/1" in report.differences


async def test_times_that_run_backwards_are_named(database: Database, kit: Kit, owner: AsyncEngine) -> None:
    earlier = "recorded_at - 1000000" if owner.dialect.name == "sqlite" else "recorded_at - interval '1 second'"
    await unprotected(owner, f"UPDATE kit_event SET recorded_at = {earlier} WHERE kit_id = {kit.id} AND version = 20")
    report = await rebuild(database)
    assert f"kit {kit.id}: event 20 was recorded before its predecessor" in report.differences


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_a_kit_is_put_right_under_its_lock(database: Database, kit: Kit, owner: AsyncEngine) -> None:
    """Somebody who is changing the kit meanwhile is waited for, and what he stores stays."""
    await tamper(owner, kit, "UPDATE task_state SET progress = 1 WHERE kit_id = {kit} AND type = 2")
    made = Change.of(kit, "ada")
    commands.cancel_job(made, kit.jobs[0].id)
    async with database.transaction() as work:
        assert await work.kits.append([made])
        fixing = asyncio.create_task(rebuild(database, fix=True))
        done, _ = await asyncio.wait({fixing}, timeout=0.5)
        assert not done, "the kit was put right while somebody had its lock"
    assert (await fixing).differences
    async with database.snapshot() as work:
        found = await work.kits.get(kit.id, EVERYTHING)
    assert found is not None and found.jobs[0].cancel_requested and found.version == kit.version + 1
    assert (await rebuild(database)).differences == []


@pytest.mark.parametrize("is_lost", [False, True])
async def test_no_server_brings_back_from_memory_what_was_put_right(
    database: Database, kit: Kit, owner: AsyncEngine, is_lost: bool
) -> None:
    """A server that read the kit before, tampered with as it was, has to read it again before it stores anything."""
    rename = "UPDATE task_state SET name = 'fetsch' WHERE kit_id = {kit} AND type = 1 AND task_order = 1"
    await tamper(owner, kit, rename)
    server = ReportIntake(database, MemoryBus(), FakeArtifacts())
    key = kit.jobs[0].attempt.key
    worker = Worker(attempt=key, kit_id=kit.id, expires_at=FOREVER)
    (first,) = await server.submit(worker, [Report(attempt=key, sequence=4, kind=EventKind.NOTE)])
    if is_lost:
        await tamper(owner, kit, "DELETE FROM kit_state WHERE kit_id = {kit}")
    await rebuild(database, fix=True)
    report = Report(attempt=key, sequence=5, kind=EventKind.POINT, task="fetsch")
    (second,) = await server.submit(worker, [report])
    assert (first.state, second.code) == (ReportState.RECORDED, "VALIDATION_FAILED")
    assert (await rebuild(database)).differences == []

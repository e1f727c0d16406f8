"""The records of artifacts: one a name and attempt, seen by those who see the kit."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from domain.artifact import AttemptArtifact, TargetArtifact, document_id
from domain.attempt import AttemptKey
from domain.kit import Kit, ProductLine
from domain.visibility import EVERY_MODEL, EVERY_PROJECT, EVERYTHING, Visibility
from persistence import load_test_tables, tables
from persistence.engine import open_engines
from persistence.migrate import upgrade
from persistence.unit_of_work import Database
from tests.factories import store_kit

NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)


def artifact(kit: Kit, name: str = "data.csv", *, job: int = 0, number: int = 1) -> AttemptArtifact:
    return AttemptArtifact(
        id=uuid4(),
        kit_id=kit.id,
        attempt=AttemptKey(kit.jobs[job].id, number),
        name=name,
        media_type="text/csv",
        sha256="ab" * 32,
        size=2**40,
        inputs=(uuid4(), uuid4()),
        created_at=NOW,
    )


async def add(database: Database, *artifacts: AttemptArtifact) -> None:
    async with database.transaction() as work:
        await work.artifacts.add(artifacts)


async def of_jobs(database: Database, kit: Kit) -> list[AttemptArtifact]:
    async with database.snapshot() as work:
        return await work.artifacts.of_jobs([job.id for job in kit.jobs])


async def test_what_is_stored_reads_back(database: Database) -> None:
    kit = await store_kit(database)
    one = artifact(kit, "한글 \U0001f600.csv")
    await add(database, one, replace(artifact(kit, job=1), inputs=()))
    assert one in await of_jobs(database, kit)
    async with database.snapshot() as work:
        assert await work.artifacts.get_many([one.id, uuid4()], EVERYTHING, EVERY_PROJECT, EVERY_MODEL) == {one.id: one}
        assert await work.artifacts.get_many([], EVERYTHING, EVERY_PROJECT, EVERY_MODEL) == {}
        assert await work.artifacts.of_jobs([]) == [] == await work.artifacts.of_jobs([uuid4()])


async def test_a_name_is_taken_once_in_an_attempt(database: Database) -> None:
    kit = await store_kit(database)
    made = [artifact(kit), artifact(kit, number=2), artifact(kit, "DATA.csv")]
    await add(database, *made)
    with pytest.raises(IntegrityError):
        await add(database, replace(artifact(kit), sha256="cd" * 32, size=0, media_type="text/plain"))
    assert sorted(await of_jobs(database, kit), key=lambda each: each.id) == sorted(made, key=lambda each: each.id)


async def test_they_come_by_job_attempt_and_name(database: Database) -> None:
    kit = await store_kit(database)
    made = [artifact(kit, name, job=job, number=number) for job in (1, 0) for number in (2, 1) for name in ("ä", "b", "Z", "a")]
    await add(database, *made)
    found = [(each.attempt.job_id, each.attempt.number, each.name.encode()) for each in await of_jobs(database, kit)]
    assert found == sorted(found) and len(found) == len(made)


@pytest.mark.parametrize("owners", [{}, {"run_id": 1}, {"kit_id": 1}, {"target_id": 1, "actor": "a", "job_id": uuid4()}])
async def test_each_belongs_to_one_thing_alone(database: Database, owners: dict[str, Any]) -> None:
    values = {"id": uuid4(), "name": "a", "media_type": "b", "sha256": "c", "size": 1, "created_at": NOW}
    with pytest.raises(IntegrityError, match=r"artifact_owner|CHECK"):
        async with database.transaction() as work:
            await work.connection.execute(tables.artifact.insert().values(**values, **owners))


@pytest.mark.parametrize(
    ("lines", "is_seen"),
    [
        (frozenset(ProductLine), True),
        (frozenset({ProductLine.LOGIC}), True),
        (frozenset({ProductLine.DRAM}), False),
        (frozenset(), False),
    ],
)
async def test_they_exist_for_those_for_whom_the_kit_does(
    database: Database, lines: frozenset[ProductLine], is_seen: bool
) -> None:
    one = artifact(await store_kit(database))
    await add(database, one)
    async with database.snapshot() as work:
        assert (one.id in await work.artifacts.get_many([one.id], Visibility(lines), EVERY_PROJECT, EVERY_MODEL)) is is_seen


async def test_what_was_analysed_before_targets_had_artifacts_has_them_and_those_of_kits_stay(empty_url: str) -> None:
    writer, reader = open_engines(empty_url)
    database, at = Database(writer, reader), datetime(2026, 5, 1, 1, 2, 3, 456789, tzinfo=UTC)
    await upgrade(writer, revision="0009")
    kit = await store_kit(database)
    file: dict[str, Any] = {"name": "a", "media_type": "m", "sha256": "s", "size": 2, "created_at": at}
    output = AttemptArtifact(id=uuid4(), kit_id=kit.id, attempt=AttemptKey(kit.jobs[0].id, 1), inputs=(uuid4(),), **file)
    dates = {"version": 1, "created_at": at, "updated_at": at}
    analysis = {"recorded_at": at, "url": "u", "document_url": "d", "strategy": "s", "media_type": "application/yaml", "size": 7}
    async with database.transaction() as work:
        await work.artifacts.add([output])
        run = work.connection.execute
        await run(load_test_tables.project.insert().values(id=1, name="p", description="", members=[], owner="ada", **dates))
        for target in (1, 2):
            values = {"id": target, "project_id": 1, "name": f"t{target}", "url": "u", "analysis": 0, **dates}
            await run(load_test_tables.target.insert().values(values))
        for target, number, sha256 in ((1, 1, "a"), (1, 2, "b"), (1, 3, "a"), (2, 1, "a")):
            values = {"target_id": target, "number": number, "actor": f"actor{number}", "sha256": sha256, **analysis}
            await run(load_test_tables.target_analysis.insert().values(**values, endpoint_count=0, details={}))
    await upgrade(writer)
    first, second, other = (document_id(target, sha256) for target, sha256 in ((1, "a"), (1, "b"), (2, "a")))
    async with database.snapshot() as work:
        assert (await work.connection.execute(select(func.count()).select_from(tables.artifact))).scalar_one() == 4
        found = await work.artifacts.get_many([first, second, other, output.id], EVERYTHING, EVERY_PROJECT, EVERY_MODEL)
    named: dict[str, Any] = {
        "name": "target-1.yaml",
        "media_type": "application/yaml",
        "sha256": "a",
        "size": 7,
        "created_at": at,
    }
    assert found[first] == TargetArtifact(id=first, target_id=1, actor="actor1", **named)
    assert {found[second].location, found[other].location} == {"documents/b", "documents/a"} and found[output.id] == output
    await database.close()

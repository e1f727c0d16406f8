"""The records of artifacts: one a name and attempt, seen by those who see the kit."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from domain.artifact import Artifact
from domain.attempt import AttemptKey
from domain.kit import Kit, ProductLine
from domain.visibility import EVERYTHING, Visibility
from persistence.unit_of_work import Database
from tests.factories import store_kit

NOW = datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)


def artifact(kit: Kit, name: str = "data.csv", *, job: int = 0, number: int = 1) -> Artifact:
    return Artifact(
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


async def add(database: Database, *artifacts: Artifact) -> None:
    async with database.transaction() as work:
        await work.artifacts.add(artifacts)


async def of_jobs(database: Database, kit: Kit) -> list[Artifact]:
    async with database.snapshot() as work:
        return await work.artifacts.of_jobs([job.id for job in kit.jobs])


async def test_what_is_stored_reads_back(database: Database) -> None:
    kit = await store_kit(database)
    one = artifact(kit, "한글 \U0001f600.csv")
    await add(database, one, replace(artifact(kit, job=1), inputs=()))
    assert one in await of_jobs(database, kit)
    async with database.snapshot() as work:
        assert await work.artifacts.get_many([one.id, uuid4()], EVERYTHING) == {one.id: one}
        assert await work.artifacts.get_many([], EVERYTHING) == {}
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
        assert (one.id in await work.artifacts.get_many([one.id], Visibility(lines))) is is_seen

"""Imports of lot rows in the database: their person's alone, and worked on by one server at a time."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from domain.artifact import ImportArtifact, result_id
from domain.kit import ProductLine
from domain.lot_import import LotImport, LotImportStatus, RefusedRow
from domain.query import LotImportQuery
from domain.visibility import EVERY_MODEL, EVERYTHING, Membership
from persistence.unit_of_work import Database

AT = datetime(2026, 7, 1, tzinfo=UTC)
SOON, NEVER = timedelta(seconds=0), timedelta(seconds=30)


def queued(actor: str = "ada") -> LotImport:
    return LotImport(
        id=0,
        file_name="한글 'a'.csv",
        sha256="ab" * 32,
        size=2**40,
        actor=actor,
        actor_name="Ada",
        product_lines=frozenset(ProductLine),
        status=LotImportStatus.QUEUED,
        version=1,
        created_at=AT,
        updated_at=AT,
    )


async def stored(database: Database, actor: str = "ada") -> LotImport:
    async with database.transaction() as work:
        return await work.lot_imports.add(queued(actor))


async def claimed(database: Database, server: str = "one", silence: timedelta = NEVER, *working: int) -> LotImport | None:
    async with database.transaction() as work:
        return await work.lot_imports.claim(server, working, silence)


async def test_what_is_stored_reads_back(database: Database) -> None:
    started = await stored(database)
    async with database.transaction() as work:
        assert await work.lot_imports.get_many([started.id], "ada") == {started.id: started}
        changed = replace(
            started,
            status=LotImportStatus.FAILED,
            version=2,
            started_at=AT,
            ended_at=AT,
            encoding="cp949",
            bytes_read=2**39,
            row_number=5,
            rows_read=4,
            rows_added=3,
            rows_refused=1,
            message="why",
            is_cancel_requested=True,
            fence=7,
            result_id=uuid4(),
        )
        await work.lot_imports.change(changed)
        assert await work.lot_imports.lock(started.id, "ada") == changed


async def test_an_import_is_its_persons_alone(database: Database) -> None:
    own, other = await stored(database), await stored(database, "bela")
    query = LotImportQuery(statuses=frozenset({LotImportStatus.QUEUED}))
    async with database.transaction() as work:
        assert await work.lot_imports.get_many([own.id, other.id], "ada") == {own.id: own}
        assert await work.lot_imports.lock(other.id, "ada") is None
        assert (await work.lot_imports.page(query, "ada")).items == [own]
        assert await work.lot_imports.versions_on_page(query, "ada") == {own.id: 1}
        assert await work.lot_imports.count(query, "ada") == 1
        assert await work.lot_imports.count(replace(query, statuses=frozenset({LotImportStatus.FAILED})), "ada") == 0


async def test_of_many_who_want_an_import_one_has_it(database: Database) -> None:
    started = await stored(database)
    taken = await asyncio.gather(*(claimed(database, f"server {number}") for number in range(10)))
    (winner,) = [each for each in taken if each is not None]
    assert (winner.id, winner.status, winner.fence, winner.version) == (started.id, LotImportStatus.RUNNING, 1, 2)


async def test_imports_are_taken_up_in_their_order_when_nobody_works_on_them(database: Database) -> None:
    first, second = await stored(database), await stored(database)
    one = await claimed(database)
    other = await claimed(database, "two")
    assert one is not None and other is not None and (one.id, other.id) == (first.id, second.id)
    assert await claimed(database, "three") is None, "both servers are heard of"
    assert await claimed(database, "one", NEVER, first.id) is None, "it works on it already"
    again = await claimed(database)
    assert again is not None and (again.id, again.fence) == (first.id, 2), "after a restart it goes on itself"
    lost = await claimed(database, "three", SOON)
    assert lost is not None and (lost.id, lost.fence) == (first.id, 3)
    async with database.transaction() as work:
        assert [await work.lot_imports.hold(each) for each in (one, again)] == [None, None]
        assert [await work.lot_imports.heartbeat(each) for each in (one, again)] == [None, None]
        assert await work.lot_imports.hold(lost) == lost and await work.lot_imports.heartbeat(lost) is False
        await work.lot_imports.change(lost.cancelled(lost.updated_at))
        assert await work.lot_imports.heartbeat(lost) is True
        await work.lot_imports.release("three")
    freed = await claimed(database, "four")
    assert freed is not None and freed.id == first.id and freed.is_cancel_requested


async def test_what_has_ended_is_nobodys(database: Database) -> None:
    await stored(database)
    running = await claimed(database)
    assert running is not None
    async with database.transaction() as work:
        await work.lot_imports.change(running.became(LotImportStatus.SUCCEEDED, running.updated_at))
        assert await work.lot_imports.hold(running) is None and await work.lot_imports.heartbeat(running) is None
    assert await claimed(database, "two", SOON) is None


async def test_refused_rows_are_kept_in_the_order_of_the_file(database: Database) -> None:
    started, other = await stored(database), await stored(database)
    rows = [
        RefusedRow(number=number, fields=("=1", "한글\n", "")[: number % 4], reason=f"why {number}") for number in range(1, 9)
    ]
    async with database.transaction() as work:
        await work.lot_imports.refuse(started.id, rows[4:])
        await work.lot_imports.refuse(started.id, rows[:4])
        await work.lot_imports.refuse(other.id, rows[:1])
        await work.lot_imports.refuse(other.id, [])
        assert await work.lot_imports.refused(started.id, 0, 3) == rows[:3]
        assert await work.lot_imports.refused(started.id, 3, 100) == rows[3:]


async def test_the_file_of_what_was_refused_is_its_persons_alone(database: Database) -> None:
    started = await stored(database)
    file = ImportArtifact(
        id=result_id(started.id, "cd" * 32),
        name="refused.csv",
        media_type="text/csv",
        sha256="cd" * 32,
        size=5,
        created_at=AT,
        import_id=started.id,
        actor="ada",
    )
    async with database.transaction() as work:
        assert await work.artifacts.add_once(file) == file == await work.artifacts.add_once(file)
        assert await work.artifacts.get_many([file.id], EVERYTHING, Membership("ada"), EVERY_MODEL) == {file.id: file}
        for person in ("bela", "dana"):
            assert await work.artifacts.get_many([file.id], EVERYTHING, Membership(person), EVERY_MODEL) == {}

"""Lists of kits, jobs and events: filters, orders and pages that together are the whole."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain import commands
from domain.attempt import Ending
from domain.event import EventKind
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit, ProductLine
from domain.query import EventQuery, JobOrder, JobQuery, KitOrder, KitQuery
from domain.status import Status
from domain.visibility import EVERYTHING, Visibility
from persistence.unit_of_work import Database
from tests.factories import change, store_kit
from tests.history import fold, history_of
from tests.statements import statements

HOSTILE_NAMES = [
    "a",
    "A",
    "ä",
    "Z",
    "z",
    "한글",
    "_",
    "%",
    "a%",
    "a b",
    "a-b",
    "𝛼",
    "é",
    "e\u0301",
    "'; --",
    "\U0010ffff",
    "~",
    "É",
]


@pytest.mark.parametrize("order", list(KitOrder))
@pytest.mark.parametrize("is_descending", [True, False])
async def test_pages_together_are_the_list(database: Database, order: KitOrder, is_descending: bool) -> None:
    kits = [await store_kit(database, name) for name in [*HOSTILE_NAMES, *HOSTILE_NAMES[:3]]]
    found: list[Kit] = []
    query = KitQuery(order=order, is_descending=is_descending, first=4)
    while True:
        async with database.snapshot() as work:
            page = await work.kits.page(query, EVERYTHING)
        found += page.items
        if not page.has_more:
            break
        last = page.items[-1]
        values: dict[KitOrder, int | str | datetime] = {
            KitOrder.NUMBER: last.id,
            KitOrder.NAME: last.name,
            KitOrder.STATUS_CHANGED_AT: last.status_changed_at,
        }
        query = KitQuery(order=order, is_descending=is_descending, first=4, after=(values[order], last.id))
    keys = {
        KitOrder.NUMBER: lambda kit: kit.id,
        KitOrder.NAME: lambda kit: (kit.name.encode(), kit.id),
        KitOrder.STATUS_CHANGED_AT: lambda kit: (kit.status_changed_at, kit.id),
    }
    assert [kit.id for kit in found] == [kit.id for kit in sorted(kits, key=keys[order], reverse=is_descending)]


async def test_filters_of_kits(database: Database) -> None:
    logic = await store_kit(database, "logic", owner="ada")
    dram = await store_kit(database, "dram%", owner="bela", line=ProductLine.DRAM)
    started = await change(database, await store_kit(database, "started"), commands.start_kit)
    archived = await change(database, await store_kit(database, "archived"), commands.archive_kit)

    async def numbers(visibility: Visibility = EVERYTHING, **values: object) -> list[int]:
        async with database.snapshot() as work:
            query = KitQuery(is_descending=False, **values)  # type: ignore[arg-type]
            page = await work.kits.page(query, visibility)
            assert await work.kits.count(query, visibility) == len(page.items)
            return [kit.id for kit in page.items]

    assert await numbers() == [logic.id, dram.id, started.id]
    assert await numbers(is_archived=None) == [logic.id, dram.id, started.id, archived.id]
    assert await numbers(is_archived=True) == [archived.id]
    assert await numbers(owner="bela") == [dram.id]
    assert await numbers(name_prefix="dram%") == [dram.id]
    assert await numbers(name_prefix="%") == []
    assert await numbers(product_line=ProductLine.DRAM) == [dram.id]
    assert await numbers(statuses=frozenset({Status.RUNNING})) == [started.id]
    assert await numbers(created_from=dram.created_at, created_to=started.created_at) == [dram.id]
    assert await numbers(Visibility(frozenset({ProductLine.DRAM}))) == [dram.id]


async def test_jobs_across_kits(database: Database) -> None:
    first, second = await store_kit(database), await change(database, await store_kit(database), commands.start_kit)
    async with database.snapshot() as work:
        page = await work.kits.job_page(JobQuery(first=3), EVERYTHING)
        rest = await work.kits.job_page(JobQuery(after=(second.id, second.id, JobType.ML)), EVERYTHING)
        queued = await work.kits.job_page(JobQuery(statuses=frozenset({Status.QUEUED})), EVERYTHING)
    assert [job.id for job in page.items] == [job.id for job in second.jobs[:3]] and page.has_more
    assert [job.id for job in rest.items] == [second.jobs[3].id, *(job.id for job in first.jobs)]
    assert [job.id for job in queued.items] == [second.jobs[0].id]


@pytest.mark.parametrize("order", list(JobOrder))
@pytest.mark.parametrize("is_descending", [True, False])
async def test_pages_of_jobs_together_are_the_list(database: Database, order: JobOrder, is_descending: bool) -> None:
    kits = [await store_kit(database, f"kit {number}") for number in range(3)]
    kits[0] = await change(database, kits[0], commands.start_kit)
    await change(database, await store_kit(database, "old"), commands.archive_kit)
    jobs = [job for kit in kits for job in kit.jobs]
    jobs.sort(key=lambda job: job.kit_id, reverse=is_descending)
    if order is JobOrder.UPDATED_AT:
        jobs.sort(key=lambda job: job.updated_at, reverse=is_descending)
    found: list[Job] = []
    after: tuple[int | datetime, int, JobType] | None = None
    while len(found) < len(jobs):
        query = JobQuery(order=order, is_descending=is_descending, first=5, after=after)
        async with database.snapshot() as work:
            page = await work.kits.job_page(query, EVERYTHING)
        found += page.items
        assert page.has_more == (len(found) < len(jobs))
        last = found[-1]
        after = (last.kit_id if order is JobOrder.KIT_NUMBER else last.updated_at, last.kit_id, last.type)
    assert [job.id for job in found] == [job.id for job in jobs]


async def test_events_in_pages_and_as_of_a_time(database: Database) -> None:
    kit = await store_kit(database)
    later = await change(database, kit, commands.start_kit)
    async with database.snapshot() as work:
        (page,) = await work.events.pages([EventQuery(kit_id=kit.id, after=kit.version - 1, first=2)])
        assert [event.version for event in page.items] == [kit.version, kit.version + 1] and page.has_more
        (tasks,) = await work.events.pages([EventQuery(kit_id=kit.id, task="fetch")])
        assert [event.task for event in tasks.items] == ["fetch"]
        before = await history_of(work, kit.id, kit.updated_at)
        assert len(before) == kit.version
        assert await history_of(work, kit.id, kit.created_at - timedelta(seconds=1)) == []
        found = await work.kits.identity(kit.id)
        assert found is not None and fold(before, identity=found) == kit != later


async def test_jobs_by_kit_type_time_and_visibility(database: Database) -> None:
    kit, other = await store_kit(database), await store_kit(database, line=ProductLine.DRAM)
    started = await change(database, kit, commands.start_kit)

    async def found(visibility: Visibility = EVERYTHING, **values: Any) -> list[tuple[int, JobType]]:
        async with database.snapshot() as work:
            return [(job.kit_id, job.type) for job in (await work.kits.job_page(JobQuery(**values), visibility)).items]

    ml = JobType.ML
    assert await found(types=frozenset({ml})) == [(other.id, ml), (kit.id, ml)]
    assert await found(kit_id=kit.id) == [(kit.id, job_type) for job_type in JobType]
    assert await found(updated_from=started.updated_at) == [(kit.id, JobType.DECK_COLLECTION)]
    assert await found(updated_to=started.updated_at, kit_id=kit.id) == [(kit.id, each) for each in list(JobType)[1:]]
    assert await found(Visibility(frozenset({ProductLine.DRAM})), types=frozenset({ml})) == [(other.id, ml)]
    assert await found(Visibility(frozenset())) == []
    assert await found(after=(kit.id, kit.id, JobType.OPTIMIZE)) == []


async def test_events_by_kind_job_task_and_attempt(database: Database) -> None:
    kit = await change(database, await store_kit(database), commands.start_kit)
    job_id = kit.jobs[0].id
    kit = await change(database, kit, lambda c: commands.settle_attempt(c, job_id, 1, Ending(exit_code=1, reports=0)))
    kit = await change(database, kit, lambda c: commands.retry_job(c, job_id))

    async def found(**values: Any) -> list[int]:
        async with database.snapshot() as work:
            (page,) = await work.events.pages([EventQuery(kit_id=kit.id, first=100, **values)])
            assert [event.version for event in page.items] == sorted(event.version for event in page.items)
            return [event.version for event in page.items]

    async with database.snapshot() as work:
        history = await history_of(work, kit.id)
        assert [event async for event in work.events.stream(kit.id)] == history
        places = [EventQuery(kit_id=kit.id, after=event.version - 1, first=1) for event in reversed(history)]
        pages = await work.events.pages([*places, EventQuery(kit_id=kit.id, after=kit.version), EventQuery(kit_id=99)])
    assert [event for page in pages for event in page.items] == history[::-1]
    assert [page.has_more for page in pages] == [*(event.version < kit.version for event in reversed(history)), False, False]
    assert await found() == list(range(1, kit.version + 1))
    assert await found(kinds=frozenset({EventKind.CREATED, EventKind.STARTED})) == [1, 19]
    assert await found(job_type=JobType.ML) == [event.version for event in history if event.job_type is JobType.ML]
    assert await found(attempt=2) == [event.version for event in history if event.attempt == 2]
    assert await found(task="parse", attempt=1) == [e.version for e in history if e.task == "parse" and e.attempt == 1]
    assert await found(task="no such task") == [] == await found(after=kit.version)


async def test_what_runners_and_watchers_ask_of_many_kits(database: Database) -> None:
    idle = await store_kit(database)
    started = await change(database, await store_kit(database), commands.start_kit)
    async with database.snapshot() as work:
        assert await work.kits.versions([started.id, idle.id, 99]) == {idle.id: idle.version, started.id: started.version}
        assert await work.kits.of_jobs([started.jobs[2].id, uuid4()], EVERYTHING) == {started.jobs[2].id: started.id}
        assert await work.kits.identity(99) is None
        assert [each.id for each in await work.events.identities(0, 1)] == [idle.id]
        assert [each.id for each in await work.events.identities(idle.id, 10)] == [started.id]
    async with database.transaction() as work:
        assert await work.kits.lock(99) is None and await work.kits.lock(idle.id) == idle


async def test_any_number_of_pages_of_events_are_read_at_once(database: Database) -> None:
    kits = [await store_kit(database, f"kit {number}") for number in range(3)]
    queries = [
        EventQuery(kit_id=kit.id, after=after, first=first, kinds=kinds)
        for kit in kits
        for after in range(300)
        for first, kinds in ((1, frozenset()), (2, frozenset({EventKind.STATUS})))
    ]
    async with database.snapshot() as work:
        histories = {kit.id: await history_of(work, kit.id) for kit in kits}
        with statements() as seen:
            pages = await work.events.pages(queries)
    assert len(seen) == 2
    for query, page in zip(queries, pages, strict=True):
        rest = [each for each in histories[query.kit_id] if each.version > query.after]
        wanted = [each for each in rest if not query.kinds or each.kind in query.kinds]
        assert (page.items, page.has_more) == (wanted[: query.first], len(wanted) > query.first)

"""Kits with their jobs and tasks: one aggregate, read in one statement a depth."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.change import Change
from domain.job import Job
from domain.kit import Kit, KitIdentity
from domain.projection import empty_kit
from domain.query import JobOrder, JobQuery, KitOrder, KitQuery, Page
from domain.storage import KitStore
from domain.task import Task
from domain.visibility import EVERYTHING, Visibility
from persistence import rows, tables
from persistence.append import append
from persistence.dialect import among, clock
from persistence.listing import begins_with, between, equals, from_place, is_given, one_of

KIT, STATE, JOB, ATTEMPT, TASK = (
    tables.kit,
    tables.kit_state,
    tables.job_state,
    tables.attempt_state,
    tables.task_state,
)
SORT_COLUMNS: Mapping[KitOrder, ColumnElement[Any]] = {
    KitOrder.NUMBER: KIT.c.id,
    KitOrder.NAME: KIT.c.name,
    KitOrder.STATUS_CHANGED_AT: STATE.c.status_changed_at,
}

JOB_SORT_COLUMNS: Mapping[JobOrder, ColumnElement[Any]] = {
    JobOrder.KIT_NUMBER: JOB.c.kit_id,
    JobOrder.UPDATED_AT: JOB.c.updated_at,
}


def is_visible(visibility: Visibility) -> ColumnElement[bool]:
    """The condition on `kit` under which a kit exists for the caller."""
    return KIT.c.product_line.in_(sorted(visibility.product_lines))


class KitRepository(KitStore):
    """The kits of one unit of work."""

    def __init__(self, connection: AsyncConnection, name_cache: dict[str, int]) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._name_cache = name_cache

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, Kit]:
        if not ids:
            return {}
        query = self._kits().where(among(KIT.c.id, ids, self._dialect), is_visible(visibility))
        return {kit.id: kit for kit in await self._read(query)}

    async def get(self, kit_id: int, visibility: Visibility) -> Kit | None:
        return (await self.get_many([kit_id], visibility)).get(kit_id)

    async def page(self, query: KitQuery, visibility: Visibility) -> Page[Kit]:
        kits = await self._read(self._on_page(query, visibility, *rows.KIT.values()).limit(query.first + 1))
        return Page(kits[: query.first], has_more=len(kits) > query.first)

    async def versions_on_page(self, query: KitQuery, visibility: Visibility) -> dict[int, int]:
        selected = self._on_page(query, visibility, STATE.c.kit_id, STATE.c.version).limit(query.first)
        return {row.kit_id: row.version for row in await self._connection.execute(selected)}

    async def job_page(self, query: JobQuery, visibility: Visibility) -> Page[Job]:
        order = [(JOB_SORT_COLUMNS[query.order], query.is_descending), (JOB.c.kit_id, query.is_descending), (JOB.c.type, False)]
        selected = select(JOB.c.job_id, JOB.c.kit_id).select_from(
            JOB.join(KIT, KIT.c.id == JOB.c.kit_id).join(STATE, STATE.c.kit_id == JOB.c.kit_id)
        )
        selected = selected.where(is_visible(visibility), *self._job_conditions(query))
        found = (await self._connection.execute(from_place(selected, order, query.after).limit(query.first + 1))).all()
        jobs = {job.id: job for job in await self.jobs_of(sorted({row.kit_id for row in found}))}
        return Page([jobs[row.job_id] for row in found[: query.first]], has_more=len(found) > query.first)

    async def count(self, query: KitQuery, visibility: Visibility) -> int:
        joined = KIT.join(STATE, STATE.c.kit_id == KIT.c.id)
        selected = select(func.count()).select_from(joined).where(is_visible(visibility), *self._conditions(query))
        return int((await self._connection.execute(selected)).scalar_one())

    async def versions(self, ids: Sequence[int]) -> dict[int, int]:
        query = select(STATE.c.kit_id, STATE.c.version).where(among(STATE.c.kit_id, ids, self._dialect))
        return {row.kit_id: row.version for row in await self._connection.execute(query)}

    async def of_jobs(self, job_ids: Sequence[UUID], visibility: Visibility) -> dict[UUID, int]:
        query = select(JOB.c.job_id, JOB.c.kit_id).join(KIT, KIT.c.id == JOB.c.kit_id)
        query = query.where(among(JOB.c.job_id, job_ids, self._dialect), is_visible(visibility))
        return {row.job_id: row.kit_id for row in await self._connection.execute(query)}

    async def lock(self, kit_id: int) -> Kit | None:
        if self._dialect == "postgresql":
            query = select(STATE.c.kit_id).where(STATE.c.kit_id == kit_id).with_for_update()
            await self._connection.execute(query)
        return await self.get(kit_id, EVERYTHING)

    async def identity(self, kit_id: int) -> KitIdentity | None:
        row = (await self._connection.execute(select(KIT).where(KIT.c.id == kit_id))).mappings().one_or_none()
        return None if row is None else KitIdentity(**row)

    async def now(self) -> datetime:
        return await clock(self._connection)

    async def add(self, identity: KitIdentity) -> Kit:
        at = await self.now()
        values = {
            "name": identity.name,
            "owner": identity.owner,
            "product_line": identity.product_line,
            "definition": identity.definition,
            "metadata": identity.metadata,
            "created_at": at,
        }
        result = await self._connection.execute(KIT.insert().values(values).returning(KIT.c.id))
        kit = empty_kit(replace(identity, id=result.scalar_one(), created_at=at))
        await self._connection.execute(STATE.insert().values(rows.kit_state_row(kit)))
        return kit

    async def append(self, changes: Sequence[Change]) -> dict[int, datetime]:
        return await append(self._connection, changes, self._name_cache)

    def _on_page(self, query: KitQuery, visibility: Visibility, *columns: ColumnElement[Any]) -> Select[Any]:
        """The columns of what comes from the query's place on, in its order."""
        order = [(SORT_COLUMNS[query.order], query.is_descending), (KIT.c.id, query.is_descending)]
        selected = select(*columns).join_from(KIT, STATE, STATE.c.kit_id == KIT.c.id)
        return from_place(selected.where(is_visible(visibility), *self._conditions(query)), order, query.after)

    def _conditions(self, query: KitQuery) -> list[ColumnElement[bool]]:
        return [
            *one_of(STATE.c.status, query.statuses),
            *begins_with(KIT.c.name, query.name_prefix),
            *equals(KIT.c.owner, query.owner),
            *equals(KIT.c.product_line, query.product_line),
            *between(KIT.c.created_at, query.created_from, query.created_to),
            *is_given(STATE.c.archived_at, query.is_archived),
        ]

    def _job_conditions(self, query: JobQuery) -> list[ColumnElement[bool]]:
        return [
            *one_of(JOB.c.type, query.types),
            *one_of(JOB.c.status, query.statuses),
            *equals(JOB.c.kit_id, query.kit_id),
            *between(JOB.c.updated_at, query.updated_from, query.updated_to),
            *is_given(STATE.c.archived_at, query.is_archived),
        ]

    @staticmethod
    def _kits() -> Select[Any]:
        return select(*rows.KIT.values()).join_from(KIT, STATE, STATE.c.kit_id == KIT.c.id)

    async def _read(self, query: Select[Any]) -> list[Kit]:
        kit_rows = (await self._connection.execute(query)).all()
        jobs: dict[int, list[Job]] = defaultdict(list)
        for job in await self.jobs_of([row.id for row in kit_rows]):
            jobs[job.kit_id].append(job)
        return [rows.kit_from(row, jobs[row.id]) for row in kit_rows]

    async def jobs_of(self, kit_ids: Sequence[int]) -> list[Job]:
        if not kit_ids:
            return []
        job_query = (
            select(*rows.JOB.values(), *rows.ATTEMPT.values())
            .join_from(JOB, ATTEMPT, and_(ATTEMPT.c.job_id == JOB.c.job_id, ATTEMPT.c.number == JOB.c.attempt))
            .where(among(JOB.c.kit_id, kit_ids, self._dialect))
            .order_by(JOB.c.kit_id, JOB.c.type)
        )
        task_query = (
            select(*rows.TASK.values())
            .where(among(TASK.c.kit_id, kit_ids, self._dialect))
            .order_by(TASK.c.kit_id, TASK.c.type, TASK.c.task_order)
        )
        job_rows = (await self._connection.execute(job_query)).all()
        tasks: dict[UUID, list[Task]] = defaultdict(list)
        for row in (await self._connection.execute(task_query)).all():
            task = rows.task_from(row)
            tasks[task.job_id].append(task)
        return [rows.job_from(row, tasks[row.id]) for row in job_rows]

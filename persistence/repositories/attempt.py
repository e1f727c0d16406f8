"""Attempts: their record, who runs them, and what they reported in vain."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.attempt import Attempt, AttemptKey, Claim
from domain.report import ReportResult, ReportState
from domain.status import Status
from domain.storage import AttemptStore
from persistence import rows, tables
from persistence.dialect import among, insert_into

STATE, CLAIM, JOB, RUNNER, REFUSED = (
    tables.attempt_state,
    tables.attempt_claim,
    tables.job_state,
    tables.runner,
    tables.refused_report,
)


class AttemptRepository(AttemptStore):
    """The attempts of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_jobs(self, job_ids: Sequence[UUID]) -> list[Attempt]:
        query = select(*rows.ATTEMPT.values()).where(among(STATE.c.job_id, job_ids, self._connection.dialect.name))
        result = await self._connection.execute(query.order_by(STATE.c.job_id, STATE.c.number))
        return [rows.attempt_from(row) for row in result]

    async def heartbeat(self, runner_id: str, kind: str, host: str, at: datetime) -> None:
        values = {"id": runner_id, "kind": kind, "host": host, "heartbeat_at": at}
        statement = insert_into(self._connection, RUNNER).values(values)
        updated = {"heartbeat_at": at, "host": host}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=[RUNNER.c.id], set_=updated))

    async def claimable(self, limit: int) -> list[tuple[AttemptKey, int]]:
        claimed = select(CLAIM.c.job_id).where(CLAIM.c.job_id == JOB.c.job_id, CLAIM.c.attempt == JOB.c.attempt).exists()
        query = (
            select(JOB.c.job_id, JOB.c.attempt, JOB.c.kit_id)
            .where(JOB.c.status == Status.QUEUED, JOB.c.cancel_requested.is_(False), ~claimed)
            .order_by(JOB.c.kit_id)
            .limit(limit)
        )
        return [(AttemptKey(row.job_id, row.attempt), row.kit_id) for row in await self._connection.execute(query)]

    async def claim(self, key: AttemptKey, runner_id: str, at: datetime) -> bool:
        query = select(JOB.c.kit_id).where(
            JOB.c.job_id == key.job_id,
            JOB.c.attempt == key.number,
            JOB.c.status == Status.QUEUED,
            JOB.c.cancel_requested.is_(False),
        )
        kit_id = (await self._connection.execute(query.with_for_update())).scalar_one_or_none()
        if kit_id is None:
            return False
        values = {
            "job_id": key.job_id,
            "attempt": key.number,
            "kit_id": kit_id,
            "runner_id": runner_id,
            "claimed_at": at,
        }
        statement = insert_into(self._connection, CLAIM).values(values).on_conflict_do_nothing().returning(literal(1))
        return (await self._connection.execute(statement)).scalar_one_or_none() is not None

    async def release(self, keys: Sequence[AttemptKey], at: datetime) -> None:
        for key in keys:
            condition = and_(CLAIM.c.job_id == key.job_id, CLAIM.c.attempt == key.number)
            await self._connection.execute(CLAIM.update().where(condition).values(released_at=at))

    async def claims_of(self, runner_id: str) -> list[Claim]:
        query = select(CLAIM).where(CLAIM.c.runner_id == runner_id, CLAIM.c.released_at.is_(None))
        return [self._claim(row) for row in await self._connection.execute(query)]

    async def claims_of_lost_runners(self, silence: timedelta, now: datetime) -> list[Claim]:
        query = (
            select(CLAIM)
            .join(RUNNER, RUNNER.c.id == CLAIM.c.runner_id)
            .where(CLAIM.c.released_at.is_(None), RUNNER.c.heartbeat_at < now - silence)
        )
        return [self._claim(row) for row in await self._connection.execute(query)]

    async def cancelled_unclaimed(self) -> list[tuple[AttemptKey, int]]:
        claimed = select(CLAIM.c.job_id).where(CLAIM.c.job_id == JOB.c.job_id, CLAIM.c.attempt == JOB.c.attempt).exists()
        query = select(JOB.c.job_id, JOB.c.attempt, JOB.c.kit_id).where(
            JOB.c.status == Status.QUEUED, JOB.c.cancel_requested.is_(True), ~claimed
        )
        return [(AttemptKey(row.job_id, row.attempt), row.kit_id) for row in await self._connection.execute(query)]

    async def add_refusals(self, key: AttemptKey, results: Sequence[ReportResult]) -> None:
        values = [
            {
                "job_id": key.job_id,
                "attempt": key.number,
                "sequence": result.sequence,
                "code": result.code,
                "message": result.message,
            }
            for result in results
        ]
        if values:
            await self._connection.execute(insert_into(self._connection, REFUSED).on_conflict_do_nothing(), values)

    async def refusals(self, key: AttemptKey, sequences: Collection[int]) -> dict[int, ReportResult]:
        is_one = among(REFUSED.c.sequence, sorted(sequences), self._connection.dialect.name)
        query = select(REFUSED).where(REFUSED.c.job_id == key.job_id, REFUSED.c.attempt == key.number, is_one)
        return {
            row.sequence: ReportResult(sequence=row.sequence, state=ReportState.REFUSED, code=row.code, message=row.message)
            for row in await self._connection.execute(query)
        }

    @staticmethod
    def _claim(row: Row[Any]) -> Claim:
        return Claim(AttemptKey(row.job_id, row.attempt), row.kit_id, row.runner_id)

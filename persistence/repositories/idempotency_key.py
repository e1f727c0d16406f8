"""What became of mutations sent with an idempotency key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.idempotency_key import KeyRecord
from domain.storage import IdempotencyKeyStore
from persistence import tables
from persistence.dialect import insert_into

KEY = tables.idempotency_key


class IdempotencyKeyRepository(IdempotencyKeyStore):
    """The idempotency keys of one unit of work, scoped to person and mutation."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, person: str, mutation: str, key: str, input_hash: str, at: datetime) -> KeyRecord | None:
        values = {"person": person, "mutation": mutation, "key": key, "input_hash": input_hash, "created_at": at}
        statement = insert_into(self._connection, KEY).values(values).on_conflict_do_nothing().returning(literal(1))
        if (await self._connection.execute(statement)).scalar_one_or_none() is not None:
            return None
        return await self.find(person, mutation, key)

    async def find(self, person: str, mutation: str, key: str) -> KeyRecord | None:
        query = select(KEY.c.input_hash, KEY.c.outcome).where(self._is(person, mutation, key))
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else KeyRecord(row.input_hash, row.outcome)

    async def complete(self, person: str, mutation: str, key: str, outcome: Mapping[str, Any]) -> None:
        await self._connection.execute(KEY.update().where(self._is(person, mutation, key)).values(outcome=outcome))

    async def forget(self, before: datetime) -> int:
        return (await self._connection.execute(KEY.delete().where(KEY.c.created_at < before))).rowcount

    @staticmethod
    def _is(person: str, mutation: str, key: str) -> Any:
        return and_(KEY.c.person == person, KEY.c.mutation == mutation, KEY.c.key == key)

"""The requests to collect decks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.deck_request import DeckRequest
from domain.storage import DeckRequestStore
from domain.visibility import Visibility
from persistence import tables
from persistence.dialect import among
from persistence.repositories.kit import is_visible

REQUEST = tables.deck_request


class DeckRequestRepository(DeckRequestStore):
    """The deck requests of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, kit_id: int, job_id: UUID, deck: Mapping[str, Any], at: datetime) -> None:
        values = {"kit_id": kit_id, "job_id": job_id, "deck": deck, "created_at": at}
        await self._connection.execute(REQUEST.insert().values(values))

    async def get_many(self, ids: Sequence[int], visibility: Visibility) -> dict[int, DeckRequest]:
        wanted = among(REQUEST.c.id, ids, self._connection.dialect.name)
        return {request.id: request for request in await self._read(wanted, is_visible(visibility))}

    async def of_jobs(self, job_ids: Sequence[UUID]) -> list[DeckRequest]:
        return await self._read(among(REQUEST.c.job_id, job_ids, self._connection.dialect.name))

    async def _read(self, *conditions: ColumnElement[bool]) -> list[DeckRequest]:
        query = select(REQUEST).join(tables.kit, tables.kit.c.id == REQUEST.c.kit_id).where(*conditions)
        return [DeckRequest(**row) for row in (await self._connection.execute(query)).mappings()]

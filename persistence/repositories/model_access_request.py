"""Applications for access to set-up models. Whether access is open is asked of the database's clock, each time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model_access_request import ModelAccessRequest, ModelAccessStatus
from domain.model_storage import ModelAccessStore
from domain.query import ModelAccessQuery, Page
from domain.visibility import ModelReach
from persistence.dialect import among, clock_column
from persistence.model_reach import models_decided_by, models_existing_for
from persistence.model_tables import model_access_request, set_up_model
from persistence.numbered import NumberedRows

REQUEST, MODEL = model_access_request, set_up_model
OPEN = (ModelAccessStatus.PENDING, ModelAccessStatus.APPROVED)


class ModelAccessRepository(ModelAccessStore):
    """The applications of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get_many(self, ids: Sequence[int], reach: ModelReach) -> dict[int, ModelAccessRequest]:
        return await self._rows.get_many(ids, _exists_for(reach))

    async def page(self, query: ModelAccessQuery, reach: ModelReach) -> Page[ModelAccessRequest]:
        return await self._rows.page(query, self._conditions(query, reach))

    async def versions_on_page(self, query: ModelAccessQuery, reach: ModelReach) -> dict[int, int]:
        return await self._rows.versions_on_page(query, self._conditions(query, reach))

    async def count(self, query: ModelAccessQuery, reach: ModelReach) -> int:
        return await self._rows.count(self._conditions(query, reach))

    async def open_of(self, subject: str, model_ids: Sequence[int]) -> dict[int, list[ModelAccessRequest]]:
        found: dict[int, list[ModelAccessRequest]] = defaultdict(list)
        of_them = among(REQUEST.c.model_id, model_ids, self._connection.dialect.name)
        for request in await self._rows.find(REQUEST.c.subject == subject, of_them, REQUEST.c.status.in_(OPEN)):
            found[request.model_id].append(request)
        return found

    async def open_to(self, model_ids: Sequence[int]) -> dict[int, set[str]]:
        of_them = among(REQUEST.c.model_id, model_ids, self._connection.dialect.name)
        query = select(REQUEST.c.model_id, REQUEST.c.subject).where(of_them, _is(ModelAccessStatus.APPROVED, self._now))
        found: dict[int, set[str]] = defaultdict(set)
        for row in await self._connection.execute(query):
            found[row.model_id].add(row.subject)
        return found

    async def still_open(self, ids: Sequence[int]) -> frozenset[int]:
        is_open = _is(ModelAccessStatus.APPROVED, self._now)
        return frozenset(await self._rows.get_many(ids, is_open))

    async def expired(self, limit: int) -> list[ModelAccessRequest]:
        is_approved = REQUEST.c.status == ModelAccessStatus.APPROVED
        return await self._rows.find(is_approved, REQUEST.c.until <= self._now, limit=limit)

    async def add(self, request: ModelAccessRequest) -> ModelAccessRequest | None:
        number = await self._rows.add(_values(request))
        return None if number is None else replace(request, id=number)

    async def change(self, before: ModelAccessRequest, changed: ModelAccessRequest) -> bool:
        return await self._rows.change(before.id, before.version, _values(changed))

    @property
    def _now(self) -> ColumnElement[datetime]:
        return clock_column(self._connection.dialect.name)

    @property
    def _rows(self) -> NumberedRows[ModelAccessRequest]:
        return NumberedRows(self._connection, REQUEST, select(REQUEST, self._now.label("read_at")), _request)

    def _conditions(self, query: ModelAccessQuery, reach: ModelReach) -> list[ColumnElement[bool]]:
        conditions = [_exists_for(reach)]
        if query.is_decidable:
            conditions += [models_decided_by(reach, REQUEST.c.model_id), REQUEST.c.subject != reach.subject]
        if query.statuses:
            conditions.append(or_(false(), *(_is(status, self._now) for status in sorted(query.statuses))))
        if query.model_id is not None:
            conditions.append(REQUEST.c.model_id == query.model_id)
        if query.subject is not None:
            conditions.append(REQUEST.c.subject == query.subject)
        return conditions


def _exists_for(reach: ModelReach) -> ColumnElement[bool]:
    """One's own, and those that one decides on; of models that exist for the caller."""
    is_own = and_(REQUEST.c.subject == reach.subject, models_existing_for(reach, REQUEST.c.model_id))
    return or_(is_own, models_decided_by(reach, REQUEST.c.model_id))


def _is(status: ModelAccessStatus, now: ColumnElement[datetime]) -> ColumnElement[bool]:
    is_on_record = REQUEST.c.status == status
    if status is ModelAccessStatus.APPROVED:
        return and_(is_on_record, REQUEST.c.until > now)
    if status is ModelAccessStatus.EXPIRED:
        return or_(is_on_record, and_(REQUEST.c.status == ModelAccessStatus.APPROVED, REQUEST.c.until <= now))
    return is_on_record


def _values(request: ModelAccessRequest) -> dict[str, Any]:
    values = asdict(request)
    values["status"] = values.pop("recorded_status")
    del values["id"], values["read_at"]
    return values


def _request(row: Mapping[str, Any]) -> ModelAccessRequest:
    values = dict(row)
    status = ModelAccessStatus(values.pop("status"))
    return ModelAccessRequest(**values, recorded_status=status)

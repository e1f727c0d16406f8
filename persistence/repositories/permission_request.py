"""Applications for permissions, by who applied and who decides."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.people_storage import PermissionRequestStore
from domain.permission_request import PermissionRequest, PermissionRequestStatus
from domain.query import Page, PermissionRequestQuery
from domain.visibility import Involvement
from persistence.numbered import NumberedRows
from persistence.people_tables import permission_request

REQUEST = permission_request


class PermissionRequestRepository(PermissionRequestStore):
    """The applications of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._rows = NumberedRows(connection, REQUEST, select(REQUEST), _request)

    async def get_many(self, ids: Sequence[int], involvement: Involvement) -> dict[int, PermissionRequest]:
        return await self._rows.get_many(ids, _exists_for(involvement))

    async def page(self, query: PermissionRequestQuery, involvement: Involvement) -> Page[PermissionRequest]:
        return await self._rows.page(query, _conditions(query, involvement))

    async def versions_on_page(self, query: PermissionRequestQuery, involvement: Involvement) -> dict[int, int]:
        return await self._rows.versions_on_page(query, _conditions(query, involvement))

    async def count(self, query: PermissionRequestQuery, involvement: Involvement) -> int:
        return await self._rows.count(_conditions(query, involvement))

    async def pending(self, subject: str, kind: str) -> PermissionRequest | None:
        is_pending = REQUEST.c.status == PermissionRequestStatus.PENDING
        return next(iter(await self._rows.find(REQUEST.c.subject == subject, REQUEST.c.kind == kind, is_pending)), None)

    async def add(self, request: PermissionRequest) -> PermissionRequest | None:
        number = await self._rows.add(_values(request))
        return None if number is None else replace(request, id=number)

    async def change(self, before: PermissionRequest, changed: PermissionRequest) -> bool:
        return await self._rows.change(before.id, before.version, _values(changed))


def _exists_for(involvement: Involvement) -> ColumnElement[bool]:
    return or_(REQUEST.c.subject == involvement.subject, REQUEST.c.kind.in_(sorted(involvement.decides_on)))


def _conditions(query: PermissionRequestQuery, involvement: Involvement) -> list[ColumnElement[bool]]:
    conditions = [_exists_for(involvement)]
    if query.is_decidable:
        conditions += [REQUEST.c.kind.in_(sorted(involvement.decides_on)), REQUEST.c.subject != involvement.subject]
    if query.statuses:
        conditions.append(REQUEST.c.status.in_(sorted(query.statuses)))
    if query.kinds:
        conditions.append(REQUEST.c.kind.in_(sorted(query.kinds)))
    if query.subject is not None:
        conditions.append(REQUEST.c.subject == query.subject)
    return conditions


def _values(request: PermissionRequest) -> dict[str, Any]:
    values = asdict(request)
    del values["id"]
    return values


def _request(row: Mapping[str, Any]) -> PermissionRequest:
    return PermissionRequest(**{**row, "status": PermissionRequestStatus(row["status"])})

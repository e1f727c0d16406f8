"""What people are and were permitted. Whether a grant is active is asked of the database's clock, each time."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.grant import Grant, GrantStatus
from domain.people_storage import GrantStore
from domain.query import GrantQuery, Page
from domain.visibility import Involvement
from persistence.dialect import among, clock_column
from persistence.numbered import NumberedRows
from persistence.people_tables import permission_grant

GRANT = permission_grant


class GrantRepository(GrantStore):
    """The grants of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get_many(self, ids: Sequence[int], involvement: Involvement) -> dict[int, Grant]:
        return await self._rows.get_many(ids, _exists_for(involvement))

    async def page(self, query: GrantQuery, involvement: Involvement) -> Page[Grant]:
        return await self._rows.page(query, self._conditions(query, involvement))

    async def count(self, query: GrantQuery, involvement: Involvement) -> int:
        return await self._rows.count(self._conditions(query, involvement))

    async def active(self, subjects: Collection[str]) -> dict[str, list[Grant]]:
        found: dict[str, list[Grant]] = defaultdict(list)
        of_them = among(GRANT.c.subject, sorted(subjects), self._connection.dialect.name)
        for grant in await self._rows.find(of_them, _is(GrantStatus.ACTIVE, self._now)):
            found[grant.subject].append(grant)
        return found

    async def unended(self, subject: str, kind: str) -> Grant | None:
        conditions = (GRANT.c.subject == subject, GRANT.c.kind == kind, GRANT.c.ended_at.is_(None))
        return next(iter(await self._rows.find(*conditions)), None)

    async def expired(self, limit: int) -> list[Grant]:
        return await self._rows.find(GRANT.c.ended_at.is_(None), GRANT.c.expires_at <= self._now, limit=limit)

    async def add(self, grant: Grant) -> Grant | None:
        number = await self._rows.add(_values(grant))
        return None if number is None else replace(grant, id=number)

    async def change(self, before: Grant, changed: Grant) -> bool:
        return await self._rows.change(before.id, before.version, _values(changed))

    @property
    def _now(self) -> ColumnElement[datetime]:
        return clock_column(self._connection.dialect.name)

    @property
    def _rows(self) -> NumberedRows[Grant]:
        return NumberedRows(self._connection, GRANT, select(GRANT, self._now.label("read_at")), _grant)

    def _conditions(self, query: GrantQuery, involvement: Involvement) -> list[ColumnElement[bool]]:
        conditions = [_exists_for(involvement)]
        if query.statuses:
            conditions.append(or_(false(), *(_is(status, self._now) for status in sorted(query.statuses))))
        if query.kinds:
            conditions.append(GRANT.c.kind.in_(sorted(query.kinds)))
        if query.subject is not None:
            conditions.append(GRANT.c.subject == query.subject)
        if query.expires_before is not None:
            conditions.append(GRANT.c.expires_at < query.expires_before)
        return conditions


def _exists_for(involvement: Involvement) -> ColumnElement[bool]:
    return or_(GRANT.c.subject == involvement.subject, GRANT.c.kind.in_(sorted(involvement.decides_on)))


def _is(status: GrantStatus, now: ColumnElement[datetime]) -> ColumnElement[bool]:
    if status is GrantStatus.REVOKED:
        return GRANT.c.is_revoked
    if status is GrantStatus.ACTIVE:
        return and_(GRANT.c.ended_at.is_(None), or_(GRANT.c.expires_at.is_(None), GRANT.c.expires_at > now))
    return and_(~GRANT.c.is_revoked, or_(GRANT.c.ended_at.is_not(None), GRANT.c.expires_at <= now))


def _values(grant: Grant) -> dict[str, Any]:
    values = asdict(grant)
    del values["id"], values["read_at"]
    return values


def _grant(row: Mapping[str, Any]) -> Grant:
    return Grant(**row)

"""The sessions of browsers, and the sign-ins under way that may become some."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.session import Session
from domain.session_storage import SessionStore
from persistence import tables
from persistence.dialect import among

SIGN_IN = tables.sign_in
SESSION = tables.session
SHOWN = [column for column in SESSION.c if column.name != "token"]


class SessionRepository(SessionStore):
    """The sessions of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def begin(self, state: bytes, issuer: str, next_path: str, at: datetime) -> None:
        await self._connection.execute(SIGN_IN.insert().values(state=state, issuer=issuer, next_path=next_path, begun_at=at))

    async def claim(self, state: bytes, issuer: str, begun_after: datetime) -> str | None:
        is_it = (SIGN_IN.c.state == state) & (SIGN_IN.c.issuer == issuer) & (SIGN_IN.c.begun_at > begun_after)
        claimed = await self._connection.execute(SIGN_IN.delete().where(is_it).returning(SIGN_IN.c.next_path))
        return claimed.scalar_one_or_none()

    async def add(self, session: Session, token: bytes) -> None:
        values = {column.name: getattr(session, column.name) for column in SHOWN}
        await self._connection.execute(SESSION.insert().values({**values, "groups": sorted(session.groups), "token": token}))

    async def find(self, token: bytes, issuer: str) -> Session | None:
        query = select(*SHOWN).where(SESSION.c.token == token, SESSION.c.issuer == issuer)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else Session(**{**row, "groups": frozenset(row["groups"])})

    async def end(self, token: bytes, at: datetime) -> UUID | None:
        is_it = (SESSION.c.token == token) & SESSION.c.ended_at.is_(None)
        ended = await self._connection.execute(SESSION.update().where(is_it).values(ended_at=at).returning(SESSION.c.id))
        session_id: UUID | None = ended.scalar_one_or_none()
        return session_id

    async def alive(self, ids: Sequence[UUID], issuer: str, at: datetime) -> set[UUID]:
        is_theirs = among(SESSION.c.id, ids, self._connection.dialect.name) & (SESSION.c.issuer == issuer)
        query = select(SESSION.c.id).where(is_theirs, SESSION.c.ended_at.is_(None), SESSION.c.expires_at > at)
        return set((await self._connection.execute(query)).scalars())

    async def forget(self, begun_before: datetime, over_before: datetime) -> int:
        await self._connection.execute(SIGN_IN.delete().where(SIGN_IN.c.begun_at < begun_before))
        over = func.coalesce(SESSION.c.ended_at, SESSION.c.expires_at, type_=SESSION.c.expires_at.type)
        return (await self._connection.execute(SESSION.delete().where(over < over_before))).rowcount

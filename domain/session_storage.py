"""Browser sessions as use cases see them stored. Implemented in `persistence`.

Of tokens and states only digests are stored: who reads the database can't sign in with what stands there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.session import Session


class SessionStore(Protocol):
    """The sessions of one unit of work, and the sign-ins under way that may become some."""

    async def begin(self, state: bytes, issuer: str, next_path: str, at: datetime) -> None:
        """Remember a sign-in by the digest of its state, with whom it is at, and where it goes on afterwards."""
        ...

    async def claim(self, state: bytes, issuer: str, begun_after: datetime) -> str | None:
        """Use a sign-in up: where it goes on; None where that issuer has none, it began earlier, or it was claimed before."""
        ...

    async def add(self, session: Session, token: bytes) -> None:
        """Store a new session with the digest of its token."""
        ...

    async def find(self, token: bytes, issuer: str) -> Session | None:
        """The session of that issuer whose token has that digest, alive or not."""
        ...

    async def end(self, token: bytes, at: datetime) -> UUID | None:
        """End the session whose token has that digest; its id, None where there is none or it had ended."""
        ...

    async def alive(self, ids: Sequence[UUID], issuer: str, at: datetime) -> set[UUID]:
        """Those of these sessions that are of that issuer, and have neither ended nor expired by then."""
        ...

    async def forget(self, begun_before: datetime, over_before: datetime) -> int:
        """Drop sign-ins that began, and sessions that ended or expired, before those times; how many sessions."""
        ...

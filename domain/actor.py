"""Who is behind a request: a signed-in person, the worker of one attempt, a load generator, or PLOG itself."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.attempt import AttemptKey
from domain.permission_kind import Right


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A signed-in person: the issuer's subject, a name to show, and when the sign-in ends.

    `rights` are what the person's permissions open, read anew for each operation (`resolvers/rights.py`). `session_id` is the
    browser session that they came with, which may end earlier; None where they came with a token.
    """

    subject: str
    name: str
    expires_at: datetime
    groups: frozenset[str] = frozenset()
    rights: frozenset[Right] = frozenset()
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The holder of an attempt's token: it reaches that attempt and nothing else."""

    attempt: AttemptKey
    kit_id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """The holder of a load generator's token: it reaches that run and nothing else. `attempt` is the run's name outside."""

    attempt: AttemptKey
    expires_at: datetime


Actor = Person | Worker | Generator

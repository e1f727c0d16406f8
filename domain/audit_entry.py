"""Who did what to whom, when and why: one entry for each decision, for ever."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class AuditAction(StrEnum):
    """What was done."""

    PERMISSION_REQUESTED = "PERMISSION_REQUESTED"
    PERMISSION_WITHDRAWN = "PERMISSION_WITHDRAWN"
    PERMISSION_APPROVED = "PERMISSION_APPROVED"
    PERMISSION_REJECTED = "PERMISSION_REJECTED"
    PERMISSION_RENEWED = "PERMISSION_RENEWED"
    PERMISSION_REVOKED = "PERMISSION_REVOKED"
    PERMISSION_EXPIRED = "PERMISSION_EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One decision. `actor` did it (None: PLOG itself, as time had come), `person` is whom it concerns, each with a name.

    `request_id` and `grant_id` say which application and which permission it was about, `details` what else was decided
    (`expiresAt`). `id` and `recorded_at` are given by the database.
    """

    action: AuditAction
    kind: str
    person: str
    person_name: str
    actor: str | None = None
    actor_name: str | None = None
    reason: str | None = None
    request_id: int | None = None
    grant_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    recorded_at: datetime | None = None

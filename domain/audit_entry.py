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
    MODEL_CREATED = "MODEL_CREATED"
    MODEL_COPIED = "MODEL_COPIED"
    MODEL_UPDATED = "MODEL_UPDATED"
    MODEL_VERSION_ADDED = "MODEL_VERSION_ADDED"
    MODEL_PROMOTED = "MODEL_PROMOTED"
    MODEL_ROLLED_BACK = "MODEL_ROLLED_BACK"
    MODEL_ARCHIVED = "MODEL_ARCHIVED"
    MODEL_ASSIGNED = "MODEL_ASSIGNED"
    MODEL_UNASSIGNED = "MODEL_UNASSIGNED"
    MODEL_ACCESS_REQUESTED = "MODEL_ACCESS_REQUESTED"
    MODEL_ACCESS_WITHDRAWN = "MODEL_ACCESS_WITHDRAWN"
    MODEL_ACCESS_APPROVED = "MODEL_ACCESS_APPROVED"
    MODEL_ACCESS_REJECTED = "MODEL_ACCESS_REJECTED"
    MODEL_ACCESS_RENEWED = "MODEL_ACCESS_RENEWED"
    MODEL_ACCESS_REVOKED = "MODEL_ACCESS_REVOKED"
    MODEL_ACCESS_EXPIRED = "MODEL_ACCESS_EXPIRED"
    DAILY_BATCH_CANCELLED = "DAILY_BATCH_CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One decision. `actor` did it (None: PLOG itself, as time had come), `person` is whom it concerns, each with a name.

    `kind` is that of the permission it was about, with `request_id` and `grant_id` for application and grant; or it was about the
    set-up model `model_id`, and the application `model_access_request_id` for access to it. `details` say what else was decided
    (`expiresAt`, of models also `version`, `sourceId`, `assignmentId`), or the run of the daily batch that it was about
    (`dailyBatchRunId`). `id` and `recorded_at` are given by the database.
    """

    action: AuditAction
    person: str
    person_name: str
    kind: str | None = None
    actor: str | None = None
    actor_name: str | None = None
    reason: str | None = None
    request_id: int | None = None
    grant_id: int | None = None
    model_id: int | None = None
    model_access_request_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    recorded_at: datetime | None = None

"""The third depth of the state: a detail of a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The current state of one task; a new attempt of its job sets it back to `PENDING`.

    `version` is the kit's version at the task's last event, `status_version` at its last change of status.
    `progressed_at` is when the last `PROGRESS` event was recorded, which bounds how often one is; `coalesced_progress` was
    reported too soon after it and waits for the task's next event.
    """

    job_id: UUID
    name: str
    order: int
    status: Status
    progress: float
    version: int
    status_version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progressed_at: datetime | None = None
    coalesced_progress: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

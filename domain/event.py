"""The append-only history: every change of a kit, job or task is one event.

An event's key is (kit, version): versions of one kit start at 1 and grow by one with each event, so that they are dense
and single. `recorded_at` is the database's clock, taken under the kit's lock; what a worker's clock said is
`reported_at`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.job_type import JobType
from domain.status import Status

RECORDING = datetime.max.replace(tzinfo=UTC)
"""Stands for `recorded_at` of an event that the database has not taken yet; the database puts its clock in its place."""


class EventKind(StrEnum):
    """What an event says. The first four are the commands given to a kit; its status is derived and has no event."""

    CREATED = "CREATED"
    STARTED = "STARTED"
    CANCELLED = "CANCELLED"
    ARCHIVED = "ARCHIVED"
    STATUS = "STATUS"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    PROGRESS = "PROGRESS"
    TRIAL = "TRIAL"
    POINT = "POINT"
    NOTE = "NOTE"
    ARTIFACT = "ARTIFACT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of a kit's history.

    `job_type`, `job_id` and `attempt` are set for jobs and tasks, `task` for tasks alone. `order` is the place of the job in
    its kit or of the task in its job, from 1. `status` is the status after a `STATUS` event; `progress` runs from 0
    to 1. `sequence` is the number of the worker's report that the event came from. `actor` is the person's or the
    part of PLOG's name that caused it.
    """

    kit_id: int
    version: int
    kind: EventKind
    actor: str
    recorded_at: datetime = RECORDING
    job_type: JobType | None = None
    job_id: UUID | None = None
    attempt: int | None = None
    task: str | None = None
    order: int | None = None
    status: Status | None = None
    progress: float | None = None
    sequence: int | None = None
    reported_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

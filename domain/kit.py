"""The first depth of the state: a kit and the rule that derives its status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.job import Job
from domain.job_type import JobType
from domain.status import Status


class ProductLine(StrEnum):
    """The product line that a kit belongs to."""

    LOGIC = "LOGIC"
    DRAM = "DRAM"


@dataclass(frozen=True, slots=True, kw_only=True)
class KitIdentity:
    """What of a kit never changes. `id` is 0 until the database has given it its number."""

    id: int
    name: str
    owner: str
    product_line: ProductLine
    definition: Mapping[str, Any]
    created_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """The current state of one kit with its jobs in order.

    `id` is the short number that people quote. `version` grows by one with each event of the kit, its jobs and tasks;
    `status_version` is the version at the last change of the kit's own status. `is_started` tells that somebody has
    given the command to run the whole kit: its jobs then follow one another by themselves. `revision` grows with each write of
    the stored state, also where no event came with it: writers are guarded by it. It is no part of what the events say.
    """

    id: int
    name: str
    owner: str
    product_line: ProductLine
    definition: Mapping[str, Any]
    version: int
    status: Status
    status_version: int
    created_at: datetime
    updated_at: datetime
    status_changed_at: datetime
    jobs: tuple[Job, ...]
    is_started: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    archived_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    revision: int = field(default=0, compare=False)

    @property
    def progress(self) -> float:
        """The mean progress of the jobs, each weighing the same, from 0 to 1."""
        return sum(job.progress for job in self.jobs) / len(self.jobs)

    @property
    def current_job(self) -> Job:
        """The stage the kit stands at: the first that has not succeeded, else the last."""
        return next((job for job in self.jobs if job.status is not Status.SUCCEEDED), self.jobs[-1])

    def job(self, job_id: UUID) -> Job | None:
        """The job of that id."""
        for job in self.jobs:
            if job.id == job_id:
                return job
        return None

    def job_of(self, job_type: JobType) -> Job:
        """The job of that type."""
        return self.jobs[job_type.order - 1]


def derived_status(job_statuses: Iterable[Status]) -> Status:
    """The kit's status: a pure function of its jobs' statuses, in this order of precedence.

    ============================  =========
    jobs                          kit
    ============================  =========
    any FAILED                    FAILED
    else any CANCELLED            CANCELLED
    else all SUCCEEDED            SUCCEEDED
    else all PENDING (none begun) PENDING
    else                          RUNNING
    ============================  =========
    """
    statuses = frozenset(job_statuses)
    for status in (Status.FAILED, Status.CANCELLED):
        if status in statuses:
            return status
    for status in (Status.SUCCEEDED, Status.PENDING):
        if statuses == {status}:
            return status
    return Status.RUNNING

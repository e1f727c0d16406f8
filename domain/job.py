"""The second depth of the state: one stage of a kit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.attempt import Attempt
from domain.job_type import JobType
from domain.status import ENDED, Status
from domain.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The current state of one stage with its tasks in order.

    `attempt` is the latest try; status and times of the job are its. `last_sequence` is the number of the last report
    accepted from that attempt. `cancel_requested` is true from the request until the runner has ended the attempt.
    """

    id: UUID
    kit_id: int
    type: JobType
    attempt: Attempt
    version: int
    status_version: int
    created_at: datetime
    updated_at: datetime
    tasks: tuple[Task, ...]
    last_sequence: int = 0
    cancel_requested: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """The status of the latest attempt."""
        return self.attempt.status

    @property
    def order(self) -> int:
        """The job's place in its kit, from 1."""
        return self.type.order

    @property
    def started_at(self) -> datetime | None:
        """When the latest attempt began to run."""
        return self.attempt.started_at

    @property
    def ended_at(self) -> datetime | None:
        """When the latest attempt ended."""
        return self.attempt.ended_at

    @property
    def is_ended(self) -> bool:
        """Whether the latest attempt has ended."""
        return self.status in ENDED

    @property
    def progress(self) -> float:
        """The mean progress of the tasks, from 0 to 1."""
        return sum(task.progress for task in self.tasks) / len(self.tasks)

    def task(self, name: str) -> Task | None:
        """The task of that name."""
        for task in self.tasks:
            if task.name == name:
                return task
        return None

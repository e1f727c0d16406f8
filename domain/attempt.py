"""One try of a job. What runs outside is named by job id and attempt number, so nothing can be started twice."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from domain.status import Status


class AttemptKey(NamedTuple):
    """The name of an attempt everywhere outside the database: run folders, tokens, artifacts, logs."""

    job_id: UUID
    number: int

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> "AttemptKey":
        """The key that `str` wrote; ValueError where the text is none."""
        job_id, _, number = text.partition("/")
        return cls(UUID(job_id), int(number))


class Cause(StrEnum):
    """Why an attempt ended otherwise than by succeeding."""

    EXIT_CODE = "EXIT_CODE"
    TASK_FAILED = "TASK_FAILED"
    TIME_LIMIT = "TIME_LIMIT"
    MEMORY_LIMIT = "MEMORY_LIMIT"
    REPORT_LIMIT = "REPORT_LIMIT"
    RUNNER_LOST = "RUNNER_LOST"
    REPORTS_LOST = "REPORTS_LOST"
    ARTIFACT_MISSING = "ARTIFACT_MISSING"
    NOT_STARTED = "NOT_STARTED"
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The state of one try of a job; the job's own status is that of its latest attempt."""

    job_id: UUID
    number: int
    status: Status
    version: int
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cause: Cause | None = None
    message: str = ""
    exit_code: int | None = None

    @property
    def key(self) -> AttemptKey:
        """The attempt's name outside."""
        return AttemptKey(self.job_id, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended, as its runner saw it.

    `reports` is the number of the last report the attempt wrote; it is settled only when that many were accepted.
    `exit_code` is None where the process was killed or lost. `cause` is None for a natural end.
    """

    exit_code: int | None
    reports: int
    cause: Cause | None = None
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A runner's right to run an attempt; it is had before anything is started."""

    key: AttemptKey
    kit_id: int
    runner_id: str

"""Where attempts run: what a runner is asked to do and what it sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.attempt import AttemptKey, Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an attempt may use: seconds of wall-clock time, bytes of resident memory, processor cores. None: no limit.

    Its log tells of the end of the time `warning_seconds` before; not for None. It may write as many `reports`, also where the
    runner allows fewer.
    """

    time_seconds: float | None = None
    warning_seconds: float | None = None
    memory_bytes: int | None = None
    cpu_cores: float | None = None
    reports: int = 0


UNLIMITED = Limits()


class Subject(StrEnum):
    """What is run: it decides which reports the server takes."""

    JOB = "JOB"
    LOAD_TEST_RUN = "LOAD_TEST_RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOrder:
    """Everything needed to start an attempt.

    `command`, `environment` and `working_data` (a path of the runner's machine) come from the step template. `server_url` is
    where the attempt reaches PLOG and `token` what it shows there.
    """

    key: AttemptKey
    command: tuple[str, ...]
    server_url: str
    token: str = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    working_data: str | None = None
    limits: Limits = UNLIMITED
    grace_seconds: float = 10.0
    subject: Subject = Subject.JOB


class LaunchFailed(Exception):
    """An attempt could not be started here, and nothing of it runs; the message tells people why. Trying again may help."""


class Presence(StrEnum):
    """What is there of an attempt.

    `ALIVE`: its shim holds its lock. `ENDED`: it is over and its ending is known. `ABSENT`: nothing was ever started.
    """

    ALIVE = "ALIVE"
    ENDED = "ENDED"
    ABSENT = "ABSENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a runner sees of an attempt; `ending` is known as soon as the step is over, also while reports are still sent."""

    key: AttemptKey
    presence: Presence
    ending: Ending | None = None


class EndReason(StrEnum):
    """Why an attempt is ended from outside."""

    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Output of an attempt from byte `offset` on; `end` is the offset after it."""

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset from which to read on."""
        return self.offset + len(self.data)

"""Why an attempt is to end before its step is done, and by when."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType

from steps.shim.memory_watch import MemoryWatch
from steps.shim.report_spool import ReportSpool
from steps.shim.shim_folder import ShimFolder

CANCELLED = "CANCELLED"
INTERRUPTED = "INTERRUPTED"
TIME_LIMIT = "TIME_LIMIT"
MEMORY_LIMIT = "MEMORY_LIMIT"
REPORT_LIMIT = "REPORT_LIMIT"
NOT_STARTED = "NOT_STARTED"
RUNNER_LOST = "RUNNER_LOST"
REPORTS_LOST = "REPORTS_LOST"


@dataclass(frozen=True, slots=True)
class Stop:
    """The attempt is to end: politely now, firmly at `deadline` (monotonic clock). `cause` as in `domain.attempt.Cause`."""

    cause: str
    message: str
    deadline: float

    def joined(self, later: "Stop | None") -> "Stop":
        """Both in one: the first cause counts, a later one can only bring the deadline forward."""
        return self if later is None else replace(self, deadline=min(self.deadline, later.deadline))


class StopRequests:
    """Requests from outside: `end.json`, signals to this process, a server that has replaced the attempt."""

    def __init__(self, folder: ShimFolder, grace_seconds: float) -> None:
        """To be made in the main thread, as it takes over the signals that ask a process to end."""
        self._folder = folder
        self._grace = grace_seconds
        self._seen: tuple[int, int] | None = None
        self._has_signal = False
        self._stop: Stop | None = None
        self.is_superseded: Callable[[], bool] = lambda: False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def current(self) -> Stop | None:
        """What is wanted by now."""
        request = self._folder.end_request(self._seen)
        if request is not None:
            self._seen = request.stamp
            self._add(request.reason, "", request.grace_seconds)
        if self._has_signal:
            self._has_signal = False
            self._add(INTERRUPTED, "The machine or somebody on it ended the attempt by a signal.", self._grace)
        if self.is_superseded():
            self._add(CANCELLED, "The server has replaced or closed this attempt.", 0.0)
        return self._stop

    @property
    def is_interrupted(self) -> bool:
        """Whether the server, or the machine, goes down: then nobody is there to send reports to for long."""
        self.current()
        return self._stop is not None and self._stop.cause == INTERRUPTED

    def _add(self, cause: str, message: str, grace_seconds: float) -> None:
        stop = Stop(cause, message, time.monotonic() + grace_seconds)
        self._stop = stop if self._stop is None else self._stop.joined(stop)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # A handler, not SIG_IGN: what is ignored here would stay ignored in the step.
        self._has_signal = True


class TimeLimit:
    """The time that the attempt's order allows, counted from when this is made: the beginning of the attempt."""

    def __init__(self, seconds: float | None, grace_seconds: float, warning_seconds: float | None = None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds
        self._grace = grace_seconds
        self._warning_seconds = warning_seconds

    def warning(self) -> str:
        """What to tell now of the end that is near: a line, once; nothing at any other time."""
        if self._end is None or self._warning_seconds is None or time.monotonic() < self._end - self._warning_seconds:
            return ""
        self._warning_seconds = None
        return f"The time limit of {self._seconds:g} s is near: in {max(self._end - time.monotonic(), 0):.0f} s this is ended.\n"

    def exceeded(self) -> Stop | None:
        """The reason to end now, if the time is over."""
        if self._end is None or time.monotonic() < self._end:
            return None
        return Stop(TIME_LIMIT, f"The time limit of {self._seconds:g} s was reached.", self._end + self._grace)


@dataclass(frozen=True, slots=True)
class UsageLimits:
    """The limits to what a step uses up: memory, and lines of its spool."""

    memory: MemoryWatch
    spool: ReportSpool
    grace_seconds: float

    def exceeded(self) -> Stop | None:
        """The limit that is or was exceeded."""
        now = time.monotonic()
        if self.memory.is_exceeded():
            grace = 0.0 if self.memory.is_running_away() else self.grace_seconds
            return Stop(MEMORY_LIMIT, f"The memory limit was reached ({self.memory.method}).", now + grace)
        if self.spool.is_over():
            message = f"More than {self.spool.limit} reports were written, the limit; those after them are dropped."
            return Stop(REPORT_LIMIT, message, now + self.grace_seconds)
        return None

"""How much of the processors k6 uses: without any left it can't keep up, and its figures say more of it than of the API."""

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import psutil

from domain.control_group import limits_of

SPAN_SECONDS = 10.0
LOOK_SECONDS = 1.0


class K6Cpu:
    """Watches one process. `seconds` is the CPU time that it used in all.

    `busiest` is the greatest share, 0 to 1, of what it may use, over ten seconds in a row; over its whole time where that is
    shorter; None where it could not be seen twice.
    """

    def __init__(self, pid: int) -> None:
        self._cores = cores_of(pid)
        self._seen: deque[tuple[float, float]] = deque()
        self._process: psutil.Process | None = None
        self._busiest: float | None = None
        with suppress(psutil.Error):
            self._process = psutil.Process(pid)
        self.look()

    @property
    def seconds(self) -> float | None:
        """The CPU time that was used, as far as it was seen."""
        return self._seen[-1][1] if self._seen else None

    @property
    def busiest(self) -> float | None:
        """The share in the busiest ten seconds."""
        return self._share() if self._busiest is None else self._busiest

    def look(self) -> None:
        """See how much it has used by now, once a second at most."""
        now = time.monotonic()
        if self._process is None or (self._seen and now - self._seen[-1][0] < LOOK_SECONDS):
            return
        with suppress(psutil.Error):
            times = self._process.cpu_times()
            self._seen.append((now, times.user + times.system))
        while len(self._seen) > 1 and self._seen[-1][0] - self._seen[1][0] >= SPAN_SECONDS:
            self._seen.popleft()
        if self._seen and self._seen[-1][0] - self._seen[0][0] >= SPAN_SECONDS:
            self._busiest = max(self._busiest or 0.0, self._share() or 0.0)

    def _share(self) -> float | None:
        if len(self._seen) < 2:
            return None
        (began, before), (ended, after) = self._seen[0], self._seen[-1]
        return (after - before) / (ended - began) / self._cores


def cores_of(pid: int) -> float:
    """How many processors a process may use: those it may run on, or what its control groups allow where that is less."""
    cores = float(os.cpu_count() or 1)
    with suppress(OSError):
        if hasattr(os, "sched_getaffinity"):
            cores = float(len(os.sched_getaffinity(pid)))
        limit, _ = limits_of(Path(f"/proc/{pid}/cgroup").read_text("utf-8"), lambda path: Path(path).read_text("ascii"))
        cores = min(cores, limit / 1000) if limit else cores
    return cores

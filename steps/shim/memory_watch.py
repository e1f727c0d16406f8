"""Watching how much memory an attempt uses, and holding its limit where the kernel does not do it for us."""

import os
import resource
import time

from steps.shim.memory_group import MemoryGroup
from steps.shim.process_tree import proportional_bytes, resident_bytes, tree_ids

SAMPLE_SECONDS = 0.25
RUNAWAY = 1.25


class MemoryWatch:
    """The resident memory of everything below this process, sampled four times a second, against a limit in bytes.

    RLIMIT_AS is no way to limit it: BLAS libraries reserve far more address space than they use.
    """

    def __init__(self, limit_bytes: int | None, group: MemoryGroup | None) -> None:
        self._limit = limit_bytes
        self._group = group
        self._peak = 0
        self._used = 0
        self._due = 0.0

    @property
    def method(self) -> str | None:
        """Who holds the limit: `cgroup v1`, `cgroup v2` or `watched`; None where there is no limit."""
        if self._limit is None:
            return None
        return "watched" if self._group is None else f"cgroup v{self._group.version}"

    @property
    def peak_bytes(self) -> int:
        """The most that was seen, or what the largest collected process had at its peak where that is more."""
        unit = 1024 if os.uname().sysname == "Linux" else 1
        return max(self._peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)

    def is_exceeded(self) -> bool:
        """Whether the limit is or was exceeded. Cheap to ask often: it samples when a sample is due."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + SAMPLE_SECONDS
            self._sample()
        if self._group is not None:
            return self._group.has_killed()
        return self._limit is not None and self._used > self._limit

    def is_running_away(self) -> bool:
        """Whether so much more than the limit is used that waiting for a polite end would endanger the machine."""
        return self._group is None and self._limit is not None and self._used > RUNAWAY * self._limit

    def _sample(self) -> None:
        """Sum up plainly; only where that exceeds the limit count shared pages once, which takes the kernel longer."""
        ids = tree_ids(os.getpid())
        self._used = resident_bytes(ids)
        if self._limit is not None and self._group is None and self._used > self._limit:
            self._used = proportional_bytes(ids) or self._used
        self._peak = max(self._peak, self._used)

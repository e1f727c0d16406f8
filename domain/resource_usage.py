"""CPU and memory of what is under test, window by window, as Kubernetes speaks of them: pods, usage, requests, limits.

On one machine the processes that listen on the target's port are the pod.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

CARRY_SECONDS = 60  # a figure that is older than that says nothing of the present


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpecs:
    """What a pod asks for and may use: CPU in millicores, memory in bytes; None where it is not set for all of it."""

    cpu_request: int | None = None
    cpu_limit: int | None = None
    memory_request: int | None = None
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodReading:
    """A pod as it is: CPU in millicores since the reading before (None in the first), memory in bytes."""

    pod: str
    cpu_millicores: float | None
    memory_bytes: int
    specs: PodSpecs


class PodWatch(Protocol):
    """Reads the pods of one address, again and again."""

    async def read(self) -> Sequence[PodReading]:
        """The pods that now serve the address; none where nothing does or it can't be seen."""
        ...


class PodReader(Protocol):
    """Knows the pods behind addresses."""

    def watch(self, url: str) -> PodWatch:
        """A watch of the pods that serve a base address."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage:
    """What was measured of a pod at the end of the window that begins at `start` (seconds since 1970).

    `cpu_millicores` is the mean since the measurement before. Both figures are None where the pod is gone. `id` grows in the
    order of storing.
    """

    start: int
    pod: str
    sampled_at: datetime
    cpu_millicores: float | None
    memory_bytes: int | None
    specs: PodSpecs
    id: int = 0

    @classmethod
    def gone(cls, start: int, pod: str, sampled_at: datetime) -> "ResourceUsage":
        """A pod that was there in an earlier window and is no more."""
        return cls(start=start, pod=pod, sampled_at=sampled_at, cpu_millicores=None, memory_bytes=None, specs=PodSpecs())


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSeries:
    """Windows of one pod that follow one another, as columns; None where nothing is known.

    `is_predicted`: not measured in that window, but carried forward from the one of `sampled_at`.
    """

    pod: str
    window_start: tuple[datetime, ...]
    usages: tuple[ResourceUsage | None, ...]
    is_predicted: tuple[bool, ...]


def resource_series(
    usages: Iterable[ResourceUsage], seconds: int, starts: range, before: Mapping[str, ResourceUsage]
) -> list[ResourceSeries]:
    """The columns of each pod over the windows that begin at `starts`, by pod name.

    Args:
        usages: of one run, in any order; those outside `starts` are left out.
        seconds: the length of a window.
        starts: of the windows to show.
        before: the last usage before `starts` of each pod that has one, to be carried forward.
    """
    found: dict[str, dict[int, ResourceUsage]] = {pod: {} for pod in before}
    for usage in usages:
        found.setdefault(usage.pod, {})[usage.start] = usage
    window_start = tuple(datetime.fromtimestamp(start, UTC) for start in starts)
    series = []
    for pod in sorted(found):
        last = before.get(pod)
        column: list[ResourceUsage | None] = []
        for start in starts:
            last = found[pod].get(start, last)
            is_fresh = last is not None and start - last.start <= max(CARRY_SECONDS, seconds)
            column.append(last if is_fresh else None)
        predicted = tuple(
            usage is not None and usage.start != start and usage.memory_bytes is not None
            for usage, start in zip(column, starts, strict=True)
        )
        series.append(ResourceSeries(pod=pod, window_start=window_start, usages=tuple(column), is_predicted=predicted))
    return series


def percent(used: float | None, limit: float | None) -> float | None:
    """Use in percent of a limit; None where either is unknown."""
    return None if used is None or not limit else 100 * used / limit

"""Which resource of what is under test came nearest to its limit, and which limit would leave it room.

How sure the greatest use of some windows is: with n that are independent it is above what 95 % of all windows use with a
confidence of 1 - 0.95^n, whatever their distribution. Windows that depend on their neighbours count for fewer
(`domain/long_run.py`).

Source: S. S. Wilks, "Determination of sample sizes for setting tolerance limits", Annals of Mathematical Statistics 12 (1941).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from domain.finding import Finding, FindingKind, shown
from domain.long_run import LEAST_WINDOWS, independent_count
from domain.resource_usage import ResourceUsage

MEGABYTE = 1e6
SHARE_OF_WINDOWS = 0.95
RESERVE = 0.2  # of a limit stays free above the greatest use
TOO_NEAR = 0.9  # of its limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceColumn:
    """How much of a resource was used in each window, in `unit`; None where nothing was measured. `limit` is None without one.

    `starts` are in seconds since 1970, `seconds` is the length of a window.
    """

    name: str
    unit: str
    limit: float | None
    seconds: int
    starts: tuple[int, ...]
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class _Peak:
    series: ResourceColumn
    value: float
    start: datetime
    end: datetime
    confidence: float

    @property
    def share(self) -> float:
        """Of its limit; below 0 without one."""
        return self.value / self.series.limit if self.series.limit else -1.0


def resource_columns(usages: Iterable[ResourceUsage], seconds: int) -> Iterator[ResourceColumn]:
    """CPU and memory of each pod, as they were measured; a limit is the last one that was seen."""
    by_pod: dict[str, list[ResourceUsage]] = defaultdict(list)
    for usage in usages:
        by_pod[usage.pod].append(usage)
    for pod, found in by_pod.items():
        specs = [usage.specs for usage in found if usage.memory_bytes is not None]
        starts = tuple(usage.start for usage in found)
        cpu = tuple(usage.cpu_millicores for usage in found)
        memory = tuple(_megabytes(usage.memory_bytes) for usage in found)
        cpu_limit = specs[-1].cpu_limit if specs else None
        yield ResourceColumn(name=f"CPU of {pod}", unit="millicores", limit=cpu_limit, seconds=seconds, starts=starts, values=cpu)
        memory_limit = _megabytes(specs[-1].memory_limit if specs else None)
        yield ResourceColumn(
            name=f"memory of {pod}", unit="MB", limit=memory_limit, seconds=seconds, starts=starts, values=memory
        )


def _megabytes(size: int | None) -> float | None:
    return None if size is None else size / MEGABYTE


def resource_findings(given: Sequence[ResourceColumn]) -> Iterator[Finding]:
    """The resource nearest its limit, where any has one, and for each a limit; nothing of those that were hardly measured."""
    peaks = [_peak(each) for each in given if sum(value is not None for value in each.values) >= LEAST_WINDOWS]
    nearest = max(peaks, key=lambda each: each.share, default=None)
    if nearest is not None and nearest.share >= 0.0:
        series = nearest.series
        used, limit = shown(nearest.value, series.unit), shown(series.limit or 0.0, series.unit)
        yield Finding(
            kind=FindingKind.RESOURCE_NEAREST_LIMIT,
            figure=f"most {series.name}",
            value=nearest.value,
            unit=series.unit,
            baseline=series.limit,
            confidence=nearest.confidence,
            sentence=f"{series.name} came nearest to its limit: {used} of {limit}, {shown(nearest.share, '')}.",
            is_problem=nearest.share >= TOO_NEAR,
            start=nearest.start,
            end=nearest.end,
        )
    for peak in peaks:
        wanted = _rounded_up(peak.value / (1.0 - RESERVE))
        used = shown(peak.value, peak.series.unit)
        yield Finding(
            kind=FindingKind.RESOURCE_LIMIT,
            figure=f"limit of {peak.series.name}",
            value=wanted,
            unit=peak.series.unit,
            baseline=peak.series.limit,
            confidence=peak.confidence,
            sentence=f"A limit of {shown(wanted, peak.series.unit)} for {peak.series.name} leaves a fifth free above {used}.",
            is_problem=False,
            start=peak.start,
            end=peak.end,
        )


def _peak(series: ResourceColumn) -> _Peak:
    measured = [(value, start) for value, start in zip(series.values, series.starts, strict=True) if value is not None]
    value, start = max(measured)
    independent = independent_count(np.array([each for each, _ in measured], dtype=float))
    begin, end = (datetime.fromtimestamp(second, UTC) for second in (start, start + series.seconds))
    return _Peak(series, value, begin, end, 1.0 - SHARE_OF_WINDOWS**independent)


def _rounded_up(value: float) -> float:
    """To two digits."""
    if value <= 0.0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(round(value / step, 6)) * step

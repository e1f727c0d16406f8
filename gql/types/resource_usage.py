"""CPU and memory of what is under test, as columns over the windows of a run."""

from collections.abc import Callable
from dataclasses import astuple
from datetime import datetime
from typing import TypeVar

import strawberry

from domain.resource_usage import PodSpecs as DomainSpecs
from domain.resource_usage import ResourceSeries, ResourceUsage, percent

Value = TypeVar("Value")
MEGABYTE = 1e6


@strawberry.type(description="Use in percent of the limits; null without a limit, or where nothing is known.")
class PodUsage:
    cpu_percent: list[float | None] = strawberry.field(description="CPU in percent of the limit.")
    memory_percent: list[float | None] = strawberry.field(description="Memory in percent of the limit.")
    cpu_predicted: list[bool] = strawberry.field(
        description="Whether the CPU figures of the window were not measured, but carried forward from an earlier one."
    )
    memory_predicted: list[bool] = strawberry.field(description="The same of the memory figures.")


@strawberry.type(description="What a pod used; null where nothing is known, or the pod is gone.")
class PodActualUsage:
    cpu_millicores: list[float | None] = strawberry.field(description="CPU in millicores, the mean since the window before.")
    memory_mb: list[float | None] = strawberry.field(description="Memory in MB (10^6 bytes) at the window's end.")


@strawberry.type(
    description="What a pod asks for and may use, as it was then, summed over its containers; null where one has none set."
)
class PodSpecs:
    cpu_request_millicores: list[int | None] = strawberry.field(description="The CPU that it asks for, in millicores.")
    cpu_limit_millicores: list[int | None] = strawberry.field(description="The CPU that it may use, in millicores.")
    memory_request_mb: list[float | None] = strawberry.field(description="The memory that it asks for, in MB (10^6 bytes).")
    memory_limit_mb: list[float | None] = strawberry.field(description="The memory that it may use, in MB (10^6 bytes).")


@strawberry.type(
    description=(
        "One pod under test over windows that follow one another, as columns of the same length. On a single machine the "
        "processes that listen on the target's loopback port are the pod, named by host and port; their limits are those of "
        "their control group."
    )
)
class PodSeries:
    pod: str = strawberry.field(description="The pod's name.")
    window_start: list[datetime] = strawberry.field(description="When each window begins.")
    sampled_at: list[datetime | None] = strawberry.field(description="When its figures were measured.")
    usage: PodUsage = strawberry.field(description="What it used, in percent of its limits.")
    actual_usage: PodActualUsage = strawberry.field(description="What it used.")
    specs: PodSpecs = strawberry.field(description="What it asks for and may use.")

    @classmethod
    def of(cls, series: ResourceSeries) -> "PodSeries":
        """The type for a series of the domain."""
        usages = series.usages
        requests_and_limits = [astuple(DomainSpecs() if each is None else each.specs) for each in usages]
        cpu_request, cpu_limit, memory_request, memory_limit = zip(*requests_and_limits, strict=True)
        cpu = _column(usages, lambda usage: usage.cpu_millicores)
        memory = _column(usages, lambda usage: usage.memory_bytes)
        return cls(
            pod=series.pod,
            window_start=list(series.window_start),
            sampled_at=_column(usages, lambda usage: usage.sampled_at),
            usage=PodUsage(
                cpu_percent=[percent(*pair) for pair in zip(cpu, cpu_limit, strict=True)],
                memory_percent=[percent(*pair) for pair in zip(memory, memory_limit, strict=True)],
                cpu_predicted=list(series.is_predicted),
                memory_predicted=list(series.is_predicted),
            ),
            actual_usage=PodActualUsage(cpu_millicores=cpu, memory_mb=_megabytes(memory)),
            specs=PodSpecs(
                cpu_request_millicores=list(cpu_request),
                cpu_limit_millicores=list(cpu_limit),
                memory_request_mb=_megabytes(memory_request),
                memory_limit_mb=_megabytes(memory_limit),
            ),
        )


def _column(usages: tuple[ResourceUsage | None, ...], figure: Callable[[ResourceUsage], Value]) -> list[Value | None]:
    return [None if usage is None else figure(usage) for usage in usages]


def _megabytes(column: "list[int | None] | tuple[int | None, ...]") -> list[float | None]:
    return [None if each is None else each / MEGABYTE for each in column]

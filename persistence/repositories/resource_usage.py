"""CPU and memory of the pods under test."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.load_test_storage import ResourceUsageStore
from domain.query import ResourceUsageQuery
from domain.resource_usage import PodSpecs, ResourceUsage
from persistence import load_test_tables as tables
from persistence.dialect import insert_into

USAGE = tables.resource_usage
SPECS = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")
FIGURES = ("id", "start", "pod", "sampled_at", "cpu_millicores", "memory_bytes")


class ResourceUsageRepository(ResourceUsageStore):
    """The measurements of one unit of work."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, run_id: int, usages: Sequence[ResourceUsage]) -> None:
        rows = [
            {"run_id": run_id, **{name: getattr(usage, name) for name in FIGURES if name != "id"}, **asdict(usage.specs)}
            for usage in usages
        ]
        await self._connection.execute(insert_into(self._connection, USAGE).on_conflict_do_nothing(), rows)

    async def find(self, query: ResourceUsageQuery) -> list[ResourceUsage]:
        selected = select(USAGE).where(USAGE.c.run_id == query.run_id)
        if query.after is not None:
            selected = selected.where(USAGE.c.start > query.after)
        if query.changed_after is not None:
            selected = selected.where(USAGE.c.id > query.changed_after)
        if query.first is not None:
            starts = select(USAGE.c.start).where(USAGE.c.run_id == query.run_id).distinct()
            if query.after is not None:
                starts = starts.where(USAGE.c.start > query.after)
            selected = selected.where(USAGE.c.start.in_(starts.order_by(USAGE.c.start).limit(query.first)))
        rows = await self._connection.execute(selected.order_by(USAGE.c.start, USAGE.c.pod))
        return [_usage(row) for row in rows]


def _usage(row: Row[Any]) -> ResourceUsage:
    specs = PodSpecs(**{name: getattr(row, name) for name in SPECS})
    return ResourceUsage(specs=specs, **{name: getattr(row, name) for name in FIGURES})

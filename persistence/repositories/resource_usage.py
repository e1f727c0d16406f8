"""CPU and memory of the pods under test."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.load_test_storage import ResourceUsageStore
from domain.query import WindowQuery
from domain.resource_usage import PodSpecs, ResourceUsage
from persistence import load_test_tables as tables
from persistence.dialect import insert_into
from persistence.windowed import Asked, rows_of_windows

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

    async def find(self, queries: Sequence[WindowQuery]) -> list[list[ResourceUsage]]:
        found: list[list[ResourceUsage]] = [[] for _ in queries]
        async for rows in rows_of_windows(self._connection, queries, USAGE.c.pod, _has_changed):
            for row in rows:
                found[row.place].append(_usage(row))
        return found


def _has_changed(asked: Asked) -> ColumnElement[bool]:
    return USAGE.c.id > asked.rows.c.changed_after


def _usage(row: Row[Any]) -> ResourceUsage:
    specs = PodSpecs(**{name: getattr(row, name) for name in SPECS})
    return ResourceUsage(specs=specs, **{name: getattr(row, name) for name in FIGURES})

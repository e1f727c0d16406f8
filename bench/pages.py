"""Reading a page of 50 kits must not cost more when their histories are long."""

import statistics
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.data import running_kit
from domain.query import KitQuery
from domain.visibility import EVERYTHING
from persistence.unit_of_work import Database

KITS = 50
LIMIT = 1.2


async def compare_pages(database: Database, engine: AsyncEngine, rounds: int) -> dict[str, Any]:
    """Median milliseconds and statements of a page at 100 and at 2,000 events a kit, read in turns, and their ratio."""
    lengths = {100: "short", 2000: "long"}
    for length, owner in lengths.items():
        for _ in range(KITS):
            await running_kit(database, owner, length)
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    event.listen(engine.sync_engine, "before_cursor_execute", count)
    times: dict[int, list[float]] = {length: [] for length in lengths}
    counted: dict[int, int] = {}
    for turn in range(rounds + 5):
        for length, owner in lengths.items():
            statements = 0
            began = time.perf_counter()
            async with database.snapshot() as work:
                page = await work.kits.page(KitQuery(owner=owner), EVERYTHING)
            elapsed = (time.perf_counter() - began) * 1000
            counted[length] = statements
            if len(page.items) != KITS or not all(kit.version >= length for kit in page.items):
                raise AssertionError("the page is not the one to be measured")
            if turn >= 5:
                times[length].append(elapsed)
    event.remove(engine.sync_engine, "before_cursor_execute", count)
    medians = {length: statistics.median(values) for length, values in times.items()}
    return {
        "page of 50 kits, 100 events each (ms)": round(medians[100], 2),
        "page of 50 kits, 2000 events each (ms)": round(medians[2000], 2),
        "ratio (at most 1.2)": round(medians[2000] / medians[100], 3),
        "statements": counted,
        "holds": medians[2000] / medians[100] <= LIMIT and counted[100] == counted[2000],
    }

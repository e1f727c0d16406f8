"""What an event costs on disk, with its indexes."""

from typing import Any

import asyncpg

LIMIT = 300


async def bytes_per_event(dsn: str) -> dict[str, Any]:
    """Bytes of table and indexes a row of `kit_event`, over all partitions that hold rows."""
    connection = await asyncpg.connect(dsn)
    try:
        sizes = await connection.fetchrow(
            """SELECT sum(pg_total_relation_size(inhrelid)) AS total, sum(pg_indexes_size(inhrelid)) AS indexes
               FROM pg_inherits WHERE inhparent = 'kit_event'::regclass"""
        )
        if sizes is None:
            raise AssertionError("an aggregate has one row")
        rows = await connection.fetchval("SELECT count(*) FROM kit_event")
        metadata = await connection.fetchval("SELECT avg(length(metadata::text)) FROM kit_event WHERE metadata IS NOT NULL")
        hot = await connection.fetch(
            """SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
               WHERE relname IN ('kit_state', 'job_state', 'task_state') ORDER BY relname"""
        )
    finally:
        await connection.close()
    total = float(sizes["total"]) / rows
    return {
        "events": rows,
        "characters of metadata": round(float(metadata)),
        "bytes an event with indexes (at most 300)": round(total, 1),
        "of these indexes": round(float(sizes["indexes"]) / rows, 1),
        "HOT updates": {row["relname"]: f"{100 * row['n_tup_hot_upd'] / max(1, row['n_tup_upd']):.1f} %" for row in hot},
        "holds": total <= LIMIT,
    }

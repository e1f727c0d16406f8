"""Taking in reports: events a second at the port, against appending one row a transaction.

The peer is the port without its batches: 16 writers that each open a unit of work of the same stack, insert one row and commit.
It keeps no state. Beside it, without a bar, stand the same insert over the bare driver (one round trip, no transaction block),
and with the state kept by statements of its own. Ours judges each report, gives it its version, and keeps kit, job and task.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from adapters.bus.memory import MemoryBus
from bench.data import report, running_kit
from domain.actor import Worker
from domain.attempt import AttemptKey
from domain.event import EventKind
from domain.job_type import JobType
from domain.kit import Kit
from domain.report import ReportState
from persistence.tables import kit_event
from persistence.unit_of_work import Database
from resolvers.report_intake import ReportIntake

WRITERS = 16
IN_FLIGHT = 32
LIMIT = 2.0
INSERT = """
INSERT INTO kit_event (recorded_at, reported_at, kit_id, version, sequence, actor, task, progress, kind, job_type, attempt,
    event_order, status, job_id, metadata)
VALUES (clock_timestamp(), now(), $1, $2, $2, 1, 1, 0.5, 9, 1, 1, 1, NULL, $3, $4)
"""


class NoArtifacts:
    """The reports of a benchmark name no artifacts."""

    async def size(self, location: str) -> int | None:
        """Nothing is there."""
        return None


async def compare_reports(database: Database, dsn: str, kits: int, seconds: float) -> dict[str, Any]:
    """Events a second of ours and of the peers, measured one after the other, and the ratios to the stateless peer."""
    many = [(await running_kit(database, f"owner {number % 10}"))[0] for number in range(kits)]
    one = [(await running_kit(database, "one"))[0]]
    sequences = {kit.id: 1 for kit in (*many, *one)}
    peers = {
        "one row a transaction, no state (the peer)": await one_row_a_transaction(database, many, seconds),
        "bare driver, no state": await naive(dsn, many, seconds, keeps_state=False),
        "bare driver, state kept": await naive(dsn, many, seconds, keeps_state=True),
        "bare driver, state kept, one kit": await naive(dsn, one, seconds, keeps_state=True),
    }
    ours = {
        f"ours, {kits} kits, 32 in flight": await batched(database, many, sequences, seconds, IN_FLIGHT),
        "ours, one kit, 32 in flight": await batched(database, one, sequences, seconds, IN_FLIGHT),
        f"ours, {kits} kits, 1 in flight (no bar)": await batched(database, many, sequences, seconds, 1),
    }
    base = peers["one row a transaction, no state (the peer)"]
    ratios = {f"ratio of {name} (at least 2)": round(value / base, 2) for name, value in list(ours.items())[:2]}
    figures = {name: round(value) for name, value in {**peers, **ours}.items()}
    return {**figures, **ratios, "holds": all(ratio >= LIMIT for ratio in ratios.values())}


async def one_row_a_transaction(database: Database, kits: list[Kit], seconds: float) -> float:
    """Events a second of 16 writers that each append a row in a unit of work of its own, and go on when it is committed."""
    written = 0

    async def writer(number: int) -> None:
        nonlocal written
        while time.monotonic() < until:
            kit = kits[(number + written) % len(kits)]
            written += 1
            values = {"kit_id": kit.id, "version": 200_000_000 + written, "recorded_at": datetime.now(UTC), "actor": 1, "task": 1}
            values |= {"kind": EventKind.POINT, "job_type": JobType.DECK_COLLECTION, "attempt": 1, "event_order": 1}
            values |= {
                "job_id": kit.jobs[0].id,
                "progress": 0.5,
                "sequence": 1,
                "metadata": report(kit.jobs[0].attempt.key, 1).metadata,
            }
            async with database.transaction() as work:
                await work.connection.execute(kit_event.insert(), values)

    began = time.monotonic()
    until = began + seconds
    await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    return written / (time.monotonic() - began)


async def naive(dsn: str, kits: list[Kit], seconds: float, *, keeps_state: bool) -> float:
    """Events a second of 16 connections that each append a row, wait for the commit, and go on."""
    connections = [await asyncpg.connect(dsn) for _ in range(WRITERS)]
    document = '{"point": 1, "inputs": {"width_um": 1.25, "load_ff": 12.5}, "responses": {"delay_ps": 31.4, "energy_fj": 0.81}}'
    next_version = 1_000_000_000 if keeps_state else 500_000_000
    written = 0

    async def write(connection: "asyncpg.Connection[Any]", kit: Kit) -> None:
        nonlocal next_version, written
        next_version += 1
        arguments = (kit.id, next_version, kit.jobs[0].id, document)
        if not keeps_state:
            await connection.execute(INSERT, *arguments)
        else:
            async with connection.transaction():
                await connection.execute("UPDATE naive_state SET version = version + 1, at = now() WHERE kit_id = $1", kit.id)
                await connection.execute(INSERT, *arguments)
        written += 1

    async def writer(number: int) -> None:
        while time.monotonic() < until:
            await write(connections[number], kits[(number + written) % len(kits)])

    columns = "kit_id integer PRIMARY KEY, version integer, at timestamptz"
    await connections[0].execute(f"CREATE TABLE IF NOT EXISTS naive_state ({columns}) WITH (fillfactor = 50)")
    await connections[0].execute("INSERT INTO naive_state SELECT kit_id, 0, now() FROM kit_state ON CONFLICT DO NOTHING")
    began = time.monotonic()
    until = began + seconds
    await asyncio.gather(*(writer(number) for number in range(WRITERS)))
    elapsed = time.monotonic() - began
    for connection in connections:
        await connection.close()
    return written / elapsed


async def batched(database: Database, kits: list[Kit], sequences: dict[int, int], seconds: float, in_flight: int) -> float:
    """Events a second through the intake: each of 16 writers keeps `in_flight` reports on their way.

    The reports of one attempt come in order, as its shim sends them; on one kit all writers speak for its one attempt.
    `sequences` holds the last report's number of each kit.
    """
    intake = ReportIntake(database, MemoryBus(), NoArtifacts())  # type: ignore[arg-type]
    recorded = 0

    async def slot(number: int, until: float) -> None:
        nonlocal recorded
        turn = number
        while time.monotonic() < until:
            kit = kits[turn % len(kits)]
            turn += WRITERS * in_flight
            sequences[kit.id] += 1
            key = AttemptKey(kit.jobs[0].id, 1)
            worker = Worker(attempt=key, kit_id=kit.id, expires_at=datetime.now(UTC) + timedelta(hours=1))
            (result,) = await intake.submit(worker, [report(key, sequences[kit.id])])
            if result.state is not ReportState.RECORDED:
                raise AssertionError(f"a report of the benchmark was not recorded: {result}")
            recorded += 1

    began = time.monotonic()
    await asyncio.gather(*(slot(number, began + seconds) for number in range(WRITERS * in_flight)))
    elapsed = time.monotonic() - began
    await intake.close()
    return recorded / elapsed

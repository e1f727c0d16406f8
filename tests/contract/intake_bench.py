"""A kit whose first job runs, and servers that take in what its worker reports: for the tests of the intake."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.bus.memory import MemoryBus
from domain import commands
from domain.actor import Worker
from domain.event import Event, EventKind
from domain.kit import Kit
from domain.report import Report, ReportResult
from domain.status import Status
from domain.visibility import EVERYTHING
from persistence.rebuild import rebuild
from persistence.unit_of_work import Database
from resolvers.report_intake import ReportIntake
from tests.factories import change, store_kit
from tests.fakes import FakeArtifacts
from tests.history import history_of

FOREVER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass
class Bench:
    """A kit whose first job runs, its worker, and any number of servers that take in what it reports."""

    database: Database
    kit: Kit
    worker: Worker
    artifacts: FakeArtifacts
    bus: MemoryBus

    def server(self, database: Any = None) -> ReportIntake:
        return ReportIntake(database or self.database, self.bus, self.artifacts)

    def report(self, sequence: int, kind: EventKind = EventKind.NOTE, **values: Any) -> Report:
        return Report(attempt=self.worker.attempt, sequence=sequence, kind=kind, **values)

    def notes(self, first: int, last: int) -> list[Report]:
        return [self.report(number, metadata={f"n{number}": number}) for number in range(first, last + 1)]

    async def state(self) -> Kit:
        async with self.database.snapshot() as work:
            kit = await work.kits.get(self.kit.id, EVERYTHING)
        assert kit is not None
        return kit

    async def history(self) -> list[Event]:
        async with self.database.snapshot() as work:
            return await history_of(work, self.kit.id)

    async def sequences(self) -> list[int]:
        """The numbers of the reports on record, in the order of the events."""
        return [event.sequence for event in await self.history() if event.sequence is not None]

    async def check(self) -> None:
        """Versions are dense and single, the state is what the events say."""
        report = await rebuild(self.database)
        assert report.differences == []


async def begin(database: Database, kit: Kit) -> tuple[Kit, Worker]:
    kit = await change(database, kit, commands.start_kit)
    key = kit.jobs[0].attempt.key
    kit = await change(database, kit, lambda c: commands.begin_attempt(c, *key, "r"))
    kit = await change(
        database, kit, lambda c: c.emit_for_task(c.kit.jobs[0], c.kit.jobs[0].tasks[0], EventKind.STATUS, status=Status.RUNNING)
    )
    return kit, Worker(attempt=key, kit_id=kit.id, expires_at=FOREVER)


def shown(results: Sequence[ReportResult]) -> list[str]:
    return [result.code or result.state.value for result in results]


async def new_bench(database: Database) -> Bench:
    """A bench on a new kit."""
    kit, worker = await begin(database, await store_kit(database))
    return Bench(database, kit, worker, FakeArtifacts(), MemoryBus())


MIXED = ["RECORDED", "ILLEGAL_TRANSITION", "RECORDED", "COALESCED", "VALIDATION_FAILED", "RECORDED"]


def mixed(bench: Bench) -> list[Report]:
    """One of each fate: recorded, refused by the table, progress, progress too soon, bad input, recorded."""
    return [
        bench.report(1, metadata={"a": 1}),
        bench.report(2, EventKind.PROGRESS, task="check", progress=0.5),
        bench.report(3, EventKind.PROGRESS, task="fetch", progress=0.1),
        bench.report(4, EventKind.PROGRESS, task="fetch", progress=0.2),
        bench.report(5, task="none"),
        bench.report(6, EventKind.POINT, task="fetch", metadata={"x": 1}),
    ]

"""A database, a machine and the job reconciler between them, to be killed and started again by tests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from adapters.bus.memory import MemoryBus
from controllers.job_reconciler import JobReconciler, JobReconcilerSettings
from domain import commands
from domain.actor import Worker
from domain.attempt import Attempt, AttemptKey
from domain.event import EventKind
from domain.kit import Kit
from domain.report import Report
from domain.visibility import EVERYTHING
from persistence.unit_of_work import Database
from resolvers.report_intake import ReportIntake
from resolvers.services import Services
from tests.factories import change, store_kit
from tests.fakes import FailingDatabase, FakeArtifacts, FakeRunner, fake_services

FOREVER = datetime(2100, 1, 1, tzinfo=UTC)
SETTINGS = JobReconcilerSettings(
    capacity=2,
    interval_seconds=0.05,
    patience_seconds=30.0,
    heartbeat_seconds=0.0,
    cancel_grace_seconds=0.0,
    interrupt_grace_seconds=0.0,
)


class House:
    """A database, a runner, and the reconciler between them, which can be restarted."""

    def __init__(self, database: Database, runner: FakeRunner | None = None, **settings: Any) -> None:
        self.database = FailingDatabase(database)
        self.runner = runner or FakeRunner()
        intake = ReportIntake(database, MemoryBus(), FakeArtifacts())
        self.services: Services = fake_services(self.database, reports=intake)
        self.settings = replace(SETTINGS, **settings)
        self.restart()

    def restart(self) -> None:
        """A new process: nothing is remembered."""
        self.reconciler = JobReconciler(self.services, self.runner, "process", "host", self.settings)

    async def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            await self.reconciler.run_once()

    async def kit(self, kit_id: int) -> Kit:
        async with self.database.snapshot() as work:
            kit = await work.kits.get(kit_id, EVERYTHING)
        assert kit is not None
        return kit

    async def new_kit(self, *decisions: Any) -> Kit:
        """A kit that was started, and whatever is decided on top."""
        kit = await change(self.database, await store_kit(self.database), commands.start_kit)
        return await change(self.database, kit, *decisions) if decisions else kit

    async def decide(self, kit_id: int, *decisions: Any) -> Kit:
        return await change(self.database, await self.kit(kit_id), *decisions)

    async def attempts(self, kit: Kit) -> list[Attempt]:
        """All attempts of the first job."""
        async with self.database.snapshot() as work:
            return await work.attempts.of_jobs([kit.jobs[0].id])

    async def claims(self, runner_id: str = "runner-1") -> list[AttemptKey]:
        async with self.database.snapshot() as work:
            return [claim.key for claim in await work.attempts.claims_of(runner_id)]

    async def report(self, key: AttemptKey, kit_id: int, last: int) -> None:
        """Let the worker's reports up to `last` arrive."""
        worker = Worker(attempt=key, kit_id=kit_id, expires_at=FOREVER)
        reports = [Report(attempt=key, sequence=number, kind=EventKind.NOTE) for number in range(1, last + 1)]
        assert all(result.consumed for result in await self.services.reports.submit(worker, reports))

    async def quiet(self, kit_id: int) -> None:
        """Rounds in which nothing is to be done change nothing."""
        before = await self.kit(kit_id)
        state = (dict(self.runner.attempts), list(self.runner.launches), await self.claims())
        await self.rounds(2)
        assert await self.kit(kit_id) == before
        assert (self.runner.attempts, self.runner.launches, await self.claims()) == state


def finish_all(runner: FakeRunner) -> None:
    for key, attempt in runner.attempts.items():
        if attempt.ending is None:
            runner.finish(key)

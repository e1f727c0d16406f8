"""Kits with long histories, made by the domain's own rules so that rebuilding them finds no difference."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from domain import commands
from domain.attempt import AttemptKey
from domain.change import Change
from domain.event import EventKind
from domain.job_type import DEFAULT_TASKS, JobType
from domain.kit import Kit, KitIdentity, ProductLine
from domain.report import Report, judge
from domain.status import Status
from persistence.unit_of_work import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TASK = "fetch"


def report(key: AttemptKey, sequence: int) -> Report:
    """A simulated point, as a DOE job reports thousands of them: about 120 bytes of JSON."""
    document = {
        "point": sequence,
        "inputs": {"width_um": 1.25 + sequence * 1e-4, "load_ff": 12.5, "supply_v": 0.9},
        "responses": {"delay_ps": 31.4159 + sequence * 1e-3, "energy_fj": 0.8127},
    }
    return Report(
        attempt=key, sequence=sequence, kind=EventKind.POINT, task=TASK, reported_at=NOW, progress=0.5, metadata=document
    )


async def running_kit(database: Database, owner: str, events: int = 0) -> tuple[Kit, int]:
    """A stored kit whose first job runs and has reported until its history has `events` events; and the last report's number."""
    definition = {"template": "builtin", "deck": {"kind": "TABLE", "source": {"folder": "x"}}}
    identity = KitIdentity(
        id=0, name=f"kit of {owner}", owner=owner, product_line=ProductLine.LOGIC, definition=definition, created_at=NOW
    )
    async with database.transaction() as work:
        change = Change.of(await work.kits.add(identity), owner)
        commands.create(change, DEFAULT_TASKS, {job_type: uuid4() for job_type in JobType})
        commands.start_kit(change)
        job = change.kit.jobs[0]
        commands.begin_attempt(change, job.id, 1, "bench")
        key, sequence = AttemptKey(job.id, 1), 1
        judge(change, Report(attempt=key, sequence=1, kind=EventKind.STATUS, task=TASK, status=Status.RUNNING), NOW)
        while change.kit.version < events:
            sequence += 1
            judge(change, report(key, sequence), NOW + timedelta(seconds=sequence))
        recorded = await work.kits.append([change])
    return change.recorded(recorded[change.kit.id]).kit, sequence

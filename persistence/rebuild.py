"""Proving that the current state is what the events say: every kit's history is folded again and compared.

The order of numbers is checked on the way: versions of a kit are dense and single, times never run backwards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from domain.change import Change
from domain.evolve import evolve
from domain.kit import Kit, KitIdentity
from domain.projection import BrokenHistory, empty_kit
from domain.task import Task
from domain.visibility import EVERYTHING
from persistence.append import write_state
from persistence.unit_of_work import Database, UnitOfWork

BATCH = 200


@dataclass(slots=True)
class RebuildReport:
    """What was gone through, and each difference in a sentence."""

    kits: int = 0
    events: int = 0
    differences: list[str] = field(default_factory=list)


async def rebuild(database: Database, *, fix: bool = False, progress: Callable[[int], None] = lambda _: None) -> RebuildReport:
    """Fold every kit again and compare; with `fix` write the rebuilt state of each kit that differs.

    Memory holds one kit at a time. Kits may change meanwhile: each is read from one moment, and fixed under its lock.
    """
    report, last = RebuildReport(), 0
    while True:
        async with database.snapshot() as work:
            identities = await work.events.identities(last, BATCH)
        for identity in identities:
            last = identity.id
            found = len(report.differences)
            async with database.snapshot() as work:
                await _check(work, identity, report)
            if fix and len(report.differences) > found:
                await _fix(database, identity)
        if not identities:
            return report
        progress(report.kits)


async def _check(work: UnitOfWork, identity: KitIdentity, report: RebuildReport) -> Change | None:
    """Compare one kit; the rebuilt state, or None where its history can't be folded."""
    report.kits += 1
    change = Change.of(empty_kit(identity), "")
    try:
        async for event in work.events.stream(identity.id):
            if event.recorded_at < change.kit.updated_at:
                report.differences.append(f"kit {identity.id}: event {event.version} was recorded before its predecessor")
            change.take(event)
            change.events.clear()
            report.events += 1
    except BrokenHistory as error:
        report.differences.append(str(error))
        return None
    stored = await work.kits.get(identity.id, EVERYTHING)
    if stored is not None:
        change.kit = _with_what_made_no_event(change.kit, stored)
    found = {attempt.key: attempt for attempt in await work.attempts.of_jobs([job.id for job in change.kit.jobs])}
    differences = [*_differences("", stored, change.kit), *_differences("attempts", found, change.attempts)]
    report.differences += [f"kit {identity.id}: {difference}" for difference in differences]
    return change


async def _fix(database: Database, identity: KitIdentity) -> None:
    async with database.transaction() as work:
        await work.kits.lock(identity.id)
        change = await _check(work, identity, RebuildReport())
        if change is not None:
            await write_state(work.connection, change.kit, change.attempts)


def _with_what_made_no_event(kit: Kit, stored: Kit) -> Kit:
    """The kit with what reports leave that make no event: numbers that they use up, and progress kept for the next event."""
    jobs = []
    for job in kit.jobs:
        other = stored.job(job.id)
        if other is not None and other.attempt.number == job.attempt.number:
            tasks = (evolve(task, coalesced_progress=_kept_progress(task, other.task(task.name))) for task in job.tasks)
            job = evolve(job, last_sequence=max(job.last_sequence, other.last_sequence), tasks=tuple(tasks))
        jobs.append(job)
    return evolve(kit, jobs=tuple(jobs))


def _kept_progress(task: Task, stored: Task | None) -> float | None:
    return stored.coalesced_progress if stored is not None and stored.version == task.version else None


def _differences(path: str, stored: Any, expected: Any) -> Iterator[str]:
    if is_dataclass(stored) and is_dataclass(expected):
        for each in filter(lambda each: each.compare, fields(expected)):
            yield from _differences(f"{path}.{each.name}".lstrip("."), getattr(stored, each.name), getattr(expected, each.name))
    elif isinstance(stored, tuple) and isinstance(expected, tuple) and len(stored) == len(expected):
        for index, (one, other) in enumerate(zip(stored, expected, strict=True)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif stored != expected:
        yield f"{path or 'state'} is {stored!r}, the events say {expected!r}"

"""From events to the current state: the only place where the state of a kit, job or task changes.

Commands fold their events with it before they are stored, rebuilding folds the whole history with it, and reading a kit as of
a time folds the history up to that time: all three agree by construction.
"""

from typing import TypeVar
from uuid import UUID

from domain.attempt import Attempt, Cause
from domain.event import Event, EventKind
from domain.evolve import evolve
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit, KitIdentity, derived_status
from domain.status import ENDED, Status
from domain.task import Task

Value = TypeVar("Value")


class BrokenHistory(Exception):
    """The events of a kit can't be folded: something other than PLOG wrote them, or some are missing."""


def empty_kit(identity: KitIdentity) -> Kit:
    """A kit before its first event: no jobs, version 0."""
    return Kit(
        id=identity.id,
        name=identity.name,
        owner=identity.owner,
        product_line=identity.product_line,
        definition=identity.definition,
        metadata=identity.metadata,
        version=0,
        status=Status.PENDING,
        status_version=0,
        created_at=identity.created_at,
        updated_at=identity.created_at,
        status_changed_at=identity.created_at,
        jobs=(),
    )


def apply(kit: Kit, event: Event) -> Kit:
    """The state after one more event."""
    if event.kit_id != kit.id or event.version != kit.version + 1:
        raise BrokenHistory(f"kit {kit.id} at version {kit.version} can't take event {event.kit_id}/{event.version}")
    if event.job_id is None:
        return _apply_command(evolve(kit, version=event.version, updated_at=event.recorded_at), event)
    job = kit.job(event.job_id)
    if job is None:
        jobs = (*kit.jobs, _new_job(kit, event.job_id, event))
    else:
        changed = _apply_to_job(job, event)
        jobs = tuple(changed if each is job else each for each in kit.jobs)
    kit = evolve(kit, version=event.version, updated_at=event.recorded_at, jobs=jobs)
    return _derive(kit, event) if event.kind is EventKind.STATUS and event.task is None else kit


def _apply_command(kit: Kit, event: Event) -> Kit:
    match event.kind:
        case EventKind.CREATED:
            return evolve(kit, status_changed_at=event.recorded_at, status_version=event.version)
        case EventKind.STARTED:
            return evolve(kit, is_started=True)
        case EventKind.ARCHIVED:
            return evolve(kit, archived_at=event.recorded_at)
        case EventKind.CANCELLED:
            return kit
    raise BrokenHistory(f"kit {kit.id}, version {event.version}: {event.kind} is not a kit's event")


def _derive(kit: Kit, event: Event) -> Kit:
    statuses = [job.status for job in kit.jobs]
    status = derived_status(statuses)
    if status is not kit.status:
        kit = evolve(kit, status=status, status_version=event.version, status_changed_at=event.recorded_at)
    if event.status is Status.RUNNING and kit.started_at is None:
        kit = evolve(kit, started_at=event.recorded_at)
    is_over = status in ENDED and not any(job.status in (Status.QUEUED, Status.RUNNING) for job in kit.jobs)
    if is_over != (kit.ended_at is not None):
        kit = evolve(kit, ended_at=event.recorded_at if is_over else None)
    return kit


def _new_job(kit: Kit, job_id: UUID, event: Event) -> Job:
    job_type, status, at = _require(event.job_type, event), _require(event.status, event), event.recorded_at
    if event.kind is not EventKind.STATUS or event.task is not None or job_type.order != len(kit.jobs) + 1:
        raise BrokenHistory(f"kit {kit.id}, version {event.version}: {event.kind} is not the beginning of the kit's next job")
    return Job(
        id=job_id,
        kit_id=kit.id,
        type=JobType(job_type),
        attempt=Attempt(job_id=job_id, number=event.attempt or 1, status=Status(status), version=event.version, created_at=at),
        version=event.version,
        status_version=event.version,
        created_at=at,
        updated_at=at,
        tasks=(),
        metadata=event.metadata,
    )


def _apply_to_job(job: Job, event: Event) -> Job:
    job = evolve(
        job,
        version=event.version,
        updated_at=event.recorded_at,
        last_sequence=job.last_sequence if event.sequence is None else event.sequence,
        tasks=job.tasks if event.task is None else _apply_to_tasks(job, event.task, event),
    )
    if event.task is not None:
        return job
    match event.kind:
        case EventKind.STATUS:
            return _apply_job_status(job, event)
        case EventKind.CANCEL_REQUESTED:
            return evolve(job, cancel_requested=True, status_version=event.version)
        case EventKind.NOTE:
            return evolve(job, metadata={**job.metadata, **event.metadata})
        case EventKind.ARTIFACT:
            return job
    raise BrokenHistory(f"kit {job.kit_id}, version {event.version}: {event.kind} is not a job's event")


def _apply_job_status(job: Job, event: Event) -> Job:
    status, at = Status(_require(event.status, event)), event.recorded_at
    if event.attempt != job.attempt.number:
        attempt = Attempt(
            job_id=job.id, number=_require(event.attempt, event), status=status, version=event.version, created_at=at
        )
        return evolve(
            job,
            attempt=attempt,
            status_version=event.version,
            last_sequence=0,
            cancel_requested=False,
            metadata={},
        )
    details = event.metadata
    attempt = evolve(
        job.attempt,
        status=status,
        version=event.version,
        started_at=at if status is Status.RUNNING else job.attempt.started_at,
        ended_at=at if status in ENDED else None,
        cause=_cause(event),
        message=details.get("message", ""),
        exit_code=details.get("exitCode"),
    )
    return evolve(
        job,
        attempt=attempt,
        status_version=event.version,
        cancel_requested=job.cancel_requested and status not in ENDED,
    )


def _cause(event: Event) -> Cause | None:
    name = event.metadata.get("cause")
    if name and name not in list(Cause):
        raise BrokenHistory(f"kit {event.kit_id}, version {event.version}: {name!r} is not a cause")
    return Cause(name) if name else None


def _apply_to_tasks(job: Job, name: str, event: Event) -> tuple[Task, ...]:
    task = job.task(name)
    if task is None:
        return (*job.tasks, _new_task(job, name, event))
    changed = _apply_to_task(task, event)
    return tuple(changed if each is task else each for each in job.tasks)


def _new_task(job: Job, name: str, event: Event) -> Task:
    return Task(
        job_id=job.id,
        name=name,
        order=_require(event.order, event),
        status=Status(_require(event.status, event)),
        progress=0.0,
        version=event.version,
        status_version=event.version,
        created_at=event.recorded_at,
        updated_at=event.recorded_at,
        metadata=event.metadata,
    )


def _apply_to_task(task: Task, event: Event) -> Task:
    at = event.recorded_at
    is_running = Status.RUNNING in (task.status, event.status)
    task = evolve(
        task,
        version=event.version,
        updated_at=at,
        progress=event.progress if is_running and event.progress is not None else task.progress,
        progressed_at=at if event.kind is EventKind.PROGRESS else task.progressed_at,
        coalesced_progress=None,
    )
    if event.kind is EventKind.NOTE:
        return evolve(task, metadata={**task.metadata, **event.metadata})
    if event.kind is not EventKind.STATUS:
        return task
    status = Status(_require(event.status, event))
    task = evolve(task, status=status, status_version=event.version)
    if status is Status.PENDING:
        return evolve(task, progress=0.0, started_at=None, ended_at=None, progressed_at=None, metadata=event.metadata)
    return evolve(
        task,
        progress=1.0 if status is Status.SUCCEEDED else task.progress,
        started_at=task.started_at or (None if status is Status.CANCELLED else at),
        ended_at=at if status in ENDED else None,
        metadata={**task.metadata, **event.metadata},
    )


def _require(value: Value | None, event: Event) -> Value:
    if value is None:
        raise BrokenHistory(f"kit {event.kit_id}, version {event.version}: the event lacks a value")
    return value

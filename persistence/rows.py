"""Between rows and the domain's objects, both ways."""

from collections.abc import Iterable, Mapping
from typing import Any

from domain.attempt import Attempt, Cause
from domain.event import Event
from domain.job import Job
from domain.kit import Kit
from domain.task import Task

Row = Mapping[Any, Any]


def kit_state_row(kit: Kit) -> dict[str, Any]:
    """The row of `kit_state`."""
    return {
        "kit_id": kit.id,
        "version": kit.version,
        "status": kit.status,
        "status_version": kit.status_version,
        "is_started": kit.is_started,
        "updated_at": kit.updated_at,
        "status_changed_at": kit.status_changed_at,
        "started_at": kit.started_at,
        "ended_at": kit.ended_at,
        "archived_at": kit.archived_at,
    }


def job_row(job: Job) -> dict[str, Any]:
    """The row of `job_state`."""
    return {
        "kit_id": job.kit_id,
        "type": job.type,
        "job_id": job.id,
        "attempt": job.attempt.number,
        "status": job.status,
        "cancel_requested": job.cancel_requested,
        "last_sequence": job.last_sequence,
        "version": job.version,
        "status_version": job.status_version,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "metadata": job.metadata,
    }


def attempt_row(attempt: Attempt, kit_id: int) -> dict[str, Any]:
    """The row of `attempt_state`."""
    return {
        "job_id": attempt.job_id,
        "number": attempt.number,
        "kit_id": kit_id,
        "status": attempt.status,
        "version": attempt.version,
        "created_at": attempt.created_at,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "cause": attempt.cause,
        "message": attempt.message or None,
        "exit_code": attempt.exit_code,
    }


def task_row(task: Task, job: Job) -> dict[str, Any]:
    """The row of `task_state`."""
    return {
        "kit_id": job.kit_id,
        "type": job.type,
        "task_order": task.order,
        "job_id": job.id,
        "name": task.name,
        "status": task.status,
        "progress": task.progress,
        "version": task.version,
        "status_version": task.status_version,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "started_at": task.started_at,
        "ended_at": task.ended_at,
        "progressed_at": task.progressed_at,
        "metadata": task.metadata,
    }


def event_row(event: Event, name_ids: Mapping[str, int]) -> dict[str, Any]:
    """The row of `kit_event`; `name_ids` holds the ids of the names in it."""
    return {
        "kit_id": event.kit_id,
        "version": event.version,
        "recorded_at": event.recorded_at,
        "reported_at": event.reported_at,
        "sequence": event.sequence,
        "actor": name_ids[event.actor],
        "task": None if event.task is None else name_ids[event.task],
        "progress": event.progress,
        "kind": event.kind,
        "job_type": event.job_type,
        "attempt": event.attempt,
        "event_order": event.order,
        "status": event.status,
        "job_id": event.job_id,
        "metadata": event.metadata,
    }


def kit_from(row: Row, jobs: Iterable[Job]) -> Kit:
    """A kit from a row of `kit` joined with `kit_state`."""
    return Kit(
        id=row["id"],
        name=row["name"],
        owner=row["owner"],
        product_line=row["product_line"],
        definition=row["definition"],
        metadata=row["metadata"],
        version=row["version"],
        status=row["status"],
        status_version=row["status_version"],
        is_started=row["is_started"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        status_changed_at=row["status_changed_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        archived_at=row["archived_at"],
        jobs=tuple(jobs),
    )


def attempt_from(row: Row) -> Attempt:
    """An attempt from a row of `attempt_state`."""
    return Attempt(
        job_id=row["job_id"],
        number=row["number"],
        status=row["status"],
        version=row["version"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        cause=Cause(row["cause"]) if row["cause"] else None,
        message=row["message"] or "",
        exit_code=row["exit_code"],
    )


def job_from(row: Row, attempt: Attempt, tasks: Iterable[Task]) -> Job:
    """A job from its row of `job_state`."""
    return Job(
        id=row["job_id"],
        kit_id=row["kit_id"],
        type=row["type"],
        attempt=attempt,
        version=row["version"],
        status_version=row["status_version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        tasks=tuple(tasks),
        last_sequence=row["last_sequence"],
        cancel_requested=row["cancel_requested"],
        metadata=row["metadata"],
    )


def task_from(row: Row) -> Task:
    """A task from its row of `task_state`."""
    return Task(
        job_id=row["job_id"],
        name=row["name"],
        order=row["task_order"],
        status=row["status"],
        progress=round(row["progress"], 6),
        version=row["version"],
        status_version=row["status_version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        progressed_at=row["progressed_at"],
        metadata=row["metadata"],
    )


def event_from(row: Row) -> Event:
    """An event from a row of `kit_event` joined with the names of its actor and task."""
    return Event(
        kit_id=row["kit_id"],
        version=row["version"],
        kind=row["kind"],
        actor=row["actor_name"],
        recorded_at=row["recorded_at"],
        job_type=row["job_type"],
        job_id=row["job_id"],
        attempt=row["attempt"],
        task=row["task_name"],
        order=row["event_order"],
        status=row["status"],
        progress=None if row["progress"] is None else round(row["progress"], 6),
        sequence=row["sequence"],
        reported_at=row["reported_at"],
        metadata=row["metadata"],
    )

"""Between rows and the domain's objects, both ways."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table

from domain.attempt import Attempt, Cause
from domain.event import Event
from domain.job import Job
from domain.kit import Kit
from domain.task import Task
from persistence import tables

Row = Sequence[Any]
ACTOR_NAME, TASK_NAME = tables.name.alias("actor_names"), tables.name.alias("task_names")


def _fields(table: Table, *others: str, **renamed: str) -> dict[str, ColumnElement[Any]]:
    """Columns under the names of the domain's fields: some are called the same there, some otherwise."""
    columns = {name: table.c[name] for name in others} | {name: table.c[column] for name, column in renamed.items()}
    return {name: column.label(name) for name, column in columns.items()}


_SINCE = ("version", "status_version", "created_at", "updated_at")
KIT = _fields(tables.kit, "id", "name", "owner", "product_line", "definition", "metadata", "created_at") | _fields(
    tables.kit_state,
    *("version", "status", "status_version", "is_started", "updated_at", "status_changed_at"),
    *("started_at", "ended_at", "archived_at", "revision"),
)
JOB = _fields(tables.job_state, "kit_id", "type", *_SINCE, "last_sequence", "cancel_requested", "metadata", id="job_id")
ATTEMPT = _fields(
    tables.attempt_state,
    *("job_id", "number", "status", "version", "created_at", "started_at", "ended_at", "cause", "message", "exit_code"),
)
TASK = _fields(
    tables.task_state,
    *(
        "job_id",
        "name",
        "status",
        "progress",
        *_SINCE,
        "started_at",
        "ended_at",
        "progressed_at",
        "coalesced_progress",
        "metadata",
    ),
    order="task_order",
)
EVENT = _fields(
    tables.kit_event,
    *("kit_id", "version", "kind", "recorded_at", "reported_at", "job_type", "job_id", "attempt"),
    *("status", "progress", "sequence", "metadata"),
    order="event_order",
) | {"actor": ACTOR_NAME.c.text.label("actor"), "task": TASK_NAME.c.text.label("task")}


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
        "revision": kit.revision,
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
        "coalesced_progress": task.coalesced_progress,
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
    """A kit from a row of `KIT`."""
    return Kit(**dict(zip(KIT, row, strict=True)), jobs=tuple(jobs))


def attempt_from(row: Row) -> Attempt:
    """An attempt from a row of `ATTEMPT`."""
    values = dict(zip(ATTEMPT, row, strict=True))
    cause, message = values.pop("cause"), values.pop("message")
    return Attempt(**values, cause=Cause(cause) if cause else None, message=message or "")


def job_from(row: Row, tasks: Iterable[Task]) -> Job:
    """A job from a row of `JOB` followed by `ATTEMPT`."""
    values = dict(zip(JOB, row, strict=False))
    return Job(**values, attempt=attempt_from(row[len(JOB) :]), tasks=tuple(tasks))


def task_from(row: Row) -> Task:
    """A task from a row of `TASK`."""
    return Task(**dict(zip(TASK, row, strict=True)))


def event_from(row: Row) -> Event:
    """An event from a row that begins with `EVENT`."""
    return Event(**dict(zip(EVENT, row, strict=False)))

"""A change of one kit in the making: the events that a command causes, folded as they are added.

Every command below checks first and emits afterwards, so that a refused command leaves nothing behind. The result is stored as a
whole or not at all, guarded by the revision that the decision was made on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.attempt import Attempt, AttemptKey
from domain.event import RECORDING, Event, EventKind
from domain.evolve import evolve
from domain.job import Job
from domain.kit import Kit
from domain.projection import apply
from domain.status import Depth, Status, check_transition
from domain.task import Task


@dataclass(slots=True)
class Change:
    """`before` is the state the decision rests on, `kit` the state after the `events` added so far.

    `attempts` holds every attempt that they touched, as it then is: one change can end an attempt and begin the next.
    `note_bytes` is how much is noted, as JSON, of each job (task None) and task for which that was counted.
    """

    before: Kit
    kit: Kit
    actor: str
    events: list[Event] = field(default_factory=list)
    attempts: dict[AttemptKey, Attempt] = field(default_factory=dict)
    note_bytes: dict[tuple[UUID, str | None], int] = field(default_factory=dict)

    @classmethod
    def of(cls, kit: Kit, actor: str) -> "Change":
        """An empty change of `kit`, caused by `actor`."""
        return cls(before=kit, kit=kit, actor=actor)

    def emit(self, kind: EventKind, **values: Any) -> None:
        """Add an event of the kit's next version and fold it."""
        self.take(Event(kit_id=self.kit.id, version=self.kit.version + 1, kind=kind, actor=self.actor, **values))

    def take(self, event: Event) -> None:
        """Add an event as it is and fold it."""
        self.kit = apply(self.kit, event)
        self.events.append(event)
        if event.job_id is not None and event.task is None and event.kind is EventKind.STATUS:
            attempt = self.job(event.job_id).attempt
            self.attempts[attempt.key] = attempt

    def emit_for_job(self, job: Job, kind: EventKind, **values: Any) -> None:
        """Add an event of a job's current attempt."""
        values = {"attempt": job.attempt.number, "order": job.order, **values}
        self.emit(kind, job_type=job.type, job_id=job.id, **values)

    def emit_for_task(self, job: Job, task: Task, kind: EventKind, **values: Any) -> None:
        """Add an event of a task in its job's current attempt; it takes along the progress that was kept for it."""
        if values.get("progress") is None:
            values["progress"] = task.coalesced_progress
        self.emit_for_job(job, kind, task=task.name, order=task.order, **values)

    def consume(self, job_id: UUID, sequence: int) -> None:
        """Use up a report's number without an event."""
        self._replace(evolve(self.job(job_id), last_sequence=sequence))

    def coalesce(self, job_id: UUID, task_name: str, sequence: int, progress: float) -> None:
        """Use up the number of a report of progress, and keep the progress for the task's next event."""
        job = self.job(job_id)
        tasks = (evolve(each, coalesced_progress=progress) if each.name == task_name else each for each in job.tasks)
        self._replace(evolve(job, last_sequence=sequence, tasks=tuple(tasks)))

    def _replace(self, job: Job) -> None:
        self.kit = evolve(self.kit, jobs=tuple(job if each.id == job.id else each for each in self.kit.jobs))

    def move_job(self, job_id: UUID, status: Status, metadata: Mapping[str, Any] | None = None) -> None:
        """Take a job's current attempt to `status`; IllegalTransition where the table has no such step."""
        job = self.job(job_id)
        check_transition(Depth.JOB, f"Job {job.type} of kit {self.kit.id}", job.status, status)
        self.emit_for_job(job, EventKind.STATUS, status=status, metadata=metadata or {})

    def settle_tasks(self, job_id: UUID, running: Status, pending: Status) -> None:
        """End the tasks that are still open: the running ones with one status, the pending ones with the other."""
        job = self.job(job_id)
        for task in job.tasks:
            if task.status in (Status.RUNNING, Status.PENDING):
                status = running if task.status is Status.RUNNING else pending
                self.emit_for_task(job, task, EventKind.STATUS, status=status)

    def renew_job(self, job_id: UUID) -> None:
        """Set a job that has ended back to `PENDING` as a new attempt, its tasks with it."""
        job = self.job(job_id)
        check_transition(Depth.JOB, f"Job {job.type} of kit {self.kit.id}", job.status, Status.PENDING)
        number = job.attempt.number + 1
        self.note_bytes = {key: size for key, size in self.note_bytes.items() if key[0] != job_id}
        self.emit_for_job(job, EventKind.STATUS, status=Status.PENDING, attempt=number)
        for task in job.tasks:
            if task.status is not Status.PENDING:
                self.emit_for_task(job, task, EventKind.STATUS, status=Status.PENDING, attempt=number)

    def job(self, job_id: UUID) -> Job:
        """The job as it stands after the events so far."""
        job = self.kit.job(job_id)
        if job is None:
            raise KeyError(job_id)
        return job

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be stored."""
        return not self.events and self.kit is self.before

    def recorded(self, at: datetime) -> "Change":
        """The same change with the database's time in place of `RECORDING`."""
        events = [evolve(event, recorded_at=at) for event in self.events]
        attempts = {key: _stamp_attempt(attempt, at) for key, attempt in self.attempts.items()}
        return Change(self.before, self.recorded_kit(at), self.actor, events, attempts)

    def recorded_kit(self, at: datetime) -> Kit:
        """The kit alone as it is stored: with the database's time in place of `RECORDING`, one revision further."""
        names = ("updated_at", "status_changed_at", "started_at", "ended_at", "archived_at")
        jobs = tuple(_stamp_job(job, at) if job.updated_at is RECORDING else job for job in self.kit.jobs)
        return evolve(self.kit, **_stamps(self.kit, names, at), jobs=jobs, revision=self.before.revision + 1)


def _stamp_job(job: Job, at: datetime) -> Job:
    attempt = _stamp_attempt(job.attempt, at)
    tasks = tuple(_stamp_task(task, at) if task.updated_at is RECORDING else task for task in job.tasks)
    return evolve(job, **_stamps(job, ("created_at", "updated_at"), at), attempt=attempt, tasks=tasks)


def _stamp_attempt(attempt: Attempt, at: datetime) -> Attempt:
    stamps = _stamps(attempt, ("created_at", "started_at", "ended_at"), at)
    return evolve(attempt, **stamps) if stamps else attempt


def _stamp_task(task: Task, at: datetime) -> Task:
    names = ("created_at", "updated_at", "started_at", "ended_at", "progressed_at")
    return evolve(task, **_stamps(task, names, at))


def _stamps(thing: object, names: Sequence[str], at: datetime) -> dict[str, Any]:
    return {name: at for name in names if getattr(thing, name) is RECORDING}

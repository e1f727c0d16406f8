"""What people and runners can do to a kit: each function checks its rule and adds the events to a change.

All raise `IllegalTransition` where the state does not allow them, and then leave the change as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.attempt import Cause, Ending
from domain.change import Change
from domain.errors import AttemptSuperseded, IllegalTransition
from domain.event import EventKind
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit
from domain.status import ACTIVE, ENDED, Status

ARTIFACT_MISSING = "artifactMissing"  # the note of a job for which docs/steps.md promises a failure
MAX_SHOWN = 200


def create(change: Change, tasks: Mapping[JobType, Sequence[str]], job_ids: Mapping[JobType, UUID]) -> None:
    """Record a new kit with its four jobs and all their tasks, `PENDING`, in order."""
    change.emit(EventKind.CREATED)
    for job_type in JobType:
        values: dict[str, Any] = {"job_type": job_type, "job_id": job_ids[job_type], "attempt": 1}
        pending: dict[str, Any] = {**values, "status": Status.PENDING}
        change.emit(EventKind.STATUS, order=job_type.order, **pending)
        for order, name in enumerate(tasks[job_type], start=1):
            change.emit(EventKind.STATUS, task=name, order=order, **pending)


def start_kit(change: Change) -> None:
    """Run the kit's remaining jobs in order, from the first that is still `PENDING`."""
    kit = change.kit
    _refuse_archived(kit)
    if kit.status in ENDED:
        raise IllegalTransition(f"Kit {kit.id}", kit.status, Status.RUNNING, _why_over(kit))
    if kit.is_started and kit.status is not Status.PENDING and _next_to_run(kit) is None:
        raise IllegalTransition(f"Kit {kit.id}", kit.status, Status.RUNNING, f"Kit {kit.id} was started already.")
    change.emit(EventKind.STARTED)
    advance(change)


def _why_over(kit: Kit) -> str:
    """Why a kit that has ended can't be started, and what can be done instead."""
    if kit.status is Status.SUCCEEDED:
        return f"Kit {kit.id} is SUCCEEDED and has no job left to start."
    if kit.current_job.status is Status.PENDING:
        what = f"Start {kit.current_job.type} by itself (jobStart); later jobs can be retried when those before have succeeded."
        return f"Kit {kit.id} is {kit.status}: its jobs don't follow one another any more. {what}"
    return f"Kit {kit.id} is {kit.status} and has no job left to start. Retry the job instead; the kit then goes on."


def cancel_kit(change: Change) -> None:
    """End everything of the kit that has not ended: waiting jobs at once, a running one through its runner."""
    kit = change.kit
    _refuse_archived(kit)
    open_jobs = [job for job in kit.jobs if not job.is_ended]
    if not open_jobs or all(job.cancel_requested for job in open_jobs):
        reason = f"Kit {kit.id} is {kit.status}; nothing of it is left to cancel."
        raise IllegalTransition(f"Kit {kit.id}", kit.status, Status.CANCELLED, reason)
    change.emit(EventKind.CANCELLED)
    for job in open_jobs:
        if not job.cancel_requested:
            cancel_job(change, job.id)


def archive_kit(change: Change) -> None:
    """Take a kit out of the lists; its history stays. Refused while a job of it is queued or running."""
    kit = change.kit
    _refuse_archived(kit)
    if any(job.status in ACTIVE for job in kit.jobs):
        reason = f"Kit {kit.id} has a job that is queued or running; cancel it first."
        raise IllegalTransition(f"Kit {kit.id}", kit.status, "ARCHIVED", reason)
    change.emit(EventKind.ARCHIVED)


def start_job(change: Change, job_id: UUID) -> None:
    """Queue one job. Its predecessor must have succeeded."""
    kit, job = change.kit, change.job(job_id)
    _refuse_archived(kit)
    _check_predecessor(kit, job)
    change.move_job(job_id, Status.QUEUED)


def retry_job(change: Change, job_id: UUID) -> None:
    """Queue a new attempt of a job that has ended, and set the later jobs that were begun back to `PENDING`.

    Each later job that has left `PENDING` gets a new attempt too. Refused while a later one is queued or running.
    """
    kit, job = change.kit, change.job(job_id)
    _refuse_archived(kit)
    _check_predecessor(kit, job)
    later = [each for each in kit.jobs if each.order > job.order]
    for each in later:
        if each.status in ACTIVE:
            reason = f"Job {each.type} of kit {kit.id} is {each.status}; cancel it before retrying {job.type}."
            raise IllegalTransition(f"Job {each.type}", each.status, Status.PENDING, reason)
    change.renew_job(job_id)
    for each in later:
        if each.is_ended:
            change.renew_job(each.id)
    change.move_job(job_id, Status.QUEUED)


def cancel_job(change: Change, job_id: UUID) -> None:
    """End a job: at once where nothing of it was handed to a runner, else by asking the runner to end it."""
    job = change.job(job_id)
    _refuse_archived(change.kit)
    if job.status in ENDED or job.cancel_requested:
        state = "being cancelled already" if job.cancel_requested else job.status.value
        reason = f"Job {job.type} of kit {change.kit.id} is {state}."
        raise IllegalTransition(f"Job {job.type}", job.status, Status.CANCELLED, reason)
    if job.status in ACTIVE:
        change.emit_for_job(job, EventKind.CANCEL_REQUESTED)
    else:
        change.move_job(job_id, Status.CANCELLED, {"cause": Cause.CANCELLED.value})
        change.settle_tasks(job_id, Status.CANCELLED, Status.CANCELLED)


def begin_attempt(change: Change, job_id: UUID, number: int, runner: str) -> None:
    """Record that the attempt's process runs."""
    job = current_attempt(change, job_id, number)
    if job.status is not Status.RUNNING:
        change.move_job(job_id, Status.RUNNING, {"runner": runner})


def settle_attempt(change: Change, job_id: UUID, number: int, ending: Ending) -> None:
    """Record how an attempt ended and what follows from it.

    Succeeding queues the kit's next job where the kit was started. An interrupted attempt is queued again as a new one. One that
    was to be cancelled is `CANCELLED` though its program succeeded before it could be ended: nothing goes on by itself.
    """
    job = current_attempt(change, job_id, number)
    if job.status not in ACTIVE:
        reason = f"Job {job.type} of kit {change.kit.id} is {job.status}; nothing of it can have ended."
        raise IllegalTransition(f"Job {job.type}", job.status, "ended", reason)
    if job.status is Status.QUEUED and ending.cause is None:
        change.move_job(job_id, Status.RUNNING)
    ending = _judged(change.job(job_id), ending)
    metadata = {"message": ending.message, "exitCode": ending.exit_code, "reports": ending.reports, **ending.details}
    metadata = {key: value for key, value in metadata.items() if value not in (None, "")}
    if ending.cause is None:
        change.settle_tasks(job_id, Status.SUCCEEDED, Status.SUCCEEDED)
        change.move_job(job_id, Status.SUCCEEDED, metadata)
        advance(change)
        return
    is_stopped = ending.cause in (Cause.CANCELLED, Cause.INTERRUPTED)
    status = Status.CANCELLED if is_stopped else Status.FAILED
    change.settle_tasks(job_id, status, Status.CANCELLED)
    change.move_job(job_id, status, {**metadata, "cause": ending.cause.value})
    if ending.cause is Cause.INTERRUPTED:
        change.renew_job(job_id)
        change.move_job(job_id, Status.QUEUED)


def current_attempt(change: Change, job_id: UUID, number: int) -> Job:
    """The job, if `number` is its current attempt and that has not ended; else `AttemptSuperseded`."""
    job = change.job(job_id)
    if job.attempt.number != number or job.is_ended:
        raise AttemptSuperseded(number, job.attempt.number)
    return job


def advance(change: Change) -> None:
    """Queue the next job of a kit that was started, if its turn has come."""
    job = _next_to_run(change.kit) if change.kit.is_started else None
    if job is not None:
        change.move_job(job.id, Status.QUEUED)


def _judged(job: Job, ending: Ending) -> Ending:
    if ending.cause is Cause.INTERRUPTED and job.cancel_requested:
        return replace(ending, cause=Cause.CANCELLED)
    if ending.cause is not None:
        return ending
    if ending.exit_code != 0:
        message = ending.message or f"The step ended with exit code {ending.exit_code}."
        return replace(ending, cause=Cause.EXIT_CODE, message=message)
    failed = [task.name for task in job.tasks if task.status is Status.FAILED]
    if failed:
        return replace(ending, cause=Cause.TASK_FAILED, message=f"Task {failed[0]} failed.")
    if ARTIFACT_MISSING in job.metadata:
        return replace(ending, cause=Cause.ARTIFACT_MISSING, message=_of_missing(job.metadata[ARTIFACT_MISSING]))
    if job.cancel_requested:
        return replace(ending, cause=Cause.CANCELLED, message="The step had succeeded before it could be ended.")
    return ending


def _of_missing(told: Any) -> str:
    """The sentence about a missing artifact, from the shim's note of its `name` and `reason`; a step may note anything."""
    name, reason = (told.get("name"), told.get("reason")) if isinstance(told, Mapping) else (told, None)
    shown = f"`{str(name)[:MAX_SHOWN]}`"
    return f"The artifact {shown} was said to be finished and can't be kept: {str(reason or 'no reason is known')[:MAX_SHOWN]}."


def _next_to_run(kit: Kit) -> Job | None:
    if any(job.status in ACTIVE for job in kit.jobs):
        return None
    job = kit.current_job
    return job if job.status is Status.PENDING else None


def _check_predecessor(kit: Kit, job: Job) -> None:
    if job.order > 1:
        predecessor = kit.jobs[job.order - 2]
        if predecessor.status is not Status.SUCCEEDED:
            reason = f"Job {job.type} of kit {kit.id} can't start: its predecessor {predecessor.type} is {predecessor.status}."
            raise IllegalTransition(f"Job {job.type}", job.status, Status.QUEUED, reason)


def _refuse_archived(kit: Kit) -> None:
    if kit.archived_at is not None:
        raise IllegalTransition(f"Kit {kit.id}", "ARCHIVED", "changed", f"Kit {kit.id} is archived.")

"""What a worker says about its attempt, and the decision over each report.

The reports of an attempt are numbered from 1 without gaps. A report with the next number is judged and consumes it, whether it
is recorded, coalesced or refused; a lower number is a repeat and gets the first answer.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from domain.artifact import Artifact
from domain.attempt import AttemptKey
from domain.change import Change
from domain.commands import ARTIFACT_MISSING, current_attempt
from domain.errors import IllegalTransition, SequenceGap, UserError, ValidationFailed
from domain.event import RECORDING, EventKind
from domain.job import Job
from domain.status import Depth, Status, check_transition
from domain.task import Task
from domain.validation import Problems, check_document

PROGRESS_INTERVAL = timedelta(seconds=1)
PROGRESS_DIGITS = 6  # what is left of a number from 0 to 1 on every database, which keep it in four bytes
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
MAX_METADATA = 65_536  # bytes of one report; also of all that is noted of a task
MAX_JOB_METADATA = 4 * MAX_METADATA
NOTING = frozenset({EventKind.NOTE, EventKind.STATUS})
RESERVE = 16_384  # bytes that always have room beside what decides over the job: a new status, the shim's notes of artifacts
OF_THE_SHIM = frozenset({ARTIFACT_MISSING, "reason"})
MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *;[ -~]+)?")  # RFC 6838, with parameters in ASCII
REPORTABLE = frozenset({Status.RUNNING, Status.SUCCEEDED, Status.FAILED})
JOB_KINDS = frozenset({EventKind.NOTE, EventKind.ARTIFACT})
NO_ARTIFACTS: Mapping[str, Artifact] = MappingProxyType({})
TASK_KINDS = JOB_KINDS | {EventKind.STATUS, EventKind.PROGRESS, EventKind.TRIAL, EventKind.POINT}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedArtifact:
    """A file that the worker has uploaded: `inputs` are the names of the artifacts it was made from, `size` is in bytes."""

    name: str
    media_type: str
    sha256: str
    size: int
    inputs: tuple[str, ...] = ()

    @property
    def has_checksum(self) -> bool:
        """Whether `sha256` is one: 64 lower-case hexadecimal digits."""
        return re.fullmatch(r"[0-9a-f]{64}", self.sha256) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One thing a worker says: about the task named, or about the job where `task` is None (`NOTE` and `ARTIFACT` only)."""

    attempt: AttemptKey
    sequence: int
    kind: EventKind
    task: str | None = None
    status: Status | None = None
    progress: float | None = None
    reported_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    artifact: ReportedArtifact | None = None


class ReportState(StrEnum):
    """What became of a report."""

    RECORDED = "RECORDED"
    COALESCED = "COALESCED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult:
    """The answer to one report: the version of its event, or the error that refused it.

    `consumed` tells that the number is used up: the worker goes on with the next one. A report that was refused without being
    consumed (superseded attempt, gap) says so by `consumed=False`.
    """

    sequence: int
    state: ReportState
    version: int | None = None
    code: str | None = None
    message: str | None = None
    consumed: bool = True

    @classmethod
    def refused(cls, sequence: int, error: UserError, *, consumed: bool) -> "ReportResult":
        """The result for a report that `error` refuses."""
        return cls(sequence=sequence, state=ReportState.REFUSED, code=error.code, message=error.message, consumed=consumed)


def judge(change: Change, report: Report, now: datetime, artifacts: Mapping[str, Artifact] = NO_ARTIFACTS) -> ReportResult | None:
    """Add what `report` causes to `change` and say what became of it; None for a repeat, whose answer is on record.

    Args:
        change: the change of the report's kit, with the reports judged before it already in.
        report: the report to judge.
        now: the database's time, against which progress is limited to one event per second and task.
        artifacts: those of the report's attempt so far, by name; read only where the report brings one.
    """
    try:
        job = current_attempt(change, report.attempt.job_id, report.attempt.number)
        if report.sequence < 1:
            raise ValidationFailed.of("sequence", "must be 1 or more")
        if report.sequence <= job.last_sequence:
            return None
        if report.sequence != job.last_sequence + 1:
            raise SequenceGap(report.sequence, job.last_sequence + 1)
    except UserError as error:
        return ReportResult.refused(report.sequence, error, consumed=False)
    try:
        is_recorded = _record(change, job, report, now, artifacts)
    except UserError as error:
        change.consume(job.id, report.sequence)
        return ReportResult.refused(report.sequence, error, consumed=True)
    if not is_recorded:
        return ReportResult(sequence=report.sequence, state=ReportState.COALESCED)
    return ReportResult(sequence=report.sequence, state=ReportState.RECORDED, version=change.kit.version)


def record_progress(change: Change, now: datetime) -> None:
    """Record the progress that came too soon, now that it does not any more."""
    for job in change.kit.jobs:
        for task in job.tasks:
            if task.coalesced_progress is not None and not _comes_too_soon(task, now):
                change.emit_for_task(job, task, EventKind.PROGRESS)


def _record(change: Change, job: Job, report: Report, now: datetime, artifacts: Mapping[str, Artifact]) -> bool:
    """Whether the report is an event; one that is not has used up its number."""
    _check(report)
    values: dict[str, Any] = {
        "sequence": report.sequence,
        "reported_at": report.reported_at,
        "progress": None if report.progress is None else round(report.progress, PROGRESS_DIGITS),
    }
    if report.task is None and report.kind not in JOB_KINDS:
        raise ValidationFailed.of("task", "is required")
    task = None if report.task is None else job.task(report.task)
    if report.task is not None and task is None:
        raise ValidationFailed.of("task", f"the job has no task {report.task[:100]!r}")
    if task is not None and report.kind is EventKind.STATUS:
        _check_status(task, report)
        values["status"] = report.status
    values["metadata"] = _metadata(change, job, task, report)
    if report.artifact is not None and _is_known(report.artifact, artifacts):
        change.consume(job.id, report.sequence)
        return False
    if task is None:
        change.emit_for_job(job, report.kind, **values)
        return True
    if report.kind is EventKind.PROGRESS:
        _check_progress(task, report)
        if _comes_too_soon(task, now):
            change.coalesce(job.id, task.name, report.sequence, values["progress"])
            return False
    change.emit_for_task(job, task, report.kind, **values)
    return True


def _check(report: Report) -> None:
    """What can be told from the report alone."""
    if report.kind not in TASK_KINDS:
        raise ValidationFailed.of("kind", f"{report.kind} can't be reported")
    if (report.kind is EventKind.ARTIFACT) != (report.artifact is not None):
        raise ValidationFailed.of("artifact", "is required of an ARTIFACT, and of nothing else")
    if report.artifact is not None and report.metadata:
        raise ValidationFailed.of("metadata", "can't stand beside an artifact; a NOTE takes it")
    if report.progress is not None and not 0 <= report.progress <= 1:
        raise ValidationFailed.of("progress", "must be from 0 to 1")
    if report.reported_at is not None and (report.reported_at.tzinfo is None or not EARLIEST <= report.reported_at < RECORDING):
        raise ValidationFailed.of("reportedAt", f"must be a time since {EARLIEST.year}, with its offset")


def _metadata(change: Change, job: Job, task: Task | None, report: Report) -> Mapping[str, Any]:
    """What is recorded beside the report; of a new status that says too much or what can't be stored, why that is not there."""
    try:
        check_document("metadata", report.metadata, most=MAX_METADATA)
        if report.artifact is not None:
            return _artifact_metadata(report.artifact)
        if report.kind in NOTING and report.metadata:
            _check_room(change, job, task, report)
        return report.metadata
    except ValidationFailed as error:
        if not _is_new_status(task, report):
            raise
        change.note_bytes.pop((job.id, report.task), None)
        return {"notTaken": {"metadata": error.message}}


def _is_new_status(task: Task | None, report: Report) -> bool:
    return task is not None and report.kind is EventKind.STATUS and report.status is not task.status


def _check_room(change: Change, job: Job, task: Task | None, report: Report) -> None:
    """Notes stay with a task or job, and whoever reads that reads them: all of them together have a limit too."""
    noted, most = (job.metadata, MAX_JOB_METADATA) if task is None else (task.metadata, MAX_METADATA)
    is_of_the_shim = task is None and report.metadata.keys() <= OF_THE_SHIM
    key = (job.id, report.task)
    size = change.note_bytes[key] if key in change.note_bytes else _bytes(noted) + 1
    added = _bytes(report.metadata)
    size += added - _bytes({name: noted[name] for name in report.metadata if name in noted})
    if size > most and not (added <= RESERVE and (is_of_the_shim or _is_new_status(task, report))):
        raise ValidationFailed.of("metadata", f"with what was noted before is {size} bytes long; {most} are allowed")
    change.note_bytes[key] = size


def _bytes(notes: Mapping[str, Any]) -> int:
    """The bytes of notes as JSON but for one brace, so that the sizes of parts add up."""
    dumped = (json.dumps({name: value}, ensure_ascii=False, separators=(",", ":")) for name, value in notes.items())
    return sum(len(each.encode()) - 1 for each in dumped)


def _check_status(task: Task, report: Report) -> None:
    if report.status not in REPORTABLE:
        raise ValidationFailed.of("status", "must be RUNNING, SUCCEEDED or FAILED")
    check_transition(Depth.TASK, f"Task {task.name}", task.status, report.status)


def _check_progress(task: Task, report: Report) -> None:
    if task.status is not Status.RUNNING:
        raise IllegalTransition(f"Task {task.name}", task.status, "further", f"Task {task.name} is {task.status}, not RUNNING.")
    if report.progress is None:
        raise ValidationFailed.of("progress", "is required")


def _artifact_metadata(artifact: ReportedArtifact) -> dict[str, Any]:
    problems = Problems("artifact.")
    document = {
        "name": artifact.name,
        "mediaType": artifact.media_type,
        "sha256": artifact.sha256,
        "size": artifact.size,
        "inputs": list(artifact.inputs),
    }
    name = problems.text(document, "name", most=200)
    if name and not _is_place(name):
        problems.add("name", "must be a file's name or its path below the output folder, without control characters")
    media_type = problems.text(document, "mediaType", most=200)
    if media_type and MEDIA_TYPE.fullmatch(media_type) is None:
        problems.add("mediaType", "must be a media type, as in text/csv")
    problems.texts(document, "inputs")
    problems.integer(document, "size", None, 0, 2**63 - 1)
    if not artifact.has_checksum:
        problems.add("sha256", "must be 64 lower-case hexadecimal digits")
    problems.check()
    return document


def _is_known(artifact: ReportedArtifact, artifacts: Mapping[str, Artifact]) -> bool:
    """Whether the attempt has that very content under that name already; ValidationFailed where it has another."""
    first = artifacts.get(artifact.name)
    if first is not None and first.sha256 != artifact.sha256:
        raise ValidationFailed.of(
            "artifact.name", "is taken in this attempt by another content; give each version a name of its own"
        )
    return first is not None


def _is_place(name: str) -> bool:
    """Whether a later job can keep a file of that name in a folder of its own."""
    parts = PurePosixPath(name).parts
    is_inside = bool(parts) and not name.startswith("/") and ".." not in parts
    return is_inside and not any(unicodedata.category(character) == "Cc" for character in name)


def _comes_too_soon(task: Task, now: datetime) -> bool:
    """Whether the last progress is less than a second old; one from the future only tells that a clock was set back."""
    if task.progressed_at is None:
        return False
    return task.progressed_at == RECORDING or timedelta() <= now - task.progressed_at < PROGRESS_INTERVAL

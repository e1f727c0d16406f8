"""The decision over each report of a worker: recorded, coalesced, refused, or a repeat."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import commands
from domain.attempt import AttemptKey, Ending
from domain.change import Change
from domain.event import EventKind
from domain.report import (
    MAX_JOB_METADATA,
    MAX_METADATA,
    RESERVE,
    Report,
    ReportedArtifact,
    ReportResult,
    ReportState,
    judge,
    record_progress,
)
from domain.status import Status
from tests.factories import new_kit

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ARTIFACT = ReportedArtifact(name="data.csv", media_type="text/csv", sha256="ab" * 32, size=3, inputs=("decks.zip",))


def running() -> Change:
    """A kit whose first job runs, with its first task running: nothing of it is in the change yet."""
    change = Change.of(new_kit(), "ada")
    commands.start_kit(change)
    job_id = change.kit.jobs[0].id
    commands.begin_attempt(change, job_id, 1, "r")
    job = change.job(job_id)
    change.emit_for_task(job, job.tasks[0], EventKind.STATUS, status=Status.RUNNING)
    return Change.of(change.recorded(NOW).kit, "worker")


def say(change: Change, kind: EventKind = EventKind.NOTE, *, at: datetime = NOW, **values: Any) -> ReportResult | None:
    """Judge a report of the first job, the next one unless its `sequence` says else."""
    job = change.kit.jobs[0]
    values = {"attempt": AttemptKey(job.id, job.attempt.number), "sequence": job.last_sequence + 1, **values}
    return judge(change, Report(kind=kind, **values), at)


def said(change: Change, kind: EventKind = EventKind.NOTE, *, at: datetime = NOW, **values: Any) -> ReportResult:
    result = say(change, kind, at=at, **values)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (EventKind.NOTE, {"metadata": {"a": 1}}),
        (EventKind.NOTE, {"task": "fetch", "metadata": {"a": 1}}),
        (EventKind.STATUS, {"task": "fetch", "status": Status.SUCCEEDED}),
        (EventKind.STATUS, {"task": "parse", "status": Status.RUNNING, "progress": 0.25}),
        (EventKind.PROGRESS, {"task": "fetch", "progress": 0.5}),
        (EventKind.POINT, {"task": "fetch", "metadata": {"x": 1.5}, "progress": 0.5}),
        (EventKind.TRIAL, {"task": "check", "metadata": {"loss": 1e22}}),
        (EventKind.ARTIFACT, {"artifact": ARTIFACT}),
        (EventKind.ARTIFACT, {"artifact": ARTIFACT, "task": "fetch"}),
        (EventKind.NOTE, {"reported_at": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=9)))}),
    ],
)
def test_a_report_in_place_is_one_event(kind: EventKind, values: Mapping[str, Any]) -> None:
    change = running()
    result = said(change, kind, **values)
    assert result == ReportResult(sequence=1, state=ReportState.RECORDED, version=change.before.version + 1)
    (event,) = change.events
    assert (event.kind, event.sequence, event.task, event.status) == (kind, 1, values.get("task"), values.get("status"))
    assert event.progress == values.get("progress") and event.reported_at == values.get("reported_at")
    assert event.attempt == 1 and event.job_id == change.kit.jobs[0].id
    if kind is EventKind.ARTIFACT:
        assert event.metadata == {
            "name": "data.csv", "mediaType": "text/csv", "sha256": "ab" * 32, "size": 3, "inputs": ["decks.zip"],
        }  # fmt: skip
    else:
        assert event.metadata == values.get("metadata", {})


@pytest.mark.parametrize(
    ("kind", "values", "code", "named"),
    [
        (EventKind.CREATED, {}, "VALIDATION_FAILED", "kind"),
        (EventKind.CANCEL_REQUESTED, {}, "VALIDATION_FAILED", "kind"),
        (EventKind.STATUS, {"status": Status.RUNNING}, "VALIDATION_FAILED", "task"),
        (EventKind.POINT, {}, "VALIDATION_FAILED", "task"),
        (EventKind.NOTE, {"task": "none"}, "VALIDATION_FAILED", "task"),
        (EventKind.NOTE, {"task": "\ud800\x00"}, "VALIDATION_FAILED", "task"),
        (EventKind.STATUS, {"task": "fetch"}, "VALIDATION_FAILED", "status"),
        (EventKind.STATUS, {"task": "fetch", "status": Status.CANCELLED}, "VALIDATION_FAILED", "status"),
        (EventKind.STATUS, {"task": "fetch", "status": Status.PENDING}, "VALIDATION_FAILED", "status"),
        (EventKind.STATUS, {"task": "fetch", "status": Status.QUEUED}, "VALIDATION_FAILED", "status"),
        (EventKind.PROGRESS, {"task": "fetch"}, "VALIDATION_FAILED", "progress"),
        (EventKind.PROGRESS, {"task": "fetch", "progress": -0.01}, "VALIDATION_FAILED", "progress"),
        (EventKind.PROGRESS, {"task": "fetch", "progress": 1.01}, "VALIDATION_FAILED", "progress"),
        (EventKind.POINT, {"task": "fetch", "progress": float("nan")}, "VALIDATION_FAILED", "progress"),
        (EventKind.PROGRESS, {"task": "parse", "progress": 0.5}, "ILLEGAL_TRANSITION", "parse"),
        (EventKind.NOTE, {"metadata": {"a": float("inf")}}, "VALIDATION_FAILED", "metadata"),
        (EventKind.NOTE, {"metadata": {"a": ["\x00"]}}, "VALIDATION_FAILED", "metadata"),
        (EventKind.NOTE, {"metadata": {"\udc00": 1}}, "VALIDATION_FAILED", "metadata"),
        (EventKind.NOTE, {"metadata": {"a": 2**64}}, "VALIDATION_FAILED", "metadata"),
        (EventKind.NOTE, {"metadata": {"a": "x" * 10_000_000}}, "VALIDATION_FAILED", "metadata"),
        (EventKind.NOTE, {"metadata": {"a": "x" * MAX_METADATA}}, "VALIDATION_FAILED", "metadata"),
        (EventKind.NOTE, {"reported_at": datetime(2026, 1, 1)}, "VALIDATION_FAILED", "reportedAt"),
        (EventKind.NOTE, {"reported_at": datetime.min.replace(tzinfo=UTC)}, "VALIDATION_FAILED", "reportedAt"),
        (EventKind.NOTE, {"reported_at": datetime.max.replace(tzinfo=UTC)}, "VALIDATION_FAILED", "reportedAt"),
        (EventKind.ARTIFACT, {}, "VALIDATION_FAILED", "artifact"),
        (EventKind.NOTE, {"artifact": ARTIFACT}, "VALIDATION_FAILED", "artifact"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, sha256="../x")}, "VALIDATION_FAILED", "artifact.sha256"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, sha256="AB" * 32)}, "VALIDATION_FAILED", "artifact.sha256"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, size=-1)}, "VALIDATION_FAILED", "artifact.size"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, size=2**63)}, "VALIDATION_FAILED", "artifact.size"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, name="a\x00")}, "VALIDATION_FAILED", "artifact.name"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, name="")}, "VALIDATION_FAILED", "artifact.name"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, media_type="\ud800")}, "VALIDATION_FAILED", "artifact.mediaType"),
        (EventKind.ARTIFACT, {"artifact": replace(ARTIFACT, inputs=("a", "\x00"))}, "VALIDATION_FAILED", "artifact.inputs.1"),
    ],
)  # fmt: skip
def test_a_bad_report_uses_up_its_number_and_changes_nothing_else(
    kind: EventKind, values: Mapping[str, Any], code: str, named: str
) -> None:
    change = running()
    result = said(change, kind, **values)
    assert (result.state, result.code, result.consumed, result.version) == (ReportState.REFUSED, code, True, None)
    assert result.message is not None and named in result.message
    assert len(result.message) < 1000 and result.message.encode() and "\x00" not in result.message
    assert not change.events and change.kit.version == change.before.version
    assert change.kit.jobs[0].last_sequence == 1
    assert replace(change.kit.jobs[0], last_sequence=0) == change.before.jobs[0]
    assert said(change).state is ReportState.RECORDED, "the next one is taken as ever"


@pytest.mark.parametrize(("task", "most"), [("fetch", MAX_METADATA), (None, MAX_JOB_METADATA)])
def test_what_is_noted_of_a_task_or_job_has_a_limit_altogether(task: str | None, most: int) -> None:
    change = running()
    for number in range(most // 16_384):
        assert said(change, task=task, metadata={f"n{number}": "x" * 16_000}).state is ReportState.RECORDED
    result = said(change, task=task, metadata={"more": "x" * 16_000})
    assert (result.state, result.code, result.consumed) == (ReportState.REFUSED, "VALIDATION_FAILED", True)
    assert result.message is not None and "metadata" in result.message and f"{most} are allowed" in result.message
    again = said(change, task=task, metadata={"n0": "y" * 16_000})
    assert again.state is ReportState.RECORDED, "what takes the place of something else is no more"
    points = said(change, EventKind.POINT, task="fetch", metadata={"x": "x" * 60_000})
    assert points.state is ReportState.RECORDED, "points and trials don't stay with the task"
    assert said(change, EventKind.STATUS, task="fetch", status=Status.SUCCEEDED).state is ReportState.RECORDED


def full() -> Change:
    """A kit of which a task has been noted as much as goes."""
    change = running()
    for number in range(4):
        said(change, task="fetch", metadata={f"n{number}": "x" * 16_370})
    return change


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
@pytest.mark.parametrize(
    "change, metadata, reason",
    [
        (full(), {"message": "y" * 16_400}, "are allowed"),
        (full(), {"message": "y" * 70_000}, "are allowed"),
        (running(), {"message": "y" * 70_000}, "are allowed"),
        (running(), {"message": "\x00"}, "NUL"),
        (running(), {"share": float("nan")}, "NaN"),
    ],
)
def test_a_new_status_counts_whatever_it_says_beside(
    status: Status, change: Change, metadata: dict[str, Any], reason: str
) -> None:
    change = Change.of(change.kit, "worker")
    before = change.kit.jobs[0].tasks[0].metadata
    assert said(change, EventKind.STATUS, task="fetch", status=status, metadata=metadata).state is ReportState.RECORDED
    task = change.kit.jobs[0].tasks[0]
    assert task.status is status and task.metadata.keys() - before.keys() == {"notTaken"}
    told = task.metadata["notTaken"]["metadata"]
    assert reason in told and len(told) < 1000
    commands.settle_attempt(change, change.kit.jobs[0].id, 1, Ending(exit_code=0, reports=9))
    assert change.kit.jobs[0].status is status


def test_a_new_status_has_room_for_a_message() -> None:
    change = full()
    message = {"message": "solver diverged at t=3"}
    assert said(change, task="fetch", metadata=message).state is ReportState.REFUSED
    assert said(change, task="fetch", status=Status.FAILED, metadata=message).state is ReportState.REFUSED, "it is a note"
    assert said(change, EventKind.STATUS, task="fetch", status=Status.FAILED, metadata=message).state is ReportState.RECORDED
    assert change.kit.jobs[0].tasks[0].metadata["message"] == message["message"]


def test_a_message_has_room_whatever_was_said_before_it() -> None:
    change = full()
    for metadata in ({"reason": "r" * 4_000}, {"x": "r" * 4_000}):
        assert said(change, task="fetch", metadata=metadata).state is ReportState.REFUSED
        again = said(change, EventKind.STATUS, task="fetch", status=Status.RUNNING, metadata=metadata)
        assert again.state is ReportState.REFUSED, "it runs already"
    longest = {"message": "\U0001f600" * 2_000}
    said(change, EventKind.STATUS, task="fetch", status=Status.FAILED, metadata=longest)
    assert change.kit.jobs[0].tasks[0].metadata["message"] == longest["message"]


def test_a_new_attempt_begins_without_notes_within_one_change_too() -> None:
    change = full()
    job_id = change.kit.jobs[0].id
    said(change, EventKind.STATUS, task="fetch", status=Status.FAILED)
    commands.settle_attempt(change, job_id, 1, Ending(exit_code=1, reports=9))
    change.renew_job(job_id)
    change.move_job(job_id, Status.QUEUED)
    commands.begin_attempt(change, job_id, 2, "r")
    assert not change.kit.jobs[0].tasks[0].metadata
    assert said(change, task="fetch", metadata={"n": "x" * 16_370}).state is ReportState.RECORDED


NOTES = st.dictionaries(st.sampled_from(["a", "b", "ü", "reason", "notTaken"]), st.sampled_from([None, 1, "x" * 9_000, "\n€"]))
UNFIT = st.sampled_from([{"a": float("nan")}, {"b": "y" * 70_000}])


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "fetch"]), st.sampled_from(["NOTE", "STATUS", "POINT"]), NOTES | UNFIT), max_size=40
    )
)
def test_what_is_noted_is_counted_to_the_byte(reports: list[tuple[str | None, str, dict[str, Any]]]) -> None:
    change = Change.of(new_kit(), "worker")
    commands.start_kit(change)
    for task, kind, metadata in reports:
        status = Status.SUCCEEDED if task and change.kit.jobs[0].tasks[0].status is Status.RUNNING else Status.RUNNING
        said(change, EventKind(kind), task=task, metadata=metadata, status=status if kind == "STATUS" else None)
    for (_, name), counted in change.note_bytes.items():
        subject = change.kit.jobs[0] if name is None else change.kit.jobs[0].tasks[0]
        assert counted == len(json.dumps(subject.metadata, ensure_ascii=False, separators=(",", ":")).encode())
        assert counted <= (MAX_JOB_METADATA if name is None else MAX_METADATA) + 3 * RESERVE


def test_what_the_shim_notes_of_an_artifact_always_has_room() -> None:
    change = running()
    for number in range(MAX_JOB_METADATA // 16_384):
        said(change, metadata={f"n{number}": "x" * 16_370})
    assert said(change, metadata={"n": "x" * 16_200}).state is ReportState.REFUSED
    for note in ({"reason": "r" * 4_000}, {"artifactMissing": {"name": "a" * 200, "reason": "r"}}):
        assert said(change, metadata=note).state is ReportState.RECORDED
    assert change.kit.jobs[0].metadata["artifactMissing"]["name"] == "a" * 200
    assert said(change, metadata={"reason": "r" * 17_000}).state is ReportState.REFUSED, "few bytes have room, not any number"


def test_a_task_name_of_ten_megabytes_makes_no_message_of_that_size() -> None:
    result = said(running(), task="x" * 10_000_000)
    assert result.code == "VALIDATION_FAILED" and result.message is not None and len(result.message) < 1000


@pytest.mark.parametrize("status", [Status.RUNNING, Status.SUCCEEDED, Status.FAILED])
def test_a_task_that_has_ended_takes_no_status_and_no_progress(status: Status) -> None:
    change = running()
    said(change, EventKind.STATUS, task="fetch", status=Status.SUCCEEDED)
    assert said(change, EventKind.STATUS, task="fetch", status=status).code == "ILLEGAL_TRANSITION"
    assert said(change, EventKind.PROGRESS, task="fetch", progress=0.5).code == "ILLEGAL_TRANSITION"
    assert change.kit.jobs[0].tasks[0].progress == 1


def test_repeats_gaps_and_numbers_that_there_are_not() -> None:
    change = running()
    for _ in range(3):
        said(change)
    kit = change.kit
    assert say(change, sequence=1) is None and say(change, sequence=3) is None
    gap = said(change, sequence=5)
    assert (gap.code, gap.consumed, gap.sequence) == ("SEQUENCE_GAP", False, 5) and "4" in (gap.message or "")
    for sequence in (0, -1, -(2**40)):
        result = said(change, sequence=sequence)
        assert (result.code, result.consumed) == ("VALIDATION_FAILED", False)
    assert change.kit is kit


@pytest.mark.parametrize("number", [0, 2, -1, 2**40])
def test_another_attempt_is_superseded(number: int) -> None:
    change = running()
    result = said(change, attempt=AttemptKey(change.kit.jobs[0].id, number))
    assert (result.code, result.consumed) == ("ATTEMPT_SUPERSEDED", False) and change.is_empty


def test_reports_of_an_attempt_that_has_ended_or_was_replaced_are_refused() -> None:
    change = running()
    key = change.kit.jobs[0].attempt.key
    commands.settle_attempt(change, key.job_id, 1, Ending(exit_code=1, reports=0))
    assert said(change).code == "ATTEMPT_SUPERSEDED"
    commands.retry_job(change, key.job_id)
    kit = change.kit
    assert said(change, attempt=key).code == "ATTEMPT_SUPERSEDED"
    assert change.kit is kit
    assert said(change).state is ReportState.RECORDED


def test_progress_is_recorded_once_a_second_and_trials_and_points_always() -> None:
    change = running()

    def state(kind: EventKind, seconds: float, **values: Any) -> str:
        return said(change, kind, at=NOW + timedelta(seconds=seconds), task="fetch", **values).state.value

    assert state(EventKind.PROGRESS, 0, progress=0.1) == "RECORDED"
    assert state(EventKind.PROGRESS, 0, progress=0.2) == "COALESCED", "the first is still being recorded"
    change = Change.of(change.recorded(NOW).kit, "worker")
    assert state(EventKind.PROGRESS, 0.999999, progress=0.3) == "COALESCED"
    for kind in (EventKind.POINT, EventKind.TRIAL, EventKind.NOTE):
        assert state(kind, 0, metadata={"n": 1}) == "RECORDED"
    assert state(EventKind.PROGRESS, 1, progress=0.4) == "RECORDED"
    assert state(EventKind.STATUS, 1, status=Status.SUCCEEDED) == "RECORDED"
    assert change.kit.jobs[0].last_sequence == 8


@pytest.mark.parametrize("back", [timedelta(seconds=2), timedelta(minutes=1), timedelta(days=365)])
def test_a_clock_that_was_set_back_does_not_freeze_progress(back: timedelta) -> None:
    change = running()
    said(change, EventKind.PROGRESS, task="fetch", progress=0.1)
    change = Change.of(change.recorded(NOW).kit, "worker")
    assert said(change, EventKind.PROGRESS, at=NOW - back, task="fetch", progress=0.2).state is ReportState.RECORDED


def test_progress_that_came_too_soon_goes_into_the_tasks_next_event() -> None:
    change = running()
    for progress in (0.1, 0.2, 0.3):
        said(change, EventKind.PROGRESS, task="fetch", progress=progress)
    said(change, metadata={"of": "the job"})
    assert change.kit.jobs[0].tasks[0].progress == 0.1
    said(change, EventKind.POINT, task="fetch")
    assert (change.events[-1].progress, change.kit.jobs[0].tasks[0].progress) == (0.3, 0.3)
    said(change, EventKind.POINT, task="fetch")
    assert change.events[-1].progress is None, "it is recorded once"


def test_progress_that_came_too_soon_gives_way_to_what_comes_later() -> None:
    change = running()
    for progress in (0.1, 0.9):
        said(change, EventKind.PROGRESS, task="fetch", progress=progress)
    said(change, EventKind.TRIAL, task="fetch", progress=0.4)
    record_progress(change, NOW + timedelta(seconds=5))
    assert change.kit.jobs[0].tasks[0].progress == 0.4 and len(change.events) == 2


def test_progress_that_came_too_soon_is_recorded_when_its_second_is_over() -> None:
    change = running()
    for progress in (0.1, 0.9):
        said(change, EventKind.PROGRESS, task="fetch", progress=progress)
    change = Change.of(change.recorded(NOW).kit, "worker")
    record_progress(change, NOW + timedelta(seconds=0.999))
    assert change.is_empty
    record_progress(change, NOW + timedelta(seconds=1))
    (event,) = change.events
    assert (event.kind, event.progress, event.sequence) == (EventKind.PROGRESS, 0.9, None)


@pytest.mark.parametrize(("exit_code", "progress"), [(0, 1.0), (1, 0.9)])
def test_progress_that_came_too_soon_is_not_lost_with_the_attempt(exit_code: int, progress: float) -> None:
    change = running()
    for each in (0.1, 0.9):
        said(change, EventKind.PROGRESS, task="fetch", progress=each)
    commands.settle_attempt(change, change.kit.jobs[0].id, 1, Ending(exit_code=exit_code, reports=2))
    assert change.kit.jobs[0].tasks[0].progress == progress


def test_progress_of_one_task_does_not_hold_up_another() -> None:
    change = running()
    said(change, EventKind.STATUS, task="parse", status=Status.RUNNING)
    for task in ("fetch", "parse"):
        assert said(change, EventKind.PROGRESS, task=task, progress=0.5).state is ReportState.RECORDED


@given(st.floats(0, 1))
def test_progress_is_kept_as_the_database_will_give_it_back(progress: float) -> None:
    change = running()
    said(change, EventKind.PROGRESS, task="fetch", progress=progress)
    kept = change.kit.jobs[0].tasks[0].progress
    assert kept == pytest.approx(progress, abs=1e-6) and kept == round(kept, 6) == change.events[0].progress


def test_many_reports_in_one_change_see_each_other() -> None:
    change = running()
    assert said(change, EventKind.STATUS, task="parse", status=Status.RUNNING).version == change.before.version + 1
    assert said(change, EventKind.STATUS, task="parse", status=Status.SUCCEEDED).version == change.before.version + 2
    assert said(change, EventKind.STATUS, task="parse", status=Status.FAILED).code == "ILLEGAL_TRANSITION"
    assert [task.status for task in change.kit.jobs[0].tasks] == [Status.RUNNING, Status.SUCCEEDED, Status.PENDING]

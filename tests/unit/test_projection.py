"""Folding events into states: random lives of a kit under commands and reports, and histories that can't be folded."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain import commands
from domain.attempt import AttemptKey, Cause, Ending
from domain.change import Change
from domain.errors import UserError
from domain.event import Event, EventKind
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit, derived_status
from domain.projection import BrokenHistory, apply, empty_kit
from domain.report import PROGRESS_INTERVAL, Report, ReportedArtifact, ReportState, judge, record_progress
from domain.status import ACTIVE, ENDED, TRANSITIONS, Depth, Status
from domain.task import Task
from tests.factories import created, identity
from tests.history import fold

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
IDENTITY = identity(id=1)
GIVEN_TO_KITS = {EventKind.CREATED, EventKind.STARTED, EventKind.CANCELLED, EventKind.ARCHIVED}
JOBS = st.integers(0, 3)
OFFSETS = st.sampled_from([0, 0, 0, 0, 0, -1, 1])
ENDINGS = st.one_of(
    st.builds(Ending, exit_code=st.sampled_from([0, 0, 0, 1, None]), reports=st.just(0)),
    st.builds(Ending, exit_code=st.none(), reports=st.just(0), cause=st.sampled_from(Cause), message=st.just("why")),
)
ARTIFACT = ReportedArtifact(name="a.csv", media_type="text/csv", sha256="0" * 64, size=3)
SAYINGS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([*EventKind, EventKind.PROGRESS, EventKind.STATUS, EventKind.POINT]),
        "task": st.one_of(st.integers(0, 3), st.none(), st.just("no such task")),
        "status": st.one_of(st.none(), st.sampled_from(Status)),
        "progress": st.one_of(st.none(), st.floats(0, 1), st.sampled_from([-0.1, 1.1, float("nan")])),
        "metadata": st.sampled_from([{}, {"a": 1}, {"b": {"c": [None]}}, {"bad": float("inf")}, {"bad": "\x00"}]),
        "artifact": st.sampled_from([None, ARTIFACT, replace(ARTIFACT, sha256="x")]),
    }
)


class KitLife(RuleBasedStateMachine):
    """One kit under anything that people, runners and workers may try, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN
        self.history: list[Event] = []
        self.kit = self.folded = empty_kit(IDENTITY)
        self.store(created(self.kit))

    def store(self, change: Change) -> None:
        self.now += timedelta(microseconds=1)
        recorded = change.recorded(self.now)
        for event in recorded.events:
            before, self.folded = self.folded, apply(self.folded, event)
            self.history.append(event)
            if event.kind is EventKind.STATUS and event.job_id is not None and before.job(event.job_id) is not None:
                self.check_step(before, event, event.job_id)
        self.kit = recorded.kit

    def check_step(self, before: Kit, event: Event, job_id: UUID) -> None:
        job, old = self.folded.job(job_id), before.job(job_id)
        assert job is not None and old is not None
        assert self.folded.status is before.status or self.folded.status in TRANSITIONS[Depth.KIT][before.status]
        assert job.status is old.status or job.status in TRANSITIONS[Depth.JOB][old.status]
        assert job.attempt.number - old.attempt.number in (0, 1)
        assert job.status is not Status.SUCCEEDED or not old.cancel_requested
        if event.task is None and event.status in ACTIVE:
            assert all(each.status is Status.SUCCEEDED for each in self.folded.jobs[: job.order - 1])
        for task, old_task in zip(job.tasks, old.tasks, strict=False):
            assert task.status is old_task.status or task.status in TRANSITIONS[Depth.TASK][old_task.status]

    def act(self, decide: Callable[[Change], None]) -> None:
        change = Change.of(self.kit, "ada")
        try:
            decide(change)
        except UserError:
            assert change.kit is self.kit and not change.events and not change.attempts
            return
        self.store(change)

    @rule()
    def start_kit(self) -> None:
        self.act(commands.start_kit)

    @rule()
    def cancel_kit(self) -> None:
        self.act(commands.cancel_kit)

    @precondition(lambda self: len(self.history) > 60)
    @rule()
    def archive_kit(self) -> None:
        self.act(commands.archive_kit)

    @rule(place=JOBS, command=st.sampled_from([commands.start_job, commands.retry_job, commands.cancel_job]))
    def command_job(self, place: int, command: Callable[[Change, UUID], None]) -> None:
        self.act(lambda change: command(change, self.kit.jobs[place].id))

    @rule(place=JOBS, offset=OFFSETS)
    def begin(self, place: int, offset: int) -> None:
        job = self.kit.jobs[place]
        self.act(partial(commands.begin_attempt, job_id=job.id, number=job.attempt.number + offset, runner="r"))

    @rule(place=JOBS, offset=OFFSETS, ending=ENDINGS)
    def settle(self, place: int, offset: int, ending: Ending) -> None:
        job = self.kit.jobs[place]
        self.act(partial(commands.settle_attempt, job_id=job.id, number=job.attempt.number + offset, ending=ending))
        if job.cancel_requested:
            assert all(each.id == job.id or each.status not in ACTIVE for each in self.kit.jobs), "it went on by itself"

    @rule(ending=ENDINGS)
    def settle_current(self, ending: Ending) -> None:
        """Without this one few lives would get beyond the first job."""
        self.settle(self.kit.current_job.order - 1, 0, ending)

    @rule(place=JOBS, sayings=st.lists(st.tuples(OFFSETS, OFFSETS, SAYINGS), min_size=1, max_size=4), seconds=st.floats(0, 2))
    def report(self, place: int, sayings: list[tuple[int, int, dict[str, Any]]], seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        change, job_id = Change.of(self.kit, "worker"), self.kit.jobs[place].id
        for attempt_offset, sequence_offset, saying in sayings:
            job = change.job(job_id)
            task = saying["task"]
            name = job.tasks[task % len(job.tasks)].name if isinstance(task, int) else task
            key = AttemptKey(job_id, job.attempt.number + attempt_offset)
            report = Report(**{**saying, "task": name}, attempt=key, sequence=job.last_sequence + 1 + sequence_offset)
            self.judge(change, report)
        record_progress(change, self.now)
        self.store(change)

    def judge(self, change: Change, report: Report) -> None:
        kit, events = change.kit, len(change.events)
        job = change.job(report.attempt.job_id)
        result = judge(change, report, self.now)
        after = change.job(job.id)
        if report.attempt.number != job.attempt.number or job.is_ended:
            assert result is not None and (result.code, result.consumed) == ("ATTEMPT_SUPERSEDED", False)
            assert change.kit is kit
        elif report.sequence < 1:
            assert result is not None and (result.code, result.consumed) == ("VALIDATION_FAILED", False)
            assert change.kit is kit
        elif report.sequence <= job.last_sequence:
            assert result is None and change.kit is kit
        elif report.sequence > job.last_sequence + 1:
            assert result is not None and (result.code, result.consumed) == ("SEQUENCE_GAP", False)
            assert change.kit is kit
        else:
            assert result is not None and result.consumed and after.last_sequence == report.sequence
            is_recorded = result.state is ReportState.RECORDED
            assert len(change.events) - events == int(is_recorded)
            assert result.version == (change.kit.version if is_recorded else None)
            assert (result.code is None) is (result.state is not ReportState.REFUSED)
            assert result.state is not ReportState.COALESCED or report.kind is EventKind.PROGRESS

    @invariant()
    def the_state_is_the_folded_history(self) -> None:
        """Apart from what reports leave that make no event: numbers that they use up, progress that waits for the next one."""
        pairs = list(zip(self.folded.jobs, self.kit.jobs, strict=True))
        assert all(one.last_sequence <= other.last_sequence for one, other in pairs)
        jobs = tuple(replace(one, last_sequence=other.last_sequence, tasks=with_kept(one, other)) for one, other in pairs)
        assert replace(self.folded, jobs=jobs) == self.kit

    def teardown(self) -> None:
        assert fold(self.history, identity=IDENTITY) == self.folded
        assert [event.version for event in self.history] == list(range(1, self.kit.version + 1))
        times = [event.recorded_at for event in self.history]
        assert times == sorted(times)
        assert all(event.kind in GIVEN_TO_KITS for event in self.history if event.job_id is None)
        self.check_reports()

    def check_reports(self) -> None:
        """Each is recorded once and in order, progress of a task at most once a second."""
        last: dict[Any, int] = {}
        progressed: dict[Any, datetime] = {}
        for event in self.history:
            key = (event.job_id, event.attempt)
            if event.sequence is not None:
                assert event.sequence > last.get(key, 0)
                last[key] = event.sequence
            if event.kind is EventKind.PROGRESS:
                before = progressed.get((*key, event.task))
                assert before is None or event.recorded_at - before >= PROGRESS_INTERVAL
                progressed[(*key, event.task)] = event.recorded_at

    @invariant()
    def the_kit_is_derived(self) -> None:
        assert self.kit.status is derived_status(job.status for job in self.kit.jobs)
        assert 0 <= self.kit.progress <= 1
        is_active = any(job.status in ACTIVE for job in self.kit.jobs)
        assert (self.kit.ended_at is not None) is (self.kit.status in ENDED and not is_active)
        assert self.kit.status_version <= self.kit.version

    @invariant()
    def jobs_and_tasks_are_whole(self) -> None:
        for job in self.kit.jobs:
            assert (job.ended_at is not None) is (job.status in ENDED)
            assert job.status is not Status.RUNNING or job.started_at is not None
            assert not job.cancel_requested or job.status in ACTIVE
            assert job.status_version <= job.version <= self.kit.version
            for task in job.tasks:
                assert 0 <= task.progress <= 1
                assert (task.ended_at is not None) is (task.status in ENDED)
                assert task.status is not Status.SUCCEEDED or task.progress == 1
                assert task.status is not Status.PENDING or (task.progress == 0 and task.started_at is None)
                assert task.status_version <= task.version <= job.version
                assert task.coalesced_progress is None or task.status is Status.RUNNING
                assert job.status not in ENDED or task.status in ENDED


KitLife.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
TestKitLife = KitLife.TestCase


def with_kept(job: Job, other: Job) -> tuple[Task, ...]:
    pairs = zip(job.tasks, other.tasks, strict=True)
    return tuple(replace(task, coalesced_progress=each.coalesced_progress) for task, each in pairs)


def history() -> list[Event]:
    """A kit's life with a failure and a retry."""
    change = created(empty_kit(IDENTITY))
    job_id = change.kit.jobs[0].id
    commands.start_kit(change)
    commands.begin_attempt(change, job_id, 1, "r")
    change.emit_for_task(change.job(job_id), change.job(job_id).tasks[0], EventKind.STATUS, status=Status.RUNNING, sequence=1)
    commands.settle_attempt(change, job_id, 1, Ending(exit_code=1, reports=1))
    commands.retry_job(change, job_id)
    return change.recorded(BEGIN).events


def test_folding_in_parts_is_folding_at_once() -> None:
    events = history()
    whole = fold(events, identity=IDENTITY)
    for cut in range(len(events)):
        kit = fold(events[:cut], identity=IDENTITY)
        for event in events[cut:]:
            kit = apply(kit, event)
        assert kit == whole


def test_folding_does_not_touch_the_state_before() -> None:
    events = history()
    states = [empty_kit(IDENTITY)]
    for event in events:
        states.append(apply(states[-1], event))
    again = [fold(events[:count], identity=IDENTITY) for count in range(len(events) + 1)]
    assert states == again


@pytest.mark.parametrize(
    "tamper",
    [
        lambda events: events[1:],
        lambda events: [*events[:9], *events[10:]],
        lambda events: [*events, events[-1]],
        lambda events: [events[1], events[0], *events[2:]],
        lambda events: [replace(events[0], kit_id=2), *events[1:]],
        lambda events: [replace(events[0], kind=EventKind.STATUS)],
        lambda events: [events[0], replace(events[1], status=None)],
        lambda events: [events[0], replace(events[1], job_type=None)],
        lambda events: [events[0], events[1], replace(events[2], order=None)],
        lambda events: [*events[:18], replace(events[19], version=19, kind=EventKind.POINT)],
        lambda events: [events[0], replace(events[2], version=2)],
        lambda events: [*events, replace(events[19], version=len(events) + 1, job_id=uuid4())],
        lambda events: [*events, replace(events[-1], version=len(events) + 1, metadata={"cause": "NO_SUCH_CAUSE"})],
    ],
    ids=[
        "the first is missing", "one is missing", "one is double", "two are swapped", "of another kit", "a status of no job",
        "no status", "no job type", "no order", "a point of a job", "a task before its job", "a fifth job", "an unknown cause",
    ],
)  # fmt: skip
def test_a_history_that_was_tampered_with_is_refused(tamper: Callable[[list[Event]], list[Event]]) -> None:
    with pytest.raises(BrokenHistory):
        fold(tamper(history()), identity=IDENTITY)


def test_notes_are_merged_and_points_are_not() -> None:
    change = created(empty_kit(IDENTITY))
    job = change.kit.jobs[0]
    for kind, metadata in ((EventKind.NOTE, {"a": 1, "b": 1}), (EventKind.NOTE, {"b": 2})):
        change.emit_for_job(job, kind, metadata=metadata)
        change.emit_for_task(job, job.tasks[0], kind, metadata=metadata)
    for kind in (EventKind.POINT, EventKind.TRIAL, EventKind.PROGRESS):
        change.emit_for_task(job, job.tasks[0], kind, metadata={"x": 1})
    change.emit_for_job(job, EventKind.ARTIFACT, metadata={"name": "a"})
    after = change.job(job.id)
    assert after.metadata == {"a": 1, "b": 2} == after.tasks[0].metadata


def test_a_task_that_never_ran_has_no_beginning() -> None:
    change = created(empty_kit(IDENTITY))
    commands.start_kit(change)
    job = change.kit.jobs[0]
    for task, status in zip(job.tasks, (Status.RUNNING, Status.SUCCEEDED), strict=False):
        change.emit_for_task(change.job(job.id), task, EventKind.STATUS, status=status)
    commands.settle_attempt(change, job.id, 1, Ending(exit_code=1, reports=2))
    tasks = change.job(job.id).tasks
    assert [task.status for task in tasks] == [Status.FAILED, Status.SUCCEEDED, Status.CANCELLED]
    assert [task.started_at is not None for task in tasks] == [True, True, False]
    assert all(task.ended_at is not None for task in tasks)


def test_a_new_attempt_begins_with_nothing_of_the_old_one() -> None:
    change = created(empty_kit(IDENTITY))
    job_id = change.kit.jobs[0].id
    commands.start_kit(change)
    commands.begin_attempt(change, job_id, 1, "r")
    job = change.job(job_id)
    change.emit_for_job(job, EventKind.NOTE, metadata={"old": 1}, sequence=1)
    change.emit_for_task(
        job, job.tasks[0], EventKind.STATUS, status=Status.RUNNING, metadata={"old": 1}, progress=0.5, sequence=2
    )
    commands.settle_attempt(change, job_id, 1, Ending(exit_code=1, reports=2))
    commands.retry_job(change, job_id)
    job = change.job(job_id)
    assert (job.attempt.number, job.metadata, job.last_sequence, job.started_at, job.ended_at) == (2, {}, 0, None, None)
    assert all(task.status is Status.PENDING and task.progress == 0 and not task.metadata for task in job.tasks)
    assert job.type is JobType.DECK_COLLECTION


@pytest.mark.parametrize("kind", [EventKind.POINT, EventKind.TRIAL, EventKind.NOTE])
def test_only_a_running_task_makes_progress(kind: EventKind) -> None:
    change = created(empty_kit(IDENTITY))
    job_id = change.kit.jobs[0].id

    def say(kind: EventKind, **values: Any) -> float:
        job = change.job(job_id)
        change.emit_for_task(job, job.tasks[0], kind, **values)
        return change.job(job_id).tasks[0].progress

    assert say(kind, progress=0.3) == 0
    assert say(EventKind.STATUS, status=Status.RUNNING, progress=0.1) == 0.1
    assert say(kind, progress=0.3) == 0.3
    assert say(EventKind.STATUS, status=Status.SUCCEEDED) == 1
    assert say(kind, progress=0.3) == 1

"""A change in the making: what it collects, what counts as nothing, and the database's time put in everywhere at once."""

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain import commands
from domain.attempt import Ending
from domain.change import Change
from domain.errors import IllegalTransition
from domain.event import RECORDING, EventKind
from domain.projection import BrokenHistory, empty_kit
from domain.status import Status
from tests.factories import created, identity, new_kit

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
KIT = new_kit()


def times_in(value: Any) -> list[datetime]:
    """Every time that stands anywhere in the value."""
    if isinstance(value, datetime):
        return [value]
    if is_dataclass(value):
        return [time for each in fields(value) for time in times_in(getattr(value, each.name))]
    if isinstance(value, dict):
        return [time for each in value.values() for time in times_in(each)]
    if isinstance(value, list | tuple):
        return [time for each in value for time in times_in(each)]
    return []


def eventful() -> Change:
    """A change that touches every kind of time: creation, beginning, progress, ending, retry, archiving."""
    change = created(empty_kit(identity(id=1)))
    job_id = change.kit.jobs[0].id
    commands.start_kit(change)
    commands.begin_attempt(change, job_id, 1, "r")
    job = change.job(job_id)
    change.emit_for_task(job, job.tasks[0], EventKind.STATUS, status=Status.RUNNING)
    change.emit_for_task(job, job.tasks[0], EventKind.PROGRESS, progress=0.5)
    commands.settle_attempt(change, job_id, 1, Ending(exit_code=1, reports=0))
    commands.archive_kit(change)
    return change


def test_nothing_is_empty_and_a_used_up_number_is_not() -> None:
    change = Change.of(KIT, "ada")
    assert change.is_empty
    change.consume(KIT.jobs[0].id, 3)
    assert not change.is_empty and not change.events
    assert change.kit.jobs[0].last_sequence == 3 and change.kit.version == KIT.version
    assert [one is other for one, other in zip(change.kit.jobs, KIT.jobs, strict=True)] == [False, True, True, True]


def test_events_carry_the_next_version_the_actor_and_no_time_yet() -> None:
    change = Change.of(KIT, "ada")
    commands.start_kit(change)
    assert [event.version for event in change.events] == [KIT.version + 1, KIT.version + 2]
    assert {event.actor for event in change.events} == {"ada"}
    assert {event.recorded_at for event in change.events} == {RECORDING}
    assert change.before is KIT and change.kit.version == KIT.version + 2


def test_an_event_out_of_order_is_not_taken() -> None:
    change = Change.of(KIT, "ada")
    commands.start_kit(change)
    late = change.events[0]
    with pytest.raises(BrokenHistory):
        change.take(late)
    assert len(change.events) == 2


def test_the_attempts_that_a_change_touched() -> None:
    change = Change.of(KIT, "ada")
    commands.start_kit(change)
    job_id = KIT.jobs[0].id
    commands.settle_attempt(change, job_id, 1, Ending(exit_code=1, reports=0))
    commands.retry_job(change, job_id)
    assert [(key.job_id, key.number, attempt.status) for key, attempt in change.attempts.items()] == [
        (job_id, 1, Status.FAILED),
        (job_id, 2, Status.QUEUED),
    ]


def test_the_databases_time_stands_everywhere_at_once() -> None:
    change = eventful()
    assert RECORDING in times_in(change.kit)
    recorded = change.recorded(AT)
    for part in (recorded.kit, recorded.events, recorded.attempts):
        assert RECORDING not in times_in(part)
    assert {event.recorded_at for event in recorded.events} == {AT}
    assert recorded.kit.updated_at == recorded.kit.archived_at == recorded.kit.ended_at == AT
    assert RECORDING in times_in(change.kit), "the change itself stays as it was"


def test_stamping_touches_nothing_that_was_recorded_before() -> None:
    first = eventful().recorded(AT).kit
    change = Change.of(new_kit(AT), "ada")
    commands.start_kit(change)
    later = change.recorded(AT + timedelta(hours=1)).kit
    assert later.jobs[1:] == change.before.jobs[1:]
    assert later.jobs[0].created_at == AT and later.jobs[0].updated_at == AT + timedelta(hours=1)
    assert all(task.updated_at == AT for task in later.jobs[0].tasks)
    assert first.created_at == identity().created_at


def test_settling_tasks_ends_the_open_ones_only() -> None:
    change = Change.of(KIT, "ada")
    job = KIT.jobs[0]
    for task, status in zip(job.tasks, (Status.SUCCEEDED, Status.RUNNING), strict=False):
        change.emit_for_task(job, task, EventKind.STATUS, status=status)
    change.settle_tasks(job.id, Status.FAILED, Status.CANCELLED)
    assert [task.status for task in change.job(job.id).tasks] == [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED]
    count = len(change.events)
    change.settle_tasks(job.id, Status.FAILED, Status.CANCELLED)
    assert len(change.events) == count


def test_a_job_that_is_not_of_the_kit() -> None:
    with pytest.raises(KeyError):
        Change.of(KIT, "ada").job(uuid4())


def test_a_step_that_the_table_lacks_adds_nothing() -> None:
    change = Change.of(KIT, "ada")
    with pytest.raises(IllegalTransition):
        change.move_job(KIT.jobs[0].id, Status.SUCCEEDED)
    with pytest.raises(IllegalTransition):
        change.renew_job(KIT.jobs[0].id)
    assert change.is_empty

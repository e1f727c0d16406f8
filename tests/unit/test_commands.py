"""Every command in every state that a kit can reach, against rules written down a second time."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from domain import commands
from domain.attempt import Cause, Ending
from domain.change import Change
from domain.errors import AttemptSuperseded, IllegalTransition, UserError
from domain.event import EventKind
from domain.job import Job
from domain.job_type import JobType
from domain.kit import Kit
from domain.projection import apply
from domain.status import ACTIVE, ENDED, TRANSITIONS, Depth, Status
from tests.factories import new_kit

P, Q, R, S, F, C = Status
SUCCESS = Ending(exit_code=0, reports=0)
ENDINGS = [SUCCESS, Ending(exit_code=3, reports=0), *(Ending(exit_code=None, reports=0, cause=cause) for cause in Cause)]


@dataclass(frozen=True)
class Command:
    """A command with its arguments, and the error that it must be refused with (None: it must be accepted)."""

    name: str
    run: Callable[[Change], None]
    refusal: type[UserError] | None


def all_commands(kit: Kit) -> Iterator[Command]:
    """Every command that anybody could give to this kit, with what the rules say of it."""
    is_archived = kit.archived_at is not None
    open_jobs = [job for job in kit.jobs if job.status not in ENDED]
    turn = next((job for job in kit.jobs if job.status is not S), None)
    may_start = kit.status in (P, R) and (not kit.is_started or (turn is not None and turn.status is P))

    def command(name: str, run: Callable[[Change], None], is_allowed: bool) -> Command:
        return Command(name, run, None if is_allowed and not is_archived else IllegalTransition)

    yield command("start kit", commands.start_kit, may_start)
    yield command("cancel kit", commands.cancel_kit, any(not job.cancel_requested for job in open_jobs))
    yield command("archive kit", commands.archive_kit, not any(job.status in ACTIVE for job in kit.jobs))
    for job in kit.jobs:
        earlier, later = kit.jobs[: job.order - 1], kit.jobs[job.order :]
        is_next = not earlier or earlier[-1].status is S
        retries = job.status in ENDED and is_next and not any(each.status in ACTIVE for each in later)
        cancels = job.status not in ENDED and not job.cancel_requested
        yield command(f"start {job.type}", partial(commands.start_job, job_id=job.id), job.status is P and is_next)
        yield command(f"retry {job.type}", partial(commands.retry_job, job_id=job.id), retries)
        yield command(f"cancel {job.type}", partial(commands.cancel_job, job_id=job.id), cancels)
        yield from attempt_commands(job)


def attempt_commands(job: Job) -> Iterator[Command]:
    for number in (job.attempt.number - 1, job.attempt.number, job.attempt.number + 1):
        refusal: type[UserError] | None = None if job.status in ACTIVE else IllegalTransition
        if number != job.attempt.number or job.status in ENDED:
            refusal = AttemptSuperseded
        begin = partial(commands.begin_attempt, job_id=job.id, number=number, runner="r")
        yield Command(f"begin {job.type}/{number}", begin, refusal)
        for ending in ENDINGS:
            settle = partial(commands.settle_attempt, job_id=job.id, number=number, ending=ending)
            yield Command(f"settle {job.type}/{number} {ending.cause} {ending.exit_code}", settle, refusal)


def abstract(kit: Kit) -> Any:
    """What of a kit the commands look at, without numbers and times, so that there are finitely many of them."""
    jobs = tuple((job.status, job.cancel_requested, tuple(task.status for task in job.tasks)) for job in kit.jobs)
    return jobs, kit.is_started, kit.archived_at is not None


@pytest.fixture(scope="module")
def reachable() -> list[Kit]:
    """A kit in each state that commands alone can reach (reports come in with `test_projection`)."""
    first = new_kit()
    found, ahead = {abstract(first): first}, deque([first])
    while ahead:
        kit = ahead.popleft()
        for command in all_commands(kit):
            if command.refusal is None:
                change = Change.of(kit, "ada")
                command.run(change)
                after = change.recorded(kit.updated_at).kit
                if abstract(after) not in found:
                    found[abstract(after)] = after
                    ahead.append(after)
    return list(found.values())


def check_steps(change: Change) -> None:
    """Each event of a change, folded alone, is a step that the rules have; the last one leads to the change's kit."""
    kit = change.before
    for event in change.events:
        before, kit = kit, apply(kit, event)
        assert kit.version == before.version + 1
        assert kit.status is before.status or kit.status in TRANSITIONS[Depth.KIT][before.status]
        for old, new in zip(before.jobs, kit.jobs, strict=True):
            check_job_step(kit, old, new)
    assert kit == change.kit


def check_job_step(kit: Kit, old: Job, new: Job) -> None:
    assert new.attempt.number - old.attempt.number in (0, 1)
    if new.attempt.number > old.attempt.number:
        assert old.status in ENDED and new.status is P and new.last_sequence == 0 and not new.cancel_requested
    if new.status is not old.status:
        assert new.status in TRANSITIONS[Depth.JOB][old.status]
        if new.status in ACTIVE:
            assert all(each.status is S for each in kit.jobs[: new.order - 1]), "ran before its predecessor had succeeded"
    for old_task, new_task in zip(old.tasks, new.tasks, strict=True):
        assert new_task.status is old_task.status or new_task.status in TRANSITIONS[Depth.TASK][old_task.status]


def test_every_command_in_every_reachable_state(reachable: list[Kit]) -> None:
    assert len(reachable) > 250
    seen_statuses = {tuple(job.status for job in kit.jobs) for kit in reachable}
    assert {(S, S, S, S), (R, P, P, P), (S, S, S, F), (S, C, C, C), (R, C, P, C)} <= seen_statuses
    for kit in reachable:
        for command in all_commands(kit):
            change = Change.of(kit, "ada")
            if command.refusal is None:
                command.run(change)
                check_steps(change)
                continue
            with pytest.raises(command.refusal):
                command.run(change)
                pytest.fail(f"{command.name} was accepted in {abstract(kit)}")
            assert change.kit is kit and not change.events and not change.attempts and change.is_empty, command.name


def test_at_most_one_job_of_a_kit_is_active_and_all_before_it_succeeded(reachable: list[Kit]) -> None:
    for kit in reachable:
        active = [job for job in kit.jobs if job.status in ACTIVE]
        assert len(active) <= 1
        for job in active:
            assert all(each.status is S for each in kit.jobs[: job.order - 1])


def test_a_job_that_has_ended_has_no_open_task_and_no_open_request(reachable: list[Kit]) -> None:
    for kit in reachable:
        is_over = kit.status in ENDED and not any(job.status in ACTIVE for job in kit.jobs)
        assert (kit.ended_at is not None) is is_over
        for job in kit.jobs:
            assert (job.ended_at is not None) is (job.status in ENDED)
            assert job.cancel_requested is False or job.status in ACTIVE
            if job.status in ENDED:
                assert all(task.status in ENDED and task.ended_at is not None for task in job.tasks)
            if job.status is P:
                assert all(task.status is P and task.progress == 0 for task in job.tasks)


def run(kit: Kit, *decisions: Callable[[Change], None]) -> Kit:
    change = Change.of(kit, "ada")
    for decide in decisions:
        decide(change)
    return change.recorded(kit.updated_at).kit


def settled(job: Job, ending: Ending = SUCCESS) -> Callable[[Change], None]:
    return partial(commands.settle_attempt, job_id=job.id, number=job.attempt.number, ending=ending)


def statuses(kit: Kit) -> list[Status]:
    return [job.status for job in kit.jobs]


def test_a_started_kit_runs_its_jobs_one_after_another() -> None:
    kit = run(new_kit(), commands.start_kit)
    for place in range(4):
        assert statuses(kit) == [S] * place + [Q] + [P] * (3 - place)
        job = kit.jobs[place]
        kit = run(kit, partial(commands.begin_attempt, job_id=job.id, number=1, runner="r"))
        assert kit.jobs[place].status is R and kit.status is R
        kit = run(kit, settled(job))
    assert kit.status is S and kit.ended_at is not None and kit.progress == 1


def test_a_job_started_alone_does_not_start_the_next() -> None:
    kit = new_kit()
    kit = run(kit, partial(commands.start_job, job_id=kit.jobs[0].id))
    kit = run(kit, settled(kit.jobs[0]))
    assert statuses(kit) == [S, P, P, P] and not kit.is_started
    assert statuses(run(kit, commands.start_kit)) == [S, Q, P, P]


def test_a_retry_makes_new_attempts_of_the_job_and_of_those_after_it() -> None:
    kit = run(new_kit(), commands.start_kit)
    for _ in range(4):
        kit = run(kit, settled(kit.current_job))
    kit = run(kit, partial(commands.retry_job, job_id=kit.jobs[1].id))
    assert statuses(kit) == [S, Q, P, P]
    assert [job.attempt.number for job in kit.jobs] == [1, 2, 2, 2]
    assert all(task.status is P and task.progress == 0 for job in kit.jobs[1:] for task in job.tasks)
    kit = run(kit, settled(kit.jobs[1]))
    assert statuses(kit) == [S, S, Q, P], "the kit was started: it goes on by itself"


def test_a_retry_leaves_later_jobs_that_never_began_alone() -> None:
    kit = run(new_kit(), commands.start_kit)
    kit = run(kit, settled(kit.jobs[0], Ending(exit_code=1, reports=0)))
    kit = run(kit, partial(commands.retry_job, job_id=kit.jobs[0].id))
    assert [job.attempt.number for job in kit.jobs] == [2, 1, 1, 1]


@pytest.mark.parametrize("cause", list(Cause))
def test_the_cause_of_an_ending_decides_over_the_job(cause: Cause) -> None:
    kit = run(new_kit(), commands.start_kit)
    change = Change.of(kit, "runner")
    settled(kit.jobs[0], Ending(exit_code=None, reports=0, cause=cause, message="why", details={"peak": 5}))(change)
    ended = next(attempt for attempt in change.attempts.values() if attempt.number == 1)
    assert ended.cause is cause and ended.message == "why" and ended.exit_code is None
    if cause is Cause.INTERRUPTED:
        assert ended.status is C and change.job(kit.jobs[0].id).attempt.number == 2
        assert statuses(change.kit) == [Q, P, P, P]
    else:
        assert ended.status is (C if cause is Cause.CANCELLED else F)
        assert statuses(change.kit) == [ended.status, P, P, P]
    assert change.events[-1].metadata.get("peak") == (None if cause is Cause.INTERRUPTED else 5)


def test_an_interrupted_attempt_that_was_to_be_cancelled_is_cancelled() -> None:
    kit = run(new_kit(), commands.start_kit, commands.cancel_kit)
    assert kit.jobs[0].cancel_requested and statuses(kit) == [Q, C, C, C]
    kit = run(kit, settled(kit.jobs[0], Ending(exit_code=None, reports=0, cause=Cause.INTERRUPTED)))
    assert kit.jobs[0].attempt.cause is Cause.CANCELLED and kit.jobs[0].attempt.number == 1
    assert kit.status is C and kit.ended_at is not None


def test_after_an_accepted_cancel_nothing_goes_on_by_itself(reachable: list[Kit]) -> None:
    """However the attempt ends, also if its step had succeeded before it could be ended."""
    count = 0
    for kit in reachable:
        for job in (job for job in kit.jobs if job.cancel_requested):
            for ending in ENDINGS:
                after = run(kit, settled(job, ending))
                assert after.jobs[job.order - 1].status in (C, F) and after.status in (C, F)
                assert not any(each.status in ACTIVE for each in after.jobs), abstract(kit)
                count += 1
    assert count > 100


@pytest.mark.parametrize("command", ["job", "kit"])
def test_a_cancelled_job_that_succeeds_all_the_same_is_cancelled_and_can_be_retried(command: str) -> None:
    kit = run(new_kit(), commands.start_kit)
    job = kit.jobs[0]
    kit = run(kit, commands.cancel_kit if command == "kit" else partial(commands.cancel_job, job_id=job.id))
    kit = run(kit, settled(job))
    attempt = kit.jobs[0].attempt
    assert (attempt.status, attempt.cause, attempt.exit_code) == (C, Cause.CANCELLED, 0) and "succeeded" in attempt.message
    assert kit.status is C and kit.ended_at is not None
    kit = run(kit, partial(commands.retry_job, job_id=job.id), settled(replace(job, attempt=replace(job.attempt, number=2))))
    assert statuses(kit) == [S, Q, P, P], "the kit was started: it goes on by itself"


def test_starting_a_kit_whose_job_has_failed_says_what_to_do() -> None:
    kit = run(new_kit(), commands.start_kit)
    kit = run(kit, settled(kit.jobs[0], Ending(exit_code=1, reports=0)))
    with pytest.raises(IllegalTransition, match=r"FAILED.*Retry the job"):
        run(kit, commands.start_kit)
    with pytest.raises(IllegalTransition, match="started already"):
        run(new_kit(), commands.start_kit, commands.start_kit)


def test_starting_a_kit_whose_later_job_was_cancelled_says_which_job_to_start() -> None:
    kit = new_kit()
    kit = run(kit, partial(commands.cancel_job, job_id=kit.jobs[2].id))
    with pytest.raises(IllegalTransition, match=r"CANCELLED.*Start DECK_COLLECTION by itself"):
        run(kit, commands.start_kit)


def test_exit_code_zero_with_a_failed_task_is_a_failure() -> None:
    kit = run(new_kit(), commands.start_kit)
    job = kit.jobs[0]
    change = Change.of(kit, "worker")
    change.emit_for_task(job, job.tasks[1], EventKind.STATUS, status=F, sequence=1)
    kit = run(change.recorded(kit.updated_at).kit, settled(job))
    assert kit.jobs[0].attempt.cause is Cause.TASK_FAILED and "parse" in kit.jobs[0].attempt.message
    assert [task.status for task in kit.jobs[0].tasks] == [C, F, C]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            {"name": "m.skops", "reason": "its file can't be read"},
            "`m.skops` was said to be finished and can't be kept: its file can't be read.",
        ),
        ("model.skops", "`model.skops`"),
        (None, "no reason is known"),
        ([], "`[]`"),
        ({"name": "x" * 10_000, "reason": {"y": "z" * 10_000}}, "`xxx"),
    ],
)
def test_exit_code_zero_without_an_artifact_that_was_announced_is_a_failure(told: Any, shown: str) -> None:
    kit = run(new_kit(), commands.start_kit)
    change = Change.of(kit, "worker")
    change.emit_for_job(kit.jobs[0], EventKind.NOTE, metadata={"artifactMissing": told}, sequence=1)
    kit = run(change.recorded(kit.updated_at).kit, settled(kit.jobs[0]))
    assert (kit.jobs[0].status, kit.jobs[0].attempt.cause) == (F, Cause.ARTIFACT_MISSING)
    assert shown in kit.jobs[0].attempt.message and len(kit.jobs[0].attempt.message) < 500


def test_an_exit_code_is_kept_with_a_sentence() -> None:
    kit = run(new_kit(), commands.start_kit)
    attempt = run(kit, settled(kit.jobs[0], Ending(exit_code=7, reports=0))).jobs[0].attempt
    assert (attempt.cause, attempt.exit_code) == (Cause.EXIT_CODE, 7) and "7" in attempt.message
    attempt = run(kit, settled(kit.jobs[0])).jobs[0].attempt
    assert (attempt.cause, attempt.exit_code, attempt.message) == (None, 0, "")


def test_beginning_twice_is_recorded_once() -> None:
    kit = run(new_kit(), commands.start_kit)
    begin = partial(commands.begin_attempt, job_id=kit.jobs[0].id, number=1, runner="r")
    once = run(kit, begin)
    assert run(once, begin) == once and once.started_at is not None


def test_commands_are_recorded_and_nothing_else_of_the_kit_is() -> None:
    change = Change.of(new_kit(), "ada")
    commands.start_kit(change)
    commands.cancel_kit(change)
    of_kit = [event.kind for event in change.events if event.job_id is None]
    assert of_kit == [EventKind.STARTED, EventKind.CANCELLED]
    for one, other in pairwise(change.events):
        assert other.version == one.version + 1


def test_creation_records_all_jobs_and_tasks_in_order() -> None:
    kit = new_kit()
    assert kit.version == 1 + 4 + sum(len(job.tasks) for job in kit.jobs)
    assert [job.type for job in kit.jobs] == list(JobType) and statuses(kit) == [P] * 4
    assert replace(kit, jobs=()).status is P and kit.progress == 0

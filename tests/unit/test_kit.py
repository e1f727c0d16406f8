"""What a kit says of itself from its jobs: status, progress, where it stands."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.job_type import DEFAULT_TASKS, JobType
from domain.kit import Kit, derived_status
from domain.status import TRANSITIONS, Depth, Status
from tests.factories import new_kit

P, Q, R, S, F, C = Status
KIT = new_kit()
ALL_STATUSES = list(product(Status, repeat=4))


def with_statuses(statuses: tuple[Status, ...]) -> Kit:
    jobs = (replace(job, attempt=replace(job.attempt, status=each)) for job, each in zip(KIT.jobs, statuses, strict=True))
    return replace(KIT, jobs=tuple(jobs))


def tabulated(statuses: tuple[Status, ...]) -> Status:
    """The specification's sentence, by counting: FAILED, else CANCELLED, all SUCCEEDED, none begun, else RUNNING."""
    counts = tuple(statuses.count(each) for each in (F, C, S, P))
    match counts:
        case (failed, _, _, _) if failed > 0:
            return F
        case (0, cancelled, _, _) if cancelled > 0:
            return C
        case (0, 0, 4, 0):
            return S
        case (0, 0, 0, 4):
            return P
    return R


def test_the_status_of_a_kit_over_the_full_product_of_its_jobs_statuses() -> None:
    assert len(ALL_STATUSES) == 6**4
    for statuses in ALL_STATUSES:
        assert derived_status(statuses) is tabulated(statuses), statuses


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((P, P, P, P), P),
        ((Q, P, P, P), R),
        ((S, P, P, P), R),
        ((S, S, S, S), S),
        ((S, S, S, R), R),
        ((S, F, C, C), F),
        ((R, C, C, C), C),
        ((C, P, P, P), C),
        ((F, P, P, P), F),
    ],
)
def test_statuses_that_people_see(statuses: tuple[Status, ...], expected: Status) -> None:
    assert derived_status(statuses) is expected


def test_the_table_of_a_kit_has_exactly_the_changes_that_one_job_can_bring_about() -> None:
    seen: dict[Status, set[Status]] = {status: set() for status in Status}
    for statuses in ALL_STATUSES:
        for place, status in enumerate(statuses):
            for changed in TRANSITIONS[Depth.JOB][status]:
                before = derived_status(statuses)
                after = derived_status((*statuses[:place], changed, *statuses[place + 1 :]))
                if after is not before:
                    seen[before].add(after)
    assert seen == {status: set(wanted) for status, wanted in TRANSITIONS[Depth.KIT].items()}


def test_where_a_kit_stands() -> None:
    for statuses in ALL_STATUSES:
        kit = with_statuses(statuses)
        ahead = [job for job, status in zip(kit.jobs, statuses, strict=True) if status is not S]
        assert kit.current_job is (ahead[0] if ahead else kit.jobs[3])


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=5), min_size=4, max_size=4))
def test_progress_is_the_mean_of_the_jobs_each_weighing_the_same(progress: list[list[float]]) -> None:
    jobs = []
    for job, values in zip(KIT.jobs, progress, strict=True):
        tasks = tuple(replace(job.tasks[0], name=str(order), progress=each) for order, each in enumerate(values))
        jobs.append(replace(job, tasks=tasks))
    kit = replace(KIT, jobs=tuple(jobs))
    assert kit.progress == pytest.approx(sum(sum(values) / len(values) for values in progress) / 4)
    assert 0 <= kit.progress <= 1 and all(0 <= job.progress <= 1 for job in kit.jobs)


def test_jobs_and_tasks_are_found_by_type_id_and_name() -> None:
    assert [job.type for job in KIT.jobs] == list(JobType)
    for job in KIT.jobs:
        assert KIT.job(job.id) is job is KIT.job_of(job.type)
        assert [task.name for task in job.tasks] == list(DEFAULT_TASKS[job.type])
        assert [task.order for task in job.tasks] == list(range(1, len(job.tasks) + 1))
        assert all(job.task(task.name) is task for task in job.tasks)
        assert job.task("none") is None
    assert KIT.job(new_kit().jobs[0].id) is None

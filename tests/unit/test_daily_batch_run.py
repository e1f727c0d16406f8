"""Runs of the daily batch: every pair of states, how far they have come, and what their parts count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from domain.daily_batch_run import BatchPart, BatchPartStatus, Counts, DailyBatchRun, DailyBatchRunStatus
from domain.errors import IllegalTransition
from domain.kit import ProductLine
from domain.model_version import VersionKey

NOW = datetime(2026, 7, 1, tzinfo=UTC)
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = DailyBatchRunStatus
LEGAL = {(QUEUED, RUNNING), (QUEUED, CANCELLED), *((RUNNING, end) for end in (SUCCEEDED, FAILED, CANCELLED))}
PART = BatchPart(run_id=1, model_version=VersionKey(1, 2), counts=Counts(considered=10, skipped=4))


def a_run(status: DailyBatchRunStatus = QUEUED) -> DailyBatchRun:
    return replace(DailyBatchRun.queued(ProductLine.LOGIC, NOW), status=status)


@pytest.mark.parametrize(("before", "after"), list(product(DailyBatchRunStatus, repeat=2)))
def test_every_pair_of_states(before: DailyBatchRunStatus, after: DailyBatchRunStatus) -> None:
    if (before, after) not in LEGAL:
        with pytest.raises(IllegalTransition):
            a_run(before).became(after, NOW)
        return
    changed = a_run(before).became(after, NOW, "why")
    assert (changed.status, changed.version, changed.message) == (after, 2, "why")
    assert (changed.ended_at is None) == (after is RUNNING) and (changed.started_at is None) == (after is not RUNNING)


def test_each_that_takes_it_up_gets_a_greater_fence() -> None:
    first = a_run().taken_up(NOW)
    second = first.taken_up(NOW)
    assert (first.fence, second.fence) == (1, 2) and first.version < second.version


def test_cancelling_ends_what_waits_and_asks_what_runs() -> None:
    assert a_run().cancelled(NOW).status is CANCELLED
    asked = a_run(RUNNING).cancelled(NOW)
    assert (asked.status, asked.is_cancel_requested) == (RUNNING, True)
    with pytest.raises(IllegalTransition):
        a_run(SUCCEEDED).cancelled(NOW)


def test_who_has_cancelled_it_first_stays_on_record() -> None:
    first = a_run(RUNNING).cancelled_by_person("demo:ada", "Ada", NOW)
    again = first.cancelled_by_person("demo:bela", "Bela", NOW + timedelta(seconds=1))
    for run in (first, again, a_run(QUEUED).cancelled_by_person("demo:ada", "Ada", NOW)):
        assert (run.cancelled_by, run.cancelled_by_name, run.cancel_requested_at) == ("demo:ada", "Ada", NOW)


def test_what_goes_on_does_not_wait_any_more() -> None:
    waiting = a_run(RUNNING).waiting(NOW, "for the store")
    assert (waiting.message, waiting.version, waiting.status) == ("for the store", 2, RUNNING)
    assert waiting.with_counts(Counts(considered=1), NOW).message == ""


def test_percent_is_what_is_done_of_what_was_found_to_do() -> None:
    counted = a_run(RUNNING).with_counts(Counts(considered=8, stored=1, skipped=1, refused=2), NOW)
    assert (counted.percent, counted.version) == (50.0, 2)
    assert a_run(RUNNING).percent == 0.0 and a_run(RUNNING).became(SUCCEEDED, NOW).percent == 100.0


def test_a_part_that_has_come_to_its_end_has_looked_at_all_that_it_considered() -> None:
    part = PART.progressed(7, Counts(stored=2, refused=1, flagged=1))
    assert (part.after, part.counts) == (7, Counts(considered=10, stored=2, skipped=4, refused=1, flagged=1))
    assert part.ended(BatchPartStatus.SUCCEEDED).counts == Counts(considered=10, stored=2, skipped=7, refused=1, flagged=1)
    assert part.ended(BatchPartStatus.FAILED, "why").counts == part.counts
    assert part.ended(BatchPartStatus.SUPERSEDED).counts == Counts(considered=7, stored=2, skipped=4, refused=1, flagged=1)


def test_a_part_begins_each_look_with_the_first_row_and_has_succeeded_after_the_last() -> None:
    looked = PART.progressed(7, Counts(stored=2)).looked(2)
    assert (looked.look, looked.after, looked.status) == (1, 0, BatchPartStatus.PENDING)
    assert looked.progressed(3, Counts(stored=1)).looked(2).status is BatchPartStatus.SUCCEEDED
    assert looked.looked(2).counts == Counts(considered=10, stored=2, skipped=8)


def test_rows_that_come_in_meanwhile_are_considered_too() -> None:
    assert PART.progressed(99, Counts(stored=20)).counts == Counts(considered=24, stored=20, skipped=4)


def test_a_part_of_a_version_that_comes_in_use_again_goes_on_where_it_was() -> None:
    ended = PART.progressed(7, Counts(stored=2)).ended(BatchPartStatus.SUPERSEDED, "why")
    again = ended.reopened(12)
    assert (again.status, again.after, again.message) == (BatchPartStatus.PENDING, 7, "")
    assert again.counts == Counts(considered=12, stored=2, skipped=4)

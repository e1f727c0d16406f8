"""What people ask of several runs: how they compare, and how the figures of load tests went over time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from domain.actor import Actor
from domain.comparison import Comparison, compare
from domain.errors import IllegalTransition, ValidationFailed
from domain.load_test_run import VERDICTS
from domain.load_test_trend import LoadTestTrend, trends_of
from domain.query import LoadTestRunQuery, WindowQuery
from domain.storage import UnitOfWork
from domain.visibility import Membership
from domain.window_sample import MeasuredRun
from resolvers.authorisation import membership_of
from resolvers.load_test_run import read_run
from resolvers.services import Services

MOST_RUNS = 20
Shown = TypeVar("Shown")


async def compare_runs(
    services: Services, actor: Actor, run_ids: Sequence[int], confidence: float, scenarios: Sequence[str] | None
) -> Comparison:
    """Each of the runs after the first against the first."""
    membership = membership_of(actor)
    if not 2 <= len(run_ids) <= MOST_RUNS:
        raise ValidationFailed.of("runIds", f"must be from 2 to {MOST_RUNS}; the first is the baseline")
    if len(set(run_ids)) != len(run_ids):
        raise ValidationFailed.of("runIds", "name a run twice")
    if not 0.5 <= confidence <= 0.999:
        raise ValidationFailed.of("confidence", "must be from 0.5 to 0.999")
    async with services.database.snapshot() as work:
        baseline, *others = [await measured_run(work, each, membership) for each in run_ids]
    return await asyncio.to_thread(compare, baseline, others, confidence, scenarios)


async def measured_run(work: UnitOfWork, run_id: int, membership: Membership) -> MeasuredRun:
    """A run that has ended, with all it measured; `IllegalTransition` where it has not, `WindowsRemoved` where that is gone."""
    run = await read_run(work, run_id, membership)
    if not run.has_ended:
        reason = f"Run {run.id} is {run.status}: only a run that has ended can be compared, analysed or reported."
        raise IllegalTransition(f"Run {run.id}", run.status, "ended", reason)
    run.check_windows()
    (windows,) = await work.load_test_runs.windows([WindowQuery(run_id=run_id)])
    return MeasuredRun(run, windows)


async def trends(
    services: Services,
    actor: Actor,
    query: LoadTestRunQuery,
    scenarios: Sequence[str] | None,
    shown: Callable[[LoadTestTrend], Shown],
) -> list[Shown]:
    """The figures over time of a page of runs, only of those that have ended, each as `shown` makes it.

    That is done in a thread: of a thousand runs it would hold up everybody else.
    """
    membership = membership_of(actor)
    statuses = query.statuses & VERDICTS if query.statuses else VERDICTS
    if not statuses:
        return []
    async with services.database.snapshot() as work:
        runs = await work.load_test_runs.trend(replace(query, statuses=statuses), membership)
    return await asyncio.to_thread(lambda: [shown(each) for each in trends_of(runs, scenarios)])

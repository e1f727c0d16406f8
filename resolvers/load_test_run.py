"""What people do with runs of load tests: start them, stop them, look at them."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

from domain.actor import Actor, Person
from domain.errors import IllegalTransition, NotFound, ValidationFailed, WindowsRemoved
from domain.live import Notice, Topic
from domain.load_test import LoadTest, check_startable
from domain.load_test_run import LoadTestRun, RunEvent, RunStatus, checked_label
from domain.metric_series import MetricSeries, RunFigures, figures_of, series_of
from domain.metric_window import MetricWindow
from domain.query import HistoryQuery, LoadTestRunQuery, Page, WindowQuery
from domain.resource_usage import CARRY_SECONDS, ResourceSeries, ResourceUsage, resource_series
from domain.run_queue import Wait, waits
from domain.storage import UnitOfWork
from domain.target import Target, TargetAnalysis, server_origin
from domain.visibility import EVERY_PROJECT, Membership
from resolvers.authorisation import membership_of, require_person, require_role
from resolvers.load_test import load_plan, read_load_test, refuse_addresses
from resolvers.secret import values_of_secrets
from resolvers.services import Services
from resolvers.target import read_target, refuse_archived_target
from resolvers.versioned import Command, Overtaken

log = logging.getLogger(__name__)
Made = TypeVar("Made")
MOST_WINDOWS = 1_000  # of all queries whose windows are in memory at once: a hundred of a scenario may take a MiB


async def start_load_test(
    services: Services,
    actor: Actor,
    load_test_id: int,
    expected_version: int | None = None,
    idempotency_key: str | None = None,
    label: str | None = None,
) -> LoadTestRun:
    """Queue a run of the load test as it is now, with the script that this makes of the target's document."""
    person = require_person(actor)
    given = of_label(label)
    command = Command("loadTestStart", "load_test", load_test_id, expected_version, idempotency_key, given)
    while True:
        try:
            run, is_repeat = await _try_start(services, person, command, label)
        except Overtaken:
            continue
        if not is_repeat:
            await tell(services, run)
            log.info("loadTestStart", extra={"run": run.id, "load_test": load_test_id, "subject": person.subject})
        return run


def of_label(label: str | None) -> dict[str, str]:
    """What the label adds to what a command was sent with: nothing without one, as before there were any."""
    checked = checked_label(label)
    return {} if checked is None else {"label": checked}


async def _try_start(services: Services, person: Person, command: Command, label: str | None) -> tuple[LoadTestRun, bool]:
    """The run, and whether it is that of the same command before; `Overtaken` where its script would be an old one's."""
    idempotency, membership = command.idempotency(person.subject), membership_of(person)
    async with services.database.snapshot() as work:
        is_used = idempotency is not None and await idempotency.earlier(work) is not None
        load_test = await read_load_test(work, command.number, membership)
        target = await read_target(work, load_test.target_id, membership)
        await require_role(work, person, load_test.project_id, command.role)
    script = "" if is_used else await _script(services, load_test, target)
    async with services.database.transaction() as work:
        if idempotency is not None and (outcome := await idempotency.replayed(work)) is not None:
            return await read_run(work, outcome["run"], membership), True
        await work.load_tests.hold(load_test.id)
        now = await read_load_test(work, load_test.id, membership)
        await require_role(work, person, now.project_id, command.role)
        command.check(now)
        if is_used or now.version != load_test.version or await read_target(work, target.id, membership) != target:
            raise Overtaken
        await refuse_archived_target(work, target, command.mutation)
        if target.analysis is None:
            raise ValidationFailed.of("id", f"target {target.id} has not been analysed")
        run = await work.load_test_runs.add(_queued(services, load_test, target.analysis, person.subject, label), script)
        if idempotency is not None:
            await idempotency.complete(work, {"run": run.id})
    return run, False


async def _script(services: Services, load_test: LoadTest, target: Target) -> str:
    """What k6 gets to run, where all that it needs may be had."""
    await asyncio.to_thread(check_startable, load_test.definition, target, services.load_limits)
    await refuse_addresses(services, load_test.definition)
    await values_of_secrets(services, target.id, load_test.definition)
    return (await load_plan(services, target, load_test.definition)).script


def _queued(services: Services, load_test: LoadTest, analysis: TargetAnalysis, subject: str, label: str | None) -> LoadTestRun:
    at = datetime.now(UTC)
    return LoadTestRun(
        id=0,
        uuid=uuid4(),
        load_test_id=load_test.id,
        load_test_version=load_test.version,
        target_id=load_test.target_id,
        project_id=load_test.project_id,
        definition=load_test.definition,
        origin=server_origin(load_test.definition.server),
        document_sha256=analysis.sha256,
        window_seconds=services.window_seconds,
        label=label,
        actor=subject,
        status=RunStatus.QUEUED,
        version=1,
        created_at=at,
        updated_at=at,
    )


async def stop_load_test(
    services: Services, actor: Actor, run_id: int, expected_version: int | None = None, idempotency_key: str | None = None
) -> LoadTestRun:
    """End a run before its end: at once where it waits, else as soon as its generator has ended; what was measured stays."""
    person = require_person(actor)
    command = Command("loadTestStop", "run", run_id, expected_version, idempotency_key)
    while True:
        try:
            run, is_repeat = await _try_stop(services, person, command)
        except Overtaken:
            continue
        if not is_repeat:
            await tell(services, run)
            log.info("loadTestStop", extra={"run": run.id, "subject": person.subject})
        return run


async def _try_stop(services: Services, person: Person, command: Command) -> tuple[LoadTestRun, bool]:
    """The run, and whether the same command was there before."""
    idempotency = command.idempotency(person.subject)
    async with services.database.transaction() as work:
        is_repeat = idempotency is not None and await idempotency.replayed(work) is not None
        run = await read_run(work, command.number, membership_of(person))
        await require_role(work, person, run.project_id, command.role)
        if is_repeat:
            return run, True
        command.check_version(run.version)
        changed = await _stop(work, run, person.subject)
        if changed is None:
            raise Overtaken
        if idempotency is not None:
            await idempotency.complete(work, {"run": run.id})
    return changed, False


async def _stop(work: UnitOfWork, run: LoadTestRun, subject: str) -> LoadTestRun | None:
    if run.has_ended:
        raise IllegalTransition(f"Run {run.id}", run.status, "STOPPING", f"Run {run.id} has ended: {run.status}.")
    if run.status is RunStatus.STOPPING:
        return run
    if run.status is RunStatus.QUEUED:
        return await work.load_test_runs.change(run, RunStatus.ABORTED, subject, f"Stopped by {subject} before its turn came.")
    return await work.load_test_runs.change(run, RunStatus.STOPPING, subject, f"Stopped by {subject}.")


async def tell(services: Services, run: LoadTestRun) -> None:
    """Tell who watches the run or lists of load tests, and the runners where it has something for them to do."""
    notices = [
        Notice(Topic.LOAD_TEST_RUN, str(run.id), run.version),
        Notice(Topic.LOAD_TEST, str(run.load_test_id), run.load_test_version),
    ]
    if run.status in (RunStatus.QUEUED, RunStatus.STOPPING):
        notices.append(Notice(Topic.RUNNER, str(run.id), run.version))
    await services.bus.publish(notices)


async def read_run(work: UnitOfWork, run_id: int, membership: Membership) -> LoadTestRun:
    """The run of that id; `NotFound` where there is none for the caller."""
    run = (await work.load_test_runs.get_many([run_id], membership)).get(run_id)
    if run is None:
        raise NotFound("run", run_id)
    return run


async def find_runs(services: Services, actor: Actor, ids: list[int]) -> dict[int, LoadTestRun]:
    """The runs of these ids that exist for the caller."""
    async with services.database.snapshot() as work:
        return await work.load_test_runs.get_many(ids, membership_of(actor))


async def last_runs(services: Services, load_test_ids: Sequence[int]) -> dict[int, LoadTestRun]:
    """The last run of each of these load tests, which the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.load_test_runs.last_of(load_test_ids)


async def list_runs(services: Services, actor: Actor, query: LoadTestRunQuery) -> Page[LoadTestRun]:
    """A page of the runs in the caller's projects."""
    async with services.database.snapshot() as work:
        return await work.load_test_runs.page(query, membership_of(actor))


async def count_runs(services: Services, actor: Actor, query: LoadTestRunQuery) -> int:
    """How many runs the query has in all."""
    async with services.database.snapshot() as work:
        return await work.load_test_runs.count(query, membership_of(actor))


async def events_of_runs(services: Services, queries: Sequence[HistoryQuery]) -> list[Page[RunEvent]]:
    """Pages of the events of runs that the caller was shown, oldest first."""
    async with services.database.snapshot() as work:
        return await work.load_test_runs.events(queries)


async def scripts_of_runs(services: Services, ids: Sequence[int]) -> dict[int, str]:
    """The scripts of runs that the caller was shown."""
    async with services.database.snapshot() as work:
        return await work.load_test_runs.scripts(ids)


async def waits_of_runs(services: Services, ids: Sequence[int]) -> dict[int, Wait]:
    """How each run that waits does so."""
    async with services.database.snapshot() as work:
        found = waits(await work.load_test_runs.unfinished(), services.runs_per_target)
    return {each: found[each] for each in ids if each in found}


async def series_of_runs(services: Services, queries: Sequence[WindowQuery]) -> Sequence[Sequence[MetricSeries] | WindowsRemoved]:
    """What runs that the caller was shown measured, as columns; `WindowsRemoved` in place of what is gone."""
    return await _made_of_windows(
        services, queries, lambda run, windows: run.removal or series_of(windows, run.window_seconds, run.names)
    )


async def figures_of_runs(services: Services, ids: Sequence[int]) -> Sequence[Sequence[RunFigures]]:
    """The figures of runs that the caller was shown, by all of their windows so far; those of the verdict where there is one."""

    def figures(run: LoadTestRun, windows: Sequence[MetricWindow]) -> Sequence[RunFigures]:
        return run.figures if run.has_ended else figures_of(windows, run.window_seconds, run.names, run.k6_seconds)

    return await _made_of_windows(services, [WindowQuery(run_id=each) for each in ids], figures)


async def with_figures(services: Services, run: LoadTestRun) -> LoadTestRun:
    """The run, as it was read, with the figures and judged thresholds of all its windows so far."""
    (found,) = await _made_of_windows(services, [WindowQuery(run_id=run.id)], lambda _, windows: run.measured(windows))
    return found


async def _made_of_windows(
    services: Services, queries: Sequence[WindowQuery], make: Callable[[LoadTestRun, Sequence[MetricWindow]], Made]
) -> Sequence[Made]:
    """What is made of the windows of each query; of a few at a time, as they take far more memory than that."""
    made: list[Made] = []
    async with services.database.snapshot() as work:
        runs = await work.load_test_runs.get_many([query.run_id for query in queries], EVERY_PROJECT)
        for some in _parts(queries, runs):
            windows = await work.load_test_runs.windows(some)
            made += await asyncio.to_thread(list, map(make, [runs[query.run_id] for query in some], windows))
    return made


def _parts(queries: Sequence[WindowQuery], runs: Mapping[int, LoadTestRun]) -> Iterator[Sequence[WindowQuery]]:
    """The queries in parts of so many windows together as may be in memory, or of one that has more.

    A query has as many as it asks for, but no more than its run may come to, and none where nothing was reported.
    """
    part: list[WindowQuery] = []
    total = 0
    for query in queries:
        run = runs[query.run_id]
        most = run.most_windows if run.last_sequence else 0
        size = most if query.first is None else min(query.first, most)
        if part and total + size > MOST_WINDOWS:
            yield part
            part, total = [], 0
        part.append(query)
        total += size
    if part:
        yield part


async def resources_of_runs(services: Services, queries: Sequence[WindowQuery]) -> list[list[ResourceSeries] | WindowsRemoved]:
    """What pods under test of runs that the caller was shown used; `WindowsRemoved` in place of what is gone."""
    async with services.database.snapshot() as work:
        runs = await work.load_test_runs.get_many([query.run_id for query in queries], EVERY_PROJECT)
        found = await work.resource_usages.find(queries)
        seconds = [runs[query.run_id].window_seconds for query in queries]
        earlier = await work.resource_usages.find([_before(*each) for each in zip(queries, found, seconds, strict=True)])
    return [
        runs[query.run_id].removal or (_series(*usages) if usages[0] else [])
        for query, usages in zip(queries, zip(found, earlier, seconds, strict=True), strict=True)
    ]


def _before(query: WindowQuery, found: Sequence[ResourceUsage], seconds: int) -> WindowQuery:
    """The windows before those found from which a figure may be carried forward, and themselves."""
    carried = max(CARRY_SECONDS // seconds, 1)
    after = found[0].start - (carried + 1) * seconds if found else query.after
    return WindowQuery(run_id=query.run_id, after=after, first=carried)


def _series(found: Sequence[ResourceUsage], earlier: Sequence[ResourceUsage], seconds: int) -> list[ResourceSeries]:
    starts = range(found[0].start, found[-1].start + 1, seconds)
    return resource_series(found, seconds, starts, {each.pod: each for each in earlier if each.start < starts.start})

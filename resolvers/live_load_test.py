"""Watching load tests: their lists, and a run with the windows so far, then each as it ends, revisions, and the verdict.

As with kits the bus only makes it fast: the database is looked at every two seconds at the latest, and says what is new.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from domain.actor import Actor
from domain.errors import Unavailable
from domain.live import Topic
from domain.load_test import LoadTest
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_window import MetricWindow
from domain.query import LoadTestQuery, MetricsInclude, WindowQuery
from domain.resource_usage import ResourceUsage
from domain.run_frame import RunFrame, RunFrames, RunNews
from domain.run_queue import Wait, waits
from domain.storage import UnitOfWork
from domain.visibility import Membership
from resolvers.authorisation import membership_of
from resolvers.live_list import ListFrame, LiveList, Versions, watch_list
from resolvers.load_test_run import read_run
from resolvers.services import Services

POLL_SECONDS = 2.0


class LiveLoadTests(LiveList[LoadTestQuery, Membership, LoadTest]):
    """The watchers of lists of load tests. What is shown of one changes with it, its project, its target and its last run."""

    topic = Topic.LOAD_TEST

    async def read_versions(self, work: UnitOfWork, query: LoadTestQuery, scope: Membership) -> Mapping[int, Versions]:
        """See `LiveList.read_versions`."""
        return await work.load_tests.versions_on_page(query, scope)

    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], scope: Membership) -> Mapping[int, LoadTest]:
        """See `LiveList.read_bodies`."""
        return await work.load_tests.get_many(ids, scope)


def watch_load_tests(live: LiveLoadTests, actor: Actor, query: LoadTestQuery) -> AsyncIterator[ListFrame[LoadTest]]:
    """The first page of a list of load tests now, then whenever one on it, or the page itself, has changed."""
    return watch_list(live, query, membership_of(actor))


async def watch_run(
    services: Services, actor: Actor, run_id: int, include: MetricsInclude, after: int | None = None
) -> AsyncIterator[RunFrame]:
    """The run as it is, then whatever is new of it, until it has its verdict; `WindowsRemoved` where nothing is left of it.

    The first frame has the windows that begin after a second since 1970; all for None.
    """
    membership = membership_of(actor)
    async with services.bus.subscribe(Topic.LOAD_TEST_RUN, str(run_id)) as notices:
        heard = asyncio.ensure_future(anext(notices))
        try:
            run, news = await _read(services, membership, run_id, include, None, after)
            run.check_windows()
            frames = RunFrames(run, include)
            yield frames.snapshot(news, after, time.time())
            while not run.has_ended:
                await asyncio.wait({heard}, timeout=min(POLL_SECONDS, run.window_seconds))
                if heard.done():
                    heard = asyncio.ensure_future(anext(notices))
                with suppress(Unavailable):
                    run, news = await _read(services, membership, run_id, include, (run.last_sequence, frames.last_usage))
                    for frame in frames.of(run, news, time.time()):
                        yield frame
        finally:
            heard.cancel()


async def _read(
    services: Services,
    membership: Membership,
    run_id: int,
    include: MetricsInclude,
    known: tuple[int, int] | None,
    after: int | None = None,
) -> tuple[LoadTestRun, RunNews]:
    """The run, with what was reported and measured after these numbers, all from one moment.

    Of the windows of k6 up to `after` only the run's first is read, which tells when it began.
    """
    sequence, usage = known or (None, None)
    wait: Wait | None = None
    begun: list[MetricWindow] = []
    windows: list[MetricWindow] = []
    usages: list[ResourceUsage] = []
    async with services.database.snapshot() as work:
        run = await read_run(work, run_id, membership)
        if run.status is RunStatus.QUEUED:
            wait = waits(await work.load_test_runs.unfinished(), services.runs_per_target).get(run_id)
        if include is not MetricsInclude.RESOURCES_ONLY:
            if after is not None:
                (begun,) = await work.load_test_runs.windows([WindowQuery(run_id=run_id, first=1)])
                begun = [each for each in begun if each.start <= after]
            (windows,) = await work.load_test_runs.windows([WindowQuery(run_id=run_id, after=after, changed_after=sequence)])
        if include is not MetricsInclude.K6_ONLY:
            (usages,) = await work.resource_usages.find([WindowQuery(run_id=run_id, changed_after=usage)])
        return run, RunNews([*begun, *windows], usages, wait)

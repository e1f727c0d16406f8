"""Watching load tests: their lists, and a run with the windows so far, then each as it ends, revisions, and the verdict.

As with kits the bus only makes it fast: the database is looked at every two seconds at the latest, and says what is new.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from domain.actor import Actor
from domain.errors import Unavailable
from domain.live import Topic
from domain.load_test import LoadTest
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_series import MetricSeries, series_of
from domain.metric_window import MetricWindow
from domain.query import LoadTestQuery, MetricsInclude, WindowQuery
from domain.resource_usage import ResourceSeries, ResourceUsage, resource_series
from domain.run_queue import Wait, waits
from domain.storage import UnitOfWork
from domain.visibility import Visibility
from resolvers.authorisation import require_person, visibility_of
from resolvers.live_list import ListFrame, LiveList, Versions, watch_list
from resolvers.load_test_run import read_run
from resolvers.services import Services

POLL_SECONDS = 2.0
SILENT_SECONDS = 10.0  # after its end a window has been told, also one without a request, unless something is in the way


class LiveLoadTests(LiveList[LoadTestQuery, LoadTest]):
    """The watchers of lists of load tests. What is shown of one changes with it, its project, its target and its last run."""

    topic = Topic.LOAD_TEST

    async def read_versions(self, work: UnitOfWork, query: LoadTestQuery, visibility: Visibility) -> Mapping[int, Versions]:
        """See `LiveList.read_versions`."""
        return await work.load_tests.versions_on_page(query)

    async def read_bodies(self, work: UnitOfWork, ids: Sequence[int], visibility: Visibility) -> Mapping[int, LoadTest]:
        """See `LiveList.read_bodies`."""
        return await work.load_tests.get_many(ids)


def watch_load_tests(live: LiveLoadTests, actor: Actor, query: LoadTestQuery) -> AsyncIterator[ListFrame[LoadTest]]:
    """The first page of a list of load tests now, then whenever one on it, or the page itself, has changed."""
    return watch_list(live, query, visibility_of(actor))


@dataclass(frozen=True, slots=True)
class RunFrame:
    """What is new of a run: windows that follow one another, as columns; none where only the run itself has changed.

    `is_snapshot`: the first frame, with all windows so far, or those after the one to go on from. `is_revision`: something of
    windows that were sent before, or begin no later than that one, has come late, of k6 or of the pods; the other of the two is
    empty. `is_end`: the run has its verdict, and nothing follows.
    """

    run: LoadTestRun
    series: Sequence[MetricSeries] = ()
    pods: Sequence[ResourceSeries] = ()
    is_snapshot: bool = False
    is_revision: bool = False
    is_end: bool = False


async def watch_run(
    services: Services, actor: Actor, run_id: int, include: MetricsInclude, after: int | None = None
) -> AsyncIterator[RunFrame]:
    """The run as it is, then whatever is new of it, until it has its verdict; `WindowsRemoved` where nothing is left of it.

    The first frame has the windows that begin after a second since 1970; all for None.
    """
    require_person(actor)
    async with services.bus.subscribe(Topic.LOAD_TEST_RUN, str(run_id)) as notices:
        heard = asyncio.ensure_future(anext(notices))
        try:
            run, news = await _read(services, run_id, include, None, after)
            run.check_windows()
            watched = _Watched(run, include)
            yield watched.snapshot(news, after)
            while not run.has_ended:
                await asyncio.wait({heard}, timeout=min(POLL_SECONDS, run.window_seconds))
                if heard.done():
                    heard = asyncio.ensure_future(anext(notices))
                with suppress(Unavailable):
                    run, news = await _read(services, run_id, include, (run.last_sequence, watched.last_usage))
                    for frame in watched.frames(run, news):
                        yield frame
        finally:
            heard.cancel()


@dataclass(frozen=True, slots=True)
class _News:
    """Windows of k6 and usages of pods, each sorted by start, and what the run waits for."""

    windows: Sequence[MetricWindow]
    usages: Sequence[ResourceUsage]
    wait: Wait | None = None

    @property
    def starts(self) -> list[int]:
        """The starts of the windows that it is about, each once."""
        return sorted({each.start for each in self.windows} | {each.start for each in self.usages})

    def of(self, starts: range) -> "_News":
        """What of it lies in windows that begin at `starts`."""
        return _News(
            [each for each in self.windows if each.start in starts], [each for each in self.usages if each.start in starts]
        )


async def _read(
    services: Services, run_id: int, include: MetricsInclude, known: tuple[int, int] | None, after: int | None = None
) -> tuple[LoadTestRun, _News]:
    """The run, with what was reported and measured after these numbers, all from one moment.

    Of the windows of k6 up to `after` only the run's first is read, which tells when it began.
    """
    sequence, usage = known or (None, None)
    wait: Wait | None = None
    begun: list[MetricWindow] = []
    windows: list[MetricWindow] = []
    usages: list[ResourceUsage] = []
    async with services.database.snapshot() as work:
        run = await read_run(work, run_id)
        if run.status is RunStatus.QUEUED:
            wait = waits(await work.load_test_runs.unfinished(), services.runs_per_target).get(run_id)
        if include is not MetricsInclude.RESOURCES_ONLY:
            if after is not None:
                (begun,) = await work.load_test_runs.windows([WindowQuery(run_id=run_id, first=1)])
                begun = [each for each in begun if each.start <= after]
            (windows,) = await work.load_test_runs.windows([WindowQuery(run_id=run_id, after=after, changed_after=sequence)])
        if include is not MetricsInclude.K6_ONLY:
            (usages,) = await work.resource_usages.find([WindowQuery(run_id=run_id, changed_after=usage)])
        return run, _News([*begun, *windows], usages, wait)


class _Watched:
    """What one watcher knows: the run's version, what it waits for, the last window's start, and each pod's last usage up to it.

    What is measured of the pods is there before k6's figures of the same window; it waits for them.
    """

    def __init__(self, run: LoadTestRun, include: MetricsInclude) -> None:
        self._run = run
        self._include = include
        self._wait: Wait | None = None
        self._last_start: int | None = None
        self._waiting: list[ResourceUsage] = []
        self._usages: dict[str, ResourceUsage] = {}
        self.last_usage = 0

    def snapshot(self, news: _News, after: int | None) -> RunFrame:
        """The first frame."""
        if after is not None:
            news = self._resume(news, after)
        *_, frame = [RunFrame(self._run), *self.frames(self._run, news)]
        return replace(frame, is_snapshot=True, is_revision=False, is_end=self._run.has_ended)

    def _resume(self, news: _News, after: int) -> _News:
        """What of the news begins after that. The windows up to it count as sent, from the run's first one on."""
        seen = news.of(range(after + 1))
        if seen.starts:
            self._last_start = after - (after - seen.starts[0]) % self._run.window_seconds
        self.last_usage = max((each.id for each in seen.usages), default=0)
        self._usages = {each.pod: each for each in seen.usages}
        return news.of(range(after + 1, max(news.starts, default=after) + 1))

    def frames(self, run: LoadTestRun, news: _News) -> Iterable[RunFrame]:
        """The frames of what has changed, earlier windows first."""
        is_changed = run.version > self._run.version or news.wait != self._wait
        self._run, self._wait = run, news.wait
        self.last_usage = max([self.last_usage, *(each.id for each in news.usages)])
        news = _News(news.windows, sorted([*self._waiting, *news.usages], key=lambda each: each.start))
        last, seconds = self._last_start, run.window_seconds
        if last is not None:
            yield from self._revisions(news, last)
        until = self._until(news)
        self._waiting = [each for each in news.usages if until is None or each.start > until]
        if until is not None and until != last:
            first = news.starts[0] if last is None else last + seconds
            starts = range(first, until + 1, seconds)
            self._last_start = until
            yield self._frame(news.of(starts), starts, is_end=run.has_ended)
        elif is_changed:
            yield RunFrame(run, is_end=run.has_ended)

    def _revisions(self, news: _News, last: int) -> Iterable[RunFrame]:
        for late in (_News(news.windows, ()), _News((), news.usages)):
            for starts in _in_a_row([each for each in late.starts if each <= last], self._run.window_seconds):
                yield self._frame(late.of(starts), starts, is_revision=True)

    def _until(self, news: _News) -> int | None:
        """The start of the last window to send: the last one that was told, or one that should have been told long ago."""
        of_pods = news.usages if self._include is MetricsInclude.RESOURCES_ONLY or self._run.has_ended else ()
        starts = _News(news.windows, of_pods).starts + ([] if self._last_start is None else [self._last_start])
        begun = [*starts, *news.starts]
        if self._run.status is RunStatus.RUNNING and begun:
            seconds = self._run.window_seconds
            over = int(time.time() - SILENT_SECONDS) // seconds * seconds - seconds
            starts += [over] if over >= min(begun) else []
        return max(starts, default=None)

    def _frame(self, news: _News, starts: range, *, is_revision: bool = False, is_end: bool = False) -> RunFrame:
        series: Sequence[MetricSeries] = ()
        pods: Sequence[ResourceSeries] = ()
        seconds = self._run.window_seconds
        if self._include is not MetricsInclude.RESOURCES_ONLY and (news.windows or not is_revision):
            series = series_of(news.windows, seconds, self._run.names, starts)
        if self._include is not MetricsInclude.K6_ONLY and (news.usages or not is_revision):
            pods = resource_series(news.usages, seconds, starts, {} if is_revision else self._usages)
        for usage in news.usages:
            known = self._usages.get(usage.pod)
            if known is None or usage.start >= known.start:
                self._usages[usage.pod] = usage
        return RunFrame(self._run, series, pods, is_revision=is_revision, is_end=is_end)


def _in_a_row(starts: Sequence[int], seconds: int) -> Iterable[range]:
    """Sorted starts of windows in parts without a hole."""
    place = {start: start - number * seconds for number, start in enumerate(starts)}
    for _, part in groupby(starts, key=lambda each: place[each]):
        found = list(part)
        yield range(found[0], found[-1] + 1, seconds)

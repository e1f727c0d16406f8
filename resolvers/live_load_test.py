"""Watching a run of a load test: the windows so far, then each as it ends, revisions of earlier ones, and the verdict.

As with kits the bus only makes it fast: the database is looked at every two seconds at the latest, and says what is new.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from domain.actor import Actor
from domain.errors import Unavailable
from domain.live import Topic
from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_series import MetricSeries, series_of
from domain.metric_window import MetricWindow
from domain.query import WindowQuery
from resolvers.authorisation import require_person
from resolvers.load_test_run import read_run
from resolvers.services import Services

POLL_SECONDS = 2.0
SETTLE_SECONDS = 3.0  # after its end a window with any sample has been told, unless something is in the way


@dataclass(frozen=True, slots=True)
class RunFrame:
    """What is new of a run: windows that follow one another, as columns; none where only the run itself has changed.

    `is_snapshot`: the first frame, with all windows so far. `is_revision`: samples of windows that were sent before have come
    late. `is_end`: the run has its verdict, and nothing follows.
    """

    run: LoadTestRun
    series: Sequence[MetricSeries]
    is_snapshot: bool = False
    is_revision: bool = False
    is_end: bool = False


async def watch_run(services: Services, actor: Actor, run_id: int) -> AsyncIterator[RunFrame]:
    """The run as it is, then whatever is new of it, until it has its verdict."""
    require_person(actor)
    async with services.bus.subscribe(Topic.LOAD_TEST_RUN, str(run_id)) as notices:
        heard = asyncio.ensure_future(anext(notices))
        try:
            run, windows = await _read(services, run_id, None)
            watched = _Watched(run)
            yield watched.snapshot(windows)
            while not run.has_ended:
                await asyncio.wait({heard}, timeout=min(POLL_SECONDS, run.window_seconds))
                if heard.done():
                    heard = asyncio.ensure_future(anext(notices))
                with suppress(Unavailable):
                    run, windows = await _read(services, run_id, run.last_sequence)
                    for frame in watched.news(run, windows):
                        yield frame
        finally:
            heard.cancel()


async def _read(services: Services, run_id: int, known_sequence: int | None) -> tuple[LoadTestRun, list[MetricWindow]]:
    """The run, and the windows that reports after that number have changed, all from one moment."""
    async with services.database.snapshot() as work:
        run = await read_run(work, run_id)
        query = WindowQuery(run_id=run_id, changed_after=known_sequence)
        return run, await work.load_test_runs.windows(query)


class _Watched:
    """What one watcher knows: the run's version and the last window's start."""

    def __init__(self, run: LoadTestRun) -> None:
        self._run = run
        self._last_start: int | None = None

    def snapshot(self, windows: Sequence[MetricWindow]) -> RunFrame:
        """The first frame."""
        self._last_start = windows[-1].start if windows else None
        return RunFrame(self._run, self._series(windows), is_snapshot=True, is_end=self._run.has_ended)

    def news(self, run: LoadTestRun, windows: Sequence[MetricWindow]) -> Iterable[RunFrame]:
        """The frames of what has changed, earlier windows first."""
        is_changed, self._run = run.version > self._run.version, run
        last = self._last_start
        late = [each for each in windows if last is not None and each.start <= last]
        for part in _in_a_row(late, run.window_seconds):
            yield RunFrame(run, self._series(part), is_revision=True)
        until = self._until([each.start for each in windows])
        if until is not None and until != last:
            first = min(each.start for each in windows) if last is None else last + run.window_seconds
            self._last_start = until
            fresh = [each for each in windows if each.start >= first]
            yield RunFrame(run, self._series(fresh, range(first, until + 1, run.window_seconds)), is_end=run.has_ended)
        elif is_changed:
            yield RunFrame(run, (), is_end=run.has_ended)

    def _until(self, starts: Sequence[int]) -> int | None:
        """The start of the last window to send: the last one with samples, or one that must be over and has none."""
        found = max([*starts, *([] if self._last_start is None else [self._last_start])], default=None)
        if found is None or self._run.status is not RunStatus.RUNNING:
            return found
        seconds = self._run.window_seconds
        over = int(time.time() - SETTLE_SECONDS) // seconds * seconds - seconds
        return max(found, over)

    def _series(self, windows: Sequence[MetricWindow], starts: range | None = None) -> list[MetricSeries]:
        return series_of(windows, self._run.window_seconds, self._run.names, starts)


def _in_a_row(windows: Sequence[MetricWindow], seconds: int) -> Iterable[list[MetricWindow]]:
    """The windows, sorted by start, in parts without a hole."""
    starts = sorted({each.start for each in windows})
    place = {start: start - number * seconds for number, start in enumerate(starts)}
    for _, part in groupby(windows, key=lambda each: place[each.start]):
        yield list(part)

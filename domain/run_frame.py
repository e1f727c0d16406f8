"""What is new of a run of a load test for one who watches it: frames, made of what was reported and measured since the last look.

A window is sent once k6's figures of it are there, or should have been there long ago. What is measured of the pods is there
earlier and waits for them, so that a frame has both of a window.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from domain.load_test_run import LoadTestRun, RunStatus
from domain.metric_series import MetricSeries, series_of
from domain.metric_window import MetricWindow
from domain.query import MetricsInclude
from domain.resource_usage import ResourceSeries, ResourceUsage, resource_series
from domain.run_queue import Wait

SILENT_SECONDS = 10.0  # after its end a window has been told, also one without a request, unless something is in the way


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


@dataclass(frozen=True, slots=True)
class RunNews:
    """Windows of k6 and usages of pods, each sorted by start, and what the run waits for."""

    windows: Sequence[MetricWindow] = ()
    usages: Sequence[ResourceUsage] = ()
    wait: Wait | None = None

    @property
    def starts(self) -> list[int]:
        """The starts of the windows that it is about, each once, sorted."""
        return sorted({each.start for each in self.windows} | {each.start for each in self.usages})

    def between(self, first: float, last: float) -> "RunNews":
        """What of it belongs to windows that begin at `first` or later, and no later than `last`."""
        windows = [each for each in self.windows if first <= each.start <= last]
        return RunNews(windows, [each for each in self.usages if first <= each.start <= last], self.wait)


class RunFrames:
    """The frames for one watcher. Times are seconds since 1970; windows follow one another `run.window_seconds` apart."""

    def __init__(self, run: LoadTestRun, include: MetricsInclude) -> None:
        self.last_usage = 0  # the number of the last usage that was read
        self._run = run
        self._include = include
        self._wait: Wait | None = None
        self._sent_until: int | None = None  # the start of the last window that was sent
        self._waiting: Sequence[ResourceUsage] = ()  # usages of windows after that one
        self._known: dict[str, ResourceUsage] = {}  # the last usage that was sent, by pod

    def snapshot(self, news: RunNews, after: int | None, now: float) -> RunFrame:
        """The first frame, with the windows that begin after `after`, all for None; those up to it count as sent."""
        self._note(news)
        if after is not None:
            seen = news.between(0, after)
            if seen.starts:
                self._sent_until = after - (after - seen.starts[0]) % self._run.window_seconds
            self._known = {each.pod: each for each in seen.usages}
            news = news.between(after + 1, float("inf"))
        frame = self._new_windows(news, now) or RunFrame(self._run)
        return replace(frame, is_snapshot=True, is_end=self._run.has_ended)

    def of(self, run: LoadTestRun, news: RunNews, now: float) -> Iterable[RunFrame]:
        """The frames of what has changed, earlier windows first."""
        is_changed = run.version > self._run.version or news.wait != self._wait
        self._run = run
        self._note(news)
        if self._sent_until is not None:
            late = news.between(0, self._sent_until)
            yield from self._revisions(RunNews(windows=late.windows))
            yield from self._revisions(RunNews(usages=late.usages))
        frame = self._new_windows(news, now)
        if frame is not None:
            yield replace(frame, is_end=run.has_ended)
        elif is_changed:
            yield RunFrame(run, is_end=run.has_ended)

    def _note(self, news: RunNews) -> None:
        self._wait = news.wait
        self.last_usage = max([self.last_usage, *(each.id for each in news.usages)])

    def _revisions(self, late: RunNews) -> Iterable[RunFrame]:
        for starts in _in_a_row(late.starts, self._run.window_seconds):
            yield self._frame(late, starts, is_revision=True)

    def _new_windows(self, news: RunNews, now: float) -> RunFrame | None:
        """The frame of the windows after the last one that was sent; None where none is complete."""
        usages = sorted([*self._waiting, *news.usages], key=lambda each: each.start)
        news = RunNews(news.windows, usages)
        if self._sent_until is not None:
            news = news.between(self._sent_until + 1, float("inf"))
        until = self._complete_until(news, now)
        self._waiting = news.usages if until is None else news.between(until + 1, float("inf")).usages
        if until is None or until == self._sent_until:
            return None
        seconds = self._run.window_seconds
        first = news.starts[0] if self._sent_until is None else self._sent_until + seconds
        self._sent_until = until
        return self._frame(news, range(first, until + 1, seconds))

    def _complete_until(self, news: RunNews, now: float) -> int | None:
        """The start of the last window that is complete: k6 told of it or of a later one, or it has been silent for long."""
        shows_pods_as_they_come = self._include is MetricsInclude.RESOURCES_ONLY or self._run.has_ended
        complete = news.starts if shows_pods_as_they_come else RunNews(news.windows).starts
        sent = [] if self._sent_until is None else [self._sent_until]
        begun = [*sent, *news.starts]
        if self._run.status is RunStatus.RUNNING and begun:
            seconds = self._run.window_seconds
            silent = int(now - SILENT_SECONDS) // seconds * seconds - seconds
            complete += [silent] if silent >= min(begun) else []
        return max([*sent, *complete], default=None)

    def _frame(self, news: RunNews, starts: range, *, is_revision: bool = False) -> RunFrame:
        """What of the news is of the windows with these starts; a revision has only what there is news of."""
        news, seconds = news.between(starts[0], starts[-1]), self._run.window_seconds
        series: Sequence[MetricSeries] = ()
        pods: Sequence[ResourceSeries] = ()
        if self._include is not MetricsInclude.RESOURCES_ONLY and (news.windows or not is_revision):
            series = series_of(news.windows, seconds, self._run.names, starts)
        if self._include is not MetricsInclude.K6_ONLY and (news.usages or not is_revision):
            pods = resource_series(news.usages, seconds, starts, {} if is_revision else self._known)
        for usage in news.usages:
            known = self._known.get(usage.pod)
            if known is None or usage.start >= known.start:
                self._known[usage.pod] = usage
        return RunFrame(self._run, series, pods, is_revision=is_revision)


def _in_a_row(starts: Sequence[int], seconds: int) -> Iterable[range]:
    """Sorted starts of windows in parts without a hole."""
    place = {start: start - number * seconds for number, start in enumerate(starts)}
    for _, part in groupby(starts, key=lambda each: place[each]):
        found = list(part)
        yield range(found[0], found[-1] + 1, seconds)

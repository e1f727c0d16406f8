"""The figures of a run as people read them: over time, window by window, and of the whole."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.histogram import Histogram
from domain.metric_window import SET_UP, MetricWindow

SHARES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeries:
    """Windows that follow one another, as columns: of one scenario, by its name, or of all together (None).

    Times are in milliseconds, and None in windows without a request; `tps` counts completed requests a second, `error_rate`
    those of them without an expected answer, from 0 to 1. Set-up and login are in none of it. `vus` is known of all scenarios
    together only.
    """

    scenario: str | None
    window_start: tuple[datetime, ...]
    requests: tuple[int, ...]
    tps: tuple[float, ...]
    failed: tuple[int, ...]
    error_rate: tuple[float | None, ...]
    least: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    greatest: tuple[float | None, ...]
    p50: tuple[float | None, ...]
    p90: tuple[float | None, ...]
    p95: tuple[float | None, ...]
    p99: tuple[float | None, ...]
    vus: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """The figures of a whole run, of one scenario or of all (None), in the units of `MetricSeries`.

    Of `tps` the least, the mean and the most of full windows: the first and the last, which are cut off, count only where there
    are no others. `seconds` is from the first window's start to the last one's end.
    """

    scenario: str | None
    seconds: int
    requests: int
    failed: int
    error_rate: float | None
    tps_least: float | None
    tps_mean: float | None
    tps_most: float | None
    least: float | None
    mean: float | None
    greatest: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    most_vus: int | None
    iterations: int
    dropped: int
    checks_passed: int
    checks_failed: int


def series_of(
    windows: Sequence[MetricWindow], seconds: int, names: Mapping[str, str], starts: range | None = None
) -> list[MetricSeries]:
    """The columns of these windows, of all scenarios together and then of each; windows that are missing between them are empty.

    Args:
        windows: of one run, sorted by start.
        seconds: the length of a window.
        names: what the scenarios of the script (`s1`) are called.
        starts: of the windows to show; from the first to the last of `windows` where it is None.
    """
    if starts is None:
        starts = range(windows[0].start, windows[-1].start + 1, seconds) if windows else range(0)
    if not starts:
        return []
    found = _by_scenario(windows)
    overall = _series(None, starts, seconds, _together(windows), {each.start: each.vus for each in found[SET_UP]})
    return [overall] + [
        _series(name, starts, seconds, {each.start: each for each in found[key]}, {}) for key, name in names.items()
    ]


def figures_of(windows: Sequence[MetricWindow], seconds: int, names: Mapping[str, str]) -> list[RunFigures]:
    """The figures of a whole run, of all scenarios together and then of each; arguments as of `series_of`."""
    if not windows:
        return []
    span = (windows[0].start, windows[-1].start + seconds)
    found = _by_scenario(windows)
    vus = [each.vus for each in found[SET_UP] if each.vus is not None]
    overall = _figures(None, list(_together(windows).values()), span, seconds, max(vus, default=None))
    return [overall] + [_figures(name, found[key], span, seconds, None) for key, name in names.items()]


def _by_scenario(windows: Iterable[MetricWindow]) -> dict[str, list[MetricWindow]]:
    found: dict[str, list[MetricWindow]] = defaultdict(list)
    for window in windows:
        found[window.scenario].append(window)
    return found


def _together(windows: Iterable[MetricWindow]) -> dict[int, MetricWindow]:
    """The windows of all scenarios added up, by start; without set-up."""
    parts: dict[int, list[MetricWindow]] = defaultdict(list)
    for window in windows:
        if window.scenario != SET_UP:
            parts[window.start].append(window)
    return {
        start: MetricWindow(
            start,
            SET_UP,
            times=Histogram.merged(each.times for each in of_start),
            **{name: sum(getattr(each, name) for each in of_start) for name in SUMMED},
        )
        for start, of_start in parts.items()
    }


SUMMED = ("failed", "iterations", "dropped", "checks_passed", "checks_failed")


def _series(
    name: str | None, starts: range, seconds: int, windows: Mapping[int, MetricWindow], vus: Mapping[int, int | None]
) -> MetricSeries:
    rows = [windows.get(start) or MetricWindow(start, "") for start in starts]
    percentiles = [row.times.percentiles(SHARES) for row in rows]
    counts = [row.requests for row in rows]
    return MetricSeries(
        scenario=name,
        window_start=tuple(datetime.fromtimestamp(start, UTC) for start in starts),
        requests=tuple(counts),
        tps=tuple(count / seconds for count in counts),
        failed=tuple(row.failed for row in rows),
        error_rate=tuple(row.failed / count if count else None for row, count in zip(rows, counts, strict=True)),
        least=tuple(row.times.least if count else None for row, count in zip(rows, counts, strict=True)),
        mean=tuple(row.times.mean for row in rows),
        greatest=tuple(row.times.greatest if count else None for row, count in zip(rows, counts, strict=True)),
        p50=tuple(each[0] for each in percentiles),
        p90=tuple(each[1] for each in percentiles),
        p95=tuple(each[2] for each in percentiles),
        p99=tuple(each[3] for each in percentiles),
        vus=tuple(vus.get(start) for start in starts),
    )


def _figures(
    name: str | None, windows: Sequence[MetricWindow], span: tuple[int, int], seconds: int, most_vus: int | None
) -> RunFigures:
    times = Histogram.merged(each.times for each in windows)
    sums: dict[str, Any] = {each: sum(getattr(window, each) for window in windows) for each in SUMMED}
    count = times.count
    of_start = {each.start: each.requests for each in windows}
    starts = range(span[0], span[1], seconds)
    inner = starts[1:-1] or starts
    rates = [of_start.get(start, 0) / seconds for start in inner]
    p50, p90, p95, p99 = times.percentiles(SHARES)
    return RunFigures(
        scenario=name,
        seconds=span[1] - span[0],
        requests=count,
        error_rate=sums["failed"] / count if count else None,
        tps_least=min(rates, default=None),
        tps_mean=sum(rates) / len(rates) if rates else None,
        tps_most=max(rates, default=None),
        least=times.least if count else None,
        mean=times.mean,
        greatest=times.greatest if count else None,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        most_vus=most_vus,
        **sums,
    )

"""The figures of a run as people read them: over time, window by window, and of the whole."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from domain.histogram import Histogram
from domain.metric_window import SET_UP, MetricWindow, load_windows

SHARES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeries:
    """Windows that follow one another, as columns: of one scenario, by its name, or of all together (None).

    Times are in milliseconds, and None in windows without a request; `tps` counts completed requests a second, `error_rate`
    those of them without an expected answer, from 0 to 1. Set-up and login are in none of it. `vus` is the most in the window,
    and known of all scenarios together only. TPS are of a window's whole length, also where begin or end of the load cut it off.
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

    `seconds` is how long k6 ran the script, set-up and login included, and `tps_mean` the requests in each of them: k6's own
    rate, but for the requests of set-up and login. `tps_least` and `tps_most` are of full windows: those between the first and
    the last with answers for the scenario, or for any, which its begin and end cut off; None without others.
    `error_rate_least` and `error_rate_most` are of windows with requests. VUs are as k6 counts them, once a second. What older
    versions did not say of a run that they judged is None.
    """

    scenario: str | None
    seconds: float
    requests: int
    failed: int
    error_rate: float | None
    error_rate_least: float | None = None
    error_rate_most: float | None = None
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
    least_vus: int | None = None
    mean_vus: float | None = None
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


def figures_of(
    windows: Sequence[MetricWindow], seconds: int, names: Mapping[str, str], duration: float | None = None
) -> list[RunFigures]:
    """The figures of a whole run, of all scenarios together and then of each.

    `duration` is how long k6 says that it ran the script, in seconds; without, its counts of VUs tell, one a second. The other
    arguments are as those of `series_of`.
    """
    if not windows:
        return []
    found = _by_scenario(windows)
    counted = sum(each.vus_count for each in found[SET_UP])
    measured = float(counted) if duration is None else duration
    overall = _figures(None, list(_together(windows).values()), measured, seconds)
    parts = [_figures(name, found[key], measured, seconds) for key, name in names.items()]
    return [replace(overall, **_vus(found[SET_UP])), *parts]


def _vus(windows: Iterable[MetricWindow]) -> dict[str, Any]:
    known = [each for each in windows if each.vus is not None]
    counted = sum(each.vus_count for each in known)
    return {
        "least_vus": min((each.vus_least for each in known if each.vus_least is not None), default=None),
        "mean_vus": sum(each.vus_total for each in known) / counted if counted else None,
        "most_vus": max((each.vus for each in known if each.vus is not None), default=None),
    }


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


def _figures(name: str | None, windows: Sequence[MetricWindow], duration: float, seconds: int) -> RunFigures:
    """The figures of windows of one scenario, or of all."""
    times = Histogram.merged(each.times for each in windows)
    sums: dict[str, Any] = {each: sum(getattr(window, each) for window in windows) for each in SUMMED}
    count = times.count
    of_start = {each.start: each.requests for each in windows}
    rates = [of_start.get(start, 0) / seconds for start in load_windows(windows, seconds)[1:-1]]
    shares = [each.failed / each.requests for each in windows if each.requests]
    p50, p90, p95, p99 = times.percentiles(SHARES)
    return RunFigures(
        scenario=name,
        seconds=duration,
        requests=count,
        error_rate=sums["failed"] / count if count else None,
        error_rate_least=min(shares, default=None),
        error_rate_most=max(shares, default=None),
        tps_least=min(rates, default=None),
        tps_mean=count / duration if duration else None,
        tps_most=max(rates, default=None),
        least=times.least if count else None,
        mean=times.mean,
        greatest=times.greatest if count else None,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        most_vus=None,
        **sums,
    )

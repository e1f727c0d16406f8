"""How a run of a load test looks on a terminal: where it stands, and its windows of all scenarios together."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.progress import View
from app.terminal import printable

STYLES = {"PASSED": "green", "FAILED": "red", "ERROR": "red", "INVALID": "red", "ABORTED": "yellow", "RUNNING": "cyan"}
SHOWN_WINDOWS = 8
UNKNOWN = "-"
MISSED = "MISSED"
Window = Mapping[str, Any]
COLUMNS: Mapping[str, Callable[[Window], str]] = {
    "TPS": lambda window: _number(window.get("tps"), ".1f"),
    "p50 ms": lambda window: _number(window.get("p50"), ".1f"),
    "p95 ms": lambda window: _number(window.get("p95"), ".1f"),
    "errors": lambda window: _number(window.get("errorRate"), ".1%"),
    "VUs": lambda window: _number(window.get("vus"), "d"),
    "CPU m": lambda window: _number(window.get("cpuMillicores"), ".0f"),
    "memory MB": lambda window: _number(window.get("memoryMb"), ".0f"),
}


class WatchedRun:
    """What frames of `load_test_commands.WATCH` have said of a run so far."""

    def __init__(self) -> None:
        self._windows: dict[str, dict[str, Any]] = {}

    def take(self, frame: Mapping[str, Any]) -> View:
        """How the run looks after one more frame."""
        overall = [series for series in frame["series"] if series["scenario"] is None]
        for series in (*overall, *(_columns(pod) for pod in frame["pods"][:1])):
            for place, start in enumerate(series["windowStart"]):
                window = self._windows.setdefault(start, {})
                window |= {name: column[place] for name, column in series.items() if isinstance(column, list)}
        windows = {start: self._windows[start] for start in sorted(self._windows)}
        return View(_drawn(frame["run"], windows), _described(frame["run"], windows))


def _columns(pod: Mapping[str, Any]) -> dict[str, Any]:
    return {"windowStart": pod["windowStart"], **pod["actualUsage"]}


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)


def named(run: Mapping[str, Any]) -> str:
    """A run by its number, its title and, where it has one, its label."""
    label = run.get("label")
    return f"Run {run['number']} · {printable(run['title'])}" + ("" if label is None else f" · {printable(label)}")


def _title(run: Mapping[str, Any]) -> str:
    place = "" if run["placeInQueue"] is None else f" (place {run['placeInQueue']} of those that wait; {_wait(run['waitsFor'])})"
    is_late = run["status"] == "RUNNING" and run.get("warnedAt")
    late = f" (ended at {_clock(run['deadline'])} if it still runs then)" if is_late else ""
    return f"{named(run)} · {run['status']}{place}{late}"


def _wait(wait: Mapping[str, Any]) -> str:
    behind = "run" + "s" * (len(wait["behind"]) > 1) + " " + ", ".join(str(each["number"]) for each in wait["behind"])
    return {
        "TARGET": f"its target is under load by {behind}",
        "ROOM": f"room is taken by {behind}" if wait["behind"] else "those before it are first",
        "SERVER": "no server has taken it up yet",
    }[wait["reason"]]


def _clock(start: str) -> str:
    return datetime.fromisoformat(start).astimezone().strftime("%H:%M:%S")


def _elapsed(run: Mapping[str, Any], windows: Mapping[str, Window], start: str) -> str:
    """How much of the time that the run may take had gone by at the end of a window."""
    since = datetime.fromisoformat(start) - datetime.fromisoformat(next(iter(windows)))
    seconds, last = since.total_seconds() + run["windowSeconds"], run["lastSecond"]
    return f"{seconds:g} s" if seconds > last else f"{seconds:g} of {last:g} s"


def _described(run: Mapping[str, Any], windows: Mapping[str, Window]) -> dict[str, str]:
    """A line for each window, and one for each status."""
    lines = {
        start: f"Run {run['number']} {_clock(start)} ({_elapsed(run, windows, start)})  "
        + "  ".join(f"{name} {shown(window)}" for name, shown in COLUMNS.items() if shown(window) != UNKNOWN)
        for start, window in windows.items()
    }
    return {**lines, **_judged(run), "run": _title(run) + (f": {printable(run['message'])}" if run["message"] else "")}


def _judged(run: Mapping[str, Any]) -> dict[str, str]:
    """A line for each threshold that was judged."""
    return {
        f"threshold {number}": (
            f"Run {run['number']} {'met' if each['isMet'] else MISSED}: {printable(each['scenario'] or 'all together')} "
            f"{each['metric']} {each['condition']}" + ("" if each["value"] is None else f", measured {each['value']:,.12g}")
        )
        for number, each in enumerate(run.get("thresholds", ()))
        if each["isMet"] is not None
    }


def _drawn(run: Mapping[str, Any], windows: Mapping[str, Window]) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", *COLUMNS):
        table.add_column(name, justify="right")
    for start, window in list(windows.items())[-SHOWN_WINDOWS:]:
        table.add_row(_clock(start), *(shown(window) for shown in COLUMNS.values()))
    style = STYLES.get(run["status"], "")
    going = f" · {_elapsed(run, windows, list(windows)[-1])}" if windows and run["status"] == "RUNNING" else ""
    parts: list[RenderableType] = [Text(_title(run) + going, style)]
    if windows:
        parts.append(table)
    missed = f"Run {run['number']} {MISSED}: "
    parts += [Text(line, STYLES["FAILED"] if line.startswith(missed) else "") for line in _judged(run).values()]
    if run["message"]:
        parts.append(Text(printable(run["message"]), style))
    return Group(*parts)

"""How a comparison of runs looks on a terminal: a table for each scenario, 80 columns at most where names are short."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.load_test_view import named
from app.terminal import printable
from domain.finding import digits_of, shown

STYLES = {"BETTER": "green", "WORSE": "bold red", "UNKNOWN": "yellow"}
FIGURES = {"TPS": "TPS", "MEAN": "mean ms", "P50": "p50 ms", "P95": "p95 ms", "P99": "p99 ms", "ERROR_RATE": "errors"}
NOTHING = "-"
ALL_TOGETHER = "all together"


def show_comparison(console: Console, comparison: Mapping[str, Any]) -> None:
    """Each run against the baseline."""
    for compared in comparison["runs"]:
        for part in _compared(comparison, compared):
            console.print(part, soft_wrap=isinstance(part, Text))


def _compared(comparison: Mapping[str, Any], compared: Mapping[str, Any]) -> Iterator[Text | Table]:
    baseline, run = comparison["baseline"], compared["run"]
    yield Text(f"{_named(run)} against {_named(baseline)}", "bold")
    for remark in compared["remarks"]:
        yield Text(printable(remark), "yellow")
    if not compared["scenarios"]:
        yield Text("No scenario of that name is in both.", STYLES["UNKNOWN"])
    for scenario in compared["scenarios"]:
        name = ALL_TOGETHER if scenario["scenario"] is None else printable(scenario["scenario"])
        yield Text(f"\n{name}, {_full(scenario['windows'])} against {_full(scenario['baselineWindows'])} of the baseline")
        if any(each["verdict"] != "UNKNOWN" for each in scenario["differences"]):
            yield _table(scenario["differences"], comparison["confidence"])
        for reason in dict.fromkeys(each["reason"] for each in scenario["differences"] if each["reason"]):
            names = ", ".join(FIGURES[each["figure"]] for each in scenario["differences"] if each["reason"] == reason)
            yield Text(f"Unknown of {names}: {printable(reason)}", STYLES["UNKNOWN"])
    yield Text("")


def _full(windows: int) -> str:
    """How many windows were compared: neither the first nor the last one of a run."""
    return "1 full window" if windows == 1 else f"{windows or 'no'} full windows"


def _named(run: Mapping[str, Any]) -> str:
    return f"{named(run)} · {run['status']}"


def _table(differences: list[Mapping[str, Any]], confidence: float) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for name in ("baseline", "run", "change", f"difference ({100 * confidence:g} %)"):
        table.add_column(name, justify="right")
    table.add_column("")
    for each in differences:
        verdict = each["verdict"].lower().replace("_", " ")
        table.add_row(FIGURES[each["figure"]], *_numbers(each), Text(verdict, STYLES.get(each["verdict"], "")))
    return table


def _numbers(found: Mapping[str, Any]) -> Iterator[str]:
    unit, baseline, value = found["unit"], found["baseline"], found["value"]
    yield _number(baseline, unit)
    yield _number(value, unit)
    yield f"{100 * (value - baseline) / baseline:+.1f} %" if baseline and value is not None else NOTHING
    if found["low"] is None or found["high"] is None:
        yield NOTHING
    else:
        yield f"{_number(found['low'], unit, '+')} to {_number(found['high'], unit, '+')}"


def _number(value: float | None, unit: str, sign: str = "") -> str:
    """To three digits at least; shares as percent."""
    if value is None:
        return NOTHING
    if not unit:
        return ("+" if sign and value > 0 else "") + shown(value, unit)
    return f"{value:{sign},.{digits_of(value)}f}"

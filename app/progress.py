"""A kit's progress on a terminal, as a picture that is drawn anew, and elsewhere (logs of CI) as a line for each change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "yellow", "RUNNING": "cyan", "QUEUED": "blue", "PENDING": "dim"}
STEP_PERCENT = 10


class Progress(Protocol):
    """Where progress is shown."""

    def show(self, kit: Mapping[str, Any]) -> None:
        """The kit as it now is, with the fields of `kit_commands.WATCH`."""

    def say(self, sentence: str) -> None:
        """Something to know beside the kit."""


@contextmanager
def shown_on(console: Console) -> Iterator[Progress]:
    """Progress in the form that suits the console, until the block ends."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, refresh_per_second=8) as live:
        yield Picture(live)


class Picture:
    """The kit with its jobs as bars."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, kit: Mapping[str, Any]) -> None:
        """Draw the kit."""
        self._live.update(_drawn(kit))

    def say(self, sentence: str) -> None:
        """Print it above the picture."""
        self._live.console.print(sentence, style="yellow", markup=False, highlight=False, soft_wrap=True)


class Lines:
    """A line for each status that changed, and for every ten per cent of the kit."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, str] = {}

    def show(self, kit: Mapping[str, Any]) -> None:
        """Print what is new since the last time."""
        lines = _described(kit)
        for key, line in lines.items():
            if self._shown.get(key) != line:
                self.say(line)
        self._shown = lines

    def say(self, sentence: str) -> None:
        """Print it."""
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _described(kit: Mapping[str, Any]) -> dict[str, str]:
    """A line for each part that has begun; the kit's own comes last, as the outcome of the others."""
    lines: dict[str, str] = {}
    for job in kit["jobs"]:
        name = job["type"]
        for task in job["tasks"]:
            if task["status"] != "PENDING":
                lines[f"{name} {task['name']}"] = f"{name} {task['name']} {task['status']}"
        if job["status"] != "PENDING":
            message = job["attempt"]["message"]
            lines[name] = f"{name} {job['status']}" + (f": {message}" if message else "")
    percent = int(kit["percent"]) // STEP_PERCENT * STEP_PERCENT
    return {**lines, "kit": f"Kit {kit['number']} {kit['status']} {percent} %"}


def _drawn(kit: Mapping[str, Any]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for job in kit["jobs"]:
        tasks = Text("  ").join(Text(task["name"], STYLES[task["status"]]) for task in job["tasks"])
        status = Text(job["status"], STYLES[job["status"]])
        table.add_row(job["type"], status, ProgressBar(total=100, completed=job["percent"], width=24), tasks)
    title = Text(f"Kit {kit['number']} · {kit['name']} · ").append(kit["status"], STYLES[kit["status"]])
    parts: list[RenderableType] = [title.append(f" · {int(kit['percent'])} %"), table]
    for job in kit["jobs"]:
        if job["attempt"]["message"]:
            parts.append(Text(f"{job['type']}: {job['attempt']['message']}", "red"))
    return Group(*parts)

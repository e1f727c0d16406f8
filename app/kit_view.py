"""How a kit looks on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.progress import View
from app.terminal import printable

STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "yellow", "RUNNING": "cyan", "QUEUED": "blue", "PENDING": "dim"}
STEP_PERCENT = 10


def kit_view(kit: Mapping[str, Any]) -> View:
    """The kit with its jobs as bars; a line for each status that changed, and for every ten per cent of it.

    `kit` has the fields of `kit_commands.WATCH`.
    """
    return View(_drawn(kit), _described(kit))


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
            parts.append(Text(printable(f"{job['type']}: {job['attempt']['message']}"), "red"))
    return Group(*parts)

"""`plog kit …` and `plog demo`: creating, starting, watching and cancelling kits from a terminal."""

import shutil
import time
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.client import Client, ServerRefused
from app.settings import ROOT

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")
STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "yellow", "RUNNING": "cyan", "QUEUED": "blue", "PENDING": "dim"}
REFUSED = "... on UserError { code message } ... on ValidationFailed { problems { field message } }"
CREATE = f"""mutation ($input: KitInput!, $key: String) {{
  kitCreate(input: $input, idempotencyKey: $key) {{ ... on KitCreatePayload {{ kit {{ id number name }} }} {REFUSED} }}
}}"""
START = f"mutation ($id: ID!) {{ kitStart(id: $id) {{ ... on KitCommandPayload {{ kit {{ id number status }} }} {REFUSED} }} }}"
CANCEL = f"mutation ($id: ID!) {{ kitCancel(id: $id) {{ ... on KitCommandPayload {{ kit {{ id number status }} }} {REFUSED} }} }}"
LATEST = """query ($name: String!, $owner: String!) {
  kits(first: 1, filter: {namePrefix: $name, owner: $owner}) { nodes { id number name status } }
}"""
FIND = "query ($number: Int!) { kitByNumber(number: $number) { id number name status } }"
WATCH = """subscription ($id: ID!) { kitState(id: $id) { kit {
  number name status percent
  jobs { type status percent attempt { number cause message } tasks { name status percent } }
} } }"""
RESULTS = """query ($number: Int!) { kitByNumber(number: $number) { jobs {
  type dataInfo tasks { name metadata } artifacts { name size downloadUrl }
} } }"""


async def create(client: Client, document: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    """Create a kit from a document; returns its id, number and name."""
    payload = await client.command("kitCreate", CREATE, input=document, key=key)
    kit: dict[str, Any] = payload["kit"]
    return kit


async def find(client: Client, number: int) -> dict[str, Any]:
    """The kit of that number."""
    kit: dict[str, Any] | None = (await client.run(FIND, number=number))["kitByNumber"]
    if kit is None:
        raise ServerRefused(f"No kit {number} exists.")
    return kit


async def latest(client: Client, name: str) -> dict[str, Any] | None:
    """The newest kit of that name among the caller's own."""
    subject = (await client.run("{ viewer { subject } }"))["viewer"]["subject"]
    found = (await client.run(LATEST, name=name, owner=subject))["kits"]["nodes"]
    return found[0] if found and found[0]["name"] == name else None


async def watch(client: Client, console: Console, kit_id: str, deadline_seconds: float | None = None) -> str:
    """Show a kit's progress until it has ended, reconnecting where the server goes away; returns its last status."""
    until = None if deadline_seconds is None else time.monotonic() + deadline_seconds
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        async for frame in client.stream(WATCH, id=kit_id):
            kit = frame["kitState"]["kit"]
            live.update(_picture(kit))
            is_over = kit["status"] in ENDED and not any(job["status"] in ("QUEUED", "RUNNING") for job in kit["jobs"])
            if is_over or (until is not None and time.monotonic() > until):
                return str(kit["status"])
    raise ServerRefused("The server ended the stream.")


def _picture(kit: dict[str, Any]) -> RenderableType:
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


def demo_document() -> tuple[dict[str, Any], str]:
    """The demo kit that suits this machine, and why it was chosen."""
    has_ngspice = shutil.which("ngspice") is not None
    name = "spice" if has_ngspice else "table"
    reason = "ngspice is installed: its netlists are simulated" if has_ngspice else "ngspice is not installed: a table is used"
    return read_document(ROOT / "demo" / f"{name}.json"), reason


def read_document(path: Path) -> dict[str, Any]:
    """A kit's document from a file."""
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ServerRefused(f"{path} can't be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise ServerRefused(f"{path} is no JSON: {error}.") from None
    if not isinstance(document, dict):
        raise ServerRefused(f"{path} must hold one JSON object.")
    return document

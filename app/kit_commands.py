"""What `plog kit …` does on a server: creating, starting, watching and cancelling kits, as any client would."""

import asyncio
import shutil
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from app.client import Client, ServerRefused
from app.kit_view import kit_view
from app.progress import Progress, followed, shown_on
from app.settings import ROOT

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")

REFUSED = "... on UserError { code message } ... on ValidationFailed { problems { field message } }"
CREATE = f"""mutation KitCreate($input: KitInput!, $key: String) {{ kitCreate(input: $input, idempotencyKey: $key) {{
  ... on KitCreatePayload {{ kit {{ id number name status }} }} {REFUSED} }} }}"""
START = f"""mutation KitStart($id: ID!, $key: String) {{ kitStart(id: $id, idempotencyKey: $key) {{
  ... on KitCommandPayload {{ kit {{ id number name status }} }} {REFUSED} }} }}"""
CANCEL = f"""mutation KitCancel($id: ID!, $key: String) {{ kitCancel(id: $id, idempotencyKey: $key) {{
  ... on KitCommandPayload {{ kit {{ id number name status }} }} {REFUSED} }} }}"""
LATEST = """query LatestKit($name: String!, $owner: String!) {
  kits(first: 100, filter: {namePrefix: $name, owner: $owner}) { nodes { id number name status } }
}"""
FIND = "query FindKit($number: Int!) { kitByNumber(number: $number) { id number name status } }"
WATCH = """subscription WatchKit($id: ID!) { kitState(id: $id) { kit {
  id number name status percent isStarted
  jobs { type status percent attempt { number cause message } tasks { name status percent } }
} } }"""


async def create(client: Client, document: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    """Create a kit from a document; returns its id, number, name and status."""
    kit: dict[str, Any] = (await client.command("kitCreate", CREATE, input=document, key=key))["kit"]
    return kit


async def start(client: Client, kit_id: str, key: str | None = None) -> dict[str, Any]:
    """Run the kit's remaining jobs; returns its id, number, name and status."""
    kit: dict[str, Any] = (await client.command("kitStart", START, id=kit_id, key=key))["kit"]
    return kit


async def cancel(client: Client, kit_id: str, key: str | None = None) -> dict[str, Any]:
    """End everything of the kit that has not ended; returns its id, number, name and status."""
    kit: dict[str, Any] = (await client.command("kitCancel", CANCEL, id=kit_id, key=key))["kit"]
    return kit


async def find(client: Client, number: int) -> dict[str, Any]:
    """The id, number, name and status of the kit of that number."""
    kit: dict[str, Any] | None = (await client.run(FIND, number=number))["kitByNumber"]
    if kit is None:
        raise ServerRefused(f"No kit {number} exists.")
    return kit


async def watch(client: Client, console: Console, kit_id: str, within_seconds: float | None = None) -> dict[str, Any]:
    """Show a kit's progress until it has ended and nothing of it runs; returns it as it is then (`WATCH`).

    `ServerRefused` when the server was away for five minutes, or when the kit has not ended within the time given.
    """
    try:
        async with asyncio.timeout(within_seconds):
            with shown_on(console) as progress:
                return await follow(client, progress, kit_id)
    except TimeoutError:
        raise ServerRefused(f"The kit has not ended within {within_seconds:g} s; it goes on.") from None


async def follow(client: Client, progress: Progress, kit_id: str) -> dict[str, Any]:
    """As `watch`, beside other things that are shown."""
    async with aclosing(followed(client, progress, WATCH, id=kit_id)) as frames:
        async for frame in frames:
            kit: dict[str, Any] = frame["kitState"]["kit"]
            progress.show(kit_id, kit_view(kit))
            is_active = any(job["status"] in ("QUEUED", "RUNNING") for job in kit["jobs"])
            if kit["status"] in ENDED and not is_active:
                return kit
            if kit["status"] == "RUNNING" and not is_active and not kit["isStarted"]:
                progress.say("No job of the kit runs or waits, and the whole of it was never started: nothing will come.")
                return kit
    raise AssertionError("frames come without end")


async def run_demo_kit(client: Client, progress: Progress) -> str:
    """Watch the demo kit that suits this machine, made and started where it has to be; returns its last status."""
    document, reason = demo_document()
    kit = await _latest(client, document["name"])
    if kit is not None:
        progress.say(f"Demo kit {kit['number']} ({kit['name']}) is {kit['status']} from an earlier run.")
    if kit is None or kit["status"] in ("FAILED", "CANCELLED"):
        kit = await create(client, document)
        progress.say(f"Demo kit {kit['number']} ({kit['name']}): {reason}.")
    if kit["status"] == "PENDING":
        await start(client, kit["id"])
    return str((await follow(client, progress, kit["id"]))["status"])


async def _latest(client: Client, name: str) -> dict[str, Any] | None:
    """The newest kit of that name among the caller's own."""
    subject = (await client.run("query WhoAmI { viewer { subject } }"))["viewer"]["subject"]
    found = (await client.run(LATEST, name=name, owner=subject))["kits"]["nodes"]
    return next((kit for kit in found if kit["name"] == name), None)


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

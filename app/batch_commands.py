"""The commands about the daily batch: `plog batch run`."""

import sys
from contextlib import aclosing
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from app import terminal
from app.client import Client
from app.client_commands import Key, ServerUrl, Token, client_of
from app.progress import View, followed, shown_on
from app.terminal import console

app = typer.Typer()
batch = typer.Typer(no_args_is_help=True, help="Work with the daily batch on a running server.")
app.add_typer(batch, name="batch")
COUNTS = "considered stored skipped refused flagged"
PART = f"status message modelVersionId model {{ name number }} modelVersion {{ number }} {COUNTS}"
RUN = f"id number productLine isDryRun status percent message {COUNTS} parts {{ {PART} }}"
START = f"""mutation DailyBatchRun($line: ProductLine, $dry: Boolean!, $key: String) {{
  dailyBatchRun(productLine: $line, dryRun: $dry, idempotencyKey: $key) {{
  ... on DailyBatchRunPayload {{ dailyBatchRun {{ {RUN} }} }}
  ... on UserError {{ code message }} ... on ValidationFailed {{ problems {{ field message }} }} }} }}"""
WATCH = f"subscription WatchDailyBatchRun($id: ID!) {{ dailyBatchRun(id: $id) {{ dailyBatchRun {{ {RUN} }} }} }}"
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@batch.command("run")
def batch_run(
    product_line: Annotated[
        str | None, typer.Option(help="LOGIC or DRAM; of who may work in one alone that one by default.", metavar="LINE")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be stored and refused, and store nothing.")] = False,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as JSON, and nothing else, to standard output.")] = False,
    server: ServerUrl = "",
    token: Token = "",
) -> None:
    """Run the daily batch of a product line now, and follow it to its end; the exit code is 0 where it SUCCEEDED, else 1."""
    run = terminal.run(_run(client_of(server, token), product_line, dry_run, key, is_quiet=as_json))
    if as_json:
        sys.stdout.write(orjson.dumps(run).decode() + "\n")
    raise typer.Exit(0 if run["status"] == "SUCCEEDED" else 1)


async def _run(client: Client, line: str | None, is_dry: bool, key: str | None, *, is_quiet: bool) -> dict[str, Any]:
    run: dict[str, Any] = (await client.command("dailyBatchRun", START, line=line, dry=is_dry, key=key))["dailyBatchRun"]
    with shown_on(terminal.errors if is_quiet else console) as progress:
        async with aclosing(followed(client, progress, WATCH, id=run["id"])) as frames:
            async for frame in frames:
                run = frame["dailyBatchRun"]["dailyBatchRun"]
                progress.show(run["id"], batch_view(run))
                if run["status"] in ENDED:
                    return run
    raise AssertionError("frames come without end")


def batch_view(run: dict[str, Any]) -> View:
    """How a run looks: a line for the whole, and one for each model's part that has something to say."""
    what = "Dry run" if run["isDryRun"] else "Run"
    stored = "would be stored" if run["isDryRun"] else "stored"
    counts = f"{run['stored']} {stored}, {run['skipped']} skipped, {run['refused']} refused, {run['flagged']} out of range"
    lines = {"run": f"{what} {run['number']} of {run['productLine']}: {run['status']}, {run['percent']:.0f} %; {counts}."}
    if run["message"]:
        lines["message"] = run["message"]
    lines |= {part["modelVersionId"]: _part_line(part) for part in run["parts"] if part["message"]}
    return View(Text("\n".join(map(terminal.printable, lines.values()))), lines)


def _part_line(part: dict[str, Any]) -> str:
    model, version = part["model"], part["modelVersion"]
    name = f"{model['name']} (model {model['number']}, version {version['number']})" if model and version else "A model"
    return f"{name}: {part['status']}. {part['message']}"

"""The commands that are a server or open its data: serving, migrating, proving the state, and the demo."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from app import terminal
from app.client import Client, ServerRefused
from app.container import Container
from app.database import migrate_database, open_database
from app.demo import run_demo, sample_api
from app.identity import demo_token
from app.server import serve as run_server
from app.settings import Settings, WrongSetting
from app.settings_table import settings_page
from app.terminal import console
from gql.limits import Limits
from gql.schema import build_schema
from persistence.migrate import newest_revision
from persistence.rebuild import rebuild

app = typer.Typer()
INTERRUPTED = 130
DEMO_WINDOW_SECONDS = 2  # of a minute's load enough to find where it saturates
TOKEN_LIFETIME = timedelta(days=1)


@app.command()
def serve() -> None:
    """Serve the API and run attempts, until Ctrl-C (ends the attempts) or SIGTERM (leaves them to the next server)."""
    if terminal.run(run_server(terminal.settings())):
        raise typer.Exit(INTERRUPTED)


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    terminal.run(migrate_database(terminal.settings()))
    console.print(f"The database is at revision {newest_revision()}.")


@app.command("rebuild-projection")
def rebuild_projection(
    fix: Annotated[bool, typer.Option("--fix", help="Write the rebuilt rows where they differ.")] = False,
) -> None:
    """Fold every kit's events again and compare with the stored state; also proves versions dense and single."""
    settings = terminal.settings()
    if not settings.database.url and not (settings.home / "plog.db").exists():
        raise WrongSetting(f"There is no PLOG data in {settings.home.absolute()}: set PLOG_HOME to the server's data folder.")

    async def run() -> int:
        async with open_database(settings) as database:
            report = await rebuild(database, fix=fix, progress=lambda done: console.print(f"{done} kits", end="\r"))
        for difference in report.differences[:100]:
            console.print(difference, markup=False, highlight=False)
        verdict = "repaired" if fix and report.differences else "found"
        console.print(f"{report.kits} kits, {report.events} events, {len(report.differences)} differences {verdict}.")
        return 1 if report.differences and not fix else 0

    raise typer.Exit(terminal.run(run()))


@app.command("export-schema")
def export_schema(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("schema.graphql")) -> None:
    """Write the GraphQL schema as SDL."""
    _write(path, build_schema(Limits()).as_str() + "\n")


@app.command("export-settings")
def export_settings(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("docs/settings.md")) -> None:
    """Write the table of all settings as Markdown."""
    _write(path, settings_page())


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongSetting(f"{path} can't be written: {error.strerror}.") from None


@app.command()
def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Start a server for it, and go on serving.")] = False,
) -> None:
    """Watch the demo kit and the demo load test; they are made and started where no earlier run has left good ones."""
    settings = terminal.settings(usual_level="WARNING")
    if serve:
        if "window_seconds" not in settings.k6.model_fields_set:
            settings = settings.model_copy(update={"k6": settings.k6.model_copy(update={"window_seconds": DEMO_WINDOW_SECONDS})})
        if terminal.run(run_server(settings, _demo_beside)):
            raise typer.Exit(INTERRUPTED)
        return

    async def run() -> tuple[str, str]:
        async with sample_api() as url:
            return await _demo(settings, url)

    raise typer.Exit(0 if terminal.run(run()) == ("SUCCEEDED", "PASSED") else 1)


async def _demo_beside(container: Container) -> None:
    """The demo, and the sample API for as long as the server is there."""
    _welcome(container)
    async with sample_api() as url:
        console.print(f"{'Sample API':<14}{url}", highlight=False)
        kit = run = "not to be had"
        try:
            kit, run = await _demo(container.settings, url)
        except ServerRefused as error:
            terminal.tell(error)
        console.print(
            f"The demo kit is {kit}, the demo load test {run}. "
            f"GraphiQL: {container.settings.base_url}/graphql (Ctrl-C stops PLOG; the data stays)",
            highlight=False,
            soft_wrap=True,
        )
        await asyncio.Event().wait()


async def _demo(settings: Settings, sample_url: str) -> tuple[str, str]:
    client = Client(settings.base_url, demo_token(settings, "ada", TOKEN_LIFETIME))
    kit, run = await run_demo(client, console, sample_url)
    if kit == "FAILED":
        console.print("The kit's log tells why (GraphiQL: jobLog).", style="yellow")
    return kit, run


def _welcome(container: Container) -> None:
    console.print(f"GraphiQL      {container.settings.base_url}/graphql", highlight=False)
    for place, user in enumerate(() if container.issuer is None else container.issuer.users):
        console.print(f"{'' if place else 'Demo users':<14}{user.username:<6} {user.name}", highlight=False)

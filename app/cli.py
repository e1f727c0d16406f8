"""The command `plog`: serving, migrating, proving the state, and working with kits from a terminal."""

import asyncio
import sys
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app import kit_commands
from app.client import Client, ServerRefused
from app.container import Container, open_database
from app.identity import open_local_issuer, read_keys
from app.logs import configure_logging
from app.server import serve as run_server
from app.settings import Settings, WrongSetting, read_settings
from app.settings_table import settings_page
from domain.errors import UserError
from gql.limits import Limits
from gql.schema import build_schema
from persistence.engine import open_engines
from persistence.migrate import newest_revision, upgrade
from persistence.rebuild import rebuild

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="PLOG: kits and their jobs, over GraphQL.")
kit = typer.Typer(no_args_is_help=True, help="Work with kits on a running server.")
app.add_typer(kit, name="kit")
console = Console()
errors = Console(stderr=True)
TOKEN_LIFETIME = timedelta(days=1)
ServerUrl = Annotated[str, typer.Option("--server", help="The server's address; this machine's settings say where by default.")]
Token = Annotated[str, typer.Option("--token", help="A bearer token; a demo user's by default.")]


def main() -> None:
    """Run a command; what the user can mend is one sentence, and the exit code 2 (a setting) or 1 (a refusal)."""
    try:
        app()
    except WrongSetting as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except (ServerRefused, UserError) as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


def _settings() -> Settings:
    settings = read_settings()
    configure_logging(settings.log)
    return settings


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return None


@app.command()
def serve() -> None:
    """Serve the API and run attempts, until Ctrl-C (ends the attempts) or SIGTERM (leaves them to the next server)."""
    _run(run_server(_settings()))


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    settings = _settings()

    async def run() -> None:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        writer, reader = open_engines(settings.database_url, schema=settings.database.schema_ or None)
        try:
            await upgrade(writer, app_role=settings.database.app_role or None)
        except OSError as error:
            raise WrongSetting(f"PLOG_DATABASE__URL: the database can't be reached: {error}.") from None
        finally:
            await writer.dispose()
            await reader.dispose()

    _run(run())
    console.print(f"The database is at revision {newest_revision()}.")


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="A demo user: ada, bela or chris.")],
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0.01, max=8760)] = 24,
) -> None:
    """Print a bearer token of a demo user of the embedded issuer."""
    print(_demo_token(_settings(), name, timedelta(hours=hours)))  # noqa: T201


@app.command("rebuild-projection")
def rebuild_projection(
    fix: Annotated[bool, typer.Option("--fix", help="Write the rebuilt rows where they differ.")] = False,
) -> None:
    """Fold every kit's events again and compare with the stored state; also proves versions dense and single."""
    settings = _settings()

    async def run() -> int:
        async with open_database(settings) as database:
            report = await rebuild(database, fix=fix, progress=lambda done: console.print(f"{done} kits", end="\r"))
        for difference in report.differences[:100]:
            console.print(difference, markup=False, highlight=False)
        verdict = "repaired" if fix and report.differences else "found"
        console.print(f"{report.kits} kits, {report.events} events, {len(report.differences)} differences {verdict}.")
        return 1 if report.differences and not fix else 0

    raise typer.Exit(_run(run()))


@app.command("export-schema")
def export_schema(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("schema.graphql")) -> None:
    """Write the GraphQL schema as SDL."""
    path.write_text(build_schema(Limits()).as_str() + "\n", encoding="utf-8")


@app.command("export-settings")
def export_settings(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("docs/settings.md")) -> None:
    """Write the table of all settings as Markdown."""
    path.write_text(settings_page(), encoding="utf-8")


@app.command()
def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Start a server for it, and go on serving.")] = False,
) -> None:
    """Create, start and watch the demo kit that suits this machine."""
    settings = _settings()
    if not serve:
        _run(_demo(settings, settings.base_url))
        return

    async def beside(container: Container) -> None:
        await _demo(container.settings, container.settings.base_url)
        _welcome(container)

    _run(run_server(settings, beside))


async def _demo(settings: Settings, url: str) -> None:
    document, reason = kit_commands.demo_document()
    client = Client(url, _demo_token(settings, "ada", TOKEN_LIFETIME))
    kit = await kit_commands.latest(client, document["name"])
    if kit is None:
        kit = await kit_commands.create(client, document)
        console.print(f"Demo kit {kit['number']} ({kit['name']}): {reason}.", highlight=False)
        await client.command("kitStart", kit_commands.START, id=kit["id"])
    else:
        console.print(f"Demo kit {kit['number']} ({kit['name']}) is {kit['status']} from an earlier run.", highlight=False)
    status = await kit_commands.watch(client, console, kit["id"])
    if status != "SUCCEEDED":
        raise ServerRefused(f"The demo kit ended {status}; its log tells why (GraphiQL: jobLog).")


def _welcome(container: Container) -> None:
    url = container.settings.base_url
    console.print(f"\nGraphiQL      {url}/graphql", highlight=False)
    if container.issuer is not None:
        for place, user in enumerate(container.issuer.users):
            console.print(f"{'' if place else 'Demo users':<14}{user.username:<6} {user.name}", highlight=False)
        console.print("Demo sign-in is for this machine only: anybody here can be anyone.", style="yellow")
    console.print("Ctrl-C stops PLOG; the data stays.", style="dim")


@kit.command("create")
def kit_create(
    file: Annotated[Path, typer.Argument(help="A JSON file with the kit (docs/kits.md).")],
    start: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    server: ServerUrl = "",
    token: Token = "",
) -> None:
    """Create a kit."""
    client = _client(server, token)

    async def run() -> None:
        created = await kit_commands.create(client, kit_commands.read_document(file))
        console.print(f"Kit {created['number']} was created.", highlight=False)
        if start:
            await client.command("kitStart", kit_commands.START, id=created["id"])

    _run(run())


@kit.command("start")
def kit_start(number: int, server: ServerUrl = "", token: Token = "") -> None:
    """Run a kit's remaining jobs."""
    client = _client(server, token)

    async def run() -> None:
        found = await kit_commands.find(client, number)
        await client.command("kitStart", kit_commands.START, id=found["id"])

    _run(run())


@kit.command("cancel")
def kit_cancel(number: int, server: ServerUrl = "", token: Token = "") -> None:
    """End everything of a kit that has not ended."""
    client = _client(server, token)

    async def run() -> None:
        found = await kit_commands.find(client, number)
        await client.command("kitCancel", kit_commands.CANCEL, id=found["id"])

    _run(run())


@kit.command("watch")
def kit_watch(number: int, server: ServerUrl = "", token: Token = "") -> None:
    """Show a kit's progress until it has ended; the exit code is 0 only if it succeeded."""
    client = _client(server, token)

    async def run() -> str:
        found = await kit_commands.find(client, number)
        return await kit_commands.watch(client, console, found["id"])

    raise typer.Exit(0 if _run(run()) == "SUCCEEDED" else 1)


def _client(server: str, token: str) -> Client:
    settings = _settings()
    return Client(server or settings.base_url, token or _demo_token(settings, "ada", TOKEN_LIFETIME))


def _demo_token(settings: Settings, name: str, lifetime: timedelta) -> str:
    issuer = open_local_issuer(settings, read_keys(settings))
    if issuer is None:
        raise WrongSetting("PLOG_OIDC__ISSUER is set, so there are no demo users; give a token of your issuer with --token.")
    return issuer.issue(name, lifetime)

"""The commands that talk to a server as any client does: `plog token`, `plog kit …` and `plog load-test …`."""

import sys
from collections.abc import Coroutine
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from app import kit_commands, load_test_commands, terminal
from app.client import Client, ServerRefused
from app.comparison_view import show_comparison
from app.identity import demo_token
from app.terminal import console, errors

app = typer.Typer()
kit = typer.Typer(no_args_is_help=True, help="Work with kits on a running server.")
app.add_typer(kit, name="kit")
load_test = typer.Typer(
    no_args_is_help=True,
    help=(
        "Work with load tests on a running server. The exit code is 0 where a run PASSED, 1 where it FAILED, 2 otherwise; 130 is "
        "Ctrl-C, which ends the command and not the run."
    ),
)
app.add_typer(load_test, name="load-test")
TOKEN_LIFETIME = timedelta(days=1)
STANDARD_OUTPUT = Path("-")
Result = TypeVar("Result")


def _ascii(token: str) -> str:
    """A token as a header can carry it."""
    if not token.isascii():
        terminal.tell(ServerRefused("The token is none: it has other characters than those of ASCII."))
        raise typer.Exit(2)
    return token


class Form(StrEnum):
    """How a report is written down, as the command's option names it."""

    HTML = "html"
    MARKDOWN = "markdown"


Number = Annotated[int, typer.Argument(help="The kit's number.")]
ServerUrl = Annotated[str, typer.Option("--server", help="The server's address; this machine's settings say where by default.")]
Token = Annotated[str, typer.Option("--token", callback=_ascii, help="A bearer token; a demo user's by default.")]
TargetServer = Annotated[str | None, typer.Option(help="The base address to call, where the document names one elsewhere.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the kit as JSON, and nothing else, to standard output.")]
Watch = Annotated[bool, typer.Option("--watch", help="Start it and show its progress, as `kit watch` does.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds after which to stop watching; the kit goes on.", min=0)]
LoadTestNumber = Annotated[int, typer.Argument(help="The load test's number.")]
RunNumber = Annotated[int, typer.Argument(help="The run's number.")]
WatchRun = Annotated[bool, typer.Option("--watch", help="Show its windows until the verdict, as `load-test watch` does.")]
RunAsJson = Annotated[bool, typer.Option("--json", help="Print the run as JSON, and nothing else, to standard output.")]
Label = Annotated[str | None, typer.Option(help="What is tested, such as a git commit or a version; the run is called so.")]
RunNumbers = Annotated[list[int], typer.Argument(metavar="RUN", help="The runs' numbers; the first is the baseline.")]
RunTimeout = Annotated[float | None, typer.Option(help="Seconds after which to stop watching; the run goes on.", min=0)]
Key = Annotated[
    str | None, typer.Option("--idempotency-key", help="A name for this call: repeated with the same one, it is done once.")
]


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="A demo user: ada, bela, chris or dana.")],
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0.01, max=8760)] = 24,
) -> None:
    """Print a bearer token of a demo user of the embedded issuer."""
    print(demo_token(terminal.settings(), name, timedelta(hours=hours)))  # noqa: T201


@kit.command("create")
def kit_create(
    file: Annotated[Path, typer.Argument(help="A JSON file with the kit (docs/kits.md).")],
    start: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    watch: Watch = False,
    key: Key = None,
    as_json: AsJson = False,
    server: ServerUrl = "",
    token: Token = "",
) -> None:
    """Create a kit."""
    client = client_of(server, token)

    async def run() -> dict[str, Any]:
        created = await kit_commands.create(client, kit_commands.read_document(file), key)
        if not as_json:
            console.print(f"Kit {created['number']} was created.", highlight=False)
        return await kit_commands.start(client, created["id"], key) if start or watch else created

    _show(client, terminal.run(run()), is_told=start, watch=watch, as_json=as_json)


@kit.command("start")
def kit_start(
    number: Number, watch: Watch = False, key: Key = None, as_json: AsJson = False, server: ServerUrl = "", token: Token = ""
) -> None:
    """Run a kit's remaining jobs."""
    client = client_of(server, token)

    async def run() -> dict[str, Any]:
        return await kit_commands.start(client, (await kit_commands.find(client, number))["id"], key)

    _show(client, terminal.run(run()), watch=watch, as_json=as_json)


@kit.command("cancel")
def kit_cancel(number: Number, key: Key = None, as_json: AsJson = False, server: ServerUrl = "", token: Token = "") -> None:
    """End everything of a kit that has not ended."""
    client = client_of(server, token)

    async def run() -> dict[str, Any]:
        return await kit_commands.cancel(client, (await kit_commands.find(client, number))["id"], key)

    _show(client, terminal.run(run()), as_json=as_json)


@kit.command("watch")
def kit_watch(
    number: Number, timeout: Timeout = None, as_json: AsJson = False, server: ServerUrl = "", token: Token = ""
) -> None:
    """Show a kit's progress until it has ended; the exit code is 0 only if it succeeded."""
    client = client_of(server, token)
    _show(client, terminal.run(kit_commands.find(client, number)), watch=True, timeout=timeout, as_json=as_json)


def _show(
    client: Client,
    found: dict[str, Any],
    *,
    is_told: bool = True,
    watch: bool = False,
    timeout: float | None = None,
    as_json: bool = False,
) -> None:
    """Tell of the kit, or watch it first; then the exit code is 0 only if it succeeded. JSON is alone on standard output."""
    if watch:
        found = terminal.run(kit_commands.watch(client, errors if as_json else console, found["id"], timeout))
    elif is_told and not as_json:
        console.print(f"Kit {found['number']} is {found['status']}.", highlight=False)
    if as_json:
        print(orjson.dumps(found).decode())  # noqa: T201
    if watch and found["status"] != "SUCCEEDED":
        raise typer.Exit(1)


@load_test.command("start")
def load_test_start(
    number: LoadTestNumber,
    label: Label = None,
    watch: WatchRun = False,
    key: Key = None,
    as_json: RunAsJson = False,
    server: ServerUrl = "",
    token: Token = "",
) -> None:
    """Queue a run of a load test."""
    client = client_of(server, token)
    _show_run(client, load_test_commands.start(client, number, key, label), watch=watch, as_json=as_json)


@load_test.command("quick-start")
def load_test_quick_start(
    url: Annotated[str, typer.Argument(help="The address of an API: its OpenAPI document, or its Swagger-UI page.")],
    target_server: TargetServer = None,
    label: Label = None,
    watch: WatchRun = False,
    key: Key = None,
    as_json: RunAsJson = False,
    server: ServerUrl = "",
    token: Token = "",
) -> None:
    """Analyse an API and queue a first, gentle run against some of its safe endpoints."""
    client = client_of(server, token)
    starting = load_test_commands.quick_start(client, url, target_server, key=key, label=label)
    _show_run(client, starting, watch=watch, as_json=as_json)


@load_test.command("stop")
def load_test_stop(
    number: RunNumber, key: Key = None, as_json: RunAsJson = False, server: ServerUrl = "", token: Token = ""
) -> None:
    """End a run before its end; what was measured stays."""
    client = client_of(server, token)
    _show_run(client, load_test_commands.stop(client, number, key), as_json=as_json)


@load_test.command("watch")
def load_test_watch(
    number: RunNumber, timeout: RunTimeout = None, as_json: RunAsJson = False, server: ServerUrl = "", token: Token = ""
) -> None:
    """Show the windows of a run until its verdict."""
    client = client_of(server, token)
    _show_run(client, load_test_commands.find_run(client, number), watch=True, timeout=timeout, as_json=as_json)


@load_test.command("report")
def load_test_report(
    number: RunNumber,
    form: Annotated[Form, typer.Option("--format", help="How to write it down.")] = Form.HTML,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; - for standard output. By default run-NUMBER.html or .md, here.")
    ] = None,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print run and file as JSON, and nothing else.")] = False,
    server: ServerUrl = "",
    token: Token = "",
) -> None:
    """Write the report of a run that has ended to a file; the exit code is that of the run's verdict."""
    client = client_of(server, token)
    if as_json and output == STANDARD_OUTPUT:
        raise typer.BadParameter("can't go to standard output beside --json", param_hint="--output")
    run, made, content = _asked(load_test_commands.report(client, number, form.upper(), key))
    if output == STANDARD_OUTPUT:
        sys.stdout.buffer.write(content)
    else:
        file = output or Path(made["name"])
        try:
            file.write_bytes(content)
        except OSError as error:
            raise _otherwise(ServerRefused(f"The report can't be written to {file}: {error.strerror}.")) from None
        if as_json:
            del made["downloadUrl"]  # opens the report to whoever reads the log
            print(orjson.dumps({"run": run, "report": {**made, "file": str(file)}}).decode())  # noqa: T201
        else:
            console.print(f"Run {run['number']} is {run['status']}; its report is in {file}.", highlight=False, soft_wrap=True)
    raise typer.Exit(load_test_commands.EXIT_CODES.get(run["status"], load_test_commands.OTHERWISE))


@load_test.command("compare")
def load_test_compare(
    numbers: RunNumbers,
    scenarios: Annotated[
        list[str] | None, typer.Option("--scenario", help="Only the scenario of this name; may be given several times.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of each interval, 0.5 to 0.999.")] = 0.99,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON, and nothing else.")] = False,
    server: ServerUrl = "",
    token: Token = "",
) -> None:
    """Hold runs against the first of them: 0 where no figure is worse, 1 where one is, 2 where that can't be told."""
    client = client_of(server, token)
    found = _asked(load_test_commands.compare(client, numbers, scenarios, confidence))
    if as_json:
        print(orjson.dumps(found).decode())  # noqa: T201
    else:
        show_comparison(console, found)
    raise typer.Exit(load_test_commands.comparison_code(found))


def _show_run(
    client: Client,
    asked: Coroutine[Any, Any, dict[str, Any]],
    *,
    watch: bool = False,
    timeout: float | None = None,
    as_json: bool = False,
) -> None:
    """Do what is asked and tell of its run, or watch it to its verdict. JSON is alone on standard output."""
    found = _asked(asked)
    if made := found.get("loadTest"):
        said = f"Load test {made['number']}: {terminal.printable(made['description'])}"
        errors.print(said, highlight=False, markup=False, soft_wrap=True)
    if watch:
        found = _asked(load_test_commands.watch(client, errors if as_json else console, found["id"], timeout))
    if as_json:
        print(orjson.dumps(found).decode())  # noqa: T201
    elif not watch:
        console.print(f"Run {found['number']} is {found['status']}.", highlight=False)
    if watch and found["status"] != "PASSED":
        raise typer.Exit(load_test_commands.EXIT_CODES.get(found["status"], load_test_commands.OTHERWISE))


def _asked(work: Coroutine[Any, Any, Result]) -> Result:
    """What the server answers; a refusal ends the command with an exit code that is no verdict's."""
    try:
        return terminal.run(work)
    except ServerRefused as error:
        raise _otherwise(error) from None


def _otherwise(problem: Exception) -> typer.Exit:
    terminal.tell(problem)
    return typer.Exit(load_test_commands.OTHERWISE)


def client_of(server: str, token: str) -> Client:
    """A client of the server that the options of a command name."""
    settings = terminal.settings()
    return Client(server or settings.base_url, token or demo_token(settings, "ada", TOKEN_LIFETIME))

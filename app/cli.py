"""The command `plog`: serving, migrating, proving the state, and working with kits and load tests from a terminal."""

import gc
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from app import terminal
from app.client import ServerRefused
from app.settings import WrongSetting
from domain.errors import UserError

SERVER = "app.server_commands"
CLIENT = "app.client_commands"
BATCH = "app.batch_commands"
SAMPLE_API = "app.sample_api_commands"
MODULES: Mapping[str, str] = {
    "serve": SERVER,
    "demo": SERVER,
    "kit": CLIENT,
    "load-test": CLIENT,
    "batch": BATCH,
    "token": CLIENT,
    "sample-api": SAMPLE_API,
    "migrate": SERVER,
    "rebuild-projection": SERVER,
    "export-schema": SERVER,
    "export-settings": SERVER,
}


def _imported(name: str) -> Any:
    """A module. What imports make stays for good: the garbage collector would look through it for a third of the time."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


class CommandsByModule(TyperGroup):
    """Imports a command's module when the command is asked for: those that are clients don't wait for the server's imports."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, in the order of the help."""
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None where there is none."""
        if cmd_name not in MODULES:
            return None
        group = get_group(_imported(MODULES[cmd_name]).app)
        return group.get_command(ctx, cmd_name)


app = typer.Typer(
    cls=CommandsByModule, no_args_is_help=True, pretty_exceptions_enable=False, help="PLOG: kits and load tests, over GraphQL."
)


@app.callback()
def plog() -> None:
    """PLOG: kits and load tests, over GraphQL."""


def main() -> None:
    """Run a command; what the user can mend is one sentence, and the exit code 2 (a setting) or 1 (a refusal)."""
    try:
        app()
    except WrongSetting as error:
        terminal.tell(error)
        sys.exit(2)
    except (ServerRefused, UserError) as error:
        terminal.tell(error)
        sys.exit(1)


if __name__ == "__main__":
    main()

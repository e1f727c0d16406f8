"""`plog sample-api`: something to try load tests on."""

import asyncio
import socket
from typing import Annotated

import typer

from app.sample_api import serve
from app.settings import WrongSetting

app = typer.Typer()


@app.callback()
def sample_api_commands() -> None:
    """Commands of the sample API."""


@app.command("sample-api")
def sample_api(
    port: Annotated[int, typer.Option(help="The port on loopback; 0 for any free one.", min=0, max=65_535)] = 0,
    or_any_port: Annotated[bool, typer.Option("--or-any-port", help="Take any free one where that is taken.")] = False,
    workers: Annotated[int, typer.Option(help="How many requests are served at once.", min=1, max=10_000)] = 4,
    service_ms: Annotated[float, typer.Option(help="What each takes, in milliseconds.", min=0, max=60_000)] = 20,
    until_input_ends: Annotated[bool, typer.Option("--until-input-ends", help="Stop when standard input ends.")] = False,
) -> None:
    """Serve a small book shop on loopback until Ctrl-C; it can take workers x 1000 / service-ms requests a second."""
    listener = bind(port, or_any_port=or_any_port)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/docs", flush=True)  # noqa: T201
    asyncio.run(serve(listener, workers, service_ms / 1000, until_input_ends=until_input_ends))


def bind(port: int, *, or_any_port: bool) -> socket.socket:
    """The listening socket; `WrongSetting` where the port can't be had."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # so that asyncio turns Nagle's algorithm off
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        if not or_any_port:
            raise WrongSetting(f"--port: can't listen on 127.0.0.1:{port}: {error.strerror}.") from None
        listener.bind(("127.0.0.1", 0))
    listener.listen()  # before its address is said: who connects at once waits and is not refused
    return listener

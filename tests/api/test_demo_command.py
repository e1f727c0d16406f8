"""`plog demo`: whatever an earlier run has left, there is a demo kit to watch, and what goes wrong beside a server is told."""

import asyncio
import io
import json
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app import kit_commands, load_test_commands
from app.client import Client
from app.container import Container
from app.demo import run_demo_load_test
from app.kit_view import kit_view
from app.progress import Lines
from app.sample_api import DOCUMENT, PAGE
from app.server import serve
from app.settings import Settings
from tests.api.in_process import Plog
from tests.sites import serving
from tests.waiting import eventually


async def demo(plog: Plog, number: int) -> str:
    """What `plog demo` prints while kit `number` is the one it watches; that kit is cancelled once it was started."""
    output = io.StringIO()
    progress = Lines(Console(file=output, width=200))
    running = asyncio.create_task(kit_commands.run_demo_kit(Client(plog.url, plog.token()), progress))
    try:

        async def is_started() -> bool:
            return bool((await plog.ask(f"{{ kitByNumber(number: {number}) {{ isStarted }} }}"))["kitByNumber"]["isStarted"])

        await eventually(lambda: "Kit" in output.getvalue())
        await eventually(is_started)
        kit = (await plog.ask(f"{{ kitByNumber(number: {number}) {{ id }} }}"))["kitByNumber"]
        await plog.command("kitCancel", kit)
        assert await running == "CANCELLED"
    finally:
        running.cancel()
    return output.getvalue()


async def test_a_kit_that_did_not_succeed_is_followed_by_another(plog: Plog) -> None:
    assert "Demo kit 1" in await demo(plog, 1)
    again = await demo(plog, 2)
    assert "is CANCELLED from an earlier run" in again and "Demo kit 2" in again


async def test_a_kit_that_was_never_started_is_started(plog: Plog) -> None:
    document, _ = kit_commands.demo_document()
    client = Client(plog.url, plog.token())
    await kit_commands.create(client, document)
    await kit_commands.create(client, {**document, "name": f"{document['name']} of somebody"})
    assert "is PENDING from an earlier run" in await demo(plog, 1)


def test_what_a_step_says_can_not_take_the_terminal_over() -> None:
    output = io.StringIO()
    attempt = {"number": 1, "cause": "EXIT_CODE", "message": "bad \x1b[2J\x1b]0;owned\x07 end\r\u009b1A"}
    job = {"type": "DOE", "status": "FAILED", "percent": 0, "attempt": attempt, "tasks": []}
    kit = {"number": 1, "name": "k", "status": "FAILED", "percent": 0, "jobs": [job]}
    console = Console(file=output, width=200)
    Lines(console).show("kit", kit_view(kit))
    console.print(kit_view(kit).picture)
    assert not set("\x1b\x07\r\u009b") & set(output.getvalue()) and output.getvalue().count("owned") == 2


async def test_the_demo_load_test_is_made_once_and_started_again_until_it_has_passed(plog: Plog) -> None:
    pages = {"/docs": PAGE, "/openapi.json": json.dumps(DOCUMENT)}
    with serving(pages) as site:
        for number in (1, 2):
            output = io.StringIO()
            progress = Lines(Console(file=output, width=200))
            client = Client(plog.url, plog.token())
            running = asyncio.create_task(run_demo_load_test(client, progress, f"{site.address}/docs"))

            async def is_queued(output: io.StringIO = output, number: int = number) -> bool:
                return f"Run {number} " in output.getvalue()

            await eventually(is_queued)
            await load_test_commands.stop(client, number)
            assert await running == "ABORTED"
            assert ("Sample book shop, 3 endpoints" in output.getvalue()) is (number == 1)
            assert f"Demo load test 1 of {site.address}/docs: run {number}." in output.getvalue()


async def test_what_fails_beside_a_server_is_told_and_the_server_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_: Container) -> None:
        raise RuntimeError("no luck")

    caplog.set_level(logging.INFO)
    settings: dict[str, Any] = {"home": tmp_path, "port": 0, "runner": {"capacity": 0}}
    serving = asyncio.create_task(serve(Settings(**settings), failing))
    await eventually(lambda: "no luck" in caplog.text)
    assert "DEMO SIGN-IN IS ON" in caplog.text
    await asyncio.sleep(0.2)
    assert not serving.done()
    signal.raise_signal(signal.SIGTERM)
    assert await serving is False

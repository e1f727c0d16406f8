"""A real `plog serve` in a process of its own, to be killed and started again on the same data."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from app.client import Client
from app.settings import ROOT
from tests.forked_process import CLI, ForkedProcess, run_plog
from tests.migrated import furnish, migrated_sqlite
from tests.services import free_port
from tests.waiting import eventually

PLOG = Path(sys.executable).parent / "plog"
CREATE = """mutation ($input: KitInput!) { kitCreate(input: $input) {
  ... on KitCreatePayload { kit { id number } } ... on UserError { code message }
} }"""
START = """mutation ($id: ID!) { kitStart(id: $id) {
  ... on KitCommandPayload { kit { id } } ... on UserError { code message }
} }"""
RETRY = """mutation ($id: ID!) { jobRetry(id: $id) {
  ... on JobCommandPayload { job { id } } ... on UserError { code message }
} }"""
CANCEL_JOB = """mutation ($id: ID!) { jobCancel(id: $id) {
  ... on JobCommandPayload { job { id } } ... on UserError { code message }
} }"""
START_JOB = """mutation ($id: ID!) { jobStart(id: $id) {
  ... on JobCommandPayload { job { id } } ... on UserError { code message }
} }"""
KIT = """query ($number: Int!) { kitByNumber(number: $number) { id number status version isStarted endedAt
  jobs { id uuid type status percent cancelRequested metadata dataInfo attempt { number status cause message exitCode }
         attempts { nodes { number status cause } }
         tasks { name status percent metadata } artifacts { id name size sha256 mediaType downloadUrl inputIds } } } }"""
RUN_FOLDERS = ("runs", "load-test-runs")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


class PlogServer:
    """A server on its own data folder; `settings` are environment variables without their prefix, `command` is what serves."""

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None, command: Sequence[str] = ("serve",)) -> None:
        self.home = home
        self._command = tuple(command)
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PLOG_")}
        self.environment = {**kept, "PLOG_HOME": str(home / "data"), "PLOG_SCHEDULER__JOBS_SECONDS": "0.2"}
        self.move(settings or {})
        self.log = home / "server.log"
        self._process: ForkedProcess | None = None

    def move(self, settings: Mapping[str, str]) -> None:
        """From its next start on it is at another address and has these settings too."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"PORT": str(self.port), **settings}
        self.environment |= {f"PLOG_{name}": value for name, value in own.items()}
        self._token: str | None = None

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A `plog` command with this server's settings."""
        return run_plog(arguments, self.environment, self.home)

    async def start(self) -> None:
        """Start the server and wait until it is ready; one that does not get ready is ended."""
        await asyncio.to_thread(self._spawn)
        try:
            await eventually(self._is_ready, deadline=120)
        except AssertionError:
            await self.stop()
            raise

    def _spawn(self) -> None:
        if self._command == ("serve",):
            furnish(self.home / "data", migrated_sqlite())
        self._process = ForkedProcess(CLI, self._command, self.environment, self.home, output=self.log, errors=self.log)

    async def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"the server has ended: {self.log.read_text()[-3000:]}")
        try:
            async with httpx.AsyncClient(timeout=2, verify=False) as client:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait(self, deadline: float = 30) -> int:
        """Wait until the server has ended; its exit code."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, deadline)

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        await self.wait()

    async def stop(self) -> None:
        """End the server and what is left of its attempts."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGINT)
            try:
                await self.wait(15)
            except subprocess.TimeoutExpired:
                await self.kill()
        for process in self.attempt_processes():
            process.kill()

    def attempt_processes(self, name: str | None = None) -> list[psutil.Process]:
        """Shims, steps and whatever they started, or those of that name: what works in a run folder of this server."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                folder = Path(process.cwd())
                is_here = any(folder.is_relative_to(self.home / "data" / each) for each in RUN_FOLDERS)
                if is_here and name in (None, process.name()):
                    found.append(process)
        return found

    @property
    def client(self) -> Client:
        """A client in the name of the demo user ada."""
        return Client(self.url, self.token)

    @property
    def token(self) -> str:
        """The token of the demo user ada, as a page of the running server has it."""
        if self._token is None:
            headers = httpx.get(f"{self.url}/graphiql/config.json", timeout=30, verify=False).json()["headers"]
            self._token = headers["Authorization"].removeprefix("Bearer ")
        return self._token

    async def create_kit(self, document: Mapping[str, Any], *, start: bool = True) -> dict[str, Any]:
        """Create a kit and start it; its id and number."""
        kit: dict[str, Any] = (await self.client.command("kitCreate", CREATE, input=document))["kit"]
        if start:
            await self.client.command("kitStart", START, id=kit["id"])
        return kit

    async def start_job(self, job_id: str) -> None:
        """Start one job."""
        await self.client.command("jobStart", START_JOB, id=job_id)

    async def upload(self, content: bytes) -> str:
        """Send a file in the name of ada; its checksum."""
        digest = hashlib.sha256(content).hexdigest()
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(timeout=30, verify=False, headers=headers) as client:
            response = await client.put(f"{self.url}/uploads/{digest}?size={len(content)}", content=content)
        assert response.status_code == 204, response.text
        return digest

    async def kit(self, number: int) -> dict[str, Any]:
        """The kit as it is."""
        kit: dict[str, Any] = (await self.client.run(KIT, number=number))["kitByNumber"]
        return kit

    async def ended(self, number: int, deadline: float = 120) -> dict[str, Any]:
        """The kit once it has ended and nothing of it runs."""

        async def is_over() -> bool:
            return bool((await self.kit(number))["endedAt"])

        await eventually(is_over, deadline=deadline, every=0.2)
        return await self.kit(number)


def demo_document(name: str) -> dict[str, Any]:
    """The document of a demo kit."""
    document: dict[str, Any] = orjson.loads((ROOT / "demo" / f"{name}.json").read_bytes())
    return document

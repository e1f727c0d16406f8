"""The whole of PLOG behind a real uvicorn on a free port, inside the test's own event loop; it runs no attempts."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
import uvicorn

from app.asgi import WebApp
from app.container import Container, open_container, running
from app.demo_users import permit_demo_users
from app.server import Server, bind
from app.settings import ROOT, Settings
from domain import commands
from domain.actor import Generator, Worker
from domain.attempt import AttemptKey
from domain.change import Change
from resolvers.change import change_kit
from tests.factories import grant_everything
from tests.migrated import furnish, migrated_sqlite
from tests.waiting import eventually

HOST = "127.0.0.1"
HOUR = timedelta(hours=1)
UNSIGNED: Mapping[str, str] = {}
BOTH_DATABASES = pytest.mark.parametrize("plog_settings", ["sqlite", "postgresql"], indirect=True)

KIT = """fragment KitParts on Kit { id number name owner productLine status percent isStarted version statusVersion
  createdAt updatedAt statusChangedAt startedAt endedAt archivedAt definition metadata currentJob { type }
  jobs { id uuid type status percent version statusVersion cancelRequested metadata attempt { number status cause }
         tasks { id name status percent metadata } } }
"""
ERROR = (
    "... on UserError { __typename code message } ... on ValidationFailed { problems { field message } } "
    "... on PermissionDenied { openedBy applyAt }"
)
CREATE = f"""{KIT} mutation ($input: KitInput!, $key: String) {{ kitCreate(input: $input, idempotencyKey: $key) {{
  __typename ... on KitCreatePayload {{ kit {{ ...KitParts }} }} {ERROR} }} }}"""
ARGUMENTS = "$id: ID!, $expected: Int, $key: String"
PASSED = "id: $id, expectedVersion: $expected, idempotencyKey: $key"


def kit_command(name: str) -> str:
    """The document of a mutation on a kit."""
    return f"""{KIT} mutation ({ARGUMENTS}) {{ {name}({PASSED}) {{
      __typename ... on KitCommandPayload {{ kit {{ ...KitParts }} }} {ERROR} }} }}"""


def job_command(name: str) -> str:
    """The document of a mutation on a job."""
    return f"""mutation ({ARGUMENTS}) {{ {name}({PASSED}) {{
      __typename ... on JobCommandPayload {{ job {{ id type status version attempt {{ number status }} }} }} {ERROR} }} }}"""


def table_document(**changes: Any) -> dict[str, Any]:
    """The document of the table demo kit."""
    document: dict[str, Any] = orjson.loads((ROOT / "demo" / "table.json").read_bytes())
    return {**document, **changes}


class _Quiet(Server):
    """A server that leaves the signals to pytest, and ends as soon as it is told to: uvicorn looks ten times a second."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.told = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for _ in range(5):  # what clients have closed is closed here after a round or two of the event loop
            await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            return await super().shutdown(sockets)
        self._web.graphql.end_streams()
        for each in (*self.servers, *(sockets or ())):
            each.close()


@dataclass(frozen=True, slots=True)
class Plog:
    """A server of the test's own and what a client needs of it."""

    container: Container
    url: str
    http: httpx.AsyncClient

    def token(self, user: str = "ada", lifetime: timedelta = HOUR) -> str:
        """A demo user's token."""
        assert self.container.issuer is not None
        return self.container.issuer.issue(user, lifetime)

    def signed_in(self, user: str = "ada") -> dict[str, str]:
        """A demo user's headers."""
        return {"authorization": f"Bearer {self.token(user)}"}

    def worker(self, kit: Mapping[str, Any], job: int = 0, *, attempt: int = 1, lifetime: timedelta = HOUR) -> dict[str, str]:
        """The headers of the worker of an attempt of the kit's job number `job`, from 0."""
        key = AttemptKey(UUID(kit["jobs"][job]["uuid"]), attempt)
        return self.holding(Worker(attempt=key, kit_id=kit["number"], expires_at=datetime.now(UTC) + lifetime))

    def holding(self, holder: Worker | Generator) -> dict[str, str]:
        """The headers of a worker or load generator."""
        return {"authorization": f"Bearer {self.container.services.attempt_tokens.issue(holder)}"}

    async def post(
        self, query: str, variables: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One operation; in ada's name without `headers`."""
        headers = self.signed_in() if headers is None else headers
        return await self.http.post("/graphql", json={"query": query, "variables": variables or {}}, headers=headers)

    async def ask(self, query: str, headers: Mapping[str, str] | None = None, **variables: Any) -> dict[str, Any]:
        """The data of an operation without errors."""
        response = await self.post(query, variables, headers)
        answer = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def answer(self, query: str, headers: Mapping[str, str] | None = None, **variables: Any) -> dict[str, Any]:
        """What the single field of an operation gives."""
        (value,) = (await self.ask(query, headers, **variables)).values()
        answered: dict[str, Any] = value
        return answered

    async def codes(self, query: str, headers: Mapping[str, str] | None = None, **variables: Any) -> list[str]:
        """The codes of an operation's errors."""
        answer = (await self.post(query, variables, headers)).json()
        return [error["extensions"]["code"] for error in answer.get("errors", ())]

    async def create_answer(self, name: str = "kit", user: str = "ada", **changes: Any) -> dict[str, Any]:
        """What creating a kit answers."""
        return await self.answer(CREATE, self.signed_in(user), input=table_document(name=name, **changes))

    async def create(self, name: str = "kit", user: str = "ada", **changes: Any) -> dict[str, Any]:
        """A new kit."""
        payload = await self.create_answer(name, user, **changes)
        assert payload["__typename"] == "KitCreatePayload", payload
        kit: dict[str, Any] = payload["kit"]
        return kit

    async def command(self, name: str, kit: Mapping[str, Any], **variables: Any) -> dict[str, Any]:
        """What a mutation on the kit answers."""
        return await self.answer(kit_command(name), id=kit["id"], **variables)

    async def start(self, name: str = "kit") -> dict[str, Any]:
        """A kit whose first job is queued."""
        return dict((await self.command("kitStart", await self.create(name)))["kit"])

    async def change(self, kit: Mapping[str, Any], *decisions: Any) -> None:
        """Do to a kit what runners do."""

        def decide(change: Change) -> None:
            for each in decisions:
                each(change)

        await change_kit(self.container.services, "runner", kit["number"], decide)

    async def run(self, name: str = "kit") -> dict[str, Any]:
        """A kit whose first job runs, as far as anybody can tell."""
        kit = await self.start(name)
        await self.change(kit, lambda change: commands.begin_attempt(change, UUID(kit["jobs"][0]["uuid"]), 1, "runner"))
        return kit


async def permit(home: Path, **settings: Any) -> None:
    """Give demo users their permissions in a migrated database, as `serving` does: it finds them there then."""
    async with open_container(Settings(home=home, **settings)) as container:
        assert container.issuer is not None
        await permit_demo_users(container.services, container.issuer)
        await grant_everything(container.services, "ada", "bela")


_permitted: list[bytes] = []


async def _permitted_sqlite() -> bytes:
    """The file of a database in which demo users have their permissions, made once in a process."""
    if not _permitted:
        with tempfile.TemporaryDirectory(prefix="plog-") as folder:
            home = Path(folder) / "plog"
            furnish(home, migrated_sqlite())
            await permit(home)
            _permitted.append((home / "plog.db").read_bytes())
    return _permitted[0]


@asynccontextmanager
async def serving(home: Path, environment: Mapping[str, Any] | None = None) -> AsyncIterator[Plog]:
    """Serve until the block ends, with `environment` as settings by their names in `Settings`.

    Of the demo users Ada and Bela have every permission; Chris decides on them and has none, Dana has none.
    """
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(bind(Settings(home=home, host=HOST, port=0)))
        port = listener.getsockname()[1]
        nothing_runs = {"runner": {"capacity": 0}, "k6": {"capacity": 0}}
        others_decide = {"oidc", "permissions"} & {*(environment or {})}
        furnish(home, migrated_sqlite() if others_decide else await _permitted_sqlite())
        chosen: dict[str, Any] = {"home": home, "port": port, **nothing_runs, **(environment or {})}
        container = await stack.enter_async_context(open_container(Settings(**chosen)))
        await stack.enter_async_context(running(container))
        if container.issuer is not None:
            await grant_everything(container.services, "ada", "bela")
        web = WebApp(container)
        config = uvicorn.Config(web.asgi, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
        server = _Quiet(config, web, container)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await eventually(lambda: server.started)
            url = f"http://{HOST}:{port}"
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30, verify=False))
            yield Plog(container, url, http)
            await http.aclose()
        finally:
            server.should_exit = True
            server.told.set()
            await task

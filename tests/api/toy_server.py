"""The toy schema behind a real uvicorn on a free port, inside the test's own event loop."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect

from app.server import bind
from app.settings import Settings
from gql.gateway import TransportSettings
from gql.limits import Limits
from gql.peer import exposing_transport
from gql.transport import GraphQLEndpoint, create_graphql_app
from tests.api.toy_schema import TOKEN, World, toy_schema
from tests.waiting import eventually

HOST = "127.0.0.1"
SIGNED_IN = {"authorization": f"Bearer {TOKEN}"}
PROTOCOL = "graphql-transport-ws"


class _Server(uvicorn.Server):
    """A server that leaves the signals to pytest and ends open streams when it stops."""

    def __init__(self, config: uvicorn.Config, endpoint: GraphQLEndpoint) -> None:
        super().__init__(config)
        self._endpoint = endpoint

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._endpoint.end_streams()
        await super().shutdown(sockets)


@dataclass
class ToyServer:
    """Where the server listens and the world behind it."""

    port: int
    world: World
    client: httpx.AsyncClient = field(repr=False)
    state: ServerState = field(repr=False)

    @property
    def connections(self) -> int:
        """How many the server holds; one that was closed counts until the peer has taken what it was sent."""
        return len(self.state.connections)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/graphql"

    @property
    def socket_url(self) -> str:
        return f"ws://{HOST}:{self.port}/graphql"

    async def post(self, query: str, **more: Any) -> httpx.Response:
        """POST one operation as a signed-in person; `accept` and `variables` among the keywords."""
        headers = {**SIGNED_IN, "accept": more.pop("accept", "application/graphql-response+json")}
        return await self.client.post(self.url, json={"query": query, **more}, headers=headers)

    @asynccontextmanager
    async def socket(self, payload: Any = None, **options: Any) -> AsyncIterator[ClientConnection]:
        """A websocket whose connection_init was acknowledged."""
        async with connect(self.socket_url, subprotocols=[PROTOCOL], **options) as socket:  # type: ignore[list-item]
            await send(socket, {"type": "connection_init", "payload": payload or {"Authorization": f"Bearer {TOKEN}"}})
            assert await receive(socket) == {"type": "connection_ack"}
            yield socket


async def send(socket: ClientConnection, message: object) -> None:
    await socket.send(json.dumps(message))


async def receive(socket: ClientConnection, deadline: float = 10.0) -> Any:
    async with asyncio.timeout(deadline):
        return json.loads(await socket.recv())


def deaf_connection(port: int, request: bytes) -> socket.socket:
    """A client that sends a request and never reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((HOST, port))
    client.sendall(request)
    return client


@asynccontextmanager
async def toy_server(
    settings: TransportSettings | None = None, limits: Limits | None = None, *, world: World | None = None, port: int = 0
) -> AsyncIterator[ToyServer]:
    """Serve until the block ends, on any free port where none is given."""
    world = world or World()
    endpoint = create_graphql_app(
        toy_schema(limits),
        authenticate=world.authenticate,
        make_context=world.context,
        open_streams=world.streams,
        settings=settings,
        graphiql=HTMLResponse("<p>GraphiQL</p>"),
    )
    app = Starlette(routes=[Route("/graphql", endpoint), WebSocketRoute("/graphql", endpoint)])
    with bind(Settings(host=HOST, port=port)) as listening:
        port = listening.getsockname()[1]
        config = uvicorn.Config(exposing_transport(app), log_level="warning", timeout_graceful_shutdown=5, lifespan="off")
        server = _Server(config, endpoint)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await eventually(lambda: server.started)
            async with httpx.AsyncClient(timeout=10) as client:
                yield ToyServer(port, world, client, server.server_state)
        finally:
            server.should_exit = True
            await serving

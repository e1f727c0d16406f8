"""The clients that SPAs use (npm graphql-ws, graphql-sse, urql) against a real server: snapshot, order, reconnect."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gql.gateway import TransportSettings
from tests.api.node_programs import Program, installed_scripts, node
from tests.api.toy_schema import TOKEN, World
from tests.api.toy_server import ToyServer, toy_server
from tests.services import free_port
from tests.waiting import eventually

NUMBERS = "subscription { numbers { sent loaded } }"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def scripts() -> Path:
    return installed_scripts()


def address(server: ToyServer, transport: str) -> str:
    return server.socket_url if transport == "ws" else server.url


async def next_number(program: Program) -> int:
    result = await program.until("result")
    numbers = result["data"]["numbers"]
    assert numbers["sent"] == numbers["loaded"]
    return int(numbers["sent"])


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_snapshot_order_and_reconnect_after_a_restart(scripts: Path, transport: str) -> None:
    world, port = World(number=5), free_port()
    async with AsyncExitStack() as stack:
        async with toy_server(world=world, port=port) as server:
            url = address(server, transport)
            program = await stack.enter_async_context(node(scripts, "subscribe.mjs", transport, url, TOKEN, NUMBERS))
            assert await next_number(program) == 5
            for number in (6, 7, 8):
                world.change()
                assert await next_number(program) == number
        assert world.open_streams == 0
        world.change()
        async with toy_server(world=world, port=port):
            assert await next_number(program) == 9
            world.change()
            assert await next_number(program) == 10


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_a_subscription_that_ends_completes_and_one_that_is_refused_says_why(scripts: Path, transport: str) -> None:
    async with toy_server() as server:
        url = address(server, transport)
        async with node(scripts, "subscribe.mjs", transport, url, TOKEN, "subscription { count(to: 3) }") as program:
            lines = await program.lines()
            results = [line["result"]["data"]["count"] for line in lines if "result" in line]
            assert (results, {"complete": True} in lines) == ([0, 1, 2], True)
        async with node(scripts, "subscribe.mjs", transport, url, TOKEN, "subscription { nope }") as program:
            assert "Cannot query field" in str(await program.lines())
        async with node(scripts, "subscribe.mjs", transport, url, TOKEN, NUMBERS, "1") as program:
            assert await next_number(program) == 0
            await program.lines()
        await eventually(lambda: server.world.open_streams == 0)


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_an_outage_makes_clients_subscribe_again(scripts: Path, transport: str) -> None:
    async with toy_server(world=World(outages=2)) as server:
        arguments = (transport, address(server, transport), TOKEN, "subscription { interrupted }")
        async with node(scripts, "subscribe.mjs", *arguments) as program:
            lines = await program.lines()
        results = [line["result"]["data"]["interrupted"] for line in lines if "result" in line]
        assert (results, {"complete": True} in lines, [line for line in lines if "error" in line]) == ([1, 1, 1, 2], True, [])


async def test_a_graphql_ws_client_outlives_many_pings(scripts: Path) -> None:
    async with (
        toy_server(TransportSettings(ping_interval=0.1, pong_timeout=1)) as server,
        node(scripts, "subscribe.mjs", "ws", server.socket_url, TOKEN, NUMBERS) as program,
    ):
        assert await next_number(program) == 0
        with pytest.raises(TimeoutError):
            await program.line(deadline=3)  # neither closed nor anything else
        server.world.change()
        assert "result" in await program.line()


async def test_urql_queries_and_subscribes_by_fetch_alone(scripts: Path) -> None:
    async with (
        toy_server() as server,
        node(scripts, "urql.mjs", server.url, TOKEN, "{ viewer }", "subscription { count(to: 9) }", "3") as program,
    ):
        assert [line["data"] for line in await program.lines()] == [
            {"viewer": "Ann"},
            {"count": 0},
            {"count": 1},
            {"count": 2},
        ]

"""The socket that the server listens on."""

import asyncio
import socket

from app.sample_api_commands import bind as bind_sample_api
from app.server import bind
from app.settings import Settings


async def is_sent_at_once(listener: socket.socket) -> bool:
    """Whether what a server on that socket writes waits for no acknowledgement of what it wrote before."""
    accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = writer.get_extra_info("socket")
        accepted.set_result(bool(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        writer.close()

    async with await asyncio.start_server(take, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        try:
            return await asyncio.wait_for(accepted, 10)
        finally:
            writer.close()


async def test_answers_are_sent_at_once() -> None:
    assert await is_sent_at_once(bind(Settings(port=0)))
    assert await is_sent_at_once(bind_sample_api(0, or_any_port=False))

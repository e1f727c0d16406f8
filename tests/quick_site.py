"""A site that answers thousands of requests a second, each after a time of its own: 1 to 20 ms, one in fifty ten times that."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Quick", "version": "1"},
    "servers": [{"url": "/"}],
    "paths": {"/mixed": {"get": {}}},
}


class Answering(asyncio.Protocol):
    """One connection; requests have no body and come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        *heads, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for head in heads:
            path = head.split(b" ", 2)[1]
            seconds = random.lognormvariate(-5.5, 0.6) * (10 if random.random() < 0.02 else 1)
            asyncio.get_running_loop().call_later(0 if path == b"/openapi.json" else seconds, self.answer, path)

    def answer(self, path: bytes) -> None:
        body = json.dumps(DOCUMENT).encode() if path == b"/openapi.json" else b"{}"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        if not self.transport.is_closing():
            self.transport.write(head + body)


async def serve() -> None:
    """Serve on a free port of loopback until SIGTERM; the port is printed."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()


@contextmanager
def quick_site() -> Iterator[str]:
    """The address of such a site, in a process of its own."""
    with subprocess.Popen([sys.executable, "-m", "tests.quick_site"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(serve())

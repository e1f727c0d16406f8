"""A server on loopback that takes what load tests send, and reads it as servers do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web


@dataclass(frozen=True)
class Received:
    """One request as it came: its target as it was on the wire, and the fields of its form.

    A field is its name and text, and of multipart forms its media type and file name.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    form: list[tuple[str | None, ...]]


@dataclass
class Receiver:
    """What came, in order; `answer` is the JSON of every answer."""

    address: str = ""
    answer: Any = None
    received: list[Received] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Read and remember a request."""
        body = await request.read()
        form: list[tuple[str | None, ...]] = []
        if request.content_type == "multipart/form-data":
            async for part in MultipartReader(request.headers, _stream(request, body)):
                assert isinstance(part, BodyPartReader)
                form.append((part.name, (await part.read()).decode(), part.headers.get("Content-Type"), part.filename))
        elif request.content_type == "application/x-www-form-urlencoded":
            form += [(name, str(value)) for name, value in (await request.post()).items()]
        self.received.append(Received(request.method, request.raw_path, list(request.headers.items()), body, form))
        return web.json_response(self.answer)


def _stream(request: web.Request, body: bytes) -> StreamReader:
    """The body once more, as it came."""
    stream = StreamReader(request.protocol, 2**16, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    return stream


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver while it listens."""
    receiver, app = Receiver(), web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()

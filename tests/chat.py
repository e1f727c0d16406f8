"""A chat model's server of a test's own on loopback: it speaks the protocol of OpenAI, or misbehaves as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.sites import Asked

Behaviour = Callable[[asyncio.StreamWriter, Asked], Awaitable[None]]
CHUNK = b"x" * 65536


@dataclass
class ChatServer:
    """What it does when it is asked, what it was asked, and how many callers it keeps waiting."""

    behaviour: Behaviour
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    waiting: int = 0
    sent: int = 0


def claims(*given: tuple[str, list[Any]]) -> str:
    """An answer as it should be."""
    return json.dumps({"claims": [{"text": text, "findings": findings} for text, findings in given]})


def completion(text: Any) -> bytes:
    """A chat completion with this content."""
    message = {"role": "assistant", "content": text}
    return json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]}).encode()


def saying(text: Any) -> Behaviour:
    """It answers with this text."""
    return answering(200, completion(text))


def answering(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Behaviour:
    """It answers with any status and body."""

    async def behave(writer: asyncio.StreamWriter, asked: Asked) -> None:
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        await writer.drain()

    return behave


def without_options(text: str) -> Behaviour:
    """It refuses every option that is not in all servers."""

    async def behave(writer: asyncio.StreamWriter, asked: Asked) -> None:
        is_plain = set(json.loads(asked.body)) <= {"model", "messages", "stream"}
        await (saying(text) if is_plain else answering(400, b'{"error": "unknown option"}'))(writer, asked)

    return behave


async def hang(writer: asyncio.StreamWriter, asked: Asked) -> None:
    """It takes the question and says nothing."""
    await asyncio.sleep(3600)


async def hang_in_answer(writer: asyncio.StreamWriter, asked: Asked) -> None:
    """It begins to answer, and goes on by a byte now and then."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def break_off(writer: asyncio.StreamWriter, asked: Asked) -> None:
    """It hangs up in the middle of its answer."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + completion("{")[:20])
    await writer.drain()


@asynccontextmanager
async def chat_server(behaviour: Behaviour) -> AsyncIterator[ChatServer]:
    """The server, until the block ends."""
    server = ChatServer(behaviour)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in head.split("\r\n")[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        asked = Asked(method, path, headers, body.decode())
        server.asked.append(asked)
        server.waiting += 1
        both = [asyncio.ensure_future(server.behaviour(writer, asked)), asyncio.ensure_future(reader.read())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)  # or until the caller hangs up
        finally:
            server.waiting -= 1
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_quietly(serve(reader, writer)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _quietly(serving: Awaitable[None]) -> None:
    """Callers that hang up are part of the tests."""
    with suppress(OSError, asyncio.IncompleteReadError):
        await serving


def endless(size: int, server: Callable[[], ChatServer]) -> Behaviour:
    """It answers with that many bytes; the server counts those that were taken."""

    async def behave(writer: asyncio.StreamWriter, asked: Asked) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // len(CHUNK)):
            writer.write(CHUNK)
            await writer.drain()
            server().sent += len(CHUNK)

    return behave

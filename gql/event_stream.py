"""Answers as a stream over HTTP: server-sent events (graphql-sse, distinct connections) and multipart subscriptions.

Strawberry's own stream writes CRLF, which urql can't split, and answers any request whose Accept mentions
`text/event-stream`, which urql's always does; it also outlives the token.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from domain.actor import Actor
from domain.errors import PermissionDenied, Unauthenticated, Unavailable, UserError
from gql.execution import Answer
from gql.gateway import how_it_ended, seconds_left
from gql.masking import refusal
from gql.peer import Peer, PeerGone
from gql.wire import encode
from resolvers.open_streams import OpenStream, OpenStreams, StreamEnd

LAST_WORD_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Framing:
    """How answers stand in the body of the response."""

    media_type: str
    opening: bytes
    frame: Callable[[dict[str, Any]], bytes]
    heartbeat: bytes
    closing: bytes


def _event(payload: dict[str, Any]) -> bytes:
    return b"event: next\ndata: " + encode(payload) + b"\n\n"


def _part(payload: dict[str, Any]) -> bytes:
    # The boundary follows at once: clients take a part for whole only when they see the next boundary.
    return b"\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + encode(payload) + b"\r\n--graphql"


SERVER_SENT_EVENTS = Framing("text/event-stream; charset=utf-8", b":\n\n", _event, b":\n\n", b"event: complete\ndata:\n\n")
MULTIPART = Framing(
    'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"',
    b"\r\n--graphql",
    lambda payload: _part({"payload": payload}),
    _part({}),
    b"--\r\n",
)


ENDINGS: Mapping[StreamEnd, UserError] = {
    StreamEnd.LOST: PermissionDenied(StreamEnd.LOST.value),
    StreamEnd.SIGNED_OUT: Unauthenticated(StreamEnd.SIGNED_OUT.value),
    StreamEnd.UNCONFIRMED: Unavailable(StreamEnd.UNCONFIRMED.value),
}


class EventStream:
    """A response that pulls an answer, writes it, and only then pulls the next, so that nothing piles up here."""

    def __init__(
        self,
        framing: Framing,
        answers: Callable[[OpenStream], AsyncGenerator[Answer, None]],
        actor: Actor,
        open_streams: OpenStreams,
        open_peers: set[Peer],
        *,
        heartbeat: float,
        write_timeout: float,
    ) -> None:
        self._framing = framing
        self._answers = answers
        self._actor = actor
        self._open_streams = open_streams
        self._open_peers = open_peers
        self._heartbeat = heartbeat
        self._write_timeout = write_timeout
        self._is_quiet = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all answers; ends with them, with the peer, or with what permits it (a last error then says so)."""
        peer = Peer(scope, send, self._write_timeout)
        self._open_peers.add(peer)
        with self._open_streams.holding(self._actor) as stream:
            # One task runs the generator from its start to its end: a resolver may hold a scope open across its results.
            writing = asyncio.create_task(self._write_answers(peer, self._answers(stream)))
            gone = asyncio.create_task(_until_gone(receive))
            try:
                await self._watch(peer, stream, writing, gone)
            except PeerGone:
                return
            finally:
                self._open_peers.discard(peer)
                await _ended(writing)
                await _ended(gone)

    async def _watch(self, peer: Peer, stream: OpenStream, writing: "asyncio.Task[None]", gone: "asyncio.Task[None]") -> None:
        while True:
            self._is_quiet = True
            patience = max(0.0, min(self._heartbeat, seconds_left(self._actor)))
            events: set[asyncio.Future[Any]] = {writing, gone, stream.ended}
            await asyncio.wait(events, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
                return
            if gone.done():
                return
            if stream.ended.done():
                await self._say_last(peer, writing, ENDINGS[stream.ended.result()])
                return
            if seconds_left(self._actor) <= 0:
                await self._say_last(peer, writing, Unauthenticated(how_it_ended(self._actor)))
                return
            if self._is_quiet:
                await self._write(peer, self._framing.heartbeat)

    async def _say_last(self, peer: Peer, writing: "asyncio.Task[None]", error: UserError) -> None:
        """Say why it ends; a peer that does not take that soon is cut off. What may be tried again ends without `complete`."""
        await _ended(writing)
        closing = b"" if isinstance(error, Unavailable) else self._framing.closing
        await self._write(peer, self._framing.frame({"errors": [refusal(error)]}), within=LAST_WORD_SECONDS)
        await self._write(peer, closing, last=True, within=LAST_WORD_SECONDS)

    async def _write_answers(self, peer: Peer, answers: AsyncGenerator[Answer, None]) -> None:
        async with aclosing(answers):
            headers = {
                "content-type": self._framing.media_type,
                "cache-control": "no-cache, no-transform",
                "x-accel-buffering": "no",  # nginx would hold small events back
            }
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            await peer.send({"type": "http.response.start", "status": 200, "headers": raw})
            await self._write(peer, self._framing.opening)
            async for answer in answers:
                if answer.interrupted:  # without a word that it is complete: clients then connect again
                    await peer.send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
                self._is_quiet = False
                await self._write(peer, self._framing.frame(answer.payload))
            await self._write(peer, self._framing.closing, last=True)

    async def _write(self, peer: Peer, body: bytes, *, last: bool = False, within: float = math.inf) -> None:
        # A peer that reads too slowly must not outlive its sign-in by the whole write timeout.
        within = min(within, max(0.0, seconds_left(self._actor)) + LAST_WORD_SECONDS)
        await peer.send({"type": "http.response.body", "body": body, "more_body": not last}, within=within)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _ended(task: "asyncio.Task[None]") -> None:
    """Cancel the task and wait for its end; what it was about to raise no longer matters to anybody."""
    task.cancel()
    with suppress(asyncio.CancelledError, PeerGone):
        await task

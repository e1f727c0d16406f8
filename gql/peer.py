"""The far end of a connection that stays open, and how to be rid of it.

A peer that stopped reading blocks every write to it, the closing one included, for as long as its kernel keeps the
connection. ASGI knows no way out, so the server's own transport is aborted.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRANSPORT_KEY = "plog.transport"


class PeerGone(Exception):
    """The connection is closed or was just cut off; there is nobody to send anything to."""


def exposing_transport(app: ASGIApp) -> ASGIApp:
    """Wrap the outermost application so that `Peer` can abort connections.

    Middleware hides the server's `send` behind its own; here it is still uvicorn's bound method, whose protocol holds the
    asyncio transport.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope[TRANSPORT_KEY] = _transport_of(send)
        await app(scope, receive, send)

    return wrapped


def _transport_of(send: Send) -> asyncio.Transport | None:
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if hasattr(transport, "abort") else None


class Peer:
    """Sends within a deadline; a peer that does not take what is sent is cut off."""

    def __init__(self, scope: Scope, send: Send, write_timeout: float) -> None:
        self._send = send
        self._transport: asyncio.Transport | None = scope.get(TRANSPORT_KEY) or _transport_of(send)
        self._write_timeout = write_timeout

    async def send(self, message: Message, *, within: float | None = None) -> None:
        """Send an ASGI message; PeerGone where it is not taken within `within` (default: the write timeout) seconds."""
        try:
            async with asyncio.timeout(self._write_timeout if within is None else min(within, self._write_timeout)):
                await self._send(message)
        except TimeoutError as error:
            self.abort()
            raise PeerGone("the peer stopped reading") from error
        except OSError as error:
            raise PeerGone("the connection is closed") from error

    def abort(self) -> None:
        """Cut the connection at once, dropping what was not yet sent."""
        if self._transport is not None:
            self._transport.abort()

    def abort_later(self, seconds: float) -> None:
        """Cut the connection in a while, whatever state it is in; nothing happens where it has ended by then."""
        asyncio.get_running_loop().call_later(seconds, self.abort)

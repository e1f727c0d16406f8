"""Running the server: the socket, the signals, and stopping within seconds."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

import uvicorn

from app.asgi import WebApp
from app.container import Container, open_container, running
from app.dead_ends import dead_ends
from app.settings import Settings, WrongSetting

log = logging.getLogger(__name__)
Companion = Callable[[Container], Coroutine[Any, Any, None]]
INTERRUPT_SECONDS = 4.0
SHUTDOWN_SECONDS = 2


class Server(uvicorn.Server):
    """Tells the two ways to stop apart, and has a companion: what is done beside it while it serves.

    SIGINT (Ctrl-C): a person stops PLOG; its attempts are ended and queued again, while the server still takes in what they
    report. SIGTERM: the server is replaced or moved; its attempts go on and the next server finds them.
    """

    def __init__(self, config: uvicorn.Config, web: WebApp, container: Container, companion: Companion | None = None) -> None:
        super().__init__(config)
        self._web = web
        self._container = container
        self._companion = companion
        self._accompanying: asyncio.Task[None] | None = None
        self._interrupting: asyncio.Task[None] | None = None

    @property
    def is_interrupted(self) -> bool:
        """Whether a person stopped it."""
        return self._interrupting is not None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and begin what is done beside."""
        await super().startup(sockets)
        if self._companion is not None:
            self._accompanying = asyncio.create_task(self._accompany(self._companion))

    async def _accompany(self, companion: Companion) -> None:
        try:
            await companion(self._container)
        except Exception:
            log.exception("what was begun beside the server failed; the server goes on")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second Ctrl-C stops at once."""
        if sig == signal.SIGINT and self._interrupting is None:
            log.warning("stopping: the running attempts are ended and queued again")
            self._interrupting = asyncio.get_event_loop().create_task(self._interrupt())
        else:
            self.should_exit = True

    async def _interrupt(self) -> None:
        try:
            await asyncio.gather(
                self._container.reconciler.interrupt(INTERRUPT_SECONDS), self._container.load_tests.interrupt(INTERRUPT_SECONDS)
            )
        finally:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is done beside, then the open streams, then stop."""
        if self._accompanying is not None:
            self._accompanying.cancel()
            await asyncio.gather(self._accompanying, return_exceptions=True)
        self._web.graphql.end_streams()
        await super().shutdown(sockets)


def bind(settings: Settings) -> socket.socket:
    """The listening socket; `WrongSetting` where the address can't be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Without its protocol asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise WrongSetting(
            f"PLOG_HOST and PLOG_PORT: can't listen on {settings.host}:{settings.port}: {error.strerror}."
        ) from None
    listener.set_inheritable(False)
    return listener


async def serve(settings: Settings, companion: Companion | None = None) -> bool:
    """Run a server until it is told to stop, with `companion` beside it; whether a person stopped it (Ctrl-C)."""
    listener = bind(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    async with open_container(settings) as container, running(container):
        web = WebApp(container)
        config = uvicorn.Config(
            web.asgi,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            server_header=False,
        )
        server = Server(config, web, container, companion)
        log.info("PLOG listens on %s", settings.base_url)
        if container.issuer is not None:
            log.warning("DEMO SIGN-IN IS ON: whoever reaches this server can be anyone (PLOG_OIDC__ISSUER sets a real one)")
        for warning in dead_ends(settings, container.services.steps.templates):
            log.warning("%s", warning)
        await server.serve(sockets=[listener])
    return server.is_interrupted

"""What every transport shares: the schema, signing in, and the settings."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from strawberry.types.graphql import OperationType

from domain.actor import Actor
from domain.errors import Unauthenticated
from gql.execution import Answer, OperationContext, OperationRequest, Schema, answers
from resolvers.open_streams import OpenStream, OpenStreams

EXPIRED = "token expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """Sizes in bytes, times in seconds.

    max_body: of a POST or of one websocket message. max_batch: operations in one POST (1: no batches). origins: those
    whose pages may open a websocket besides PLOG's own, in lower case (`*`: any). write_timeout: how long a peer may leave
    what was sent to it unread. ping_interval: of the server's pings; a peer from which nothing came for `pong_timeout` after
    one is cut off. heartbeat: of an event stream with nothing to say. max_operations: at a time on one websocket.
    """

    max_body: int = 4 * 2**20
    max_batch: int = 1
    origins: Collection[str] = ()
    init_timeout: float = 10.0
    ping_interval: float = 20.0
    pong_timeout: float = 20.0
    write_timeout: float = 20.0
    heartbeat: float = 12.0
    max_operations: int = 100


@dataclass(frozen=True, slots=True)
class Gateway:
    """Lets signed-in actors run operations.

    authenticate: the bearer token (None where none came) to the actor; raises `UserError` (`Unauthenticated`,
    `Unavailable`). make_context: a new context; called once for every operation, with the stream that its answers go to.
    open_streams: what is open ends with the permissions behind it.
    """

    schema: Schema
    authenticate: Callable[[str | None], Awaitable[Actor]]
    make_context: Callable[[Actor, OpenStream | None], OperationContext]
    settings: TransportSettings
    open_streams: OpenStreams

    async def sign_in(self, authorization: object) -> Actor:
        """The actor behind an `Authorization` value (`Bearer TOKEN`)."""
        if authorization is None:
            return await self.authenticate(None)
        scheme, _, token = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Authorization must be `Bearer` and a token.")
        actor = await self.authenticate(token.strip())
        if seconds_left(actor) <= 0:
            raise Unauthenticated("The token has expired.")
        return actor

    def run(
        self, request: OperationRequest, actor: Actor, operations: Iterable[OperationType], stream: OpenStream | None = None
    ) -> AsyncGenerator[Answer, None]:
        """Run one operation in a context of its own; see `gql.execution.answers`."""
        return answers(self.schema, request, self.make_context(actor, stream), operations)

    def admits_origin(self, connection: HTTPConnection) -> bool:
        """Whether a page may open a websocket: one of PLOG itself, of an allowed origin, or no page at all."""
        origin = connection.headers.get("origin")
        if origin is None or "*" in self.settings.origins:
            return True
        own = urlsplit(origin).netloc.lower()
        is_own = own != "" and own == connection.headers.get("host", "").lower()
        return is_own or origin.lower() in self.settings.origins


def seconds_left(actor: Actor) -> float:
    """How long the sign-in still lasts; zero or less once it has ended."""
    return (actor.expires_at - datetime.now(UTC)).total_seconds()

"""What every transport shares: the schema, signing in, and the settings."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from starlette.requests import HTTPConnection
from strawberry.types.graphql import OperationType

from domain.actor import Actor, Person
from domain.errors import Unauthenticated, UserError
from gql.execution import Answer, OperationContext, OperationRequest, Schema, answers
from gql.origin import is_from_known_origin, is_from_known_page, may_open_websocket
from resolvers.open_streams import OpenStream, OpenStreams

EXPIRED = "token expired"
SESSION_ENDED = "session ended"


class ForgedRequest(UserError):
    """A browser brings its cookie with a request that may come from another site's page."""

    code = "CSRF"


class BrowserSessions(Protocol):
    """The sessions of browsers, which are known by a cookie."""

    def token(self, connection: HTTPConnection) -> str | None:
        """What the cookie holds; None where there is no such cookie."""
        ...

    async def resume(self, token: str) -> Actor:
        """Who is signed in with it; `Unauthenticated` once the session is over, `Unavailable` where that can't be told."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """Sizes in bytes, times in seconds.

    max_body: of a POST or of one websocket message. max_batch: operations in one POST (1: no batches). own_origin: PLOG's own,
    where browsers sign in. origins: those whose pages may open a websocket besides PLOG's own, and use a browser's session where
    they are named, in lower case (`*`: any, with a token). write_timeout: how long a peer may leave
    what was sent to it unread. ping_interval: of the server's pings; a peer from which nothing came for `pong_timeout` after
    one is cut off. heartbeat: of an event stream with nothing to say. max_operations: at a time on one websocket.
    """

    max_body: int = 4 * 2**20
    max_batch: int = 1
    own_origin: str = ""
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
    open_streams: what is open ends with the permissions behind it. sessions: of browsers, whose cookie counts where no token
    came; None: cookies say nothing.
    """

    schema: Schema
    authenticate: Callable[[str | None], Awaitable[Actor]]
    make_context: Callable[[Actor, OpenStream | None], OperationContext]
    settings: TransportSettings
    open_streams: OpenStreams
    sessions: BrowserSessions | None = None

    async def sign_in(self, authorization: object, connection: HTTPConnection, *, is_trusted: bool) -> Actor:
        """The actor behind an `Authorization` value (`Bearer TOKEN`), or, where there is none, behind the connection's cookie.

        The cookie counts only where the request `is_trusted` to come from a page that may use it; else it is a `ForgedRequest`.
        """
        if authorization is None:
            return await self._sign_in_by_cookie(connection, is_trusted)
        scheme, _, token = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Authorization must be `Bearer` and a token.")
        actor = await self.authenticate(token.strip())
        if seconds_left(actor) <= 0:
            raise Unauthenticated("The token has expired.")
        return actor

    async def _sign_in_by_cookie(self, connection: HTTPConnection, is_trusted: bool) -> Actor:
        token = self.session_token(connection)
        if token is None or self.sessions is None:
            return await self.authenticate(None)
        if not is_trusted:
            raise ForgedRequest("The session's cookie came without an Origin that may use it; other programs send a token.")
        return await self.sessions.resume(token)

    def session_token(self, connection: HTTPConnection) -> str | None:
        """What the cookie of a browser's session holds, if one came."""
        return None if self.sessions is None else self.sessions.token(connection)

    def run(
        self, request: OperationRequest, actor: Actor, operations: Iterable[OperationType], stream: OpenStream | None = None
    ) -> AsyncGenerator[Answer, None]:
        """Run one operation in a context of its own; see `gql.execution.answers`."""
        return answers(self.schema, request, self.make_context(actor, stream), operations)

    def admits_origin(self, connection: HTTPConnection) -> bool:
        """Whether a page may open a websocket; whether a session's cookie counts on it is another question."""
        return may_open_websocket(connection, self.settings.origins)

    def trusts_request(self, connection: HTTPConnection) -> bool:
        """Whether a request that may change something comes from a page that may use a session's cookie."""
        return is_from_known_page(connection, self.settings.own_origin, self.settings.origins)

    def trusts_websocket(self, connection: HTTPConnection) -> bool:
        """The same of a websocket, with which browsers always send an origin."""
        return is_from_known_origin(connection, self.settings.own_origin, self.settings.origins)


def seconds_left(actor: Actor) -> float:
    """How long the sign-in still lasts; zero or less once it has ended."""
    return (actor.expires_at - datetime.now(UTC)).total_seconds()


def has_session(actor: Actor) -> bool:
    """Whether it is a person signed in with a browser, by its cookie."""
    return isinstance(actor, Person) and actor.session_id is not None


def how_it_ended(actor: Actor) -> str:
    """What is said to a client whose sign-in has ended."""
    return SESSION_ENDED if has_session(actor) else EXPIRED

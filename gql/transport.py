"""The GraphQL endpoint as one ASGI application: HTTP, event streams and websockets at one address."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from domain.actor import Actor
from gql.execution import OperationContext, Schema
from gql.gateway import BrowserSessions, Gateway, TransportSettings
from gql.http import GraphQLOverHTTP
from gql.websocket import GraphQLOverWebSocket
from resolvers.open_streams import OpenStream, OpenStreams


class GraphQLEndpoint:
    """The application that `create_graphql_app` makes; an object, as Starlette takes a plain function for a view."""

    def __init__(self, gateway: Gateway, graphiql: ASGIApp | None) -> None:
        self.gateway = gateway
        self._http = GraphQLOverHTTP(gateway, graphiql)
        self._websocket = GraphQLOverWebSocket(gateway)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one websocket."""
        await (self._websocket if scope["type"] == "websocket" else self._http)(scope, receive, send)

    def end_streams(self) -> None:
        """End the open event streams because the server stops; uvicorn waits for them otherwise, but closes websockets itself."""
        self._http.end_streams()


def create_graphql_app(
    schema: Schema,
    *,
    authenticate: Callable[[str | None], Awaitable[Actor]],
    make_context: Callable[[Actor, OpenStream | None], OperationContext],
    open_streams: OpenStreams,
    settings: TransportSettings | None = None,
    sessions: BrowserSessions | None = None,
    graphiql: ASGIApp | None = None,
) -> GraphQLEndpoint:
    """The endpoint; it takes `http` and `websocket` scopes, so it is routed for both (`Route` and `WebSocketRoute`).

    authenticate: the bearer token (None where none came) to the actor, or a `UserError`: `Unauthenticated`, `Unavailable`.
    make_context: a context for one operation, with loaders of its own, and the stream that its answers go to. open_streams: ends
    them with the permissions behind them; its loop is run by the caller. sessions: of browsers, by their cookie. graphiql: what a
    browser gets that asks for a page, without signing in. Wrap the outermost application in `gql.peer.exposing_transport`, or
    peers that stopped reading are only dropped when the server gives up on them.
    """
    gateway = Gateway(schema, authenticate, make_context, settings or TransportSettings(), open_streams, sessions)
    return GraphQLEndpoint(gateway, graphiql)

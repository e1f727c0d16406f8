"""GraphiQL, with operations in tabs and, for demo users, signed in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from app.local_visit import is_local
from app.web_part import WEB_DIST, WebPage


@dataclass(frozen=True, slots=True)
class Example:
    """An operation that GraphiQL opens in a tab; the tab is named after the operation."""

    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphiQLConfig:
    """What GraphiQL starts with.

    notice is a sentence that the page shows. headers go with every request, and into `connection_init` of a websocket, unless
    the user types others; a demo user's token stands here as `Authorization`. endpoint and subscriptions are paths on this
    server.
    """

    tabs: Sequence[Example] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    endpoint: str = "/graphql"
    subscriptions: str = "/graphql"


class GraphiQL:
    """The page (an ASGI application, for `create_graphql_app`) and the `routes` that it needs besides its assets.

    config is asked anew for each visit, as a token in it expires, and told whether the page that asks was opened at this machine
    under a loopback name. A name that was pointed here from outside (DNS rebinding) is none, nor is who comes through a proxy, or
    another site's page.
    """

    def __init__(self, config: Callable[[bool], Awaitable[GraphiQLConfig]], dist: Path = WEB_DIST) -> None:
        self._config = config
        self._page = WebPage("graphiql.html", dist)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page."""
        await self._page(scope, receive, send)

    @property
    def routes(self) -> list[BaseRoute]:
        """Where the page asks what to show."""
        return [Route("/graphiql/config.json", self._serve_config)]

    async def _serve_config(self, request: Request) -> Response:
        # With a GET browsers name an origin only where the page is another's.
        is_elsewhere = request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none") or "origin" in request.headers
        config = await self._config(is_local(request) and not is_elsewhere)
        body = {
            "endpoint": config.endpoint,
            "subscriptions": config.subscriptions,
            "headers": dict(config.headers),
            "notice": config.notice,
            "tabs": [{"query": tab.query, "variables": dict(tab.variables)} for tab in config.tabs],
        }
        return JSONResponse(body, headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})

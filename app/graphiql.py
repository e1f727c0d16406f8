"""GraphiQL, built from `web/` and served from here, so that it works without internet access.

The stock page of GraphQL servers loads seven files from other hosts. This one names none, and its content security policy
would stop a request to any.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from app.local_visit import is_local

WEB_DIST = Path(__file__).parent.parent / "web" / "dist"
SECURITY_HEADERS = {
    # The editor writes style elements and attributes of its own; scripts come from files alone.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>PLOG · GraphiQL is not built</title>
<h1>GraphiQL is not built yet</h1>
<p>Run <code>make web</code> in PLOG's folder, where npm's registry can be reached, and reload this page. Without a Node.js of
your own it takes the one from PyPI.</p>
<p>The API itself needs no page: it answers <code>POST</code> requests, websockets and event streams at this address.</p>
</html>
"""


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
    """The page (an ASGI application, for `create_graphql_app`) and the `routes` that it needs.

    config is asked anew for each visit, as a token in it expires. The headers in it are given to pages that this machine
    opened under a loopback name only: a name that was pointed here from outside (DNS rebinding) gets none, and nor does who
    comes through a proxy.
    """

    def __init__(self, config: Callable[[], Awaitable[GraphiQLConfig]], dist: Path = WEB_DIST) -> None:
        self._config = config
        self._dist = dist

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page, or with how to build it."""
        index = self._dist / "index.html"
        try:
            page, status = index.read_text(encoding="utf-8"), 200
        except FileNotFoundError:
            page, status = NOT_BUILT, 503
        response = HTMLResponse(page, status, {**SECURITY_HEADERS, "cache-control": "no-cache"})
        await response(scope, receive, send)

    @property
    def routes(self) -> list[BaseRoute]:
        """Everything under `/graphiql`."""
        return [
            Route("/graphiql/config.json", self._serve_config),
            Mount("/graphiql/assets", _Assets(directory=self._dist / "assets", check_dir=False)),
        ]

    async def _serve_config(self, request: Request) -> Response:
        config = await self._config()
        is_own_page = request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
        headers = dict(config.headers) if is_own_page and is_local(request) else {}
        body = {
            "endpoint": config.endpoint,
            "subscriptions": config.subscriptions,
            "headers": headers,
            "notice": config.notice,
            "tabs": [{"query": tab.query, "variables": dict(tab.variables)} for tab in config.tabs],
        }
        return JSONResponse(body, headers={"cache-control": "no-store", "x-content-type-options": "nosniff"})


class _Assets(StaticFiles):
    """Files whose names hold the hash of their content."""

    async def check_config(self) -> None:
        """Nothing is wrong with a folder that is only built later: until then its files are not found."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file of the build, kept by the browser for as long as it likes."""
        response = super().file_response(*args, **kwargs)
        response.headers.update({**SECURITY_HEADERS, "cache-control": "public, max-age=31536000, immutable"})
        return response

"""The pages that `web/` is built to, and their assets, served from here so that they work without internet access.

They name no other host, and their content security policy would stop a request to any.
"""

from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

WEB_DIST = Path(__file__).parent.parent / "web" / "dist"
SECURITY_HEADERS = {
    # GraphiQL's editor writes style elements and attributes of its own; scripts come from files alone.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>PLOG · The web part is not built</title>
<h1>The web part is not built yet</h1>
<p>Run <code>make web</code> in PLOG's folder, where npm's registry can be reached, and reload this page. Without a Node.js of
your own it takes the one from PyPI.</p>
<p>The API itself needs no page: <code>/graphql</code> answers <code>POST</code> requests, websockets and event streams.</p>
</html>
"""


class WebPage:
    """One page of the build (an ASGI application), or how to build it."""

    def __init__(self, file_name: str, dist: Path = WEB_DIST) -> None:
        self._file = dist / file_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with it; it is asked for anew each time, as it names the assets of the latest build."""
        try:
            page, status = self._file.read_text(encoding="utf-8"), 200
        except FileNotFoundError:
            page, status = NOT_BUILT, 503
        await HTMLResponse(page, status, {**SECURITY_HEADERS, "cache-control": "no-cache"})(scope, receive, send)


def assets(dist: Path = WEB_DIST) -> Mount:
    """The route of everything that the pages load."""
    return Mount("/web/assets", _Assets(directory=dist / "assets", check_dir=False))


class _Assets(StaticFiles):
    """Files whose names hold the hash of their content."""

    async def check_config(self) -> None:
        """Nothing is wrong with a folder that is only built later: until then its files are not found."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file of the build, kept by the browser for as long as it likes."""
        response = super().file_response(*args, **kwargs)
        response.headers.update({**SECURITY_HEADERS, "cache-control": "public, max-age=31536000, immutable"})
        return response

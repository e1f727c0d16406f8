"""Whose page a request comes from, as far as browsers say: what keeps other sites from using a visitor's cookies.

Browsers send cookies along whoever's page it is that sends the request, and no page can write these headers itself (Fetch
standard, forbidden request-headers).
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

ANY = "*"


def is_from_known_origin(connection: HTTPConnection, own: str, allowed: Collection[str]) -> bool:
    """Whether it names the origin `own` or one that is allowed by name; `*` allows nothing where cookies count."""
    origin = connection.headers.get("origin")
    return bool(origin) and origin != ANY and str(origin).lower() in {own, *allowed}


def is_from_known_page(connection: HTTPConnection, own: str, allowed: Collection[str]) -> bool:
    """The same; without an origin the browser may say instead that it is PLOG's own page, or nobody's."""
    if "origin" in connection.headers:
        return is_from_known_origin(connection, own, allowed)
    return connection.headers.get("sec-fetch-site") in ("same-origin", "none")


def may_open_websocket(connection: HTTPConnection, allowed: Collection[str]) -> bool:
    """Whether a page may open a websocket: one of the host that it is opened to, of an allowed origin, or no page at all."""
    origin = connection.headers.get("origin")
    if origin is None or ANY in allowed:
        return True
    named = urlsplit(origin).netloc.lower()
    return (named != "" and named == connection.headers.get("host", "").lower()) or origin.lower() in allowed

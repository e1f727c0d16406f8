"""Whether somebody visits from this machine itself: demo users' tokens are for nobody else."""

from starlette.requests import HTTPConnection

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})


def is_local(request: HTTPConnection) -> bool:
    """Whether the request names a loopback host, and no proxy says that it passed it on for somebody else.

    A name that was pointed here from outside (DNS rebinding) is none. HTTP/1.0 is spoken by proxies alone, as by nginx, which
    names the server's own address as the host and does not say for whom it asks unless it is told to.
    """
    is_forwarded = any(name in FORWARDED or name.startswith("x-forwarded-") for name in request.headers)
    return request.url.hostname in LOOPBACK and not is_forwarded and request.scope.get("http_version") != "1.0"

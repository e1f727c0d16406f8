"""Whether somebody visits from this machine itself: demo users' tokens are for nobody else."""

from starlette.requests import HTTPConnection

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})


def is_local(request: HTTPConnection) -> bool:
    """Whether the request names a loopback host, and no proxy says that it passed it on for somebody else.

    A name that was pointed here from outside (DNS rebinding) is none.
    """
    is_forwarded = any(name in FORWARDED or name.startswith("x-forwarded-") for name in request.headers)
    return request.url.hostname in LOOPBACK and not is_forwarded

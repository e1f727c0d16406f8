"""What PLOG's own connections by TLS trust."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """The authorities of the system, or of SSL_CERT_FILE; made once: to read them takes 40 ms, in which nothing else runs."""
    return httpx.create_ssl_context()

"""Targets: which addresses are those of one server."""

import pytest

from domain.target import server_origin


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://x.test", "http://x.test:80"),
        ("http://X.Test:80/api?a=b#c", "http://x.test:80"),
        ("http://x.test./", "http://x.test:80"),
        ("https://x.test", "https://x.test:443"),
        ("http://y.x.test", "http://y.x.test:80"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://api.localhost:9000", "http://localhost:9000"),
        ("http://127.0.0.1:9000", "http://localhost:9000"),
        ("http://127.1.2.3:9000", "http://localhost:9000"),
        ("http://[::1]:9000", "http://localhost:9000"),
        ("http://[::ffff:127.0.0.1]:9000", "http://localhost:9000"),
        ("http://0.0.0.0:9000", "http://localhost:9000"),
        ("http://127.0.0.1:9001", "http://localhost:9001"),
        ("http://localhost.x.test", "http://localhost.x.test:80"),
        ("ftp://x.test", ""),
        ("no address", ""),
    ],
)
def test_the_server_of_an_address(url: str, expected: str) -> None:
    assert server_origin(url) == expected

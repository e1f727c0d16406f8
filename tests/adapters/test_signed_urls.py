"""Signed links open one path by one method for a while, and can't be bent."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.signed_urls import SignedUrls, UrlCheck
from domain.ports import UrlSigner

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)
URLS = SignedUrls({"new": b"n" * 64, "old": b"o" * 64})
PATH = "/artifacts/1"


def signed(method: str = "GET", path: str = PATH) -> str:
    signer: UrlSigner = URLS
    return signer.sign(method, path, LATER)


@given(st.text(), st.sampled_from(["GET", "PUT"]))
def test_a_link_opens_what_it_was_signed_for(path: str, method: str) -> None:
    query = signed(method, path)
    assert query.isascii()
    assert URLS.verify(method, path, query, NOW) is UrlCheck.VALID


def test_it_expires_on_the_second() -> None:
    assert URLS.verify("GET", PATH, signed(), LATER - timedelta(milliseconds=1)) is UrlCheck.VALID
    assert URLS.verify("GET", PATH, signed(), LATER) is UrlCheck.EXPIRED


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", PATH), ("HEAD", PATH), ("get", PATH), ("GET", PATH + "/"), ("GET", "/artifacts/2"), ("", "")]
)
def test_it_opens_nothing_else(method: str, path: str) -> None:
    assert URLS.verify(method, path, signed(), NOW) is UrlCheck.TAMPERED


def test_an_old_key_verifies_until_it_is_removed() -> None:
    query = SignedUrls({"old": b"o" * 64}).sign("GET", PATH, LATER)
    assert URLS.verify("GET", PATH, query, NOW) is UrlCheck.VALID
    assert SignedUrls({"new": b"n" * 64}).verify("GET", PATH, query, NOW) is UrlCheck.UNKNOWN_KEY
    assert SignedUrls({"old": b"x" * 64}).verify("GET", PATH, query, NOW) is UrlCheck.TAMPERED


@pytest.mark.parametrize(
    "change",
    [
        {"expires": "9999999999"},
        {"key": "old"},
        {"signature": "x"},
        {"signature": ""},
        {"signature": "é\ud800"},
        {"expires": "x"},
    ],
)
def test_no_parameter_can_be_changed(change: dict[str, str]) -> None:
    query = urlencode({**dict(parse_qsl(signed())), **change}, errors="surrogatepass")
    assert URLS.verify("GET", PATH, query, NOW) is UrlCheck.TAMPERED


def test_no_parameter_can_be_added_repeated_or_left_out() -> None:
    query = signed()
    for other in (
        "",
        query + "&name=x",
        query + "&expires=9999999999",
        query + "&key=new",
        query.partition("&")[2],
        query + "&x=" + "y" * 10**6,
    ):
        assert URLS.verify("GET", PATH, other, NOW) is UrlCheck.TAMPERED


@settings(max_examples=300)
@given(st.text() | st.text("expirskygnatu=&%0123456789", max_size=200))
def test_garbage_never_opens_anything(garbage: str) -> None:
    assert URLS.verify("GET", PATH, garbage, NOW) in {UrlCheck.TAMPERED, UrlCheck.UNKNOWN_KEY}


@settings(max_examples=300)
@given(st.data())
def test_no_character_can_be_changed(data: st.DataObject) -> None:
    query = signed()
    place = data.draw(st.integers(0, len(query) - 1))
    other = data.draw(st.characters().filter(lambda character: character != query[place]))
    changed = query[:place] + other + query[place + 1 :]
    if dict(parse_qsl(changed)) != dict(parse_qsl(query)):
        assert URLS.verify("GET", PATH, changed, NOW) is not UrlCheck.VALID

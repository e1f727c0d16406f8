"""Logins: what schemes offer, what a request then carries, and that no credential goes elsewhere because a document says so."""

from dataclasses import replace
from typing import Any

import pytest

from domain.api_document import ApiDocument
from domain.endpoint import Method, ParameterLocation
from domain.login import Login, LoginKind, checked_login, identified, login_proposals, read_login, token_request
from domain.openapi import read_openapi
from domain.request import Request
from domain.template import shown
from domain.validation import Problems

HERE = "http://api.test/v1"
SCHEMES: dict[str, Any] = {
    "basic": {"type": "http", "scheme": "Basic"},
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "key": {"type": "apiKey", "in": "query", "name": "api key"},
    "odd": {"type": "apiKey", "in": "body", "name": "k"},
    "oauth": {
        "type": "oauth2",
        "flows": {
            "clientCredentials": {"tokenUrl": "/token", "scopes": {"read": "", "write": ""}},
            "password": {"tokenUrl": "https://login.test/token", "scopes": {}},
            "implicit": {"authorizationUrl": "/a", "scopes": {}},
        },
    },
    "openid": {"type": "openIdConnect", "openIdConnectUrl": "/.well-known/openid-configuration"},
}
API: ApiDocument = read_openapi(
    {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "components": {"securitySchemes": SCHEMES}}, HERE
)


def read(**given: Any) -> Login:
    """The login as a load test gets it; ValidationFailed with what is wrong."""
    problems = Problems("login.")
    login = read_login(given, problems)
    problems.check()
    login = checked_login(login, HERE, HERE, API, problems)
    problems.check()
    return login


def wrong(**given: Any) -> list[str]:
    problems = Problems()
    login = read_login(given, problems)
    if problems.is_clean:
        checked_login(login, HERE, HERE, API, problems)
    return [each.field for each in problems._found]


def test_what_the_schemes_of_a_document_offer() -> None:
    found = {(each.login.scheme, each.login.kind): (each.wants, each.is_elsewhere) for each in login_proposals(API, HERE)}
    assert found == {
        ("basic", LoginKind.BASIC): (("username", "secret"), False),
        ("bearer", LoginKind.BEARER): (("secret",), False),
        ("key", LoginKind.API_KEY): (("secret",), False),
        ("oauth", LoginKind.OAUTH2_CLIENT_CREDENTIALS): (("clientId", "secret"), False),
        ("oauth", LoginKind.OAUTH2_PASSWORD): (("username", "secret", "tokenUrl"), True),
    }
    key, client = (
        each.login for each in login_proposals(API, HERE) if each.login.kind in ("API_KEY", "OAUTH2_CLIENT_CREDENTIALS")
    )
    assert (key.location, key.parameter) == (ParameterLocation.QUERY, "api key")
    assert (client.token_url, client.scopes) == ("http://api.test/token", ("read", "write"))


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, ["kind", "username", "secret"]),
        ({"kind": "BASIC", "secret": "a"}, ["username"]),
        ({"kind": "BASIC", "username": "a:b", "secret": "a"}, ["username"]),
        ({"kind": "BASIC", "username": "a", "secret": "not a name"}, ["secret"]),
        ({"kind": "BEARER", "username": "a", "secret": "a"}, ["username"]),
        ({"kind": "BEARER", "secret": "a", "scheme": "basic"}, ["scheme"]),
        ({"kind": "BEARER", "secret": "a", "scheme": "none"}, ["scheme"]),
        ({"kind": "API_KEY", "secret": "a"}, ["location", "parameter"]),
        ({"kind": "API_KEY", "secret": "a", "location": "PATH", "parameter": "a"}, ["location"]),
        ({"kind": "API_KEY", "secret": "a", "location": "HEADER", "parameter": "a\r\nb"}, ["parameter"]),
        ({"kind": "OAUTH2_CLIENT_CREDENTIALS", "secret": "a"}, ["clientId"]),
        ({"kind": "OAUTH2_CLIENT_CREDENTIALS", "secret": "a", "clientId": "c"}, ["tokenUrl"]),
        ({"kind": "OAUTH2_PASSWORD", "secret": "a", "username": "u", "scheme": "oauth"}, ["tokenUrl"]),
        ({"kind": "OAUTH2_PASSWORD", "secret": "a", "username": "u", "tokenUrl": "ftp://x"}, ["tokenUrl"]),
        ({"kind": "OAUTH2_PASSWORD", "secret": "a", "username": "u", "tokenUrl": 'http://x/"'}, ["tokenUrl"]),
        ({"kind": "OAUTH2_PASSWORD", "secret": "a", "username": "u", "clientSecret": "b", "tokenUrl": HERE}, ["clientId"]),
        ({"kind": "BEARER", "secret": "a", "token": "t"}, ["token"]),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], fields: list[str]) -> None:
    assert wrong(**given) == fields


def test_a_scheme_tells_what_is_left_out_and_a_person_may_name_another_address() -> None:
    client = read(kind="OAUTH2_CLIENT_CREDENTIALS", scheme="oauth", clientId="c", secret="s")
    assert client.token_url == "http://api.test/token" and list(client.secrets(HERE)) == [("secret", "s", "http://api.test:80")]
    elsewhere = read(kind="OAUTH2_PASSWORD", scheme="oauth", username="u", secret="s", tokenUrl="https://login.test/token")
    assert list(elsewhere.secrets(HERE)) == [("secret", "s", "https://login.test:443")]
    assert read_login(elsewhere.as_json(), Problems()) == elsewhere


REQUEST = Request(
    name="GET /", method=Method.GET, url=f"{HERE}/x?a=1", headers=(("authorization", "of the document"), ("Cookie", "a=b"))
)


@pytest.mark.parametrize(
    ("login", "url", "headers"),
    [
        (
            Login(kind=LoginKind.BASIC, username="u", secret="s"),
            "",
            {"Authorization": "Basic base64(u:${secret:s})", "Cookie": "a=b"},
        ),
        (Login(kind=LoginKind.BEARER, secret="s"), "", {"Authorization": "Bearer ${secret:s}", "Cookie": "a=b"}),
        (
            Login(kind=LoginKind.API_KEY, secret="s", location=ParameterLocation.HEADER, parameter="X-Key"),
            "",
            {"X-Key": "${secret:s}"},
        ),
        (
            Login(kind=LoginKind.API_KEY, secret="s", location=ParameterLocation.QUERY, parameter="a key"),
            "&a%20key=${secret:s}",
            {"Cookie": "a=b"},
        ),
        (
            Login(kind=LoginKind.API_KEY, secret="s", location=ParameterLocation.COOKIE, parameter="k"),
            "",
            {"Cookie": "a=b; k=${secret:s}"},
        ),
        (Login(kind=LoginKind.OAUTH2_PASSWORD, token_url=HERE), "", {"Authorization": "Bearer ${token:login}"}),
    ],
)
def test_what_a_request_carries(login: Login, url: str, headers: dict[str, str]) -> None:
    found = identified(REQUEST, login, ())
    assert shown(found.url) == f"{HERE}/x?a=1{url}"
    assert headers.items() <= {name: shown(text) for name, text in found.headers}.items()
    assert ("authorization" in dict(found.headers)) == ("Authorization" not in headers)


def test_what_the_user_gives_is_left_as_it_is() -> None:
    bearer = Login(kind=LoginKind.BEARER, secret="s")
    assert identified(REQUEST, bearer, [(ParameterLocation.HEADER, "AUTHORIZATION")]) is REQUEST
    key = Login(kind=LoginKind.API_KEY, secret="s", location=ParameterLocation.QUERY, parameter="k")
    assert identified(REQUEST, key, [(ParameterLocation.QUERY, "k")]) is REQUEST
    without_query = identified(replace(REQUEST, url=HERE), key, [(ParameterLocation.HEADER, "k")])
    assert shown(without_query.url) == f"{HERE}?k=${{secret:s}}"


@pytest.mark.parametrize(
    ("login", "authorization", "body"),
    [
        (
            Login(kind=LoginKind.OAUTH2_CLIENT_CREDENTIALS, client_id="c d", secret="s", scopes=("a", "b")),
            "Basic base64(c+d:${secret:s})",
            "grant_type=client_credentials&scope=a+b",
        ),
        (
            Login(kind=LoginKind.OAUTH2_CLIENT_CREDENTIALS, client_id="c&", secret="s", client_in_body=True),
            None,
            "grant_type=client_credentials&client_id=c%26&client_secret=${secret:s}",
        ),
        (
            Login(kind=LoginKind.OAUTH2_PASSWORD, username="ä", secret="s", client_id="c"),
            None,
            "grant_type=password&username=%C3%A4&password=${secret:s}&client_id=c",
        ),
        (
            Login(kind=LoginKind.OAUTH2_PASSWORD, username="u", secret="s", client_id="c", client_secret="t"),
            "Basic base64(c:${secret:t})",
            "grant_type=password&username=u&password=${secret:s}",
        ),
    ],
)
def test_how_a_token_is_asked_for(login: Login, authorization: str | None, body: str) -> None:
    request = token_request(login)
    assert request is not None and shown(request.body) == body
    headers = {name: shown(text) for name, text in request.headers}
    assert headers.get("Authorization") == authorization
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_only_tokens_are_fetched() -> None:
    assert token_request(Login(kind=LoginKind.BEARER, secret="s")) is None

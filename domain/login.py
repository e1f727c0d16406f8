"""How a load test identifies itself to the API: with a credential of every request, or with a token that is fetched first.

Sources: RFC 7617 (Basic), RFC 6750 (Bearer), RFC 6749, sections 2.3.1, 4.3 and 4.4 (OAuth 2), RFC 6265 (cookies); OpenAPI 3.0.4,
"Security Scheme Object".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote, quote_plus

from domain.answer import read_name
from domain.api_document import ApiDocument, OAuthFlow, OAuthGrant, SecurityKind, SecurityScheme
from domain.endpoint import ParameterLocation
from domain.request import TOKEN, Request
from domain.target import MAX_URL, origin, shown_origin, with_ascii_host
from domain.template import Base64, Encoding, Reference, ReferenceKind, Text, joined
from domain.validation import Problems

MAX_TEXT = 500
MAX_SCOPES = 100
FIELDS = (
    "kind",
    "scheme",
    "username",
    "secret",
    "clientId",
    "clientSecret",
    "clientInBody",
    "tokenUrl",
    "scopes",
    "location",
    "parameter",
)


class LoginKind(StrEnum):
    """The ways to identify oneself that a load test knows."""

    BASIC = "BASIC"
    BEARER = "BEARER"
    API_KEY = "API_KEY"
    OAUTH2_CLIENT_CREDENTIALS = "OAUTH2_CLIENT_CREDENTIALS"
    OAUTH2_PASSWORD = "OAUTH2_PASSWORD"


NEEDS = {
    LoginKind.BASIC: ("username", "secret"),
    LoginKind.BEARER: ("secret",),
    LoginKind.API_KEY: ("secret", "location", "parameter"),
    LoginKind.OAUTH2_CLIENT_CREDENTIALS: ("clientId", "secret", "tokenUrl"),
    LoginKind.OAUTH2_PASSWORD: ("username", "secret", "tokenUrl"),
}
MAY_HAVE = {
    LoginKind.OAUTH2_CLIENT_CREDENTIALS: ("scopes", "clientInBody"),
    LoginKind.OAUTH2_PASSWORD: ("clientId", "clientSecret", "clientInBody", "scopes"),
}
GRANTS = {
    OAuthGrant.CLIENT_CREDENTIALS: LoginKind.OAUTH2_CLIENT_CREDENTIALS,
    OAuthGrant.PASSWORD: LoginKind.OAUTH2_PASSWORD,
}
KINDS = {
    SecurityKind.BASIC: LoginKind.BASIC,
    SecurityKind.BEARER: LoginKind.BEARER,
    SecurityKind.API_KEY: LoginKind.API_KEY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One way in; which of the values count depends on the kind.

    `scheme` is the document's name for it, empty where it is none of the document's. `secret` is the name of the secret that is
    the password, the token, the key or, of client credentials, the client's secret; `client_secret` that of a client which asks
    with a password. `client_in_body` says that the token's request names the client in its body, not in its header. `location`
    and `parameter` are where an API key goes.
    """

    kind: LoginKind
    scheme: str = ""
    username: str = ""
    secret: str = ""
    client_id: str = ""
    client_secret: str = ""
    client_in_body: bool = False
    token_url: str = ""
    scopes: tuple[str, ...] = ()
    location: ParameterLocation | None = None
    parameter: str = ""

    @property
    def fetches_token(self) -> bool:
        """Whether a token has to be had before the first request."""
        return self.kind in GRANTS.values()

    def secrets(self, server: str) -> Iterator[tuple[str, str, str]]:
        """Its secrets: the field, the name, and the origin that gets it where `server` is called."""
        place = shown_origin(self.token_url if self.fetches_token else server)
        yield "secret", self.secret, place
        if self.client_secret:
            yield "clientSecret", self.client_secret, place

    def as_json(self) -> dict[str, Any]:
        """The document from which the same login is read."""
        return {
            "kind": str(self.kind),
            "scheme": self.scheme,
            "username": self.username,
            "secret": self.secret,
            "clientId": self.client_id,
            "clientSecret": self.client_secret,
            "clientInBody": self.client_in_body,
            "tokenUrl": self.token_url,
            "scopes": list(self.scopes),
            "location": None if self.location is None else str(self.location),
            "parameter": self.parameter,
        }


def read_login(raw: Mapping[str, Any], problems: Problems) -> Login:
    """The login that a document says; what a scheme of the target can still tell may be missing."""
    problems.no_others(raw, FIELDS)
    kind = problems.choice(raw, "kind", LoginKind)
    known = ("kind", "scheme", *NEEDS[kind], *MAY_HAVE.get(kind, ()))
    for name in FIELDS:
        if name not in known and raw.get(name):
            problems.add(name, f"is not for {kind}")
    username = problems.text(raw, "username", "", most=MAX_TEXT)
    if kind is LoginKind.BASIC and ":" in username:
        problems.add("username", "must have no colon (RFC 7617)")
    if "username" in NEEDS[kind] and not username:
        problems.add("username", "is required")
    if "clientId" in NEEDS[kind] and not raw.get("clientId"):
        problems.add("clientId", "is required")
    if raw.get("clientSecret") and not raw.get("clientId"):
        problems.add("clientId", "is required with `clientSecret`")
    location = problems.choice(raw, "location", ParameterLocation) if raw.get("location") is not None else None
    if location is ParameterLocation.PATH:
        problems.add("location", "must be QUERY, HEADER or COOKIE")
    return Login(
        kind=kind,
        scheme=problems.text(raw, "scheme", "", most=MAX_TEXT),
        username=username,
        secret=read_name(raw, "secret", problems),
        client_id=problems.text(raw, "clientId", "", most=MAX_TEXT),
        client_secret=read_name(raw, "clientSecret", problems) if raw.get("clientSecret") else "",
        client_in_body=raw.get("clientInBody") is True,
        token_url=problems.text(raw, "tokenUrl", "", most=MAX_URL).strip(),
        scopes=problems.texts(raw, "scopes", most=MAX_SCOPES),
        location=location,
        parameter=problems.text(raw, "parameter", "", most=MAX_TEXT),
    )


def checked_login(login: Login, server: str, here: str, api: ApiDocument, problems: Problems) -> Login:
    """The login with what its scheme says of it; what is missing, or is not so in the document, is recorded.

    A token is fetched where a person says, else where the document says if that is where the test calls (`server`) or where the
    target is (`here`): credentials are not sent elsewhere because a document says so.
    """
    scheme = next((each for each in api.security_schemes if each.name == login.scheme), None)
    if login.scheme and (scheme is None or login.kind not in {each.kind for each in _logins(scheme)}):
        problems.add("scheme", f"is no scheme of the target's document for {login.kind}")
        return login
    proposed = next((each for each in _logins(scheme) if each.kind is login.kind), login) if scheme is not None else login
    if login.kind is LoginKind.API_KEY:
        login = replace(login, location=login.location or proposed.location, parameter=login.parameter or proposed.parameter)
        for name, value in (("location", login.location), ("parameter", login.parameter)):
            if not value:
                problems.add(name, "is required, as no scheme of the document says it")
        if login.location is ParameterLocation.HEADER and not TOKEN.issuperset(login.parameter):
            problems.add("parameter", "is no name of a header")
    if not login.fetches_token:
        return login
    if login.token_url:
        if origin(login.token_url) is None or set(login.token_url) & set("\"'\\\\ #"):
            problems.add("tokenUrl", "must be an http or https address without a user")
        return login
    if not proposed.token_url:
        problems.add("tokenUrl", "is required, as no scheme of the document says it")
    elif origin(proposed.token_url) not in (origin(server), origin(here)):
        problems.add("tokenUrl", f"has to be said: the document names {proposed.token_url!r:.300}, which is elsewhere")
    return replace(login, token_url=proposed.token_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProposal:
    """A login that a document offers; `wants` are the fields that a person has to add."""

    login: Login
    wants: tuple[str, ...]
    is_elsewhere: bool = False


def login_proposals(api: ApiDocument, here: str) -> list[LoginProposal]:
    """The logins that the schemes of a document make possible, for a target at the address `here`."""
    found = []
    for login in (each for scheme in api.security_schemes for each in _logins(scheme)):
        is_elsewhere = bool(login.token_url) and origin(login.token_url) != origin(here)
        had = login.as_json()
        wants = tuple(name for name in NEEDS[login.kind] if not had[name] or (name == "tokenUrl" and is_elsewhere))
        found.append(LoginProposal(login=login, wants=wants, is_elsewhere=is_elsewhere))
    return found


def _logins(scheme: SecurityScheme) -> Iterator[Login]:
    """What a scheme says of the logins that it allows."""
    if scheme.kind in KINDS:
        place = scheme.location.upper() if scheme.kind is SecurityKind.API_KEY else ""
        if place not in ("", "HEADER", "QUERY", "COOKIE"):
            return
        location = ParameterLocation(place) if place else None
        yield Login(kind=KINDS[scheme.kind], scheme=scheme.name, location=location, parameter=scheme.parameter if place else "")
    for flow in scheme.flows:
        if flow.grant in GRANTS:
            yield _of_flow(scheme, flow)


def _of_flow(scheme: SecurityScheme, flow: OAuthFlow) -> Login:
    url = flow.token_url if origin(flow.token_url) is not None else ""
    return Login(kind=GRANTS[flow.grant], scheme=scheme.name, token_url=url, scopes=flow.scopes)


def identified(request: Request, login: Login, given: Sequence[tuple[ParameterLocation, str]]) -> Request:
    """The request with the credential; one that the user gives (`given`: places and names) is left as it is."""
    secret = Reference(ReferenceKind.SECRET, login.secret)
    as_url = Reference(ReferenceKind.SECRET, login.secret, (Encoding.URL,))
    match login.kind:
        case LoginKind.BASIC:
            return _with_header(request, "Authorization", _basic(login.username, secret), given)
        case LoginKind.BEARER:
            return _with_header(request, "Authorization", ("Bearer ", secret), given)
        case LoginKind.API_KEY if login.location is ParameterLocation.HEADER:
            return _with_header(request, login.parameter, (secret,), given)
        case LoginKind.API_KEY if (login.location, login.parameter) in given:
            return request
        case LoginKind.API_KEY if login.location is ParameterLocation.COOKIE:
            return _with_cookie(request, login.parameter, as_url)
        case LoginKind.API_KEY:
            before = "&" if any(isinstance(part, str) and "?" in part for part in _parts(request.url)) else "?"
            return replace(request, url=joined([*_parts(request.url), f"{before}{quote(login.parameter, safe='')}=", as_url]))
    return _with_header(request, "Authorization", ("Bearer ", Reference(ReferenceKind.TOKEN, "login")), given)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """The request that is answered with a token: a POST of a form."""

    url: str
    headers: tuple[tuple[str, Text], ...] = field(default=())
    body: Text = ""


def token_request(login: Login) -> TokenRequest | None:
    """How the token is fetched; None where none is needed."""
    if not login.fetches_token:
        return None
    secret = Reference(ReferenceKind.SECRET, login.secret, (Encoding.URL,))
    form: list[tuple[str, str | Reference]] = []
    client: Reference | None = None
    if login.kind is LoginKind.OAUTH2_PASSWORD:
        form += [("grant_type", "password"), ("username", quote_plus(login.username)), ("password", secret)]
        client = Reference(ReferenceKind.SECRET, login.client_secret, (Encoding.URL,)) if login.client_secret else None
    else:
        form += [("grant_type", "client_credentials")]
        client = secret
    if login.scopes:
        form.append(("scope", quote_plus(" ".join(login.scopes))))
    headers: list[tuple[str, Text]] = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Accept", "application/json"),
    ]
    if client is not None and not login.client_in_body:
        headers.append(("Authorization", _basic(quote_plus(login.client_id), client)))
    elif login.client_id:
        form.append(("client_id", quote_plus(login.client_id)))
        if client is not None:
            form.append(("client_secret", client))
    body = joined([part for place, (name, value) in enumerate(form) for part in (f"{'&' if place else ''}{name}=", value)])
    return TokenRequest(url=with_ascii_host(login.token_url), headers=tuple(headers), body=body)


def _basic(username: str, password: Reference) -> Text:
    return ("Basic ", Base64((f"{username}:", password)))


def _parts(text: Text) -> tuple["str | Reference | Base64", ...]:
    return (text,) if isinstance(text, str) else text


def _with_cookie(request: Request, name: str, value: Reference) -> Request:
    had = [part for key, text in request.headers if key.lower() == "cookie" for part in (*_parts(text), "; ")]
    others = tuple(each for each in request.headers if each[0].lower() != "cookie")
    return replace(request, headers=(*others, ("Cookie", joined([*had, f"{quote(name, safe='')}=", value]))))


def _with_header(request: Request, name: str, text: Text, given: Sequence[tuple[ParameterLocation, str]]) -> Request:
    lower = name.lower()
    if any(place is ParameterLocation.HEADER and each.lower() == lower for place, each in given):
        return request
    return replace(request, headers=(*(each for each in request.headers if each[0].lower() != lower), (name, text)))

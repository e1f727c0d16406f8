"""Signing in and out with a browser: the addresses that people and the issuer lead it to."""

from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.identity.local_issuer import is_loopback
from app.container import Container
from app.pages import PRIVATE_HEADERS, Page, leading_to
from app.session_cookie import SessionCookies, SignInCookies
from domain.errors import Unauthenticated, Unavailable, UserError, ValidationFailed
from domain.session import AuthorizationAnswer, SignIn, local_path
from gql.origin import is_from_known_page
from resolvers import session as sessions

SIGN_IN = "/auth/sign-in"
HOME = "/"
MOVED = "moved"
OFF = (
    "Browsers can't sign in here: PLOG_OIDC__CLIENT_ID, by which the sign-in service knows PLOG, is not set. "
    "Programs send a token of the service."
)


class Auth:
    """The routes under `/auth`."""

    def __init__(self, container: Container, cookies: SessionCookies) -> None:
        self._services = container.services
        self._settings = container.settings
        self._cookies = cookies
        self._sign_ins = SignInCookies(container.settings)

    @property
    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route(SIGN_IN, self._sign_in, methods=["GET"]),
            Route("/auth/callback", self._callback, methods=["GET"]),
            Route("/auth/sign-out", self._sign_out, methods=["POST"]),
            Route("/auth/signed-out", self._signed_out, methods=["GET"]),
        ]

    async def _sign_in(self, request: Request) -> Response:
        """Send the browser to the issuer, with a cookie by which it is known again when it comes back."""
        if self._services.relying_party is None:
            return Page(title="No sign-in", sentences=(OFF,)).response(404)
        next_path = request.query_params.get("next", HOME)
        try:
            if (elsewhere := self._where_cookies_fit(request, local_path(next_path))) is not None:
                return leading_to(elsewhere)
            sign_in, address = await sessions.begin_sign_in(self._services, next_path)
        except UserError as error:
            return _refusal(error, next_path)
        response = leading_to(address)
        self._sign_ins.give(response, sign_in)
        return response

    def _where_cookies_fit(self, request: Request, next_path: str) -> str | None:
        """The public address of the sign-in, for who has come by another name of this machine; None for all others.

        The issuer leads back to the public address, and `localhost` and `127.0.0.1` have cookies of their own.
        """
        public = urlsplit(self._settings.base_url)
        is_another = request.url.hostname != public.hostname and is_loopback(request.url.hostname or "")
        if not is_another or not is_loopback(public.hostname or "") or MOVED in request.query_params:
            return None
        return f"{self._settings.base_url}{SIGN_IN}?next={quote(next_path, safe='')}&{MOVED}=1"

    async def _callback(self, request: Request) -> Response:
        """Take the issuer's answer: a session for the browser that began this sign-in, once; a page that says why not."""
        sign_in: SignIn | None = None
        try:
            answer = _read_answer(request)
            sign_in = await sessions.claim_sign_in(self._services, answer.state, self._sign_ins.secret(request, answer.state))
            previous = self._cookies.token(request)
            session, token = await sessions.complete_sign_in(self._services, sign_in, answer, previous)
        except UserError as error:
            response = _refusal(error, sign_in.next_path if sign_in is not None else HOME)
        else:
            response = leading_to(sign_in.next_path)
            self._cookies.give(response, session, token)
        if sign_in is not None:
            self._sign_ins.take(response, sign_in)
        return response

    async def _sign_out(self, request: Request) -> Response:
        """End the session, here and at the issuer: a form is led there, a program that wants JSON is told where to lead."""
        if not is_from_known_page(request, self._settings.origin, self._settings.server.origins):
            message = "The request to sign out came from another site's page."
            return JSONResponse({"code": "CSRF", "message": message}, status_code=403, headers=PRIVATE_HEADERS)
        if (token := self._cookies.token(request)) is not None:
            await sessions.end_session(self._services, token)
        address = await sessions.sign_out_url(self._services) or "/auth/signed-out"
        wants_json = "application/json" in request.headers.get("accept", "")
        response = JSONResponse({"location": address}, headers=PRIVATE_HEADERS) if wants_json else leading_to(address)
        self._cookies.take(response)
        return response

    async def _signed_out(self, _: Request) -> Response:
        return Page(title="You are signed out", links={SIGN_IN: "Sign in again"}).response()


def _read_answer(request: Request) -> AuthorizationAnswer:
    """The issuer's answer in a query; `ValidationFailed` where something stands in it twice (RFC 6749, 3.1)."""
    query = request.query_params
    for name in ("state", "code", "error", "iss"):
        if len(query.getlist(name)) > 1:
            raise ValidationFailed.of(name, "stands in the answer of the sign-in service more than once")
    return AuthorizationAnswer(
        state=query.get("state", ""), code=query.get("code", ""), error=query.get("error", ""), issuer=query.get("iss")
    )


def _refusal(error: UserError, next_path: str) -> Response:
    """A page that says why, from which one can try again; where it would have gone on is kept if it is a path of PLOG."""
    status = 503 if isinstance(error, Unavailable) else 403 if isinstance(error, Unauthenticated) else 400
    is_usable = not isinstance(error, ValidationFailed)
    again = f"{SIGN_IN}?next={quote(next_path, safe='')}" if is_usable else SIGN_IN
    return Page(title="You are not signed in", sentences=(error.message,), links={again: "Try again"}).response(status)

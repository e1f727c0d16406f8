"""The embedded issuer's addresses: what a real issuer has as well, and a page on which one chooses whom to be."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.identity.local_issuer import LocalIssuer
from adapters.identity.local_sign_in import LocalSignIn, TokenRefused
from app.identity import ISSUER_PATH
from app.local_visit import is_local
from app.pages import PRIVATE_HEADERS, Page, leading_to
from domain.errors import ValidationFailed

BUTTON = "username"
MAX_FORM = 20_000
WARNING = "Whoever reaches this server can be anyone. A real sign-in service is set with PLOG_OIDC__ISSUER."
Handler = Callable[[Request], Awaitable[Response]]


class DemoIssuer:
    """The routes of the embedded issuer.

    Who signs in has to be at this machine, under a loopback name and not through a proxy: a name that was pointed here from
    outside (DNS rebinding) would let pages of other sites be anyone.
    """

    def __init__(self, issuer: LocalIssuer, sign_in: LocalSignIn) -> None:
        self._issuer = issuer
        self._sign_in = sign_in

    @property
    def routes(self) -> list[BaseRoute]:
        """All of them."""
        discovery, jwks = self._issuer.discovery, self._issuer.jwks
        return [
            Route(f"{ISSUER_PATH}/.well-known/openid-configuration", lambda _: JSONResponse(dict(discovery()))),
            Route(f"{ISSUER_PATH}/jwks.json", lambda _: JSONResponse(dict(jwks()))),
            Route(f"{ISSUER_PATH}/authorize", _for_visitors_here(self._authorize), methods=["GET", "POST"]),
            Route(f"{ISSUER_PATH}/token", _for_visitors_here(self._token), methods=["POST"]),
            Route(f"{ISSUER_PATH}/end-session", _for_visitors_here(self._end_session), methods=["GET", "POST"]),
        ]

    async def _authorize(self, request: Request) -> Response:
        """Ask who somebody wants to be (GET), and send them back to the client with a code for it (POST of that page)."""
        try:
            wish = self._sign_in.read_request(request.query_params)
        except ValidationFailed as error:
            return Page(title="This is no sign-in of PLOG", sentences=(error.message,)).response(400)
        if isinstance(wish, str):
            return leading_to(wish)
        if request.method == "POST":
            return leading_to(self._sign_in.grant(wish, (await _read_form(request)).get(BUTTON, "")))
        users = {user.username: user.name for user in self._sign_in.users}
        return Page(
            title="Who are you today?", sentences=(WARNING,), button_name=BUTTON, buttons={**users, "": "Nobody: do not sign in"}
        ).response()

    async def _token(self, request: Request) -> Response:
        try:
            return JSONResponse(dict(self._sign_in.exchange(await _read_form(request))), headers=PRIVATE_HEADERS)
        except TokenRefused as error:
            return JSONResponse({"error": error.error}, status_code=400, headers=PRIVATE_HEADERS)

    async def _end_session(self, request: Request) -> Response:
        """There is nothing to end, as nobody is remembered: everybody is asked each time."""
        parameters = await _read_form(request) if request.method == "POST" else dict(request.query_params)
        after = self._sign_in.after_sign_out(parameters)
        return Page(title="You are signed out").response() if after is None else leading_to(after)


def _for_visitors_here(handle: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        if not is_local(request):
            sentence = "Demo users sign in at this machine itself, at a loopback address and without a proxy."
            return Page(title="Not from there", sentences=(sentence,)).response(403)
        return await handle(request)

    return guarded


async def _read_form(request: Request) -> dict[str, str]:
    """The fields of a form as pages and OAuth clients send it; none of one that is too long to be either's."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))

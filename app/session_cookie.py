"""The cookies that PLOG gives to browsers: that of a session, and that of a sign-in under way."""

from datetime import UTC, datetime

from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.settings import Settings
from domain.actor import Actor
from domain.session import SIGN_IN_LIFETIME, Session, SignIn
from resolvers.services import Services
from resolvers.session import resume_session

STATE_IN_NAME = 8


class SessionCookies:
    """The cookie of a session (`gql.gateway.BrowserSessions`)."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._services = services
        self._is_secure = settings.is_https
        self._name = f"{_prefix(settings)}plog_session"

    def token(self, connection: HTTPConnection) -> str | None:
        """What the cookie holds; None where there is no such cookie."""
        return connection.cookies.get(self._name)

    async def resume(self, token: str) -> Actor:
        """Who is signed in with it; `Unauthenticated` once the session is over, `Unavailable` where that can't be told."""
        return await resume_session(self._services, token)

    def give(self, response: Response, session: Session, token: str) -> None:
        """Have the browser keep the session's token for as long as it is good for anything."""
        seconds = int((session.expires_at - datetime.now(UTC)).total_seconds())
        response.set_cookie(self._name, token, max_age=seconds, path="/", secure=self._is_secure, httponly=True, samesite="lax")

    def take(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self._name, path="/", secure=self._is_secure, httponly=True, samesite="lax")


class SignInCookies:
    """The cookies of sign-ins under way: one each, as several tabs may sign in at the same time."""

    def __init__(self, settings: Settings) -> None:
        self._is_secure = settings.is_https
        self._prefix = f"{_prefix(settings)}plog_sign_in_"

    def secret(self, connection: HTTPConnection, state: str) -> str | None:
        """The secret of the sign-in of that state, if this browser began it."""
        return connection.cookies.get(self._name(state))

    def give(self, response: Response, sign_in: SignIn) -> None:
        """Have the browser keep the sign-in's secret until the issuer has answered."""
        name, seconds = self._name(sign_in.state), int(SIGN_IN_LIFETIME.total_seconds())
        secret, is_secure = sign_in.secret, self._is_secure
        response.set_cookie(name, secret, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="lax")

    def take(self, response: Response, sign_in: SignIn) -> None:
        """Have the browser forget it."""
        name = self._name(sign_in.state)
        response.delete_cookie(name, path="/", secure=self._is_secure, httponly=True, samesite="lax")

    def _name(self, state: str) -> str:
        return self._prefix + state[:STATE_IN_NAME]


def _prefix(settings: Settings) -> str:
    """Under names that begin with it browsers take cookies from this very host alone, over https, for all paths.

    Over http, which is for trying PLOG on loopback, they take none.
    """
    return "__Host-" if settings.is_https else ""

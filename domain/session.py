"""Browser sessions: what a sign-in under way is made of, whom an issuer vouches for, and what PLOG then keeps of it."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from domain.actor import Person
from domain.errors import ValidationFailed

SIGN_IN_LIFETIME = timedelta(minutes=10)
MAX_NEXT = 2000
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in under way in one browser, which goes on at `next_path` afterwards.

    The secret is in that browser's cookie and nowhere else. State, nonce and PKCE verifier are derived from it, each one way, so
    that neither what the issuer is sent nor what is stored gives anything of it away, and each fits this browser alone.
    """

    secret: str = field(repr=False)
    next_path: str

    @classmethod
    def begin(cls, next_path: str) -> "SignIn":
        """A new one; `ValidationFailed` unless it goes on at a path of PLOG itself."""
        return cls(new_token(), local_path(next_path))

    @property
    def state(self) -> str:
        """What the issuer sends back with its answer (RFC 6749, 4.1.1)."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """What the issuer writes into the id token (OpenID Connect Core, 3.1.2.1)."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """What the issuer is shown with the code (RFC 7636)."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """What the issuer is told of the verifier before (RFC 7636, method S256)."""
        return _encoded(hashlib.sha256(self.verifier.encode()).digest())

    def _derived(self, purpose: str) -> str:
        return _encoded(hmac.digest(self.secret.encode(), f"plog sign-in {purpose}".encode(), "sha256"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAnswer:
    """What the issuer has the browser bring back: a code, or an error; `issuer` says who answers, where it does (RFC 9207)."""

    state: str
    code: str = field(default="", repr=False)
    error: str = ""
    issuer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom an issuer vouches for."""

    subject: str
    name: str
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person signed in with one browser, from `created_at` until `expires_at`, or `ended_at` where that came first.

    `subject` is somebody of that `issuer`; at another the same name would be another person.
    """

    id: UUID
    issuer: str
    subject: str
    name: str
    groups: frozenset[str]
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def is_alive(self, now: datetime) -> bool:
        """Whether it still lets anybody in."""
        return self.ended_at is None and now < self.expires_at

    @property
    def person(self) -> Person:
        """Who is signed in."""
        return Person(subject=self.subject, name=self.name, groups=self.groups, expires_at=self.expires_at, session_id=self.id)


def new_token() -> str:
    """256 random bits as text that fits a cookie."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> bytes:
    """What is stored of a token. It is random, so that a plain hash can't be guessed from."""
    return hashlib.sha256(token.encode()).digest()


def local_path(text: str) -> str:
    """The path of PLOG itself that the text is; `ValidationFailed` (field `next`) for all that browsers might take for more.

    They read a backslash as a slash and skip tabs and line breaks: such a path can lead to another host.
    """
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text
    if not (is_path and text.isprintable() and len(text) <= MAX_NEXT):
        raise ValidationFailed.of("next", f"must be a path of PLOG itself, as in /graphql, of at most {MAX_NEXT} characters")
    return text


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

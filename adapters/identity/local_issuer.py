"""The embedded issuer: demo users for trying PLOG on one machine, with the tokens that a real issuer would make.

Whoever reaches it is who they say they are, so it works on loopback only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from joserfc import jwt
from joserfc.jwk import ECKey

from domain.errors import NotFound

ALGORITHM = "ES256"
_GROUP_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order n of the curve P-256 (SEC 2, section 2.4.2)."""


class IssuerRefused(Exception):
    """The embedded issuer must not run here; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoUser:
    """Someone to sign in as: `username` is what people type, `groups` what a company's directory would say of them.

    `permissions` are what they have from the first start on.
    """

    username: str
    name: str
    groups: tuple[str, ...]
    permissions: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The subject of this user's tokens; no real issuer's subject looks like it."""
        return f"demo:{self.username}"

    @property
    def email(self) -> str:
        """An address in a domain that can't exist (RFC 2606)."""
        return f"{self.username}@plog.example"


DEMO_APPROVERS = "approvers"
DEMO_USERS = (
    DemoUser(username="ada", name="Ada (sets up logic models)", groups=("logic-engineers",), permissions=("LOGIC_MODEL_SET_UP",)),
    DemoUser(username="bela", name="Bela (DRAM engineer)", groups=("dram-engineers",), permissions=("DRAM_GENERAL",)),
    DemoUser(username="chris", name="Chris (approver)", groups=(DEMO_APPROVERS,)),
    DemoUser(username="dana", name="Dana (applicant)", groups=("logic-engineers",)),
)


class LocalIssuer:
    """Makes tokens for demo users.

    Args:
        issuer: the `iss` of its tokens, an address below which the composition root serves `discovery()` and `jwks()`.
        audience: the `aud` of its tokens.
        secrets: derived secrets by key id (at least 40 bytes each); the first signs, the keys of all are published.
        host: where the server listens. `IssuerRefused` unless that is loopback.
        users: whom it knows.
        now: the clock.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        secrets: Mapping[str, bytes],
        *,
        host: str,
        users: Sequence[DemoUser] = DEMO_USERS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not is_loopback(host):
            raise IssuerRefused(
                f"The embedded sign-in with demo users works on loopback only, not on {host}: "
                "set PLOG_OIDC__ISSUER and PLOG_OIDC__AUDIENCE, or PLOG_HOST=127.0.0.1."
            )
        self._issuer = issuer
        self._audience = audience
        self._keys = [_signing_key(key_id, secret) for key_id, secret in secrets.items()]
        self._users = {user.username: user for user in users}
        self._now = now

    @property
    def users(self) -> Sequence[DemoUser]:
        """The demo users."""
        return tuple(self._users.values())

    def issue(self, username: str, lifetime: timedelta) -> str:
        """An access token for a demo user; `NotFound` where there is none of that name."""
        user = self._users.get(username)
        if user is None:
            raise NotFound("demo user", username)
        now = int(self._now().timestamp())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": user.subject,
            "aud": self._audience,
            "exp": now + int(lifetime.total_seconds()),
            "nbf": now,
            "iat": now,
            "jti": str(uuid4()),
            "name": user.name,
            "preferred_username": user.username,
            "email": user.email,
            "groups": list(user.groups),
        }
        key = self._keys[0]
        return jwt.encode({"typ": "at+jwt", "alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])

    def discovery(self) -> Mapping[str, Any]:
        """The document for `/.well-known/openid-configuration`; it names no endpoints to sign in at, as there are none."""
        return {
            "issuer": self._issuer,
            "jwks_uri": f"{self._issuer.rstrip('/')}/jwks.json",
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "subject_types_supported": ["public"],
            "response_types_supported": [],
        }

    def jwks(self) -> Mapping[str, Any]:
        """The public keys, for the address that `discovery()` names."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}

    async def fetch_jwks(self) -> Mapping[str, Any]:
        """`jwks()` as the source of a key cache, so that a server need not call itself."""
        return self.jwks()


def is_loopback(host: str) -> bool:
    """Whether a server that binds `host` is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _signing_key(key_id: str, secret: bytes) -> ECKey:
    """The P-256 key that belongs to a secret.

    The secret has at least 64 bits more than the order, reduced modulo n - 1 (FIPS 186-5, A.2.1), so that no key is
    noticeably more likely than another.
    """
    if len(secret) < 40:
        raise ValueError("a secret for an issuer's key needs at least 40 bytes")
    number = int.from_bytes(secret, "big") % (_GROUP_ORDER - 1) + 1
    return ECKey.import_key(derive_private_key(number, SECP256R1()), {"kid": key_id, "use": "sig", "alg": ALGORITHM})

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
        issuer: the `iss` of its access tokens. It is the same wherever the server listens: who has the keys can make one.
        audience: the `aud` of its access tokens.
        secrets: derived secrets by key id (at least 40 bytes each); the first signs, the keys of all are published.
        host: where the server listens. `IssuerRefused` unless that is loopback.
        address: where its discovery document is found, which is the issuer that id tokens name; as `issuer` where it is empty.
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
        address: str = "",
        users: Sequence[DemoUser] = DEMO_USERS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not is_loopback(host):
            raise IssuerRefused(
                f"The embedded sign-in with demo users works on loopback only, not on {host}: "
                "set PLOG_OIDC__ISSUER and PLOG_OIDC__AUDIENCE, or PLOG_HOST=127.0.0.1."
            )
        self._issuer = issuer
        self._address = address or issuer
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
        return self._sign("at+jwt", username, lifetime, {"iss": self._issuer, "aud": self._audience})

    def issue_id_token(self, username: str, lifetime: timedelta, client_id: str, nonce: str | None) -> str:
        """What tells the client who has signed in (OpenID Connect Core 1.0, section 2); `NotFound` as above."""
        claims = {"iss": self._address, "aud": client_id} | ({} if nonce is None else {"nonce": nonce})
        return self._sign("JWT", username, lifetime, claims)

    def discovery(self) -> Mapping[str, Any]:
        """The document for `/.well-known/openid-configuration` below the issuer's address."""
        return {
            "issuer": self._address,
            "authorization_endpoint": f"{self._address}/authorize",
            "token_endpoint": f"{self._address}/token",
            "end_session_endpoint": f"{self._address}/end-session",
            "jwks_uri": f"{self._address}/jwks.json",
            "scopes_supported": ["openid", "profile"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _sign(self, kind: str, username: str, lifetime: timedelta, claims: Mapping[str, Any]) -> str:
        user = self._users.get(username)
        if user is None:
            raise NotFound("demo user", username)
        now, key = int(self._now().timestamp()), self._keys[0]
        whole: dict[str, Any] = {
            **claims,
            "sub": user.subject,
            "exp": now + int(lifetime.total_seconds()),
            "nbf": now,
            "iat": now,
            "jti": str(uuid4()),
            "name": user.name,
            "preferred_username": user.username,
            "email": user.email,
            "groups": list(user.groups),
        }
        return jwt.encode({"typ": kind, "alg": ALGORITHM, "kid": key.kid}, whole, key, algorithms=[ALGORITHM])

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

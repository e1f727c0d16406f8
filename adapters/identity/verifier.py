"""Who a token speaks for: tokens of an OpenID Connect issuer, and the choice between the kinds of bearer tokens."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.errors import ExpiredTokenError, InvalidClaimError, MissingClaimError
from joserfc.jwt import JWTClaimsRegistry

from adapters.identity.compact import read_claims, read_header
from adapters.identity.jwks import JwksCache
from domain.actor import Actor, Person
from domain.errors import Unauthenticated
from domain.ports import TokenVerifier
from domain.session import Identity
from domain.validation import is_storable

ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA", "Ed25519"})
"""What issuers sign tokens with. All are asymmetric: a public key can't be taken for a shared secret."""

TYPES = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
"""Accepted `typ` headers of access tokens, in lower case: RFC 9068 wants `at+jwt`, most issuers write `JWT`, some write none.

ID tokens say `JWT` too and are not told apart by it (see `client_id` of `OidcVerifier`).
"""

SAYS_ACCESS_TOKEN = frozenset({"at+jwt", "application/at+jwt"})
OF_ACCESS_TOKENS = frozenset({"scope", "scp", "azpacr", "appidacr"})
"""Claims that tell what a client may do (RFC 9068; Entra ID and Okta), or how it proved who it is: no id token says that."""

OF_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash"})
"""Claims that tie an id token to its sign-in (OpenID Connect Core 1.0, sections 2 and 3.3.2.11)."""

LEEWAY = timedelta(seconds=30)
MAX_SUBJECT = 255
MAX_NAME = 200
_REFUSALS = {"iss": "The token comes from another issuer.", "aud": "The token is meant for another audience."}


class OidcVerifier:
    """Verifies the tokens (JWT) that `issuer` makes for `audience`: access tokens (RFC 9068) as they come, others by `types`.

    `groups_claim` is the claim that lists a person's groups: its name, or a dotted path (`realm_access.roles`).
    `client_id` is whom browsers sign in with: tokens that name it as an audience have to say that they are access tokens.
    `leeway` forgives clocks that differ; a sign-in counts as ended `leeway` after the token's expiry.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: JwksCache,
        *,
        groups_claim: str = "groups",
        client_id: str = "",
        types: Collection[str | None] = TYPES,
        leeway: timedelta = LEEWAY,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys = keys
        self._groups_claim = groups_claim
        self._client_id = client_id
        self._types = types
        self._leeway = leeway
        self._claims = JWTClaimsRegistry(
            now=lambda: int(now().timestamp()),
            leeway=int(leeway.total_seconds()),
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def verify(self, token: str) -> Person:
        """The person that the token speaks for.

        `Unauthenticated` for anything that is not valid; `Unavailable` where the issuer's keys can't be had.
        """
        claims = await self.claims(token)
        identity = identity_of(claims, self._groups_claim)
        try:
            expires_at = datetime.fromtimestamp(claims["exp"], UTC) + self._leeway
        except (OverflowError, ValueError, OSError) as error:
            raise Unauthenticated("The token's claim 'exp' is not valid.") from error
        return Person(subject=identity.subject, name=identity.name, groups=identity.groups, expires_at=expires_at)

    async def claims(self, token: str) -> Mapping[str, Any]:
        """All that the token says, once signature, issuer, audience and times are found to be good; fails as `verify` does."""
        header = read_header(token)
        if header.algorithm not in ALGORITHMS:
            raise Unauthenticated("The token's algorithm is not accepted.")
        kind = header.type.lower() if header.type is not None else None
        if kind not in self._types:
            raise Unauthenticated("The token is of another type.")
        keys = await self._keys.find(header.key_id, header.algorithm)
        if not keys:
            raise Unauthenticated("The token is signed with an unknown key.")
        claims = read_claims(token, keys, header.algorithm)
        self._check(claims)
        audience = claims["aud"]
        is_for_client = self._client_id in (audience if isinstance(audience, list) else [audience])
        if is_for_client and kind not in SAYS_ACCESS_TOKEN and not _has_claims_of_access_token(claims):
            raise Unauthenticated("The token is made for the client that people sign in with, and is no access token.")
        return claims

    def _check(self, claims: dict[str, Any]) -> None:
        try:
            self._claims.validate(claims)
        except ExpiredTokenError as error:
            raise Unauthenticated("The sign-in has expired.") from error
        except MissingClaimError as error:
            raise Unauthenticated(f"The token lacks a claim: {error.claim}.") from error
        except InvalidClaimError as error:
            raise Unauthenticated(_REFUSALS.get(error.claim, f"The token's claim {error.claim!r} is not valid.")) from error


class VerifierByType:
    """Hands each token to the verifier for its `typ` header; the header only chooses, the verifier checks it again."""

    def __init__(self, verifiers: Mapping[str, TokenVerifier], otherwise: TokenVerifier) -> None:
        self._verifiers = verifiers
        self._otherwise = otherwise

    async def verify(self, token: str) -> Actor:
        """Who the token speaks for; `Unauthenticated` or `Unavailable` as the verifier in charge says."""
        return await self._verifiers.get(read_header(token).type or "", self._otherwise).verify(token)


def identity_of(claims: Mapping[str, Any], groups_claim: str) -> Identity:
    """Whom verified claims are about; `Unauthenticated` where their subject can't be stored."""
    subject = claims["sub"]
    if not isinstance(subject, str) or len(subject) > MAX_SUBJECT or not is_storable(subject):
        raise Unauthenticated("The token's claim 'sub' is not valid.")
    return Identity(subject=subject, name=_name(claims), groups=_groups(claim_at(claims, groups_claim)))


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that very name (names may hold dots), else the one at the end of the dotted path; None where there is none."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _has_claims_of_access_token(claims: Mapping[str, Any]) -> bool:
    """Whether they are an access token's; not where that can't be told.

    Keycloak says it in a claim, and until version 24 had the nonce of the sign-in in access tokens as well.
    """
    if "typ" in claims:
        return bool(claims["typ"] == "Bearer")
    return not OF_ID_TOKENS & claims.keys() and not OF_ACCESS_TOKENS.isdisjoint(claims)


def _name(claims: Mapping[str, Any]) -> str:
    for claim in ("name", "preferred_username", "email", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value.strip() and is_storable(value):
            return value.strip()[:MAX_NAME]
    raise Unauthenticated("The token's claim 'sub' is not valid.")


def _groups(value: Any) -> frozenset[str]:
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(group for group in values if isinstance(group, str) and is_storable(group))

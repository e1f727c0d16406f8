"""The tokens that workers and load generators show: each reaches one attempt of one job, or one run, and nothing else.

They are no sign-in: their `typ`, issuer, algorithm and keys are all their own, so that neither kind passes for the other.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import OctKey

from adapters.identity.compact import read_claims, read_header
from domain.actor import Generator, Worker
from domain.attempt import AttemptKey
from domain.errors import Unauthenticated

ATTEMPT_TYPE = "plog-attempt+jwt"
ISSUER = "plog"
ALGORITHM = "HS256"


class SignedAttemptTokens:
    """Makes and verifies attempt tokens. `secrets` are the keys by id: the first signs, all verify."""

    def __init__(self, secrets: Mapping[str, bytes], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keys = {key_id: OctKey.import_key(secret) for key_id, secret in secrets.items()}
        self._now = now

    def issue(self, worker: Worker | Generator) -> str:
        """A signed token for this attempt that expires at `worker.expires_at`."""
        key_id, key = next(iter(self._keys.items()))
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "job": str(worker.attempt.job_id),
            "attempt": worker.attempt.number,
            "exp": worker.expires_at.timestamp(),
        }
        if isinstance(worker, Worker):
            claims["kit"] = worker.kit_id
        return jwt.encode({"typ": ATTEMPT_TYPE, "alg": ALGORITHM, "kid": key_id}, claims, key, algorithms=[ALGORITHM])

    async def verify(self, token: str) -> Worker | Generator:
        """The worker or load generator that the token was made for; `Unauthenticated` for anything else."""
        header = read_header(token)
        if header.type != ATTEMPT_TYPE or header.algorithm != ALGORITHM:
            raise Unauthenticated("The token is not an attempt's.")
        key = self._keys.get(header.key_id or "")
        if key is None:
            raise Unauthenticated("The token is signed with an unknown key.")
        worker = _worker(read_claims(token, [key], ALGORITHM))
        if worker.expires_at <= self._now():
            raise Unauthenticated("The attempt's token has expired.")
        return worker


def _worker(claims: Mapping[str, Any]) -> Worker | Generator:
    """What `issue` wrote. Only PLOG has the keys, so that other claims mean another version of PLOG, not an attack."""
    try:
        if claims["iss"] != ISSUER:
            raise ValueError("another issuer")
        attempt = AttemptKey(UUID(claims["job"]), int(claims["attempt"]))
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        if "kit" not in claims:
            return Generator(attempt=attempt, expires_at=expires_at)
        return Worker(attempt=attempt, kit_id=int(claims["kit"]), expires_at=expires_at)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise Unauthenticated("The token is not an attempt's.") from error

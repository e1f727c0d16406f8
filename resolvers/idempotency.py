"""Making a repeated mutation return its first result."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import IdempotencyKeyReused, ValidationFailed
from domain.idempotency_key import KeyRecord
from domain.storage import UnitOfWork
from domain.validation import is_storable

MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A key as sent, with whose it is, for which mutation, and what it was sent with."""

    person: str
    mutation: str
    key: str
    input_hash: str

    @classmethod
    def of(cls, person: str, mutation: str, key: str | None, given: Mapping[str, Any]) -> "Idempotency | None":
        """The key with its scope; None where none was sent."""
        if key is None:
            return None
        if not 0 < len(key) <= MAX_KEY or not is_storable(key):
            raise ValidationFailed.of("idempotencyKey", f"must have 1 to {MAX_KEY} storable characters")
        try:
            text = json.dumps(given, sort_keys=True, default=str)
        except RecursionError:
            raise ValidationFailed.of("input", "is nested too deeply") from None
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
        return cls(person, mutation, key, digest.hexdigest())

    async def replayed(self, work: UnitOfWork) -> Mapping[str, Any] | None:
        """Claim the key; what its first use changed where it was used before, else None."""
        record = await work.idempotency_keys.claim(self.person, self.mutation, self.key, self.input_hash, await work.kits.now())
        return None if record is None else self._outcome(record)

    def _outcome(self, record: KeyRecord) -> Mapping[str, Any] | None:
        if record.input_hash != self.input_hash:
            raise IdempotencyKeyReused(self.key)
        return record.outcome

    async def earlier(self, work: UnitOfWork) -> Mapping[str, Any] | None:
        """What the first use of the key changed, None where there was none: for commands that do much before they write."""
        record = await work.idempotency_keys.find(self.person, self.mutation, self.key)
        return None if record is None else self._outcome(record)

    async def complete(self, work: UnitOfWork, outcome: Mapping[str, Any]) -> None:
        """Record what the mutation changed, in its own transaction."""
        await work.idempotency_keys.complete(self.person, self.mutation, self.key, outcome)

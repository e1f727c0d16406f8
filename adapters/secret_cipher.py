"""Encrypting secrets at rest: AES-256-GCM, with keys derived from the server's.

Each value has a nonce of its own and is bound to its place, so that no ciphertext can be put in the place of another.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.secret import Sealed

KEY_BYTES = 32
NONCE_BYTES = 12


class AesSecretCipher:
    """`domain.ports.SecretCipher`; the first key encrypts, all decrypt.

    Args:
        keys: at least 64 secret bytes by key id: the first half encrypts, the rest makes digests.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key[:KEY_BYTES]) for key_id, key in keys.items()}
        self._first, first_key = next(iter(keys.items()))
        self._digest_key = first_key[KEY_BYTES:]

    def seal(self, value: str, context: str) -> Sealed:
        """See `domain.ports.SecretCipher.seal`."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(self._first, nonce + self._ciphers[self._first].encrypt(nonce, value.encode(), context.encode()))

    def unseal(self, sealed: Sealed, context: str) -> str | None:
        """See `domain.ports.SecretCipher.unseal`."""
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            return None
        nonce, ciphertext = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, ciphertext, context.encode()).decode()
        except InvalidTag:  # another key under the same id, or another value's ciphertext
            return None

    def has_key(self, key_id: str) -> bool:
        """See `domain.ports.SecretCipher.has_key`."""
        return key_id in self._ciphers

    def digest(self, value: str) -> str:
        """See `domain.ports.SecretCipher.digest`."""
        return hmac.new(self._digest_key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

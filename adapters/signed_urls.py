"""Links that open one door for a while without a sign-in: downloads in a browser, uploads by a worker.

The signature binds method, path, expiry and key, and no other query parameter is accepted beside them, so that a link can't be
bent into another request.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode

_PARAMETERS = ("expires", "key", "signature")
_MAX_QUERY = 1024


class UrlCheck(StrEnum):
    """What the check of a signed URL found; all but `VALID` refuse it."""

    VALID = "VALID"
    EXPIRED = "EXPIRED"
    TAMPERED = "TAMPERED"
    UNKNOWN_KEY = "UNKNOWN_KEY"


class SignedUrls:
    """Signs and checks links. `secrets` are the keys by id: the first signs, all verify."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets = secrets

    def sign(self, method: str, path: str, expires_at: datetime) -> str:
        """The query string that makes `path` valid for `method` until `expires_at` (to the second, rounded down).

        `path` is compared character by character: sign and verify the same form of it (both decoded or both as sent). A link
        signed for GET does not open HEAD; a server that allows it verifies its HEAD requests as GET.
        """
        expires = str(int(expires_at.timestamp()))
        key_id, secret = next(iter(self._secrets.items()))
        signature = _signature(secret, (method, path, expires, key_id))
        return urlencode(dict(zip(_PARAMETERS, (expires, key_id, signature), strict=True)))

    def verify(self, method: str, path: str, query: str, now: datetime) -> UrlCheck:
        """Whether `query` (without the question mark) opens `path` for `method` at `now`.

        `EXPIRED` is said only of a link that was genuine.
        """
        if len(query) > _MAX_QUERY:
            return UrlCheck.TAMPERED
        pairs = parse_qsl(query, keep_blank_values=True)
        if sorted(name for name, _ in pairs) != sorted(_PARAMETERS):
            return UrlCheck.TAMPERED
        expires, key_id, signature = (dict(pairs)[name] for name in _PARAMETERS)
        secret = self._secrets.get(key_id)
        if secret is None:
            return UrlCheck.UNKNOWN_KEY
        expected = _signature(secret, (method, path, expires, key_id))
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
            return UrlCheck.TAMPERED
        return UrlCheck.VALID if now.timestamp() < int(expires) else UrlCheck.EXPIRED


def _signature(secret: bytes, parts: tuple[str, ...]) -> str:
    # JSON keeps the parts apart: no two different tuples give the same message.
    digest = hmac.digest(secret, json.dumps(parts).encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

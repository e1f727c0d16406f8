"""Making tokens that no honest issuer would make."""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import Key
from joserfc.jws import JWSRegistry


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forge(header: bytes | Mapping[str, Any], claims: bytes | Mapping[str, Any], key: Key, algorithm: str = "ES256") -> str:
    """A token with any header and claims whatsoever, rightly signed."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = ".".join(encode(part) for part in parts)
    signature = JWSRegistry.algorithms[algorithm].sign(signed.encode(), key)
    return f"{signed}.{encode(signature)}"


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(part + "==")))


def hmac_forge(header: Mapping[str, Any], claims: bytes | Mapping[str, Any], secret: bytes, digest: str = "sha256") -> str:
    """A token with any header and claims, signed with a shared secret; libraries refuse public keys as such, attackers don't."""
    content = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{encode(json.dumps(header).encode())}.{encode(content)}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), digest))}"

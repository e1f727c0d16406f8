"""Reading bearer tokens (JWS compact serialization, RFC 7515) strictly: what is not plainly a signed token is refused.

The same strict reading for every kind of token means that no two parts of PLOG can understand one token differently.
"""

import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from domain.errors import Unauthenticated

MAX_TOKEN_LENGTH = 16_384
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """What a token says of itself before anything is verified: good for choosing how to verify it, for nothing else."""

    algorithm: str
    key_id: str | None
    type: str | None


class _Registry(JWSRegistry):
    """The one algorithm that the caller chose, headers up to the size of a token, unknown header fields ignored (RFC 7515, 4)."""

    max_header_length = MAX_TOKEN_LENGTH

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)
        self._algorithm = algorithm

    def get_alg(self, name: str) -> Any:
        # The library's own method warns about the name EdDSA at each use; which name an issuer uses is not ours to choose.
        if name != self._algorithm:
            raise BadSignatureError("The algorithm is another than was chosen.")
        return self.algorithms[name]


def read_header(token: str) -> TokenHeader:
    """The header of `token`, unverified; `Unauthenticated` for anything that is not a signed token without extensions."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise Unauthenticated(f"The token is longer than {MAX_TOKEN_LENGTH} characters.")
    if not _SHAPE.fullmatch(token):
        raise Unauthenticated("The token is not a signed JSON Web Token.")
    header = _read_object(_decode(token.partition(".")[0]))
    if "crit" in header:
        raise Unauthenticated("The token demands extensions that are not known here.")
    return TokenHeader(_text(header, "alg") or "", _text(header, "kid"), _text(header, "typ"))


def read_claims(token: str, keys: Sequence[Key], algorithm: str) -> dict[str, Any]:
    """The claims of `token` if one of `keys` made its signature with `algorithm`; `Unauthenticated` otherwise.

    Call `read_header` first: it bounds the size and the shape.
    """
    registry = _Registry(algorithm)
    failure: Exception | None = None
    for key in keys:
        try:
            signed = jws.deserialize_compact(token, key, registry=registry)
        # The library raises whatever its parts raise for odd keys and headers (TypeError, binascii.Error, …).
        except Exception as error:
            failure = error
            continue
        return _read_object(signed.payload or b"")
    raise Unauthenticated("The token's signature is not valid.") from failure


def _decode(segment: str) -> bytes:
    try:
        return urlsafe_b64decode(segment.encode())
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated("The token is not well-formed.") from error


def _read_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unauthenticated("The token is not well-formed.") from error
    if not isinstance(value, dict):
        raise Unauthenticated("The token is not well-formed.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse repeated names: readers differ in which one they take."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name appears twice")
    return values


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _text(header: dict[str, Any], name: str) -> str | None:
    value = header.get(name)
    if value is not None and not isinstance(value, str):
        raise Unauthenticated(f"The token's header {name!r} is not text.")
    return value

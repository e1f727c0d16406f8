"""JSON on the wire, strict in both directions."""

import json
from typing import Any

import orjson


class NotJSON(ValueError):
    """What arrived is not JSON in UTF-8 (or is nested beyond reason)."""


def decode(raw: bytes | str) -> Any:
    """The decoded value; NotJSON for broken UTF-8, lone surrogates, NaN, or more than about a thousand nested levels."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NotJSON(f"The text is not valid JSON: {error.msg}.") from error


def encode(payload: Any) -> bytes:
    """The payload on one line of JSON.

    What orjson refuses, text with a lone surrogate (a file name, say) and integers beyond 64 bits, JSON itself can carry.
    """
    try:
        return orjson.dumps(payload)
    except TypeError:
        return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode("ascii")

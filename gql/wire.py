"""JSON on the wire, strict in both directions."""

import json
import re
from typing import Any

import orjson

_LONG_NUMBER = re.compile(rb"[0-9]{19}")


class NotJSON(ValueError):
    """What arrived is not JSON in UTF-8 (or is nested beyond reason)."""


def decode(raw: bytes | str) -> Any:
    """The decoded value; NotJSON for broken UTF-8, lone surrogates, NaN, or more than about a thousand nested levels.

    Whole numbers are exact, however long they are. orjson gives the nearest double for those beyond 64 bits, and nobody could
    tell any more that it is not what was sent; so where there may be one the text that it has checked is read by `json`.
    """
    raw = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    try:
        value = orjson.loads(raw)
        return json.loads(raw) if _LONG_NUMBER.search(raw) else value
    except orjson.JSONDecodeError as error:
        raise NotJSON(f"The text is not valid JSON: {error.msg}.") from error
    except RecursionError as error:
        raise NotJSON("The text is not valid JSON: it is nested too deeply.") from error


def encode(payload: Any) -> bytes:
    """The payload on one line of JSON.

    What orjson refuses, text with a lone surrogate (a file name, say) and integers beyond 64 bits, JSON itself can carry.
    """
    try:
        return orjson.dumps(payload)
    except TypeError:
        return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode("ascii")

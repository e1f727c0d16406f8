"""Following the references of a JSON document within itself (RFC 6901, as URI fragments)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote


class Unresolvable(Exception):
    """A reference leads nowhere, out of the document or back to itself; the message says which."""


def resolve(document: Any, value: Any) -> Any:
    """The value, or where it is an object with `$ref` what that leads to, however many references lie between."""
    seen: set[str] = set()
    while isinstance(value, Mapping) and isinstance(pointer := value.get("$ref"), str):
        if pointer in seen:
            raise Unresolvable(f"the reference {pointer!r} leads back to itself")
        seen.add(pointer)
        value = value_at(document, pointer)
    return value


def value_at(document: Any, pointer: str) -> Any:
    """What stands where a reference leads, which may be a reference again; `Unresolvable` where it leads nowhere."""
    if pointer.startswith("#") and not pointer.startswith("#/") and pointer != "#":
        raise Unresolvable(f"the reference {pointer!r} is no path in the document")
    if not pointer.startswith("#"):
        raise Unresolvable(f"the reference {pointer!r} leads out of the document and is not followed")
    for key in keys_of(unquote(pointer[1:])):
        if isinstance(document, Mapping) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdecimal() and key.isascii() and len(key) < 10 and int(key) < len(document):
            document = document[int(key)]
        else:
            raise Unresolvable(f"the reference {pointer!r} leads nowhere")
    return document


def keys_of(pointer: str) -> list[str]:
    """The keys and places on the way of a JSON Pointer; none for the empty one, which is the whole document."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]

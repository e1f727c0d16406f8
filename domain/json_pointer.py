"""Following the references of a JSON document within itself (RFC 6901, as URI fragments)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

BUNDLE = "x-plog-bundle"  # where a document has those that its references lead to, see `domain.bundle`
DOCUMENTS = "documents"  # in it: by address
UNFOLLOWED = "unfollowed"  # in it: why a reference is not followed, by reference or by the address of the document it leads to
MAX_HOPS = 20  # from one reference to the next: longer chains are walked again by all that lead to them
MAX_REASON = 300  # characters
MAX_POINTER = 10_000  # characters, more than an escaped address with a name takes: it is read again by all that lead there
REFUSED = "an analysis follows such references only where the setting PLOG_TARGETS__ALLOW_REMOTE_REFERENCES is true"


class Unresolvable(Exception):
    """A reference leads nowhere, out of the document or back to itself; the message says which.

    `fact` is the message without a reason that may be another one next time.
    """

    def __init__(self, fact: str, reason: str = "") -> None:
        super().__init__(f"{fact}: {reason}" if reason else fact)
        self.fact = fact


def resolve(document: Any, value: Any) -> Any:
    """The value, or where it is an object with `$ref` what that leads to, also where references lie between."""
    seen: set[str] = set()
    while isinstance(value, Mapping) and isinstance(pointer := value.get("$ref"), str):
        if pointer in seen:
            raise Unresolvable(f"the reference {pointer!r} leads back to itself")
        if len(seen) == MAX_HOPS:
            raise Unresolvable(f"the reference {pointer!r} comes after {MAX_HOPS} others and is not followed")
        seen.add(pointer)
        value = value_at(document, pointer)
    return value


def value_at(document: Any, pointer: str) -> Any:
    """What stands where a reference leads, which may be a reference again; `Unresolvable` where it leads nowhere."""
    if len(pointer) > MAX_POINTER:
        raise Unresolvable(f"the reference {pointer[:100]!r}… has more than {MAX_POINTER} characters and is not followed")
    if pointer.startswith("#") and not pointer.startswith("#/") and pointer != "#":
        raise Unresolvable(f"the reference {pointer!r} is no path in the document")
    if not pointer.startswith("#"):
        fact = f"the reference {pointer!r} leads out of the document and is not followed"
        raise Unresolvable(fact, _reason(document, pointer))
    for key in keys_of(unquote(pointer[1:])):
        try:
            document = member(document, key)
        except LookupError:
            raise Unresolvable(f"the reference {pointer!r} leads nowhere") from None
    return document


def member(value: Any, key: str) -> Any:
    """What an object has under a key, or a list in a place; `LookupError` where there is nothing."""
    if isinstance(value, list) and key.isdecimal() and key.isascii() and len(key) < 10:
        return value[int(key)]
    if isinstance(value, Mapping):
        return value[key]
    raise LookupError(key)


def _reason(document: Any, reference: str) -> str:
    """Why a reference out of the document is not followed."""
    bundle = document.get(BUNDLE) if isinstance(document, Mapping) else None
    unfollowed = bundle.get(UNFOLLOWED) if isinstance(bundle, Mapping) else None
    if isinstance(unfollowed, Mapping):
        for each in (reference, reference.partition("#")[0]):
            if isinstance(reason := unfollowed.get(each), str):
                return reason[:MAX_REASON]
    return REFUSED


def keys_of(pointer: str) -> list[str]:
    """The keys and places on the way of a JSON Pointer; none for the empty one, which is the whole document."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def name_of(reference: str) -> str:
    """What a reference within the document calls its target: the last key on the way; none where that is a whole document."""
    keys = keys_of(unquote(reference[1:])) if reference.startswith("#") else []
    is_whole = not keys or (keys[0] == BUNDLE and len(keys) == len((BUNDLE, DOCUMENTS, "address")))
    return "" if is_whole else keys[-1]

"""Taking what a document's references to other documents lead to into the document itself, so that it can be read alone.

Sources: RFC 3986, section 5 (what a relative reference is relative to); RFC 6901 (fragments); OpenAPI 3.1.1, "Relative References
in API Description URIs". `$id` and `$anchor` of JSON Schema are not known here.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urljoin

from domain.errors import ValidationFailed
from domain.json_pointer import BUNDLE, DOCUMENTS, UNFOLLOWED, Unresolvable, keys_of, member, value_at
from domain.target import MAX_URL

MAX_LINKS = 300_000
MAX_PROBLEMS = 100
# Whose keys are anybody's names, so that `default` in it is no default.
NAMED = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies", "responses", "parameters"}
    | {"schemas", "headers", "examples", "requestBodies", "securitySchemes", "securityDefinitions", "links", "callbacks"}
    | {"pathItems", "paths", "webhooks", "content", "encoding"}
)
DATA = frozenset({"example", "value", "default", "enum", "const"})  # values of the API: a `$ref` in them is no reference
FILES = (".json", ".yaml", ".yml")
SAFE = "~:@!$&'()*+,;=?"  # of what a fragment may hold (RFC 3986)
OWN = ""  # stands for the document itself where others are named by their addresses


@dataclass(frozen=True, slots=True)
class _Link:
    """A reference: `holder[key]`, in the document of the address `source`, which was read from `base`."""

    holder: dict[str, Any]
    key: str
    source: str
    base: str
    is_name: bool = False  # a bare name in the mapping of a discriminator


class Bundle:
    """A document with those that its references lead to, fetched by the caller, one after the other, until none is wanted.

    The document and those added are changed in place. `urls` are those at which the document is, the first one what its
    references are relative to. References may add `most` characters in all; `ValidationFailed` of `url` where they would add
    more. `unlisted` is how many references lead nowhere besides those that `close` names.
    """

    def __init__(self, document: dict[str, Any], urls: Iterable[str], most: int) -> None:
        self._document = document
        self._is_swagger_2 = "swagger" in document  # which knows examples by media type, with no object around each
        self._left = most
        self._documents: dict[str, Any] = {}
        # By address where its document stands: redirects may lead from several to the same one.
        self._places = {url.partition("#")[0]: OWN for url in urls}
        self._unfollowed: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self.unlisted = 0
        self._noted: set[str] = set()
        self._waiting: deque[str] = deque()
        self._links: dict[tuple[int, str], _Link] = {}  # by holder and key
        self._bases: dict[str, str] = {}  # of documents that were added
        # What references lead to, each an address and a fragment, and those of them that are still to be looked at.
        self._targets: set[tuple[str, str]] = set()
        self._unseen: deque[tuple[str, str]] = deque()
        self._seen: set[int] = set()
        self._scan(document, OWN, next(iter(self._places)))

    @property
    def is_needed(self) -> bool:
        """Whether a reference leads out of the document at all."""
        return bool(self._links)

    @property
    def wanted(self) -> str | None:
        """The address, without fragment, of the next document to be added or left; None where there is none."""
        while self._waiting or self._unseen:
            if not self._waiting:  # all that is known by now is here or left
                self._scan_target(*self._unseen.popleft())
            elif self._waiting[0] in self._places or self._waiting[0] in self._unfollowed:
                self._waiting.popleft()
            else:
                return self._waiting[0]
        return None

    def add(self, address: str, document: dict[str, Any], url: str) -> None:
        """Take in the document of a wanted address, read from `url`, where redirects may have led."""
        final = url.partition("#")[0]
        self._places[address] = self._places.setdefault(final, address)
        self._unfollowed.pop(final, None)
        if self._places[address] == address:
            self._documents[address], self._bases[address] = document, final
            self._scan(document, address, final)

    def leave(self, address: str, reason: str, said: str = "") -> None:
        """Go without the document of a wanted address.

        The reason is kept in the document, so it should be the same whenever the cause is; `said` is what `close` says instead.
        """
        self._spend(len(reason))
        self._unfollowed[address] = reason
        if said:
            self._said[address] = said

    def leave_all(self, reason: str) -> None:
        """Go without all that is wanted; hundreds of thousands take seconds."""
        while (address := self.wanted) is not None:
            self.leave(address, reason)

    def close(self) -> tuple[str, ...]:
        """Make the document whole; sentences about references that lead nowhere."""
        problems: dict[str, None] = {}
        known: dict[tuple[str, str, str], tuple[str, str]] = {}
        for link in self._links.values():
            written = link.holder[link.key]
            key = (link.source, written, "name" if link.is_name else "")
            if key not in known:
                known[key] = self._led(link, written)
                if (reason := known[key][1]) and len(problems) < MAX_PROBLEMS:
                    problems[f"The reference {written!r:.300} of {link.base:.300} is not followed: {reason:.300}."] = None
                elif reason:
                    self.unlisted += 1
            link.holder[link.key] = known[key][0]
            self._spend(len(link.holder[link.key]) - len(written))
        before = self._document.get(BUNDLE)
        kept = before if isinstance(before, Mapping) else {}
        for name, found in ((DOCUMENTS, self._documents), (UNFOLLOWED, self._unfollowed)):
            earlier = kept.get(name)
            kept = {**kept, name: {**(earlier if isinstance(earlier, Mapping) else {}), **found}}
        self._document[BUNDLE] = kept
        return tuple(problems)

    def _spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise ValidationFailed.of("url", "the document is too large with all that its references to other documents lead to")

    def _scan(self, value: Any, source: str, base: str, seen: set[int] | None = None) -> None:
        """Find the references in a document or a part of it that don't lead where they should when it stands in the bundle.

        With `seen`, objects and lists in it are passed over, and others put into it.
        """
        waiting: list[tuple[Any, bool]] = [(value, False)]
        while waiting:
            value, is_named = waiting.pop()
            if seen is not None and not is_named and isinstance(value, dict | list):
                if id(value) in seen:
                    continue
                seen.add(id(value))
            if isinstance(value, list):
                waiting += [(each, False) for each in value]
            if not isinstance(value, dict):
                continue
            if isinstance(value.get("$ref"), str):
                self._note(_Link(value, "$ref", source, base))
            if not is_named and isinstance(discriminator := value.get("discriminator"), dict):
                self._note_mapping(discriminator.get("mapping"), source, base)
            for key, each in value.items():
                if is_named or not self._is_left_out(key, each):
                    waiting.append((each, not is_named and key in NAMED))

    def _is_left_out(self, key: str, value: object) -> bool:
        """Whether there are no references under a keyword, whatever looks like one."""
        is_data = key in DATA or (key == "examples" and (self._is_swagger_2 or isinstance(value, list)))
        return is_data or key == "discriminator"

    def _scan_target(self, address: str, fragment: str) -> None:
        """Find the references in what a reference leads to, if the scan of its document left that out or took it for names.

        In a file of parts, keys at the root are names: a response may be called `default`.
        """
        place = self._places.get(address, OWN)
        value: Any = self._documents.get(place)
        is_left_out = is_named = False
        for key in keys_of(unquote(fragment)):
            try:
                found = member(value, key)
            except LookupError:
                return
            is_left_out = is_left_out or (isinstance(value, dict) and not is_named and self._is_left_out(key, found))
            is_named = isinstance(value, dict) and not is_named and key in NAMED
            value = found
        if is_left_out or is_named:
            self._scan(value, place, self._bases[place], self._seen)

    def _note_mapping(self, mapping: object, source: str, base: str) -> None:
        """The targets that a discriminator names, by references or by bare names of schemas."""
        if not isinstance(mapping, dict):
            return
        for name, target in mapping.items():
            if isinstance(target, str):
                is_name = not ("#" in target or "/" in target or target.endswith(FILES))
                self._note(_Link(mapping, name, source, base, is_name))

    def _note(self, link: _Link) -> None:
        written = link.holder[link.key]
        is_local = link.is_name or written.startswith("#") or not written
        at = (id(link.holder), link.key)
        if (is_local and link.source == OWN) or at in self._links:
            return
        self._links[at] = link
        if len(self._links) > MAX_LINKS:
            raise ValidationFailed.of("url", f"more than {MAX_LINKS} references lead out of the document")
        if link.is_name:
            return
        address, fragment = (link.source, written[1:]) if is_local else _split(link.base, written)
        if fragment and (address, fragment) not in self._targets:
            self._targets.add((address, fragment))
            self._unseen.append((address, fragment))
        if is_local:
            return
        name = address or written
        if name in self._noted:
            return
        self._spend(len(name))
        self._noted.add(name)
        if not address:
            self.leave(name, "it is no address")
        elif len(address) > MAX_URL:
            self.leave(name, f"it has more than {MAX_URL} characters")
        else:
            self._waiting.append(name)

    def _led(self, link: _Link, written: str) -> tuple[str, str]:
        """What a reference becomes, and why it is not followed or nothing."""
        if link.is_name:
            pointer = f"#/components/schemas/{quote(_escaped(written), safe=SAFE)}"
            return (written, "") if self._fault(link.source, pointer) else (_place(link.source) + pointer[1:], "")
        is_local = written.startswith("#") or not written
        address, fragment = (link.source, written[1:]) if is_local else _split(link.base, written)
        if not address:
            return written, self._unfollowed[written]
        if address in self._unfollowed:
            return f"{address}#{fragment}", self._said.get(address, self._unfollowed[address])
        place = self._places[address]
        if place == OWN:
            return f"#{fragment}", ""
        if fault := self._fault(place, f"#{fragment}"):
            self._unfollowed[f"{address}#{fragment}"] = fault
            self._spend(len(address) + len(fragment) + len(fault))
            return f"{address}#{fragment}", fault
        return _place(place) + fragment, ""

    def _fault(self, address: str, pointer: str) -> str:
        """Why a pointer does not lead anywhere in a document that was added; empty where it does."""
        try:
            value_at(self._documents[address], pointer)
        except Unresolvable as problem:
            return str(problem).replace("the reference", "there", 1)
        return ""


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _place(address: str) -> str:
    """The reference to a document in the bundle."""
    return f"#/{BUNDLE}/{DOCUMENTS}/{quote(_escaped(address), safe=SAFE)}"


def _split(base: str, reference: str) -> tuple[str, str]:
    """The address of the document that a reference leads to, and its fragment; no address where it is none."""
    try:
        address, _, fragment = urljoin(base, reference).partition("#")
    except ValueError:
        return "", ""
    return address, fragment

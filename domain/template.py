"""Texts with references: `${order}` stands for a value taken from an earlier response, `${secret:key}` for a secret.

Everything else in a text is itself, and `${$}` is a dollar sign, so that every text can be written: one that says `${` is written
`${$}{`. Only texts of users are read so; what a document gives as an example is no reference, whatever it looks like.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NAME = re.compile("[A-Za-z_][A-Za-z0-9_]{0,63}")
REFERENCE = re.compile(rf"\$\{{(?:(\$)|(?:(secret|json):)?({NAME.pattern}))\}}")
NO_REFERENCE = "has a `${` that begins no reference; write `${$}` where a dollar sign is meant"
NO_WHOLE_JSON = "may say `${json:…}` only where that is the whole of a text in a JSON body"


class ReferenceKind(StrEnum):
    """What a reference stands for: an extracted value as text, the same as JSON, a secret, or (in no user's text) a token."""

    VALUE = "value"
    JSON = "json"
    SECRET = "secret"
    TOKEN = "token"


class Encoding(StrEnum):
    """How what is put in has to be written where it stands: percent-encoded, or within a JSON string."""

    URL = "url"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in a text; `encodings` are applied to what is put there, the first first."""

    kind: ReferenceKind
    name: str
    encodings: tuple[Encoding, ...] = ()

    def __str__(self) -> str:
        return "${" + ("" if self.kind is ReferenceKind.VALUE else f"{self.kind}:") + self.name + "}"


@dataclass(frozen=True, slots=True)
class Base64:
    """A part of a text that is sent as its Base64 (RFC 4648, section 4), of UTF-8; in no user's text."""

    parts: tuple["str | Reference", ...]

    def __str__(self) -> str:
        return f"base64({shown(self.parts)})"


Text = str | tuple["str | Reference | Base64", ...]
"""A text that is sent: as it stands, or put together of what stands and what is referred to."""


class WrongReference(ValueError):
    """A text has `${` where no reference begins."""


def read_text(text: str) -> Text:
    """The text with its references; `WrongReference` where one is none."""
    parts: list[str | Reference] = []
    place = 0
    for found in REFERENCE.finditer(text):
        dollar, kind, name = found.groups()
        parts.append(_plain(text[place : found.start()]))
        parts.append("$" if dollar else Reference(ReferenceKind(kind or "value"), name))
        place = found.end()
    parts.append(_plain(text[place:]))
    return joined(parts)


def joined(parts: Sequence["str | Reference | Base64"]) -> Text:
    """The text of these parts: neighbouring strings are one, and one string alone is a text as it stands."""
    found: list[str | Reference | Base64] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    if not any(not isinstance(part, str) for part in found):
        return "".join(str(part) for part in found)
    return tuple(found)


def references(text: Text) -> Iterator[Reference]:
    """The references of a text, in order."""
    for part in () if isinstance(text, str) else text:
        if isinstance(part, Reference):
            yield part
        elif isinstance(part, Base64):
            yield from references(part.parts)


def shown(text: Text) -> str:
    """The text for people, with its references by name."""
    return text if isinstance(text, str) else "".join(str(part) for part in text)


def texts_of(value: Any, field: str) -> Iterator[tuple[str, str]]:
    """All texts in a JSON value, each with its path; names in it are no texts."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from texts_of(each, f"{field}.{str(name)[:100]}")
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from texts_of(each, f"{field}.{place}")


class Marks:
    """Takes references through the writing of a request: a mark stands for each, of characters that no encoding changes.

    Args:
        prefix: begins every mark and occurs nowhere else in the request; None writes nothing for a reference.
    """

    def __init__(self, prefix: str | None) -> None:
        self._prefix = prefix
        self.references: list[Reference] = []

    def text(self, text: str, *encodings: Encoding) -> str:
        """The text with marks, which will be written in these encodings; `WrongReference` as of `read_text`."""
        read = read_text(text)
        if isinstance(read, str):
            return read
        is_whole_json = len(read) == 1 and encodings == (Encoding.JSON,)
        if not is_whole_json and any(each.kind is ReferenceKind.JSON for each in references(read)):
            raise WrongReference(NO_WHOLE_JSON)
        return "".join(self._mark(part, encodings) if isinstance(part, Reference) else str(part) for part in read)

    def value(self, value: Any, is_json: int, *encodings: Encoding) -> Any:
        """The JSON value with marks in its texts, which are written as JSON from the level `is_json` on, 0 being the value."""
        if isinstance(value, Mapping):
            return {name: self.value(each, is_json - 1, *encodings) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, is_json - 1, *encodings) for each in value]
        if isinstance(value, str):
            return self.text(value, *((Encoding.JSON,) if is_json <= 0 else ()), *encodings)
        return value

    def split(self, text: str) -> Text:
        """What was written, with the references in place of their marks."""
        parts: list[str | Reference] = []
        for place, part in enumerate(re.split(f'"{self._prefix}j([0-9]+)z"|{self._prefix}([0-9]+)z', text)):
            if place % 3 == 0:
                parts.append(part)
            elif part is not None:
                parts.append(self.references[int(part)])
        return joined(parts)

    def _mark(self, part: Reference, encodings: tuple[Encoding, ...]) -> str:
        is_json = part.kind is ReferenceKind.JSON
        self.references.append(Reference(part.kind, part.name, () if is_json else encodings))
        if self._prefix is None:
            return ""
        return f"{self._prefix}{'j' if is_json else ''}{len(self.references) - 1}z"


def free_prefix(text: str) -> str:
    """A beginning of marks that does not occur in the text; its first letter stands in it once, so that none can overlap."""
    number = 0
    while f"plogref{number}x" in text:
        number += 1
    return f"plogref{number}x"


def _plain(text: str) -> str:
    if "${" in text:
        raise WrongReference(NO_REFERENCE)
    return text

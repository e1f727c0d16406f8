"""What a load test looks for in an answer: whether it is as it should be, and which values later requests take from it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.json_pointer import keys_of
from domain.template import NAME
from domain.validation import Problems

MAX_CHECKS = 50
MAX_POINTER = 1_000
MAX_FIELD = 200
MAX_WANTED = 10_000
MAX_MILLISECONDS = 3_600_000.0


class CheckKind(StrEnum):
    """What a check looks at."""

    BODY_CONTAINS = "BODY_CONTAINS"
    JSON_EXISTS = "JSON_EXISTS"
    JSON_EQUALS = "JSON_EQUALS"
    HEADER_EQUALS = "HEADER_EQUALS"
    HEADER_CONTAINS = "HEADER_CONTAINS"
    RESPONSE_TIME_BELOW = "RESPONSE_TIME_BELOW"


READS = {  # what each kind is told, and which of it is required
    CheckKind.BODY_CONTAINS: ("text",),
    CheckKind.JSON_EXISTS: ("pointer",),
    CheckKind.JSON_EQUALS: ("pointer", "value"),
    CheckKind.HEADER_EQUALS: ("header", "text"),
    CheckKind.HEADER_CONTAINS: ("header", "text"),
    CheckKind.RESPONSE_TIME_BELOW: ("milliseconds",),
}
OF_BODY = frozenset({CheckKind.BODY_CONTAINS, CheckKind.JSON_EXISTS, CheckKind.JSON_EQUALS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that has to hold of an answer; which of the values count depends on the kind.

    `pointer` is a JSON Pointer (RFC 6901) into the body, `value` the JSON that has to be there; `header` a header's name in any
    case; `text` what has to be there; `milliseconds` what the response time has to stay below.
    """

    kind: CheckKind
    text: str = ""
    pointer: str = ""
    value: Any = None
    header: str = ""
    milliseconds: float = 0.0

    @property
    def is_of_body(self) -> bool:
        """Whether the body has to be kept for it."""
        return self.kind in OF_BODY

    def as_json(self) -> dict[str, Any]:
        """The document from which the same check is read."""
        return {"kind": str(self.kind), **{name: getattr(self, name) for name in READS[self.kind]}}

    def as_plan(self) -> dict[str, Any]:
        """The check as a script reads it, with the way of the pointer as keys.

        A value stands there as JSON text: in a JavaScript literal a member named `__proto__` would be none.
        """
        document = self.as_json()
        if "value" in document:
            document["json"] = json.dumps(document.pop("value"), ensure_ascii=False, separators=(",", ":"))
        return document | ({"path": keys_of(document.pop("pointer"))} if "pointer" in document else {})


class ExtractionSource(StrEnum):
    """Where a value is taken from."""

    JSON = "JSON"
    HEADER = "HEADER"
    COOKIE = "COOKIE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """A value that is taken from an answer under a name.

    `pointer` is the way into a JSON body (RFC 6901); `key` the name of the header, in any case, or of the cookie that the answer
    sets.
    """

    name: str
    source: ExtractionSource
    pointer: str = ""
    key: str = ""

    def as_json(self) -> dict[str, Any]:
        """The document from which the same extraction is read."""
        return {"name": self.name, "source": str(self.source), "pointer": self.pointer, "key": self.key}

    def as_plan(self) -> dict[str, Any]:
        """The extraction as a script reads it."""
        way = {"path": keys_of(self.pointer)} if self.source is ExtractionSource.JSON else {"key": self.key}
        return {"name": self.name, "source": str(self.source), **way}


def read_checks(raw: Mapping[str, Any], problems: Problems) -> tuple[Check, ...]:
    """The checks of a request."""
    given, nested = problems.items(raw, "checks", most=MAX_CHECKS), problems.at("checks")
    return tuple(_check(nested.mapping({str(place): each}, str(place)), nested.at(place)) for place, each in enumerate(given))


def read_extractions(raw: Mapping[str, Any], problems: Problems) -> tuple[Extraction, ...]:
    """The values that a request takes from its answer."""
    given, nested = problems.items(raw, "extract", most=MAX_CHECKS), problems.at("extract")
    found = [_extraction(nested.mapping({str(at): each}, str(at)), nested.at(at)) for at, each in enumerate(given)]
    for place, each in enumerate(found):
        if each.name and each.name in [other.name for other in found[:place]]:
            nested.at(place).add("name", "is given twice")
    return tuple(found)


def read_name(raw: Mapping[str, Any], field: str, problems: Problems) -> str:
    """A name that references can have."""
    name = problems.text(raw, field)
    if name and not NAME.fullmatch(name):
        problems.add(field, "must be up to 64 letters, digits and `_` of ASCII, and begin with none of the digits")
        return ""
    return name


def _check(raw: Mapping[str, Any], problems: Problems) -> Check:
    kind = problems.choice(raw, "kind", CheckKind)
    if raw.get("kind") not in list(CheckKind):
        return Check(kind=kind)
    wanted = READS[kind]
    problems.no_others(raw, ("kind", *wanted))
    return Check(
        kind=kind,
        text=problems.text(raw, "text", most=MAX_WANTED) if "text" in wanted else "",
        pointer=_pointer(raw, problems) if "pointer" in wanted else "",
        value=raw.get("value"),
        header=problems.text(raw, "header", most=MAX_FIELD) if "header" in wanted else "",
        milliseconds=problems.number(raw, "milliseconds", None, 0.0, MAX_MILLISECONDS) if "milliseconds" in wanted else 0.0,
    )


def _extraction(raw: Mapping[str, Any], problems: Problems) -> Extraction:
    problems.no_others(raw, ("name", "source", "pointer", "key"))
    source = problems.choice(raw, "source", ExtractionSource)
    is_json = source is ExtractionSource.JSON
    if raw.get("key" if is_json else "pointer"):
        problems.add("key" if is_json else "pointer", f"is not for {source}")
    return Extraction(
        name=read_name(raw, "name", problems),
        source=source,
        pointer=_pointer(raw, problems) if is_json else "",
        key="" if is_json else problems.text(raw, "key", most=MAX_FIELD),
    )


def _pointer(raw: Mapping[str, Any], problems: Problems) -> str:
    pointer = problems.text(raw, "pointer", "", most=MAX_POINTER)
    if pointer and not pointer.startswith("/"):
        problems.add("pointer", "must be empty, for the whole body, or begin with `/`, as in `/items/0/id` (RFC 6901)")
    return pointer

"""From bytes as a server sent them to a JSON document: compression, character encodings, JSON and YAML."""

import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

import orjson
import yaml

from domain.uncollected import uncollected
from outbound.guarded_http import Answer

MAX_BYTES = 64_000_000
MAX_YAML = 16_000_000  # characters: YAML takes a hundred times as long to read as JSON
MAX_NODES = 2_000_000
MAX_VALUES = 3_000_000  # of JSON, several times those of the largest descriptions known; each takes up to 200 bytes to hold
VALUE_BYTES = MAX_BYTES // MAX_VALUES
MAX_DEPTH = 200
MAX_TWICE = 20
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
ESCAPE = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\(?P<half>u[dD][89a-fA-F]..)|\\.", re.DOTALL)
# Whatever stands before the next value of JSON, and its comma or bracket; it fits everywhere, and nothing is tried twice.
NEXT_VALUE = re.compile(r'(?:[^"\[{,]++|"(?:[^"\\]++|\\.?)*+"?)*+(?:[\[{,]|\Z)', re.DOTALL)
GZIP = b"\x1f\x8b"


class Unreadable(Exception):
    """The content is no document; the message says why, to go on from "the answer …"."""


def text_of(answer: Answer) -> str:
    """The answer's content as text; `Unreadable` where it is none, or too large when unpacked."""
    content = answer.content
    if answer.encoding in ("gzip", "x-gzip", "deflate") or content.startswith(GZIP):
        content = _unpacked(content)
    elif answer.encoding != "identity":
        raise Unreadable(f"is compressed as {answer.encoding[:50]!r}, which was not asked for")
    try:
        return content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is no text in UTF-8, UTF-16 or UTF-32: {error.reason}") from None


def _unpacked(content: bytes) -> bytes:
    """What gzip or zlib has packed, and no more than may be unpacked."""
    unpacker = zlib.decompressobj(47)  # either header
    try:
        found = unpacker.decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise Unreadable(f"is not packed as it says: {error}") from None
    if unpacker.unconsumed_tail:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes when unpacked")
    if not unpacker.eof:
        raise Unreadable("is packed, and ends before its end")
    return found


def check_values(text: str) -> None:
    """`Unreadable` where JSON has too many values to be held; an empty object or list counts as two."""
    if sum(map(text.count, ",[{")) <= MAX_VALUES:  # nearly always, and found in no time
        return
    if next(islice(NEXT_VALUE.finditer(text), MAX_VALUES, None), None) is not None:
        raise Unreadable(f"has more than {MAX_VALUES} values")


def document_of(text: str) -> Mapping[str, Any]:
    """The JSON or YAML object that the text is, however many values it has; `Unreadable` where it is none."""
    return _read(text)[0]


def read_document(text: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The JSON or YAML object that the text is, with a sentence for each name that stands twice in one object, of which the last
    is read; `Unreadable` where it is none, or one that can't be written again, or has too many values.

    Half a surrogate pair is read as U+FFFD.
    """
    if text.lstrip().startswith(("{", "[")):
        check_values(text)
    return _read(text)


@uncollected()
def _read(text: str) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    twice: list[str] = []
    try:
        if SURROGATE.search(text):
            text = ESCAPE.sub(lambda match: "\\ufffd" if match["half"] else match[0], text)
        with suppress(ValueError, RecursionError):
            json.loads(text, object_pairs_hook=partial(_note_twice, twice))  # first, so that no two results are held at once
        document = orjson.loads(text)
    except ValueError as error:
        if text.lstrip().startswith(("{", "[")):
            raise Unreadable(f"is no JSON: {error}") from None
        document = _yaml(text, twice)
    if not isinstance(document, Mapping):
        raise Unreadable("is no JSON or YAML object")
    try:
        orjson.dumps(document)
    except TypeError as error:
        raise Unreadable(f"is nested too deeply or holds text that is none: {error}") from None
    names = list(dict.fromkeys(twice))[:MAX_TWICE]
    return document, tuple(f"{name[:200]!r} stands more than once in one object, of which the last is read." for name in names)


def _note_twice(twice: list[str], pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        twice += [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]
    """Builds what JSON has, by the core schema of YAML 1.2: dates stay text, and so do `yes`, `on` and `1:30`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The object; names that it has twice are kept in `twice`."""
        _note_twice(self.twice, [(str(key.value), None) for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return dict(super().construct_mapping(node, deep))

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as the base class has it


for _tag, _pattern, _first in (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", "[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:(?:[0-9]*\.[0-9]+|[0-9]+\.)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def _yaml(text: str, twice: list[str]) -> Any:
    if not re.search(r"^[ \t]*[^\s<{\[#][^\n:]*:", text, re.MULTILINE):  # no key anywhere: most often a page
        raise Unreadable("is neither JSON nor YAML")
    if len(text) > MAX_YAML:
        raise Unreadable(f"is longer than {MAX_YAML} characters, which only JSON may be")
    try:
        _check_depth(text)
        loader = _Loader(text)
        try:
            found = loader.get_single_data()
        finally:
            loader.dispose()
        twice += loader.twice
        return _Plain().of(found)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
        raise Unreadable(f"is neither JSON nor YAML{place}: {getattr(error, 'problem', None) or error}") from None
    except (RecursionError, ArithmeticError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise Unreadable(f"is no YAML that can be read: {error}") from None


def _check_depth(text: str) -> None:
    """Refuse what is nested too deeply before it is put together, which libyaml does on the processor's stack, unbounded."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable(f"is nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Plain:
    """What YAML has built as JSON has it: names are text, aliases are copies, and not without end."""

    def __init__(self) -> None:
        self._left = MAX_NODES
        self._text_left = MAX_BYTES

    def of(self, value: Any, depth: int = MAX_DEPTH) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Unreadable(f"has more than {MAX_NODES} values when its aliases are written out")
        if depth < 0:
            raise Unreadable(f"is nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, dict):
            return {_name(key): self.of(each, depth - 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, depth - 1) for each in value]
        if isinstance(value, str):
            self._text_left -= len(value)
            if self._text_left < 0:
                raise Unreadable(f"has more than {MAX_BYTES} characters when its aliases are written out")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return float(value)
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)  # as `1e400` is read, which is no number of JSON
        return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _name(key: Any) -> str:
    """A key as JSON writes it: `200` and `true` are texts there."""
    return key if isinstance(key, str) else json.dumps(key) if isinstance(key, bool | int | float) else str(key)

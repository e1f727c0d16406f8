"""Telling whether what a schema demands has changed, wherever in the document it is said, and in whatever words."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from domain.endpoint import Schema
from domain.json_pointer import Unresolvable, resolve

WORDS = frozenset(
    {"title", "description", "summary", "example", "examples", "default", "externalDocs", "xml", "deprecated", "$comment"}
)
# Whose keys are anybody's names: a property may be called `description`.
NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


class SchemaFingerprints:
    """Fingerprints of the schemas of one document, which must not change meanwhile.

    A fingerprint covers schemas and everything that their references lead to, each place once, so that cycles need no care; what
    is shared is read once for the whole document. Words, examples and extensions are left out. `visited` counts the places that
    were gone to.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.visited = 0
        self._document = document
        self._places: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._schemas: dict[int, tuple[Schema, str, tuple[str, ...]]] = {}  # with the schema, so that its id stays its own

    def of(self, parts: Iterable[tuple[str, Any, Schema]]) -> str:
        """The fingerprint, in hexadecimal digits, of named schemas with other facts about each, in whatever order they come."""
        lines: list[str] = []
        waiting: list[str] = []
        for name, facts, schema in parts:
            digest, references = self._schema(schema)
            lines.append(json.dumps([name, facts, digest]))
            waiting += references
        seen: dict[str, str] = {}
        while waiting:
            pointer = waiting.pop()
            if pointer not in seen:
                seen[pointer], references = self._place(pointer)
                waiting += references
        self.visited += len(seen)
        lines += [json.dumps([pointer, digest]) for pointer, digest in seen.items()]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def _schema(self, schema: Schema) -> tuple[str, tuple[str, ...]]:
        if id(schema) not in self._schemas:
            self._schemas[id(schema)] = (schema, *_digested(schema))
        return self._schemas[id(schema)][1:]

    def _place(self, pointer: str) -> tuple[str, tuple[str, ...]]:
        """What stands at a pointer, and the references in it."""
        if pointer not in self._places:
            try:
                self._places[pointer] = _digested(resolve(self._document, {"$ref": pointer}))
            except Unresolvable as problem:
                self._places[pointer] = str(problem), ()
        return self._places[pointer]


def _digested(rules: Any) -> tuple[str, tuple[str, ...]]:
    """The checksum of the rules without words, and the references in them."""
    bare = _bare(rules, is_named=False)
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest(), tuple(_references(bare))


def _bare(value: Any, *, is_named: bool) -> Any:
    if isinstance(value, Mapping):
        kept = {key: each for key, each in value.items() if is_named or (key not in WORDS and not str(key).startswith("x-"))}
        return {str(key): _bare(each, is_named=not is_named and key in NAMED) for key, each in kept.items()}
    if isinstance(value, list | tuple):
        return [_bare(each, is_named=False) for each in value]
    return value


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        inner: Iterable[Any] = value.values()
    else:
        inner = value if isinstance(value, list) else ()
    for each in inner:
        yield from _references(each)

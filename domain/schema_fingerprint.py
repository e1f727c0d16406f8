"""Telling whether what a schema demands has changed, wherever in the document it is said, and in whatever words and order."""

import hashlib
import json
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from domain.effort import Effort, Exhausted
from domain.endpoint import Parameter, RequestBody, Response, Schema
from domain.json_pointer import Unresolvable, value_at
from domain.schema_rules import plain

WORDS = frozenset(
    {"title", "description", "summary", "example", "examples", "default", "externalDocs", "xml", "deprecated", "$comment"}
)
# Whose keys are anybody's names: a property may be called `description`.
NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
VALUES = frozenset({"enum", "const"})  # which hold values of the API, whatever their names are
UNORDERED = frozenset({"required", "enum", "type", "allOf", "anyOf", "oneOf"})
OF_REQUESTS = ("path ", "query ", "header ", "cookie ", "body ")  # as the parts of an endpoint begin that requests depend on
LENGTH = 16  # digits of the fingerprint of a part, of which a document has hundreds of thousands
ROUNDS = 3  # how far the members of a circle are told apart by whom they refer to
# Checksums of members that are written out for the members of one circle: beyond that one checksum stands for all of them, as the
# time would grow with the square of the circle's length. Below it stays so, for fingerprints are stored.
MAX_WRITTEN = 4_000_000
# Values looked at in all schemas and in what references lead to, which may lie within one another: more than any API has.
MAX_VALUES = 2_000_000
WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)  # one, as to make it takes as long as it works
UNTOLD = "untold"  # stands for the checksum of a schema beyond that


class SchemaFingerprints:
    """Fingerprints of the schemas of one document, which must not change meanwhile.

    A fingerprint covers a schema and all that its references lead to. Words, examples, extensions and the order of what has none
    are left out; so is whether something stands in its place or behind a reference, and that one's name. In circles what is
    written out once more is another schema. Once `is_exhausted`, schemas that were not seen before all have the same one.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._effort = Effort(MAX_VALUES)
        self.is_exhausted = False
        # A place may be written in many ways, so it is known by the id of what stands there, which the document holds.
        self._names: dict[str, int] = {}  # of places, by reference
        self._places: dict[int, Any] = {}
        self._targets: dict[int, list[int]] = {}  # of the references in a place
        self._found: dict[int, str] = {}
        self._schemas: dict[int, tuple[Schema, Any]] = {}  # with the schema, so that its id stays its own

    def of(self, facts: Any, schema: Schema = True) -> str:
        """The fingerprint, in hexadecimal digits, of a schema with other facts about it, which are JSON."""
        if id(schema) not in self._schemas:
            self._schemas[id(schema)] = (schema, self._of_schema(schema))
        return _hash([facts, self._schemas[id(schema)][1]])

    def of_parts(
        self,
        parameters: Iterable[Parameter],
        bodies: Iterable[RequestBody],
        responses: Iterable[Response],
        security: Iterable[Iterable[str]],
    ) -> dict[str, str]:
        """The fingerprints of an endpoint's parts, by what they are called, as of `Endpoint.parts`."""
        found = {}
        for each in parameters:
            facts = [each.is_required, each.style, each.explode, each.media_type, each.allows_reserved]
            found[f"{each.location.lower()} {each.name}"] = self.of(facts, each.schema)
        for body in bodies:
            fields = sorted(repr(each) for each in body.fields if each.style or each.media_type)
            found[f"body {body.media_type}"] = self.of([body.is_required, fields], body.schema)
        found |= {f"response {each.status}": each.fingerprint for each in responses}
        found["security"] = self.of(sorted(map(sorted, security)))
        return {name: fingerprint[:LENGTH] for name, fingerprint in found.items()}

    def _of_schema(self, schema: Schema) -> Any:
        try:
            for circle in self._circles(schema):
                self._found |= self._of_circle(circle)
        except Exhausted:
            self.is_exhausted = True
            return UNTOLD
        return _digest(schema, self._by_reference(self._found))

    def _name(self, reference: str) -> int:
        """The name of the place that a reference leads to; of a sentence where it leads nowhere."""
        if reference not in self._names:
            try:
                place = value_at(self._document, reference)
            except Unresolvable as problem:
                place = problem.fact
            self._names[reference] = id(place)
            self._places[id(place)] = place
        return self._names[reference]

    def _by_reference(self, found: Mapping[int, str]) -> Callable[[str], str]:
        return lambda reference: found[self._name(reference)]

    def _references(self, value: Any) -> list[int]:
        """The places that references in a schema lead to, each once; `Exhausted` where no more may be looked at."""
        return list(dict.fromkeys(map(self._name, _references(value, self._effort))))

    def _circles(self, schema: Schema) -> Iterator[list[int]]:
        """The places that lead to one another, those without a way back alone, each after what it leads to (Tarjan)."""
        order: dict[int, int] = {}
        lowest: dict[int, int] = {}
        waiting: dict[int, None] = {}
        ways: list[tuple[int, Iterator[int]]] = [(0, iter(self._references(schema)))]
        while ways:
            name, rest = ways[-1]
            following = next((each for each in rest if each not in self._found), None)
            if following is None:
                ways.pop()
                if ways and name:
                    before = ways[-1][0]
                    lowest[before] = min(lowest.get(before, 0), lowest[name])
                    if lowest[name] == order[name]:
                        circle = [waiting.popitem()[0]]
                        while circle[-1] != name:
                            circle.append(waiting.popitem()[0])
                        yield circle
            elif following in order:
                if following in waiting:
                    lowest[name] = min(lowest.get(name, 0), order[following])
            else:
                order[following] = lowest[following] = len(order) + 1
                waiting[following] = None
                self._targets[following] = self._references(self._places[following])
                ways.append((following, iter(self._targets[following])))

    def _of_circle(self, circle: list[int]) -> dict[int, str]:
        if len(circle) == 1 and circle[0] not in self._targets[circle[0]]:
            return {circle[0]: _digest(self._places[circle[0]], self._by_reference(self._found))}
        known = dict.fromkeys(circle, "itself")
        for _ in range(ROUNDS):
            before = self._by_reference(ChainMap(known, self._found))
            known = {name: _digest(self._places[name], before) for name in circle}
        texts = {name: _text(known[name]) for name in circle}
        different = set(texts.values())
        whole = _text(sorted(known.values(), key=str))
        if len(different) * len(circle) > MAX_WRITTEN:
            whole = _text(_checksum(whole))
        made = {text: _checksum(f"[{text},{whole}]") for text in different}
        return {name: made[texts[name]] for name in circle}


def _hash(value: Any) -> str:
    return _checksum(_text(value))


def _text(value: Any) -> str:
    return WRITER.encode(value)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(value: Any, found: Callable[[str], str], *, is_named: bool = False) -> Any:
    """The checksum of a schema; what is none stays as it is, but for its order and how its numbers are written."""
    if isinstance(value, Mapping):
        kept = {key: each for key, each in value.items() if is_named or (key not in WORDS and not str(key).startswith("x-"))}
        reference = kept.get("$ref")
        if isinstance(reference, str) and not is_named:
            kept["$ref"] = found(reference)
            if len(kept) == 1:
                return found(reference)
        return _hash([[str(key), _member(key, each, found, is_named)] for key, each in sorted(kept.items(), key=_order)])
    if isinstance(value, list | tuple):
        return [_digest(each, found) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _order(member: tuple[Any, Any]) -> str:
    return repr(member[0])


def _member(key: str, value: Any, found: Callable[[str], str], is_named: bool) -> Any:
    if is_named:
        return _digest(value, found)
    if key == "$ref":
        return value
    made = plain(value) if key in VALUES else _digest(value, found, is_named=key in NAMED)
    return sorted(made, key=_hash) if key in UNORDERED and isinstance(made, list) else made


def _references(value: Any, effort: Effort) -> list[str]:
    """The references in a schema, each once; `Exhausted` where it has more values than may be looked at."""
    found: dict[str, None] = {}
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping | list):
            effort.spend(1 + len(each))
        if isinstance(each, Mapping):
            if isinstance(each.get("$ref"), str):
                found[each["$ref"]] = None
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str):
            effort.spend(len(each) // 100)
    return list(found)


def all_of(fingerprints: Iterable[tuple[str, str]]) -> str:
    """One fingerprint for several with their names, in whatever order they come."""
    return _hash(sorted(fingerprints))

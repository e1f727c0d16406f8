"""Whether a value fits a JSON Schema, told in counted steps.

Sources: JSON Schema 2020-12, and OpenAPI 3.0.4 where it differs. Libraries for this match patterns by backtracking, which takes
one pattern of a document for ever, and read no schema of OpenAPI 3.0.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from typing import Any

from domain.effort import Effort
from domain.json_pointer import Unresolvable, value_at
from domain.pattern_text import Unmatchable, matches
from domain.schema_rules import canonical, is_number, listed, shown, size

MAX_DEPTH = 150
NOT_FOLLOWED = (
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependencies",
    "additionalItems",
    "$dynamicRef",
    "$recursiveRef",
)
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": Mapping,
    "array": list,
    "string": str,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
LENGTHS = (  # of what, at least, at most
    (str, "minLength", "maxLength"),
    (list, "minItems", "maxItems"),
    (Mapping, "minProperties", "maxProperties"),
)
Json = Mapping[str, Any]


class NotFollowed(Exception):
    """Whether a value fits can't be told; the message says why."""


def has_siblings(document: Json) -> bool:
    """Whether what stands beside a `$ref` counts in that document: it does since OpenAPI 3.1."""
    return "swagger" not in document and not str(document.get("openapi", "")).startswith("3.0")


def alternative(discriminator: Any, name: object, alternatives: Sequence[Any]) -> Any:
    """The one of these schemas that a discriminator calls `name`; None where none is called so."""
    mapping = discriminator.get("mapping") if isinstance(discriminator, Mapping) else None
    pointer = pointer_of(mapping[name] if isinstance(mapping, Mapping) and isinstance(name, str) and name in mapping else name)
    return next((each for each in alternatives if isinstance(each, Mapping) and each.get("$ref") == pointer), None)


def pointer_of(target: object) -> str:
    """The reference that a target in the mapping of a discriminator is: it may be the bare name of a schema."""
    text = target if isinstance(target, str) else shown(target)
    return text if "#" in text or "/" in text else f"#/components/schemas/{text}"


class SchemaCheck:
    """Checks values against the schemas of one document.

    Texts that the document itself gives are taken to match a pattern that can't be followed where they are trusted. Properties
    that are read only need not be there although they are required: requests have none.
    """

    def __init__(self, document: Json, effort: Effort) -> None:
        self._trusted: set[str] = set()
        self._read: dict[int, Any] = {}  # by identity, the values whose texts are trusted
        self._texts: dict[int, tuple[Any, str]] = {}  # by identity, of values that are kept here so that none takes their place
        self._document = document
        self._has_siblings = has_siblings(document)
        self._effort = effort

    def trust(self, value: Any) -> None:
        """Trust all texts in a value of the document, which is read once."""
        if id(value) in self._read:
            return
        self._read[id(value)] = value
        self.count(value)
        left = [value]
        for each in left:  # which grows meanwhile
            if isinstance(each, str):
                self._trusted.add(each)
            left += each.values() if isinstance(each, Mapping) else each if isinstance(each, list) else ()
        self._effort.through(left)

    def count(self, value: Any) -> None:
        """Count all that is in a value, before anything goes through it."""
        self._effort.spend(size(value, 50 * (self._effort.left + 1)) // 50)

    def distrust(self) -> None:
        """Trust no text any more."""
        self._trusted.clear()
        self._read.clear()

    def at(self, reference: str) -> Any:
        """What stands where a reference leads; `Unresolvable` where that is nowhere."""
        self._effort.spend(len(reference) // 100)
        return value_at(self._document, reference)

    def problem(self, value: Any, schema: Any, depth: int = 0, whole: Any = None) -> str | None:
        """What of the schema the value breaks; None where it fits. Raises `NotFollowed` where that can't be told.

        `whole` is the schema of the value of which this one is a part, and says what is read only; the schema itself for None.
        """
        whole = schema if whole is None else whole
        self._effort.spend()
        if depth > MAX_DEPTH:
            raise NotFollowed("its schema leads back to itself without end")
        if isinstance(schema, bool):
            return None if schema else "its schema allows no value"
        if not isinstance(schema, Mapping):
            return None
        if isinstance(schema.get("$ref"), str):
            try:
                found = self.problem(value, self.at(schema["$ref"]), depth + 1, whole)
            except Unresolvable as problem:
                raise NotFollowed(f"{problem!s:.1000}") from None
            if found is not None or not self._has_siblings:
                return found
        if value is None and schema.get("nullable") is True:
            return None
        return next(self._broken(value, schema, depth, whole), None)

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        return self.problem(value, schema, depth + 1) is None

    def is_read_only(self, schema: Any) -> bool:
        """Whether a property of that schema is for answers only."""
        return any(part.get("readOnly") is True for part in self._parts(schema, "allOf"))

    def _parts(self, schema: Any, *keys: str) -> Iterator[Json]:
        """The schema, what it refers to, and what it has in lists under these keys; each once."""
        left, seen = [schema], set()
        while left:
            part = left.pop()
            self._effort.spend()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part.get("$ref"), str):
                with suppress(Unresolvable):
                    left.append(self.at(part["$ref"]))
                if not self._has_siblings:
                    continue
            left += [each for key in keys for each in self._effort.through(listed(part.get(key)))]
            yield part

    def _may_lack(self, name: str, whole: Any) -> bool:
        """Whether a value of that schema has no property of that name in a request."""
        parts = self._parts(whole, "allOf", "oneOf", "anyOf")
        return any(self.is_read_only(_mapping(part.get("properties")).get(name)) for part in parts)

    def _broken(self, value: Any, rules: Json, depth: int, whole: Any) -> Iterator[str]:
        for name in NOT_FOLLOWED:
            if rules.get(name, True) is not True:
                raise NotFollowed(f"`{name}` can't be followed")
        self._effort.through(listed(rules.get("type")))
        if not _is_of_type(value, rules.get("type")):
            yield f"{shown(value)} is not of type {shown(rules['type'])}"
        if "const" in rules and not self._is_among(value, [rules["const"]]):
            yield f"{shown(value)} is not its `const`"
        if isinstance(rules.get("enum"), list) and not self._is_among(value, rules["enum"]):
            yield f"{shown(value)} is not in its `enum`"
        for kind, least, most in LENGTHS:
            if isinstance(value, kind) and not _number(rules.get(least), 0) <= len(value) <= _number(rules.get(most), len(value)):
                yield f"{shown(value)} breaks its `{least}` or `{most}`"
        if isinstance(value, str) and isinstance(rules.get("pattern"), str):
            yield from self._pattern(rules["pattern"], value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield from _bounds(value, rules)
        if isinstance(value, list):
            yield from self._items(value, rules, depth)
        if isinstance(value, Mapping):
            yield from self._members(value, rules, depth, whole)
        yield from self._combined(value, rules, depth, whole)

    def _is_among(self, value: Any, choices: Sequence[Any]) -> bool:
        """Whether one of these values is the same JSON; lists and objects are compared by texts that are kept."""
        length = len(value) if isinstance(value, str) else 0
        self._effort.spend(len(choices) * (1 + length // 1000) // 10)
        if not isinstance(value, list | Mapping):
            return any(_same(value, each) for each in choices)
        text = self._text(value)
        return any(isinstance(each, list | Mapping) and self._known_text(each) == text for each in choices)

    def _known_text(self, choice: Any) -> str:
        found = self._texts.get(id(choice))
        if found is None:
            found = self._texts[id(choice)] = choice, self._text(choice)
        return found[1]

    def _text(self, value: Any) -> str:
        self.count(value)
        text = canonical(value)
        self._effort.spend(len(text) // 100)
        return text

    def _pattern(self, pattern: str, text: str) -> Iterator[str]:
        try:
            if not matches(pattern, text, self._effort):
                yield f"{shown(text)} does not match the pattern {pattern[:100]!r}"
        except Unmatchable as problem:
            if text not in self._trusted:
                raise NotFollowed(f"the pattern {pattern[:100]!r} can't be followed: {problem}") from None

    def _items(self, value: list[Any], rules: Json, depth: int) -> Iterator[str]:
        given = rules.get("items", True)
        fixed = rules.get("prefixItems")
        fixed, rest = (given, True) if isinstance(given, list) else (fixed if isinstance(fixed, list) else [], given)
        for place, each in enumerate(value):
            problem = self.problem(each, fixed[place] if place < len(fixed) else rest, depth + 1)
            if problem is not None:
                yield f"[{place}]: {problem}"
        if rules.get("uniqueItems") is True:
            texts = [self._text(each) for each in value]
            if len(set(texts)) < len(texts):
                yield "has the same item twice, which its `uniqueItems` forbids"
        if "contains" in rules:
            count = sum(self._fits(each, rules["contains"], depth) for each in value)
            if not _number(rules.get("minContains"), 1) <= count <= _number(rules.get("maxContains"), count):
                yield f"{count} of its items fit its `contains`"

    def _members(self, value: Json, rules: Json, depth: int, whole: Any) -> Iterator[str]:
        through = self._effort.through
        wanted = _names(through(listed(rules.get("required"))))
        for name, names in through(_mapping(rules.get("dependentRequired"))).items():
            wanted += _names(through(listed(names))) if name in value else []
        self._effort.spend(sum(map(len, wanted)) // 1000)
        missing = next((name for name in wanted if name not in value and not self._may_lack(name, whole)), None)
        if missing is not None:
            yield f"has no {shown(missing)}"
        for name, schema in through(_mapping(rules.get("dependentSchemas"))).items():
            problem = self.problem(value, schema, depth + 1, whole) if name in value else None
            if problem is not None:
                yield problem
        properties, patterns = _mapping(rules.get("properties")), _mapping(rules.get("patternProperties"))
        for name, each in value.items():
            problem = self.problem(name, rules.get("propertyNames", True), depth + 1)
            if problem is not None:
                yield f"a name: {problem}"
            schemas = [properties[name]] if name in properties else []
            schemas += [schema for pattern, schema in patterns.items() if not list(self._pattern(str(pattern), name))]
            for schema in schemas or [rules.get("additionalProperties", True)]:
                problem = self.problem(each, schema, depth + 1)
                if problem is not None:
                    yield f".{name[:100]}: {problem}"

    def _combined(self, value: Any, rules: Json, depth: int, whole: Any) -> Iterator[str]:
        for part in listed(rules.get("allOf")):
            problem = self.problem(value, part, depth + 1, whole)
            if problem is not None:
                yield problem
        if alternatives := listed(rules.get("anyOf")):
            problems = [self.problem(value, each, depth + 1, whole) for each in alternatives]
            if None not in problems:
                yield f"fits none of its `anyOf`: {problems[0]}"
        if alternatives := listed(rules.get("oneOf")):
            yield from self._one_of(value, rules.get("discriminator"), alternatives, depth, whole)
        if "not" in rules and self._fits(value, rules["not"], depth):
            yield f"{shown(value)} fits what its `not` forbids"
        if "if" in rules:
            branch = "then" if self._fits(value, rules["if"], depth) else "else"
            problem = self.problem(value, rules.get(branch, True), depth + 1, whole)
            if problem is not None:
                yield f"`{branch}`: {problem}"

    def _one_of(self, value: Any, discriminator: Any, alternatives: Sequence[Any], depth: int, whole: Any) -> Iterator[str]:
        """One alternative has to fit alone, but a discriminator says which one, whatever others fit besides."""
        name = _mapping(discriminator).get("propertyName")
        if isinstance(value, Mapping) and isinstance(name, str):
            chosen = alternative(discriminator, value.get(name), self._effort.through(alternatives))
            alternatives = alternatives if chosen is None else [chosen]
        problems = [self.problem(value, each, depth + 1, whole) for each in alternatives]
        if None not in problems:
            yield f"fits none of its `oneOf`: {problems[0]}"
        if problems.count(None) > 1:
            yield "fits more than one of its `oneOf`"


def _same(one: Any, other: Any) -> bool:
    """Whether two values that are no lists or objects are the same JSON: true is not 1, and 1 is 1.0."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _is_of_type(value: Any, given: object) -> bool:
    names: list[Any] = given if isinstance(given, list) else [given]
    if any(not isinstance(name, str) or (name not in TYPES and name != "integer") for name in names):
        return True
    if isinstance(value, bool):
        return "boolean" in names
    if "integer" in names and (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        return True
    return any(isinstance(value, TYPES[name]) for name in names if name != "integer")


def _bounds(value: float, rules: Json) -> Iterator[str]:
    exact = _exact(value)
    for name, strict, is_beyond in (("minimum", "exclusiveMinimum", operator.lt), ("maximum", "exclusiveMaximum", operator.gt)):
        bound, tight = rules.get(name), rules.get(strict)
        if is_number(bound) and (is_beyond(exact, _exact(bound)) or (tight is True and value == bound)):
            yield f"{value} breaks its `{name}`"
        if is_number(tight) and not is_beyond(_exact(tight), exact):
            yield f"{value} breaks its `{strict}`"
    step = rules.get("multipleOf")
    if is_number(step) and step > 0 and exact % _exact(step):
        yield f"{value} is no multiple of {step}"


@lru_cache(maxsize=1000, typed=True)
def _exact(value: float) -> Fraction:
    """The number as it is written; of long whole ones without writing them."""
    return Fraction(value if isinstance(value, int) else str(value))


def _number(value: Any, default: int) -> float:
    return value if is_number(value) else default


def _mapping(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _names(values: Sequence[Any]) -> list[str]:
    return [name for name in values if isinstance(name, str)]

"""Values that fit a JSON Schema, for requests: the document's own examples first, then made by its rules, reproducibly.

Sources: OpenAPI 3.0.4 (its schema object) and JSON Schema 2020-12, as OpenAPI 3.1 uses it. Whatever is made is checked against
its schema: what does not fit is made again with another seed, and after some tries there is no value.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from domain.effort import Effort, Exhausted
from domain.endpoint import Schema
from domain.json_pointer import Unresolvable, name_of
from domain.pattern_text import Unmatchable, WrongLength, matches, matching_text
from domain.schema_check import NotFollowed, SchemaCheck, has_siblings, pointer_of
from domain.schema_number import NoNumber, number_of
from domain.schema_rules import both, canonical, count, listed, merging_cost, shown, type_of
from domain.text_format import FORMATS, WORDS

MAX_VALUES = 10_000
MAX_CHARACTERS = 1_000_000  # of one value with all that is in it
MAX_STEPS = 1_000_000  # for all values together
TRIES = 5
MAX_PROBLEMS = 100
ENOUGH_DEPTH = 6  # from here on what is optional is left out
MAX_DEPTH = 40
MAX_NAME = 300  # characters of a name that enter a place as they are
REFERENCE = "$plog-reference"  # in the rules of a schema the reference that has led to it
Json = Mapping[str, Any]


class NoValue(Exception):
    """Nothing fits: the message says where and why."""


class SchemaValues:
    """Makes values from the schemas of one document.

    The same seed and place give the same value, whatever else was made before, until all together have taken too many steps. With
    `fills_optional` false objects have what they require and no more. `problems` collects, in a sentence each, what of the
    document was passed over. `document` is the document.
    """

    def __init__(self, document: Json, *, seed: int = 0, fills_optional: bool = True, effort: Effort | None = None) -> None:
        self.problems: list[str] = []
        self.document = document
        self._has_siblings = has_siblings(document)
        self._seed = seed
        self._fills_optional = fills_optional
        self._left = MAX_VALUES
        self._characters = MAX_CHARACTERS
        self._effort = Effort(MAX_STEPS) if effort is None else effort
        self._check = SchemaCheck(document, self._effort)
        self._try = 0

    def value(self, schema: Schema, place: str) -> Any:
        """A value that fits the schema at a place, which is any name of it; `NoValue` where none is found."""
        problem: str | None = None
        self._check.distrust()
        place = _short(place)
        try:
            for self._try in range(TRIES):
                self._left = MAX_VALUES
                self._characters = MAX_CHARACTERS
                made = self._make(schema, place, 0)
                problem = self._check.problem(made, schema)
                if problem is None:
                    return made
        except Exhausted:
            raise NoValue(f"{place}: takes too many steps, with all that was made before it") from None
        except NotFollowed as reason:
            raise NoValue(f"{place}: {reason}") from None
        raise NoValue(f"{place}: no value was found that fits: {problem}")

    def _make(self, schema: Any, place: str, depth: int) -> Any:
        self._left -= 1
        self._effort.spend()
        if self._left < 0:
            raise NoValue(f"{place}: needs more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise NoValue(f"{place}: leads back to itself without end")
        rules = self._rules(schema, place, depth)
        for key in ("oneOf", "anyOf"):
            if alternatives := rules.get(key):
                return self._first_of(key, listed(alternatives), rules, place, depth)
        for given in self._given(rules, place):
            return self._spent(given, place)
        random = Random(f"{self._seed}:{place}" if self._try == 0 else f"{self._seed}:{self._try}:{place}")
        if isinstance(choices := rules.get("enum"), list):
            if not choices:
                raise NoValue(f"{place}: no value is in all of its enums")
            wanted = [each for each in choices if each is not None] or choices
            fitting = (each for each in (random.choice(wanted), *wanted) if self._problem(each, rules) is None)
            return self._spent(next(fitting, wanted[0]), place)
        if base := self._mapped(rules):
            return self._first_of("", base, {}, place, depth)
        return self._by_type(rules, place, depth, random)

    def _given(self, rules: Json, place: str) -> Iterator[Any]:
        """The constant, and then of what the document gives as examples and default what fits its own schema."""
        if "const" in rules:
            yield rules["const"]
        found = [rules["example"]] if "example" in rules else []
        found += [*listed(rules.get("examples"))[:1]] + ([] if rules.get("default") is None else [rules["default"]])
        for each in found:
            self._check.trust(each)
            problem = self._problem(each, rules)
            if problem is None:
                yield each
            elif len(self.problems) < MAX_PROBLEMS:
                self.problems.append(f"{place:.300}: {shown(each)} of the document does not fit: {problem}")

    def _problem(self, value: Any, rules: Json, whole: Json | None = None) -> str | None:
        """What of these rules, a part of the whole ones, the value breaks."""
        rules = {**rules, "nullable": True} if value is None and "example" in rules else rules
        try:
            return self._check.problem(value, rules, whole=whole)
        except NotFollowed as reason:
            return str(reason)

    def _rules(self, schema: Any, place: str, depth: int) -> dict[str, Any]:
        """The schema with references followed and all of `allOf` in one."""
        self._left -= 1
        self._effort.spend(1 + (len(schema) // 20 if isinstance(schema, Mapping) else 0))
        if self._left < 0 or depth > MAX_DEPTH:
            raise NoValue(f"{place}: leads back to itself without end, or to too much")
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if isinstance(reference, str):
            try:
                followed = self._check.at(reference)
            except Unresolvable as problem:
                raise NoValue(f"{place}: {problem!s:.1000}") from None
            rules, parts = self._rules(followed, place, depth + 1), []
            if self._has_siblings:
                parts = [{key: each for key, each in schema.items() if key != "$ref"}]
        elif schema is False:
            raise NoValue(f"{place}: the schema allows no value")
        else:
            rules = dict(schema) if isinstance(schema, Mapping) else {}
            parts = [*listed(rules.pop("allOf", None))]
        for part in parts:
            rules = self._merged(rules, self._rules(part, place, depth + 1), place)
        return {**rules, REFERENCE: reference} if isinstance(reference, str) else rules

    def _merged(self, one: Json, other: Json, place: str) -> dict[str, Any]:
        cost = merging_cost(one, other)
        self._left -= cost
        self._effort.spend(cost)
        if self._left < 0:
            raise NoValue(f"{place}: leads back to itself without end, or to too much")
        return both(one, other)

    def _first_of(self, key: str, alternatives: Sequence[Any], rules: Json, place: str, depth: int) -> Any:
        """A value of the first alternative that has one, of `oneOf` one that no other allows."""
        siblings = {name: rules[name] for name in rules if name != key}
        part = {key: alternatives, **{name: rules[name] for name in ("discriminator",) if name in rules}}
        reason = NoValue(f"{place}: no alternative has a value")
        for alternative in alternatives:
            try:
                merged = self._merged(siblings, self._rules(alternative, place, depth + 1), place)
                if merged.get("type") == "null":
                    continue
                made = self._make(merged, place, depth + 1)
                problem = self._problem(made, part, whole=rules) if key == "oneOf" else None
                if problem is None:
                    return made
                reason = NoValue(f"{place}: {problem}")
            except NoValue as problem:
                reason = problem
        if any(isinstance(each, Mapping) and each.get("type") == "null" for each in alternatives):
            return None
        raise reason

    def _mapped(self, rules: Json) -> list[Json]:
        """Of a schema whose discriminator names others and not itself, those others."""
        mapping = self._effort.through(_mapping(_mapping(rules.get("discriminator")).get("mapping")))
        targets = [pointer_of(target) for target in mapping.values()]
        return [] if rules.get(REFERENCE) in targets else [{"$ref": target} for target in targets]

    def _by_type(self, rules: dict[str, Any], place: str, depth: int, random: Random) -> Any:
        match type_of(rules):
            case "object":
                return self._object(rules, place, depth, random)
            case "array":
                return self._array(rules, place, depth, random)
            case "integer":
                return self._number(rules, place, random, is_whole=True)
            case "number":
                return self._number(rules, place, random, is_whole=False)
            case "boolean":
                return random.random() < 0.5
            case "null":
                return None
        return self._spent(self._text(rules, place, random), place)

    def _spent(self, value: Any, place: str) -> Any:
        """The value, its characters counted."""
        if not isinstance(value, str):
            self._check.count(value)
        self._count(len(value) if isinstance(value, str) else _length(value), place)
        return value

    def _count(self, characters: int, place: str) -> None:
        """Count so many characters; `NoValue` where they are too many together with all before."""
        self._characters -= characters
        self._effort.spend(characters // 1000)
        if self._characters < 0:
            raise NoValue(f"{place:.300}: needs more than {MAX_CHARACTERS} characters")

    def _object(self, rules: dict[str, Any], place: str, depth: int, random: Random) -> dict[str, Any]:
        properties = {**_mapping(rules.get("properties")), **self._discriminating(rules)}
        required = self._required(rules)
        least, most = count(rules.get("minProperties"), 0), count(rules.get("maxProperties"), MAX_VALUES)
        if least > MAX_VALUES:
            raise NoValue(f"{place}: needs more than {MAX_VALUES} values")
        unsent = {name for name in properties if self._check.is_read_only(properties[name])}
        required = {name: None for name in required if name not in unsent}
        optional = [name for name in properties if name not in required and name not in unsent]
        fills_optional = self._fills_optional and depth < ENOUGH_DEPTH
        found: dict[str, Any] = {}
        for name in required:
            found[name] = self._member(name, properties, rules, place, depth)
        for name in optional:
            if len(found) < (most if fills_optional else least):
                with suppress(NoValue):
                    found[name] = self._member(name, properties, rules, place, depth)
        for number in range(1, 2 * (least - len(found)) + 1):
            name = self._name(rules, number, place, depth, random)
            if len(found) < least and name not in found:
                found[name] = self._member(name, properties, rules, place, depth)
        order = {name: place for place, name in enumerate(properties)}
        return dict(sorted(found.items(), key=lambda each: order.get(each[0], len(order))))

    def _member(self, name: str, properties: Json, rules: Json, place: str, depth: int) -> Any:
        schemas = [properties[name]] if name in properties else []
        for pattern, schema in _mapping(rules.get("patternProperties")).items():
            with suppress(Unmatchable):
                schemas += [schema] if matches(str(pattern), name, self._effort) else []
        schema = {"allOf": schemas} if len(schemas) > 1 else (schemas or [rules.get("additionalProperties", True)])[0]
        return self._make(schema, f"{place}.{_short(self._spent(name, place))}", depth + 1)

    def _name(self, rules: Json, number: int, place: str, depth: int, random: Random) -> str:
        """A name for a property that the schema does not name."""
        if isinstance(names := rules.get("propertyNames"), Mapping):
            return str(self._make({"allOf": [{"type": "string"}, names]}, f"{place}.name{number}", depth + 1))
        patterns = _mapping(rules.get("patternProperties"))
        if patterns and rules.get("additionalProperties") is False:
            with suppress(Unmatchable):
                return matching_text(str(next(iter(patterns))), random, 0, 100, self._effort)
        return f"property{number}"

    def _required(self, rules: Json) -> dict[str, None]:
        """The names of the properties that an object needs, also because it has others."""
        through = self._effort.through
        left = [*through(listed(rules.get("required"))), *self._discriminating(rules)]
        also = _mapping(rules.get("dependentRequired"))
        found: dict[str, None] = {}
        for name in left:  # which grows meanwhile
            if isinstance(name, str) and name not in found:
                found[name] = None
                left += through(listed(also.get(name)))
        return found

    def _discriminating(self, rules: Json) -> dict[str, Any]:
        """The property by which a discriminator tells what the object is, with the only value that it can have."""
        discriminator = _mapping(rules.get("discriminator"))
        name, reference = discriminator.get("propertyName"), rules.get(REFERENCE)
        if not isinstance(name, str) or not isinstance(reference, str):
            return {}
        mapping = self._effort.through(_mapping(discriminator.get("mapping")))
        known = next((str(key) for key, target in mapping.items() if pointer_of(target) == reference), None)
        own = _mapping(rules.get("properties")).get(name, True)
        if known is None and not {"const", "enum"}.isdisjoint(_mapping(self._followed(own))):
            return {}
        value = known or name_of(reference)
        return {name: {"allOf": [own, {"const": value}]}} if value else {}

    def _followed(self, schema: Any) -> Any:
        """What a schema or its references lead to; None where that is nowhere, or far away."""
        with suppress(Unresolvable):
            for _ in range(MAX_DEPTH):
                if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
                    return schema
                schema = self._check.at(schema["$ref"])
        return None

    def _array(self, rules: dict[str, Any], place: str, depth: int, random: Random) -> list[Any]:
        items = rules.get("items", True)
        fixed, items = (items, True) if isinstance(items, list) else (listed(rules.get("prefixItems")), items)
        contained = count(rules.get("minContains"), 1) if "contains" in rules else 0
        least = max(count(rules.get("minItems"), 0), contained + (len(fixed) if contained else 0))
        most = count(rules.get("maxItems"), max(least, len(fixed), 1))
        wanted = max(least, min(most, max(len(fixed), 1)) if depth < ENOUGH_DEPTH else 0)
        if wanted > MAX_VALUES:
            raise NoValue(f"{place}: needs more than {MAX_VALUES} values")
        found: list[Any] = []
        texts: set[str] = set()
        tries = 0
        while len(found) < wanted:
            number = len(found)
            schema = fixed[number] if number < len(fixed) else items
            if len(fixed) <= number < len(fixed) + contained:
                schema = {"allOf": [items, rules["contains"]]}
            try:
                made = self._make(schema, f"{place}[{number if tries == 0 else f'{number}.{tries}'}]", depth + 1)
            except NoValue:
                if number >= least:
                    break
                raise
            if rules.get("uniqueItems") is True:
                text = canonical(made)
                self._effort.spend(len(text) // 100)
                if text in texts:
                    tries += 1
                    if tries > 100:
                        raise NoValue(f"{place}: has not enough different values")
                    continue
                texts.add(text)
            found.append(made)
            tries = 0
        return found

    def _number(self, rules: Json, place: str, random: Random, *, is_whole: bool) -> float:
        self._effort.spend(5)  # exact fractions take as long
        try:
            return number_of(rules, random, is_whole=is_whole)
        except NoNumber as problem:
            raise NoValue(f"{place}: {problem}") from None

    def _text(self, rules: dict[str, Any], place: str, random: Random) -> str:
        least = count(rules.get("minLength"), 0)
        most = count(rules.get("maxLength"), max(least, MAX_CHARACTERS))
        if least > min(most, MAX_CHARACTERS):
            raise NoValue(f"{place}: needs at least {least} characters, and {min(most, MAX_CHARACTERS)} are allowed")
        if least > self._characters:
            self._count(least, place)  # which refuses what is as long before it is made
        patterns = [each["pattern"] for each in (rules, *listed(rules.get("allOf"))) if isinstance(each.get("pattern"), str)]
        form = FORMATS.get(rules["format"]) if isinstance(rules.get("format"), str) else None
        text = form(random) if form is not None else random.choice(WORDS)
        try:
            if not patterns or (form is not None and all(matches(each, text, self._effort) for each in patterns)):
                self._effort.spend(least // 500)
                return _of_length(text, form is not None, least, most, place, random)
            written = (matching_text(each, random, least, most, self._effort) for each in patterns for _ in range(TRIES))
            for text in written:
                if len(patterns) == 1 or all(matches(each, text, self._effort) for each in patterns):
                    return text
        except WrongLength as problem:
            raise NoValue(f"{place}: the pattern {patterns[0][:100]!r} {problem}") from None
        except Unmatchable as problem:
            raise NoValue(f"{place}: the pattern {patterns[0][:100]!r} can't be followed: {problem}") from None
        raise NoValue(f"{place}: no text was found that matches all its patterns")


def _of_length(text: str, is_formatted: bool, least: int, most: int, place: str, random: Random) -> str:
    if len(text) > most and is_formatted:
        raise NoValue(f"{place}: no text of its format was found with at most {most} characters")
    if len(text) < least:
        text += "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=least - len(text)))
    return text[:most]


def _short(name: str) -> str:
    """The name as part of a place, which is hashed for each value in it: a long one is its beginning with a checksum."""
    return name if len(name) <= MAX_NAME else f"{name[:200]}~{hashlib.sha256(name.encode(errors='replace')).hexdigest()}"


def _mapping(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _length(value: Any) -> int:
    """How many characters a value that a document gives has as JSON."""
    return len(json.dumps(value, ensure_ascii=False))

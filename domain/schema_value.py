"""Values that fit a JSON Schema, for requests: the document's own examples first, then made by its rules, reproducibly.

Sources: OpenAPI 3.0.4 (its schema object) and JSON Schema 2020-12, as OpenAPI 3.1 uses it. Followed are references, `allOf`, the
first alternative of `oneOf` and `anyOf` that has a value, constants, enums, formats, patterns and bounds.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeGuard
from uuid import UUID

from domain.endpoint import Schema
from domain.json_pointer import Unresolvable, resolve
from domain.pattern_text import Unmatchable, WrongLength, matching_text

MAX_VALUES = 10_000
MAX_CHARACTERS = 1_000_000  # of one value with all that is in it
MAX_STEPS = 100_000  # parts of patterns that are written for one value
ENOUGH_DEPTH = 6  # from here on what is optional is left out
MAX_DEPTH = 40
LARGEST = 2**53 - 1  # what every JSON reader keeps exactly
SMALLEST_STEP = 1e-6
START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jade", "kelp", "lotus")
GREATEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
LEAST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
Json = Mapping[str, Any]


class NoValue(Exception):
    """Nothing fits: the message says where and why."""


class SchemaValues:
    """Makes values from the schemas of one document.

    The same seed and place give the same value, whatever else was made before. With `fills_optional` false objects have what they
    require and no more. `problems` collects, in a sentence each, what of a schema could not be followed.
    """

    def __init__(self, document: Json, *, seed: int = 0, fills_optional: bool = True) -> None:
        self.problems: list[str] = []
        self._document = document
        self._seed = seed
        self._fills_optional = fills_optional
        self._left = MAX_VALUES
        self._characters = MAX_CHARACTERS
        self._steps = [MAX_STEPS]

    def value(self, schema: Schema, place: str) -> Any:
        """A value for the schema at a place, which is any name of it; `NoValue` where nothing fits."""
        self._left = MAX_VALUES
        self._characters = MAX_CHARACTERS
        self._steps = [MAX_STEPS]
        return self._make(schema, place, 0)

    def _make(self, schema: Any, place: str, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NoValue(f"{place}: needs more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise NoValue(f"{place}: leads back to itself without end")
        if schema is False:
            raise NoValue(f"{place}: the schema allows no value")
        rules = self._rules(schema, place, depth)
        for key in ("oneOf", "anyOf"):
            if alternatives := rules.get(key):
                return self._first_of(alternatives, {name: rules[name] for name in rules if name != key}, place, depth)
        given = [rules[key] for key in ("const", "example") if key in rules] + list(_listed(rules.get("examples")))[:1]
        if given or rules.get("default") is not None:
            return self._spent([*given, rules.get("default")][0], place)
        random = Random(f"{self._seed}:{place}")
        if isinstance(choices := rules.get("enum"), list):
            if not choices:
                raise NoValue(f"{place}: no value is in all of its enums")
            return self._spent(random.choice([each for each in choices if each is not None] or choices), place)
        return self._by_type(rules, place, depth, random)

    def _rules(self, schema: Any, place: str, depth: int) -> dict[str, Any]:
        """The schema with references followed and all of `allOf` in one."""
        try:
            followed = resolve(self._document, schema)
        except Unresolvable as problem:
            raise NoValue(f"{place}: {problem}") from None
        if followed is False:
            raise NoValue(f"{place}: the schema allows no value")
        rules = dict(followed) if isinstance(followed, Mapping) else {}
        parts = rules.pop("allOf", None)
        for part in parts if isinstance(parts, list) else ():
            self._left -= 1
            if self._left < 0 or depth > MAX_DEPTH:
                raise NoValue(f"{place}: leads back to itself without end, or to too much")
            more = self._rules(part, place, depth + 1)
            self._left -= _merging_cost(rules, more)
            rules = _both(rules, more)
        return rules

    def _first_of(self, alternatives: Any, siblings: dict[str, Any], place: str, depth: int) -> Any:
        reason = NoValue(f"{place}: no alternative has a value")
        for alternative in _listed(alternatives):
            try:
                rules = _both(siblings, self._rules(alternative, place, depth + 1))
                if rules.get("type") != "null":
                    return self._make(rules, place, depth + 1)
            except NoValue as problem:
                reason = problem
        if any(isinstance(each, Mapping) and each.get("type") == "null" for each in _listed(alternatives)):
            return None
        raise reason

    def _by_type(self, rules: dict[str, Any], place: str, depth: int, random: Random) -> Any:
        match _type_of(rules):
            case "object":
                return self._object(rules, place, depth)
            case "array":
                return self._array(rules, place, depth, random)
            case "integer":
                return _number(rules, place, random, is_whole=True)
            case "number":
                return _number(rules, place, random, is_whole=False)
            case "boolean":
                return random.random() < 0.5
            case "null":
                return None
        return self._spent(self._text(rules, place, random), place)

    def _spent(self, value: Any, place: str) -> Any:
        """The value, its characters counted; `NoValue` where they are too many together with all before."""
        self._characters -= len(value) if isinstance(value, str) else _length(value)
        if self._characters < 0:
            raise NoValue(f"{place:.300}: needs more than {MAX_CHARACTERS} characters")
        return value

    def _object(self, rules: dict[str, Any], place: str, depth: int) -> dict[str, Any]:
        properties = rules.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        required = dict.fromkeys(name for name in _listed(rules.get("required")) if isinstance(name, str))
        fills_optional = self._fills_optional and depth < ENOUGH_DEPTH
        found: dict[str, Any] = {}
        for name, schema in properties.items():
            if isinstance(schema, Mapping) and schema.get("readOnly") is True:
                continue
            if name not in required and not fills_optional:
                continue
            try:
                found[name] = self._make(schema, f"{place}.{self._spent(name, place)}", depth + 1)
            except NoValue:
                if name in required:
                    raise
        more = rules.get("additionalProperties", True)
        missing = [name for name in required if name not in found and name not in properties]
        least = _count(rules.get("minProperties"), 0)
        if least > MAX_VALUES:
            raise NoValue(f"{place}: needs more than {MAX_VALUES} values")
        missing += [f"property{number}" for number in range(1, least - len(found) - len(missing) + 1)]
        for name in missing:
            found[name] = self._make(more, f"{place}.{self._spent(name, place)}", depth + 1)
        return found

    def _array(self, rules: dict[str, Any], place: str, depth: int, random: Random) -> list[Any]:
        fixed = _listed(rules.get("prefixItems"))
        least = _count(rules.get("minItems"), 0)
        most = _count(rules.get("maxItems"), max(least, len(fixed), 1))
        wanted = max(least, min(most, max(len(fixed), 1)) if depth < ENOUGH_DEPTH else 0)
        if wanted > MAX_VALUES:
            raise NoValue(f"{place}: needs more than {MAX_VALUES} values")
        found: list[Any] = []
        tries = 0
        while len(found) < wanted:
            number = len(found)
            schema = fixed[number] if number < len(fixed) else rules.get("items", True)
            try:
                made = self._make(schema, f"{place}[{number if tries == 0 else f'{number}.{tries}'}]", depth + 1)
            except NoValue:
                if number >= least:
                    break
                raise
            if rules.get("uniqueItems") is True and made in found:
                tries += 1
                if tries > 100:
                    raise NoValue(f"{place}: has not enough different values")
                continue
            found.append(made)
            tries = 0
        return found

    def _text(self, rules: dict[str, Any], place: str, random: Random) -> str:
        least = _count(rules.get("minLength"), 0)
        most = _count(rules.get("maxLength"), max(least, MAX_CHARACTERS))
        if least > min(most, MAX_CHARACTERS):
            raise NoValue(f"{place}: needs at least {least} characters, and {min(most, MAX_CHARACTERS)} are allowed")
        pattern = rules.get("pattern")
        if isinstance(pattern, str):
            try:
                return matching_text(pattern, random, least, most, self._steps)
            except WrongLength as problem:
                raise NoValue(f"{place}: the pattern {pattern[:100]!r} {problem}") from None
            except Unmatchable as problem:
                self.problems.append(f"{place}: the pattern {pattern[:100]!r} can't be followed: {problem}")
        form = FORMATS.get(str(rules.get("format")))
        text = form(random) if form is not None else random.choice(WORDS)
        if len(text) < least:
            text += "".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(least - len(text)))
        return text[:most]


def _length(value: Any) -> int:
    """How many characters a value that a document gives has as JSON."""
    return len(json.dumps(value, ensure_ascii=False))


def _merging_cost(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """What putting both in one counts as, in values: little, but for lists and objects as nobody writes them by hand."""
    sizes = [len(each) for each in (*one.values(), *other.values()) if isinstance(each, Mapping | list)]
    return sum(sizes) // 20 + len(_listed(one.get("enum"))) * len(_listed(other.get("enum"))) // 1000


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What holds where both schemas do."""
    found = {**one, **other}
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        if key == "properties" and isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            shared = {name: {"allOf": [mine[name], theirs[name]]} for name in mine.keys() & theirs.keys()}
            found[key] = {**mine, **theirs, **shared}
        elif key == "required":
            found[key] = [*_listed(mine), *_listed(theirs)]
        elif key == "enum":
            found[key] = [each for each in _listed(mine) if each in _listed(theirs)]
        elif key in (*GREATEST, *LEAST) and _is_number(mine) and _is_number(theirs):
            found[key] = max(mine, theirs) if key in GREATEST else min(mine, theirs)
    return found


def _type_of(rules: Mapping[str, Any]) -> str:
    given = rules.get("type")
    if isinstance(given, list):
        given = next((each for each in given if each != "null"), "null")
    if isinstance(given, str):
        return given
    for kind, keys in (
        ("object", ("properties", "additionalProperties", "required", "minProperties")),
        ("array", ("items", "prefixItems", "minItems", "uniqueItems")),
        ("number", ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum")),
    ):
        if any(key in rules for key in keys):
            return kind
    return "string"


def _number(rules: Mapping[str, Any], place: str, random: Random, *, is_whole: bool) -> int | float:
    """A multiple of the step within the bounds, small where they leave it open."""
    given = rules.get("multipleOf")
    step: float = 1 if is_whole else 0.01
    if _is_number(given) and SMALLEST_STEP <= given <= LARGEST and (not is_whole or given == int(given)):
        step = given
    low, excludes_low = _bound(rules, "minimum", "exclusiveMinimum", max)
    high, excludes_high = _bound(rules, "maximum", "exclusiveMaximum", min)
    if low is None:
        low = 1 if high is None else high - 99 * step
    if high is None:
        high = low + 99 * step
    first = math.floor(low / step + 1e-9) + 1 if excludes_low else math.ceil(low / step - 1e-9)
    last = math.ceil(high / step - 1e-9) - 1 if excludes_high else math.floor(high / step + 1e-9)
    if first > last:
        if is_whole or "multipleOf" in rules or low > high or (low == high and (excludes_low or excludes_high)):
            raise NoValue(f"{place}: no number is from {low:g} to {high:g} in steps of {step:g}")
        return (low + high) / 2
    made = random.randint(first, last) * step
    return int(made) if is_whole else round(made, 10)


def _bound(
    rules: Mapping[str, Any], inclusive: str, exclusive: str, tighter: Callable[[float, float], float]
) -> tuple[float | None, bool]:
    """The bound of those names, and whether it is excluded itself; the exclusive one is a boolean beside the other in 3.0."""
    limit, strict = rules.get(inclusive), rules.get(exclusive)
    limit = _within_measure(limit) if _is_number(limit) else None
    if not _is_number(strict):
        return limit, strict is True
    strict = _within_measure(strict)
    if limit is None or tighter(limit, strict) == strict:
        return strict, True
    return limit, False


def _within_measure(value: float) -> float:
    return max(-LARGEST, min(LARGEST, value))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _count(value: object, default: int) -> int:
    return int(value) if isinstance(value, int | float) and _is_number(value) and value >= 0 else default


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _moment(random: Random) -> datetime:
    return START + timedelta(seconds=random.randrange(365 * 86_400))


FORMATS: Mapping[str, Callable[[Random], str]] = {
    "date-time": lambda random: _moment(random).isoformat().replace("+00:00", "Z"),
    "date": lambda random: _moment(random).date().isoformat(),
    "time": lambda random: f"{_moment(random).time().isoformat()}Z",
    "duration": lambda random: f"PT{random.randint(1, 59)}M",
    "email": lambda random: f"{random.choice(WORDS)}@example.com",
    "idn-email": lambda random: f"{random.choice(WORDS)}@example.com",
    "hostname": lambda random: f"{random.choice(WORDS)}.example.com",
    "idn-hostname": lambda random: f"{random.choice(WORDS)}.example.com",
    "ipv4": lambda random: f"192.0.2.{random.randint(1, 254)}",  # RFC 5737, for documentation
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 0xFFFF):x}",  # RFC 3849
    "uri": lambda random: f"https://example.com/{random.choice(WORDS)}",
    "url": lambda random: f"https://example.com/{random.choice(WORDS)}",
    "iri": lambda random: f"https://example.com/{random.choice(WORDS)}",
    "uri-reference": lambda random: f"/{random.choice(WORDS)}",
    "uuid": lambda random: str(UUID(int=random.getrandbits(128), version=4)),
    "byte": lambda random: base64.b64encode(random.choice(WORDS).encode()).decode(),
    "json-pointer": lambda random: f"/{random.choice(WORDS)}",
    "regex": lambda random: f"^{random.choice(WORDS)}$",
}

"""Several JSON Schemas that have to hold together, as one: what they say is merged where that can be done."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

GREATEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
LEAST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
SCHEMAS = ("items", "additionalProperties", "propertyNames", "contains")
PLACES = ("properties", "patternProperties", "dependentSchemas")
OF_OBJECTS = (*PLACES, "additionalProperties", "required", "minProperties", "propertyNames", "dependentRequired", "discriminator")
LONGEST = 2**64  # no format of integers goes further
MAX_SIZE = 1_000_000  # values that are counted in what is merged: so many cost too much anyway
MAX_SHOWN = 100  # characters of a value in a message
KEPT = ("oneOf", "anyOf", "pattern")  # one of each is followed at a time: others stay in `allOf` until it has been


def merging_cost(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """What putting both in one counts as, in values: little, but for lists and objects as nobody writes them by hand."""
    sizes = [len(each) for each in (*one.values(), *other.values()) if isinstance(each, Mapping | list)]
    found = sum(sizes)
    for each in (each for pair in _compared(one, other) for each in pair):
        found += size(each, MAX_SIZE - found)
    return found // 20


def _compared(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """What `both` compares in all its depth or length."""
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        names = [key]
        if key in PLACES and isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            names += mine.keys() & theirs.keys()
            yield from ((mine[name], theirs[name]) for name in names[1:] if mine[name] is not theirs[name])
        elif key == "enum" or (key in (*SCHEMAS, *KEPT, "type") and mine is not theirs):
            yield mine, theirs
        yield from ((name, name) for name in names if len(name) >= 100)


def size(value: Any, most: int) -> int:
    """How many values a value has in it, told no further than `most`; a text counts as more by its length."""
    found, left = 0, [value]
    while left and found <= most:
        each = left.pop()
        found += 1 + (len(each) // 100 if isinstance(each, str) else 0)
        left += (*each, *each.values()) if isinstance(each, Mapping) else each if isinstance(each, list) else ()
    return found


def both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What holds where both schemas do, as far as one schema can say it; of words the other's are taken."""
    found = {**one, **other}
    left = [*listed(one.get("allOf")), *listed(other.get("allOf"))]
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        if key in PLACES and isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            shared = {name: _all_of(mine[name], theirs[name]) for name in mine.keys() & theirs.keys()}
            found[key] = {**mine, **theirs, **shared}
        elif key in SCHEMAS:
            found[key] = _all_of(mine, theirs)
        elif key == "required":
            found[key] = [*listed(mine), *listed(theirs)]
        elif key == "enum":
            texts = {canonical(each) for each in listed(theirs)}
            found[key] = [each for each in listed(mine) if canonical(each) in texts]
        elif key == "type":
            found[key] = _type_of_both(mine, theirs)
        elif key in (*GREATEST, *LEAST) and is_number(mine) and is_number(theirs):
            found[key] = max(mine, theirs) if key in GREATEST else min(mine, theirs)
        elif key == "multipleOf" and isinstance(mine, int) and isinstance(theirs, int):
            common = math.lcm(mine, theirs)
            found[key] = common if common <= LONGEST else mine
            left += [] if common <= LONGEST else [{key: theirs}]
        elif key in KEPT and mine is not theirs and mine != theirs:
            found[key] = mine
            left.append({key: theirs})
    for each in (one, other):
        if each.get("additionalProperties") is False and "patternProperties" not in each:
            names = each.get("properties")
            known = found.get("properties")
            if isinstance(known, Mapping):
                found["properties"] = {name: known[name] for name in known if isinstance(names, Mapping) and name in names}
    found.pop("allOf", None)
    return {**found, "allOf": left} if left else found


def canonical(value: Any) -> str:
    """A text that two values share where they are the same JSON."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"))


def plain(value: Any) -> Any:
    """A value of the API, its numbers written in one way."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _all_of(one: Any, other: Any) -> Any:
    return one if one is other or one == other else {"allOf": [one, other]}


def _type_of_both(one: Any, other: Any) -> Any:
    """The types in both; the other's where there is none."""
    mine, theirs = ({*(each if isinstance(each, list) else [each])} if _is_hashable(each) else set() for each in (one, other))
    found = mine & theirs
    if "integer" in mine | theirs and "number" in mine | theirs:
        found |= {"integer"}
    return other if not found else sorted(found) if len(found) > 1 else next(iter(found))


def _is_hashable(given: Any) -> bool:
    return all(isinstance(each, str) for each in (given if isinstance(given, list) else [given]))


def type_of(rules: Mapping[str, Any]) -> str:
    """The type of the values that the rules ask for, guessed from what they speak of where they do not say it."""
    given = rules.get("type")
    if isinstance(given, list):
        given = next((each for each in given if each != "null"), "null")
    if isinstance(given, str):
        return given
    for kind, keys in (
        ("object", OF_OBJECTS),
        ("array", ("items", "prefixItems", "minItems", "uniqueItems", "contains")),
        ("number", ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum")),
    ):
        if any(key in rules for key in keys):
            return kind
    return "string"


def shown(value: Any) -> str:
    """What Python writes for a value, the first hundred characters of it, at a cost that does not grow with the value."""
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) >= MAX_SHOWN:
            break
    return text[:MAX_SHOWN]


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield repr(value[:MAX_SHOWN])
    elif isinstance(value, Mapping | list):
        members = value.items() if isinstance(value, Mapping) else ((None, each) for each in value)
        yield "{" if isinstance(value, Mapping) else "["
        for place, (name, each) in enumerate(members):
            yield ", " if place else ""
            yield "" if name is None else f"{shown(name)}: "
            yield from _pieces(each)
        yield "}" if isinstance(value, Mapping) else "]"
    else:
        yield repr(value)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number of JSON, which true and infinity are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def count(value: object, default: int) -> int:
    """The number as a count of something; the default where it is none."""
    return int(value) if isinstance(value, int | float) and is_number(value) and value >= 0 else default


def listed(value: object) -> Sequence[Any]:
    """The list; an empty one in the place of anything else."""
    return value if isinstance(value, list) else ()

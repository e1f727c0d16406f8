"""Collecting what is wrong with an input document, field by field, so that people see every problem at once."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from domain.errors import FieldProblem, ValidationFailed
from domain.text_value import NO_MOMENT, read_moment

Choice = TypeVar("Choice", bound=StrEnum)
MAX_TEXT = 10_000
MAX_DEPTH = 100
MAX_PATH = 10
MAX_SHOWN = 50


def is_storable(text: str) -> bool:
    """Whether every database can hold the text: no NUL, no lone surrogate."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return "\x00" not in text


def check_document(field: str, document: Mapping[str, Any], *, most: int) -> None:
    """Raise `ValidationFailed` unless every database can hold the JSON document, in at most `most` bytes.

    None can hold NaN, infinity, NUL, a lone surrogate, an integer beyond 64 bits or more than `MAX_DEPTH` levels everywhere.
    """
    try:
        if _weigh(document, MAX_DEPTH) <= most:
            return
    except _Unfit as unfit:
        raise ValidationFailed.of(".".join([field, *unfit.path]), str(unfit)) from None
    size = len(json.dumps(document, ensure_ascii=False).encode())
    if size > most:
        raise ValidationFailed.of(field, f"is {size} bytes long; {most} are allowed")


class _Unfit(Exception):
    """What keeps a value from being stored, and the way to it: keys and places, the outermost first."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.path: list[str] = []

    def below(self, place: str | int) -> "_Unfit":
        """The same, seen from one level further out; of long ways only the outer part is told."""
        self.path = [str(place)[:MAX_SHOWN], *self.path[: MAX_PATH - 1]]
        return self


def _weigh(value: object, depth: int) -> int:
    """As many bytes as the value takes as JSON, or more: most documents are so small that they need not be written to know."""
    if isinstance(value, str):
        if not is_storable(value):
            raise _Unfit("contains a NUL character or a lone surrogate")
        return 6 * len(value) + 4
    if value is None or isinstance(value, bool):
        return 8
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Unfit("contains NaN or infinity")
        return 28
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise _Unfit("contains an integer beyond 64 bits")
        return 24
    if not isinstance(value, dict | list | tuple):
        raise _Unfit("contains something that is not JSON")
    if depth == 0:
        raise _Unfit("is nested too deeply")
    weight = 4
    members: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for place, each in members:
        if isinstance(value, dict):
            if not isinstance(place, str):
                raise _Unfit("contains something that is not JSON")
            weight += _weigh(place, depth)
        try:
            weight += _weigh(each, depth - 1)
        except _Unfit as unfit:
            raise unfit.below(place) from None
    return weight


class Problems:
    """Reads typed values out of a JSON-like document and remembers what does not fit.

    A reader returns its default where the value is missing or wrong, so that reading goes on; `check()` raises
    `ValidationFailed` with all that was found.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._found: list[FieldProblem] = []

    def at(self, field: str | int) -> "Problems":
        """A view for a nested document: it adds to the same list under `field`."""
        nested = Problems(f"{self._prefix}{field}.")
        nested._found = self._found
        return nested

    def add(self, field: str | int, message: str) -> None:
        """Record that `field` is wrong."""
        self._found.append(FieldProblem(f"{self._prefix}{field}".rstrip("."), message))

    def check(self) -> None:
        """Raise `ValidationFailed` if anything was recorded."""
        if self._found:
            raise ValidationFailed(self._found)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was recorded so far."""
        return not self._found

    def mapping(self, raw: Mapping[str, Any], field: str) -> Mapping[str, Any]:
        """The nested document at `field`; empty where it is missing."""
        value = raw.get(field)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.add(field, "must be an object")
            return {}
        return value

    def items(self, raw: Mapping[str, Any], field: str, *, most: int = 1000) -> Sequence[Any]:
        """The list at `field`; empty where it is missing."""
        value = raw.get(field)
        if value is None:
            return ()
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            self.add(field, "must be a list")
            return ()
        if len(value) > most:
            self.add(field, f"has {len(value)} entries; {most} are allowed")
            return ()
        return value

    def text(self, raw: Mapping[str, Any], field: str, default: str | None = None, *, most: int = MAX_TEXT) -> str:
        """The text at `field`; required unless a default is given."""
        value = raw.get(field)
        if value is None or (isinstance(value, str) and not value.strip()):
            if default is None:
                self.add(field, "is required")
            return default or ""
        if not isinstance(value, str):
            self.add(field, "must be text")
        elif len(value) > most:
            self.add(field, f"is {len(value)} characters long; {most} are allowed")
        elif not is_storable(value):
            self.add(field, "contains a character that can't be stored (NUL or a lone surrogate)")
        else:
            return value
        return default or ""

    def texts(self, raw: Mapping[str, Any], field: str, *, most: int = 1000) -> tuple[str, ...]:
        """The list of texts at `field`."""
        values = self.items(raw, field, most=most)
        nested = self.at(field)
        return tuple(nested.text({str(index): value}, str(index)) for index, value in enumerate(values))

    def integer(self, raw: Mapping[str, Any], field: str, default: int | None, low: int, high: int) -> int:
        """The whole number at `field`, from `low` to `high` inclusive; required where the default is None."""
        value = raw.get(field)
        if value is None:
            if default is None:
                self.add(field, "is required")
            return low if default is None else default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self.add(field, "must be a whole number")
        elif not low <= value <= high:
            self.add(field, f"must be from {low} to {high}")
        else:
            return value
        return low if default is None else default

    def number(
        self, raw: Mapping[str, Any], field: str, default: float | None, low: float = -math.inf, high: float = math.inf
    ) -> float:
        """The finite number at `field`, from `low` to `high` inclusive; required where the default is None."""
        fallback = 0.0 if default is None else default
        value = raw.get(field)
        if value is None:
            if default is None:
                self.add(field, "is required")
            return fallback
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.add(field, "must be a number")
            return fallback
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            self.add(field, "must be a finite number")
        elif not low <= value <= high:
            self.add(field, f"must be from {low:g} to {high:g}")
        else:
            return value
        return fallback

    def moment(self, raw: Mapping[str, Any], field: str) -> datetime | None:
        """The moment, in UTC, that the text at `field` stands for; None where it is missing or wrong."""
        value = raw.get(field)
        found = read_moment(value)
        if value is not None and found is None:
            self.add(field, NO_MOMENT)
        return found

    def choice(self, raw: Mapping[str, Any], field: str, choices: type[Choice], default: Choice | None = None) -> Choice:
        """The member of `choices` named at `field`; required unless a default is given."""
        value = raw.get(field)
        fallback = default if default is not None else next(iter(choices))
        if value is None:
            if default is None:
                self.add(field, "is required")
            return fallback
        try:
            return choices(value)
        except ValueError:
            self.add(field, f"must be one of {', '.join(choices)}")
            return fallback

    def no_others(self, raw: Mapping[str, Any], known: Sequence[str]) -> None:
        """Record every key that is not among `known`, so that a misspelt option is not silently ignored."""
        for key in raw:
            if key not in known:
                self.add(str(key)[:100], "is not known here")

"""Texts that match a regular expression, written by walking the expression: nothing is ever searched or backtracked."""

import re
from random import Random
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_MORE = 3  # how often something without an upper bound is repeated beyond its least
MAX_LENGTH = 10_000
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
CATEGORIES = {
    codes.CATEGORY_DIGIT: "0123456789",
    codes.CATEGORY_WORD: "abcdefghijklmnopqrstuvwxyz0123456789_",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_DIGIT: "abcdefghijklmnopqrstuvwxyz",
    codes.CATEGORY_NOT_WORD: " -.",
    codes.CATEGORY_NOT_SPACE: "abcdefghijklmnopqrstuvwxyz0123456789",
}


class Unmatchable(Exception):
    """The expression is none of this dialect, uses what can't be walked (look-around, references), or wants too long a text."""


def matching_text(pattern: str, random: Random) -> str:
    """A text that the ECMA 262 `pattern` matches as a whole; `Unmatchable` where none can be written.

    The dialects of ECMA and of Python's parser differ little in what documents use; names of groups are translated.
    """
    try:
        parsed = parser.parse(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise Unmatchable(str(error)) from None
    writer = _Writer(random)
    writer.write(parsed)
    return "".join(writer.parts)


class _Writer:
    """Walks a parsed expression and keeps what it writes."""

    def __init__(self, random: Random) -> None:
        self.parts: list[str] = []
        self._random = random
        self._left = MAX_LENGTH

    def write(self, parsed: Any) -> None:
        for code, argument in parsed:
            self._spend()
            self._one(code, argument)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unmatchable(f"wants more than {MAX_LENGTH} characters")

    def _one(self, code: Any, argument: Any) -> None:
        if code is codes.LITERAL:
            self.parts.append(chr(argument))
        elif code in (codes.IN, codes.NOT_LITERAL, codes.ANY):
            self.parts.append(self._random.choice(self._alphabet(code, argument)))
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            least, most, inner = argument
            for _ in range(self._random.randint(least, min(most, least + MOST_MORE))):
                self._spend()
                self.write(inner)
        elif code is codes.SUBPATTERN:
            self.write(argument[3])
        elif code is codes.ATOMIC_GROUP:
            self.write(argument)
        elif code is codes.BRANCH:
            self.write(self._random.choice(argument[1]))
        elif code is not codes.AT or argument not in (
            codes.AT_BEGINNING,
            codes.AT_END,
            codes.AT_BEGINNING_STRING,
            codes.AT_END_STRING,
        ):
            raise Unmatchable(f"uses {str(code).lower()}, which can't be written out")

    def _alphabet(self, code: Any, argument: Any) -> str:
        if code is codes.ANY:
            return PRINTABLE
        items = [(codes.NEGATE, None), (codes.LITERAL, argument)] if code is codes.NOT_LITERAL else argument
        found = "".join(self._members(*item) for item in items if item[0] is not codes.NEGATE)
        if items[0][0] is codes.NEGATE:
            found = "".join(each for each in PRINTABLE + " " if each not in found)
        if not found:
            raise Unmatchable("has a set of characters with nothing printable in it")
        return found

    @staticmethod
    def _members(code: Any, argument: Any) -> str:
        if code is codes.LITERAL:
            return chr(argument)
        if code is codes.RANGE:
            low, high = argument
            return "".join(map(chr, range(low, min(high, low + 1000) + 1)))
        if argument in CATEGORIES:
            return CATEGORIES[argument]
        raise Unmatchable(f"uses {str(argument).lower()}, which can't be written out")

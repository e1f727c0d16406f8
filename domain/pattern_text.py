"""Writing texts that match a regular expression, and telling whether a text does, without ever going back in it."""

import re
from functools import lru_cache
from random import Random
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from domain.effort import Effort

MOST_MORE = 3  # how often something without an upper bound is repeated beyond its least
MAX_PATTERN = 10_000  # characters of the expression
MAX_LENGTH = 10_000
MAX_ALPHABET = 1000
TRIES = 20
SURROGATE = re.compile("[\ud800-\udfff]")
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CATEGORIES = {
    codes.CATEGORY_DIGIT: "0123456789",
    codes.CATEGORY_WORD: f"{LETTERS}0123456789_",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_DIGIT: LETTERS,
    codes.CATEGORY_NOT_WORD: " -.",
    codes.CATEGORY_NOT_SPACE: f"{LETTERS}0123456789",
}
ASCII = {  # as ECMA has them, whatever the language of the text
    codes.CATEGORY_DIGIT: re.compile("[0-9]"),
    codes.CATEGORY_WORD: re.compile("[A-Za-z0-9_]"),
    codes.CATEGORY_SPACE: re.compile(r"\s|\ufeff"),
    codes.CATEGORY_NOT_DIGIT: re.compile("[^0-9]"),
    codes.CATEGORY_NOT_WORD: re.compile("[^A-Za-z0-9_]"),
    codes.CATEGORY_NOT_SPACE: re.compile(r"[^\s\ufeff]"),
}
LINE_ENDS = "\n\r\u2028\u2029"
BEGINNINGS = frozenset({codes.AT_BEGINNING, codes.AT_BEGINNING_STRING})
ENDS = frozenset({codes.AT_END, codes.AT_END_STRING})


class Unmatchable(Exception):
    """The expression is none of this dialect, uses what can't be walked (look-around, references), or wants too long a text."""


class WrongLength(Unmatchable):
    """No text of the length wanted matches, or none was found."""


def matching_text(pattern: str, random: Random, least: int = 0, most: int = MAX_LENGTH, effort: Effort | None = None) -> str:
    """A text of `least` to `most` characters that the ECMA 262 `pattern` matches; `Unmatchable` where none can be written.

    Each part of the expression that is written is a step of `effort`; `Exhausted` when there are no more.
    The expression matches the text as a whole; where it has to be longer than that and is not tied to both ends, it is filled up.
    The dialects of ECMA and of Python's parser differ little in what documents use; names of groups are translated.
    """
    effort = Effort(MAX_LENGTH) if effort is None else effort
    parsed = _read(pattern, effort)
    low, high = parsed.getwidth()
    if low > MAX_LENGTH:
        raise Unmatchable(f"wants more than {MAX_LENGTH} characters")
    if low > most:
        raise WrongLength(f"wants at least {low} characters, and {most} are allowed")
    widths: dict[int, list[tuple[int, int]]] = {}
    for _ in range(TRIES):
        writer = _Writer(random, effort, widths)
        try:
            writer.write(parsed, min(least, high), most)
        except _DeadEnd:
            continue
        except RecursionError:
            raise Unmatchable("is nested too deeply") from None
        text = _paired(writer.filled(least))
        if text is not None and least <= len(text) <= most:
            return text
    raise WrongLength(f"has no text of {least} to {most} characters that was found")


def matches(pattern: str, text: str, effort: Effort) -> bool:
    """Whether the ECMA 262 `pattern` is found in the text; `Unmatchable` where that can't be told.

    All positions to which the expression can lead are followed at once, each a step of `effort`.
    """
    parsed = _read(pattern, effort)
    effort.spend(len(text) // 100)
    units = "".join(map(chr, memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")))
    try:
        return any(_Reader(each, effort).ends(parsed, set(range(len(each) + 1))) for each in dict.fromkeys((text, units)))
    except RecursionError:
        raise Unmatchable("is nested too deeply") from None


def check_followable(pattern: str) -> None:
    """Raise `Unmatchable` where there are texts of which `matches` can't tell whether the ECMA 262 `pattern` is found in them."""
    parsed, problem = _parsed(pattern)
    if parsed is None:
        raise Unmatchable(problem)
    if parsed.state.flags & ~re.UNICODE:
        raise Unmatchable("has flags, which are not heeded")
    _check_parts(parsed)


def _check_parts(parsed: Any) -> None:
    for code, argument in parsed:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            _check_parts(argument[2])
        elif code is codes.SUBPATTERN and not argument[1] | argument[2]:
            _check_parts(argument[3])
        elif code is codes.BRANCH:
            for each in argument[1]:
                _check_parts(each)
        elif code is codes.IN:
            for kind, member in argument:
                if kind is codes.CATEGORY and member not in ASCII:
                    raise Unmatchable(f"uses {str(member).lower()}, which can't be followed")
        elif code in (codes.ASSERT, codes.ASSERT_NOT) and argument[0] > 0:
            _check_parts(argument[1])
        elif code not in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY) and not (
            code is codes.AT and argument in BEGINNINGS | ENDS
        ):
            raise Unmatchable(f"uses {str(code).lower()}, which can't be followed")


class _Reader:
    """Follows a parsed expression through a text."""

    def __init__(self, text: str, effort: Effort) -> None:
        self._text = text
        self._effort = effort

    def ends(self, parsed: Any, starts: set[int]) -> set[int]:
        """Where what the sequence matches can end if it begins at one of these positions."""
        for code, argument in parsed:
            self._effort.spend(1 + len(starts) * _breadth(code, argument) // 50)
            starts = self._one(code, argument, starts)
            if not starts:
                break
        return starts

    def _one(self, code: Any, argument: Any, starts: set[int]) -> set[int]:
        text = self._text
        if code in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
            return {start + 1 for start in starts if start < len(text) and _is_of(code, argument, text[start])}
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._repeated(argument, starts)
        if code is codes.SUBPATTERN:
            return self.ends(argument[3], starts)
        if code is codes.BRANCH:
            return {end for each in argument[1] for end in self.ends(each, starts)}
        if code is codes.AT and argument in BEGINNINGS:
            return starts & {0}
        if code is codes.AT and argument in ENDS:
            return starts & {len(text)}
        if code in (codes.ASSERT, codes.ASSERT_NOT) and argument[0] > 0:
            return {start for start in starts if bool(self.ends(argument[1], {start})) is (code is codes.ASSERT)}
        raise Unmatchable(f"uses {str(code).lower()}, which can't be followed")

    def _repeated(self, argument: Any, starts: set[int]) -> set[int]:
        fewest, most, inner = argument
        for _ in range(fewest):
            self._effort.spend()
            starts = self.ends(inner, starts)
            if not starts:
                return starts
        found, fresh, count = set(starts), starts, fewest
        while fresh and count < most:
            fresh = self.ends(inner, fresh) - found
            found |= fresh
            count += 1
        return found


def _breadth(code: Any, argument: Any) -> int:
    """How many things are tried at a position, where those of common sets are few."""
    return max(5, len(argument[1]) if code is codes.BRANCH else len(argument) if code is codes.IN else 0)


def _is_of(code: Any, argument: Any, character: str) -> bool:
    """Whether what matches one character matches this one."""
    if code is codes.ANY:
        return character not in LINE_ENDS
    if code in (codes.LITERAL, codes.NOT_LITERAL):
        return (ord(character) == argument) is (code is codes.LITERAL)
    is_negated = argument[0][0] is codes.NEGATE
    return is_negated is not any(_has(kind, member, character) for kind, member in argument[is_negated:])


def _has(code: Any, argument: Any, character: str) -> bool:
    if code is codes.RANGE:
        return bool(argument[0] <= ord(character) <= argument[1])
    if code is codes.LITERAL:
        return bool(ord(character) == argument)
    if argument not in ASCII:
        raise Unmatchable(f"uses {str(argument).lower()}, which can't be followed")
    return ASCII[argument].fullmatch(character) is not None


def _paired(text: str) -> str | None:
    """The text with pairs of surrogates, as ECMA writes characters, as what they stand for; None where one stands alone."""
    if not SURROGATE.search(text):
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None


def _read(pattern: str, effort: Effort) -> Any:
    """The expression; `Unmatchable` where it can't be read.

    It counts also where it has been read before, as the steps that are left must not depend on that. Groups count by all that
    may be in them, which is copied once for each.
    """
    effort.spend(1 + (len(pattern) * (50 + 4 * pattern.count("(")) // 1000 if len(pattern) <= MAX_PATTERN else 0))
    parsed, problem = _parsed(pattern)
    if parsed is None:
        raise Unmatchable(problem)
    return parsed


@lru_cache(maxsize=100)
def _parsed(pattern: str) -> tuple[Any, str]:
    """The expression, or None and why it can't be read."""
    if len(pattern) > MAX_PATTERN:
        return None, f"is longer than {MAX_PATTERN} characters"
    try:
        parsed = parser.parse(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern))
        parsed.getwidth()
    except (re.error, RecursionError, OverflowError) as error:
        return None, str(error)
    return parsed, ""


class _DeadEnd(Exception):
    """The choices made so far leave no text of the length wanted."""


class _Writer:
    """Walks a parsed expression and keeps what it writes; `widths` has those of sequences walked before, by their ids."""

    def __init__(self, random: Random, effort: Effort, widths: dict[int, list[tuple[int, int]]]) -> None:
        self._parts: list[str] = []
        self._random = random
        self._effort = effort
        self._widths = widths
        self._anchors: set[Any] = set()

    def filled(self, least: int) -> str:
        """What was written, filled up with letters to `least` characters where the expression leaves that open."""
        text = "".join(self._parts)
        missing = max(0, least - len(text))
        self._effort.spend(missing // 500)
        if missing and not self._anchors & ENDS:
            return text + "".join(self._random.choices(LETTERS, k=missing))
        if missing and not self._anchors & BEGINNINGS:
            return "".join(self._random.choices(LETTERS, k=missing)) + text
        return text

    def write(self, parsed: Any, least: int, most: int) -> int:
        """Write what the sequence matches, of `least` to `most` characters where it can be; returns how many."""
        widths = self._widths.get(id(parsed))
        if widths is None:
            widths = self._widths[id(parsed)] = [parser.SubPattern(parsed.state, [each]).getwidth() for each in parsed]
        low, high = sum(width[0] for width in widths), sum(width[1] for width in widths)
        written = 0
        for (code, argument), (own_low, own_high) in zip(parsed, widths, strict=True):
            self._effort.spend(_breadth(code, argument) // 5)
            low, high = low - own_low, high - own_high
            written += self._one(code, argument, max(own_low, least - written - high), min(own_high, most - written - low))
        return written

    def _one(self, code: Any, argument: Any, least: int, most: int) -> int:
        if code is codes.LITERAL:
            self._parts.append(chr(argument))
            return 1
        if code in (codes.IN, codes.NOT_LITERAL, codes.ANY):
            self._parts.append(self._random.choice(_alphabet(code, argument)))
            return 1
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            return self._repeated(argument, least, most)
        if code is codes.SUBPATTERN:
            return self.write(argument[3], least, most)
        if code is codes.ATOMIC_GROUP:
            return self.write(argument, least, most)
        if code is codes.BRANCH:
            fit = [each for each in argument[1] if each.getwidth()[0] <= most and each.getwidth()[1] >= least]
            if not fit:
                raise _DeadEnd
            return self.write(self._random.choice(fit), least, most)
        if code is codes.AT and argument in BEGINNINGS | ENDS:
            self._anchors.add(argument)
            return 0
        raise Unmatchable(f"uses {str(code).lower()}, which can't be written out")

    def _repeated(self, argument: Any, least: int, most: int) -> int:
        fewest, highest, inner = argument
        low, high = inner.getwidth()
        if high:
            fewest = max(fewest, -(-least // high))
        if low:
            highest = min(highest, most // low)
        if fewest > highest:
            raise _DeadEnd
        count = self._random.randint(fewest, min(highest, fewest + MOST_MORE))
        written = 0
        for left in range(count - 1, -1, -1):
            self._effort.spend()
            written += self.write(inner, max(low, least - written - left * high), min(high, most - written - left * low))
        return written


def _alphabet(code: Any, argument: Any) -> str:
    if code is codes.ANY:
        return PRINTABLE
    return _members(((codes.NEGATE, None), (codes.LITERAL, argument)) if code is codes.NOT_LITERAL else tuple(argument))


@lru_cache(maxsize=1000)
def _members(items: tuple[tuple[Any, Any], ...]) -> str:
    """The characters of a set, not too many of them; of one that is negated the printable ones."""
    is_negated = items[0][0] is codes.NEGATE
    found = ""
    for code, argument in items[is_negated:]:
        if code is codes.LITERAL:
            found += chr(argument)
        elif code is codes.RANGE:
            low, high = argument
            found += "".join(map(chr, range(low, min(high, low + MAX_ALPHABET) + 1)))
        elif argument in CATEGORIES:
            found += CATEGORIES[argument]
        else:
            raise Unmatchable(f"uses {str(argument).lower()}, which can't be written out")
        if is_negated:
            found = "".join(sorted({each for each in found if " " <= each <= "~"}))
        elif len(found) > MAX_ALPHABET:
            break
    if is_negated:
        found = "".join(each for each in PRINTABLE + " " if each not in found)
    if not found:
        raise Unmatchable("has a set of characters with nothing printable in it")
    return found

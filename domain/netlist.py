"""SPICE netlists from strangers: read by an allow-list, and written anew, so that only what was checked is simulated.

ngspice executes far more than circuits: a first line `*ng_script` turns the file into shell commands, an `.include` is followed
even on the title line, code-model devices read files. So no netlist is handed on as it came. It is split into logical cards,
every card must be of a known harmless kind and spelt in plain characters, includes are resolved among the files that came with
the netlist, and what is simulated is a new text with a title of our own. (ngspice 39 manual, chapters 2, 11, 12, 15.)
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

MAX_CARDS = 200_000
MAX_CARD_LENGTH = 20_000
MAX_INCLUDE_DEPTH = 8
MAX_TEXT = 64 * 2**20  # characters, those of a file counted each time that it is included
MAX_SHOWN = 40


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTS = frozenset("bcdefghijklmoqrstvwxz")
PASSED_CARDS = _words(".ac .dc .else .elseif .endif .ends .func .global .ic .if .model .nodeset .save .subckt .temp .tran")
IGNORED_CARDS = _words(".disto .four .noise .op .plot .print .probe .pz .sens .tf .title .width")
MODEL_TYPES = _words("c csw d hfet l ltra mesa njf nmf nmos npn pjf pmf pmos pnp r res sw urc vdmos vdmosn vdmosp")
OPTIONS = _words(
    "abstol badmos3 chgtol convlimit cshunt defad defas defl defm defnrb defnrd defnrs defpd defps defw gmin gminsteps gshunt "
    "interp itl1 itl2 itl3 itl4 itl5 itl6 keepopinfo klu lvltim maxord method minbreak noinit noopalter noopiter oldlimit pivrel "
    "pivtol ramptime reltol rseries rshunt scale savecurrents sparse srcsteps temp tnom trtol trytocompact vntol xmu"
)
IGNORED_OPTIONS = _words("acct brief ingold list measdgt noacct node nomod nopage numdgt opts post probe seed")
ANALYSES = _words("ac dc tran")
MEASURES = _words(".meas .measure")
NAME = re.compile(r"[a-z_][a-z0-9_]*")
PLAIN = re.compile(r"[a-z0-9_ .,+\-*/()={}'^<>!&|?:~#@\[\]]*")
# Possessive, as a stranger's text would make backtracking take hours.
ASSIGNMENT = re.compile(r"\b([a-z_][a-z0-9_]*+)\s*+(\([^()]*+\))?+\s*+=\s*+('[^']*+'|\{[^{}]*+\}|[^\s={}']++)")
ASSIGNED_WORD = re.compile(r"\b(\w++)\s*+=")
NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?)(t|g|meg|k|mil|m|u|n|p|f|a)?[a-z]*")
EXPONENTS = {"t": 12, "g": 9, "meg": 6, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18}
METRES_PER_MIL = 25.4e-6


class NetlistRefused(ValueError):
    """The netlist holds something that is not allowed or can't be read; the message names the file, the line and the reason."""


@dataclass(frozen=True, slots=True)
class Card:
    """A logical line: small letters, comments gone, continuation lines joined. `origin` is the file and line it began on."""

    text: str
    origin: str

    @property
    def word(self) -> str:
        """The first word, which says what the card is."""
        return self.text.split(maxsplit=1)[0]

    @property
    def analysis(self) -> str | None:
        """The analysis that the card makes or measures, if it does."""
        if self.word in MEASURES:
            return self.text.split()[1]
        return self.word[1:] if self.word[1:] in ANALYSES and self.word.startswith(".") else None

    def refuse(self, reason: str) -> NetlistRefused:
        """The refusal of this card."""
        return NetlistRefused(f"{self.origin}: {reason}")


@dataclass(frozen=True, slots=True)
class Netlist:
    """A netlist that passed the check.

    `parameters` are the names set by `.param` outside of subcircuits; those in `defaults` have a plain number. `measurements`
    are the names of `.meas` cards, `analyses` what they measure (tran, ac, dc), `includes` the other files used, `ignored` the
    cards and options left out: they only print, or analyse what nothing measures.
    """

    cards: tuple[Card, ...]
    parameters: tuple[str, ...]
    defaults: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    measurements: tuple[str, ...] = ()
    analyses: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def text(self, analysis: str, values: Mapping[str, float], seed: int) -> str:
        """The netlist to simulate for one of `analyses`, since in batch mode ngspice measures the first one only.

        The parameters in `values` (names in small letters) are set, and random functions start at `seed`. Everything is saved,
        since ngspice does not see by itself what some measurements need.
        """
        lines = ["* simulated by plog", f".option seed={seed % 2**31 + 1}", ".save all"]
        depth = 0
        for card in self.cards:
            depth += (card.word == ".subckt") - (card.word == ".ends")
            if card.word == ".param" and depth == 0:
                lines += [f".param {_assigned(match, values)}" for match in ASSIGNMENT.finditer(card.text)]
            elif card.analysis in (None, analysis):
                lines.append(card.text)
        return "\n".join([*lines, ".end", ""])


def read_netlist(path: str, files: Mapping[str, str]) -> Netlist:
    """Check the netlist at `path` among `files` (relative paths with slashes, and their text).

    An included file must be among `files` and in the folder of the netlist, or below it. `NetlistRefused` tells the first thing
    that is not allowed.
    """
    reader = _Reader(files)
    for card in reader.cards(path):
        reader.take(card)
    return reader.finish(path)


def spice_number(text: str) -> float | None:
    """The value of a number with a SPICE suffix and unit ("2.5pF" is 2.5e-12), or None where it is something else."""
    match = NUMBER.fullmatch(text.strip().lower())
    if match is None:
        return None
    if match[2] == "mil":
        return float(match[1]) * METRES_PER_MIL
    mantissa, _, exponent = match[1].partition("e")
    return float(f"{mantissa}e{int(exponent or 0) + EXPONENTS.get(match[2] or '', 0)}")


def _assigned(match: re.Match[str], values: Mapping[str, float]) -> str:
    name = match[1]
    return f"{name}={values[name]!r}" if name in values and not match[2] else match[0]


class _Reader:
    """Collects the cards of one netlist and of the files it includes, refusing what is not allowed."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._paths: dict[str, list[str]] = {}
        for path in files:
            self._paths.setdefault(path.lower(), []).append(path)
        self._kept: list[Card] = []
        self._parameters: dict[str, float | None] = {}
        self._measurements: list[str] = []
        self._analyses: dict[str, None] = {}
        self._includes: list[str] = []
        self._ignored: set[str] = set()
        self._open_subcircuits = 0
        self._count = 0
        self._characters = 0

    def cards(self, path: str, section: str | None = None, depth: int = 0) -> Iterator[Card]:
        """The cards of a file (or of one section of a library) with those of its includes in their place."""
        self._characters += len(self._files[path])
        if self._characters > MAX_TEXT:
            raise NetlistRefused(f"{path}: the netlist and what it includes have more than {MAX_TEXT} characters")
        is_inside = has_section = section is None
        for card in _logical_cards(path, self._files[path], is_main=depth == 0):
            self._count += 1
            if self._count > MAX_CARDS:
                raise card.refuse(f"more than {MAX_CARDS} cards")
            word, words = card.word, card.text.split()
            if word == ".end":
                break
            if section is not None and word == ".lib" and len(words) == 2:
                is_inside = words[1] == section
                has_section = has_section or is_inside
            elif section is not None and word == ".endl":
                is_inside = False
            elif is_inside and word in (".include", ".inc", ".lib"):
                yield from self._included(card, path, depth)
            elif is_inside:
                yield card
        if not has_section:
            raise NetlistRefused(f"{path}: there is no section {section!r}")

    def _included(self, card: Card, path: str, depth: int) -> Iterator[Card]:
        words = card.text.split()
        if depth >= MAX_INCLUDE_DEPTH:
            raise card.refuse(f"files include each other more than {MAX_INCLUDE_DEPTH} deep")
        if len(words) != (3 if card.word == ".lib" else 2):
            raise card.refuse(f"{card.word} must name a file" + (" and a section" if card.word == ".lib" else ""))
        name = words[1].strip("\"'")
        target = PurePosixPath(path).parent / name  # without `..`, so in the folder of the netlist or below
        if not name or ".." in target.parts or target.is_absolute() or "\\" in name or ":" in name or "~" in name:
            raise card.refuse(f"{card.word} leads out of the netlist's folder")
        found = self._paths.get(str(target).lower(), [])
        if len(found) != 1:
            raise card.refuse(f"{name} is not among the files in the netlist's folder")
        if found[0] not in self._includes:
            self._includes.append(found[0])
        yield from self.cards(found[0], words[2] if card.word == ".lib" else None, depth + 1)

    def take(self, card: Card) -> None:
        """Keep the card if it is allowed, else raise `NetlistRefused`."""
        if not PLAIN.fullmatch(card.text):
            odd = next(character for character in card.text if not PLAIN.fullmatch(character))
            raise card.refuse(f"the character {odd!r} is not allowed")
        for assigned in ASSIGNED_WORD.finditer(card.text):
            if "file" in assigned[1]:
                raise card.refuse(f"{assigned[0][:MAX_SHOWN]!r} is not allowed: a netlist reads and writes no files")
        word = card.word
        if word in IGNORED_CARDS:
            self._ignored.add(word)
        elif word in (".option", ".options", ".opt"):
            self._take_options(card)
        else:
            self._check(card)
            self._open_subcircuits += (word == ".subckt") - (word == ".ends")
            self._kept.append(card)

    def _check(self, card: Card) -> None:
        word = card.word
        if word in MEASURES:
            self._take_measurement(card)
        elif word == ".param":
            self._take_parameters(card)
        elif word.startswith(".") and word not in PASSED_CARDS:
            raise card.refuse(f"the card {word!r} is not allowed")
        elif word == ".model":
            words = card.text.replace("(", " ").split()
            if len(words) < 3 or words[2] not in MODEL_TYPES:
                raise card.refuse(f"models of type {words[2] if len(words) > 2 else ''!r} are not allowed")
        elif not word.startswith(".") and word[0] not in ELEMENTS:
            raise card.refuse(f"elements {word[0].upper()!r} are not allowed")

    def finish(self, path: str) -> Netlist:
        """The netlist made of what was taken."""
        if self._open_subcircuits != 0:
            raise NetlistRefused(f"{path}: .subckt and .ends do not match")
        if not self._measurements:
            raise NetlistRefused(f"{path}: no .meas card, so there is no response")
        made = {card.analysis for card in self._kept if card.word not in MEASURES}
        for analysis in self._analyses:
            if analysis not in made:
                raise NetlistRefused(f"{path}: .meas {analysis} without .{analysis}")
        unmeasured = {f".{analysis}" for analysis in made if analysis is not None and analysis not in self._analyses}
        return Netlist(
            cards=tuple(card for card in self._kept if card.word not in unmeasured),
            parameters=tuple(self._parameters),
            defaults=MappingProxyType({name: value for name, value in self._parameters.items() if value is not None}),
            measurements=tuple(self._measurements),
            analyses=tuple(self._analyses),
            includes=tuple(self._includes),
            ignored=tuple(sorted(self._ignored | unmeasured)),
        )

    def _take_measurement(self, card: Card) -> None:
        words = card.text.split()
        if len(words) < 4 or words[1] not in ANALYSES or not NAME.fullmatch(words[2]):
            raise card.refuse(".meas must name an analysis (tran, ac, dc), a result and what to measure")
        if words[2] in self._measurements:
            raise card.refuse(f"the measurement {words[2]!r} is there twice")
        self._measurements.append(words[2])
        self._analyses[words[1]] = None

    def _take_parameters(self, card: Card) -> None:
        rest = ASSIGNMENT.sub("", card.text.removeprefix(".param")).replace(",", "").strip()
        if rest:
            raise card.refuse(f".param can't be read at {rest[:MAX_SHOWN]!r}")
        for match in ASSIGNMENT.finditer(card.text):
            if self._open_subcircuits == 0 and not match[2]:
                self._parameters[match[1]] = spice_number(match[3].strip("'{}"))

    def _take_options(self, card: Card) -> None:
        options = re.sub(r"\s*=\s*", "=", card.text).split()[1:]
        names = [option.split("=")[0] for option in options]
        for name in names:
            if name not in OPTIONS | IGNORED_OPTIONS:
                raise card.refuse(f"the option {name!r} is not allowed")
        self._ignored.update(f".option {name}" for name in names if name in IGNORED_OPTIONS)
        kept = [option for name, option in zip(names, options, strict=True) if name in OPTIONS]
        if kept:
            self._kept.append(Card(f".option {' '.join(kept)}", card.origin))


def _logical_cards(path: str, text: str, *, is_main: bool) -> Iterator[Card]:
    """The cards of one file. The first line of a main file is its title and not a card, whatever it says."""
    current: Card | None = None
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = _without_comment(raw) if number > 1 or not is_main else ""
        if not line:
            continue
        if line.startswith("+"):
            if current is None:
                raise NetlistRefused(f"{path}:{number}: a continuation line without a line before it")
            current = Card(f"{current.text} {line[1:].strip()}".strip(), current.origin)
            if len(current.text) > MAX_CARD_LENGTH:
                raise current.refuse(f"a card of more than {MAX_CARD_LENGTH} characters")
            continue
        if current is not None:
            yield current
        current = Card(line, f"{path}:{number}")
    if current is not None:
        yield current


def _without_comment(raw: str) -> str:
    line = raw.replace("\t", " ").strip()
    if line.startswith(("*", "#", "$", ";", "//")):
        return ""
    for mark in (";", "$", "//"):
        line = line.split(mark, 1)[0]
    return line.strip().lower()

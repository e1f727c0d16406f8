"""What a chat model says of findings, held against their figures: a claim with a number that is not theirs does not stand.

A claim is one line of English in ASCII letters with ordinary punctuation. After the citations in it ("(F1)"), the scenarios that
it names and the quantities that hold were taken out, nothing may be left that is a number: no digit, no Roman numeral, no number
word ("twelve", "half", "twice", "tenfold"), no percent sign or unit that only stands with a number. A quantity holds if the
findings that the claim cites have it, and in the part that it plays:

- a number with a unit: a finding's value or baseline, with the digits with which it is shown; commas and zeros at its end may
  be left out. The unit has to be there, in one of a few spellings; it may be a thousand times greater (s, GB, cores), with the
  digits with which that would be shown.
- two numbers joined by "to", "and" or a dash: the two ends of one interval, the lower one first, and that of a difference only
  after a word that says so; or two that hold by themselves. One end alone does not hold.
- a percentage beside the word "confidence" (or before "sure", "certain"): a finding's confidence, which holds nowhere else.
- a time as HH:MM:SS, with its day or without: the start or the end of a finding, in UTC.
- "p95" and "95th percentile" (50, 99): the name of the figure of a finding.

A number after "by", "grew", "a drop of" and the like, or before "more", "lower", "faster", is a difference, and no finding has
one beside its interval. Whatever is in doubt does not hold. What numbers can't show is not judged: whether a claim draws the
right conclusion from the figures of its findings is for its readers, who see these beside it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from domain.finding import Finding, shown
from domain.run_figure import RunFigure

MOST_CHARACTERS = 500


class ClaimProblem(StrEnum):
    """Why a claim was dropped."""

    MALFORMED = "MALFORMED"
    UNCITED = "UNCITED"
    UNKNOWN_FINDING = "UNKNOWN_FINDING"
    NOT_PLAIN = "NOT_PLAIN"
    OTHER_FIGURE = "OTHER_FIGURE"
    OTHER_SCENARIO = "OTHER_SCENARIO"
    REPEATED = "REPEATED"
    TOO_MANY = "TOO_MANY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence or two on the findings with these numbers, whose figures it may tell and no others."""

    text: str
    findings: tuple[int, ...]


ASCII = str.maketrans(
    {"\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": " - ", "\u2212": "-"}
    | {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2026": "..."}
)
PLAIN = re.compile(r"(?=.*[A-Za-z]{2})[A-Za-z0-9 .,;:!?'\"()%/-]+")
ADDRESS = re.compile(r"//|\bwww\b|(?!\b(?:e\.g|i\.e)\. )[A-Za-z0-9]\.[A-Za-z]")
SPACES = re.compile(r"[\s\u00a0\u202f\u2009]+")
CITATION = re.compile(r" ?[(\[](F\d+(?:, ?F\d+)*)[)\]]")
SCENARIO = re.compile(r"\b(?:(?:the )?scenario )?(SCENARIO_[A-Z]+)\b", re.IGNORECASE)

UNITS = {
    "": r"%|percent|per cent",
    "requests/s": r"requests/s|requests (?:per|a) second|req/s|rps|RPS|TPS",
    "ms": r"ms|milliseconds?",
    "VUs": r"VUs?|virtual users?",
    "millicores": r"millicores?",
    "MB": r"MB|megabytes?",
    "s": r"s|seconds?",
    "GB": r"GB|gigabytes?",
    "cores": r"cores?",
}
THOUSANDS = {"ms": "s", "MB": "GB", "millicores": "cores"}
PERCENTILES = {RunFigure.P50.phrase: "50", RunFigure.P95.phrase: "95", RunFigure.P99.phrase: "99"}

NUMBER = r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\d|[.,]\d)"
UNIT = rf"(?:{'|'.join(UNITS.values())})(?![\w/]|-\w)"
ALONE = r"(?<![\w.,:/-])(?<!- )"
QUANTITY = re.compile(
    rf"{ALONE}(?:(?P<day>\d{{4}}-\d\d-\d\d)[ T])?(?P<time>\d\d:\d\d:\d\d)(?: UTC|Z)?(?![\w:]|\.\d| ?(?:[A-Z]{{2,5}}|[ap]m)\b)"
    rf"|\bp(?P<short>50|95|99)\b|{ALONE}(?P<long>50|95|99)th percentile\b"
    rf"|{ALONE}(?:(?P<first>{NUMBER})(?: ?(?P<first_unit>{UNIT}))? ?(?:to|and|-) ?)?(?P<second>{NUMBER}) ?(?P<unit>{UNIT})"
)
UNIT_OF_A_NAME = re.compile(rf"\bSCENARIO_[A-Z]+\"?[ -]?{UNIT}", re.IGNORECASE)  # which could be a number
CONFIDENCE_BEFORE = re.compile(r"\bconfidence(?: level)?:? ?(?:is |was |of |at |about )?\(?$", re.IGNORECASE)
CONFIDENCE_AFTER = re.compile(r" (?:confidence|confident|sure|certain|certainty)\b", re.IGNORECASE)
CHANGE = (
    "by|differ|increas|decreas|reduc|improv|degrad|regress|worsen|slow|drop|gain|los[est]|rose|risen?|fell|fall|grew|grow|chang"
    "|delta|gap"
)
DIFFERENCE = re.compile(
    rf"\b(?:{CHANGE})\w*(?: of| is| was)? (?:about |around |roughly |nearly |almost |some |up to |at (?:least|most) )?$",
    re.IGNORECASE,
)
DIFFERENCE_NEAR = re.compile(rf"\b(?:{CHANGE})\w*[^.;]{{0,60}}$", re.IGNORECASE)
DIFFERENCE_AFTER = re.compile(
    r"[ -](?:points?|more(?! load)|less|fewer|lower|higher|slower|faster|worse|better|greater|smaller|longer|shorter|earlier"
    r"|later|above|below|beyond|(?:over|under)(?! (?:the |a )?(?:constant|load|run|whole))|increase|decrease|drop|rise|reduction"
    r"|growth|gain|loss|improvement|regression|degradation)\b",
    re.IGNORECASE,
)
NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand million billion trillion dozen third fourth fifth sixth seventh eighth ninth tenth hundredth thousandth "
    "quarter percent millisecond megabyte gigabyte millicore couple"
)
NUMBER_LEFT = re.compile(
    rf"\d|%|\b(?:(?:{'|'.join(NUMBER_WORDS.split())})s?|\w+teen|half|halves|halv(?:ed|ing)|twice|thrice|doubl(?:es?|ed|ing)"
    r"|trebl(?:es?|ed|ing)|tripl(?:es?|ed|ing)|quadrupl(?:es?|ed|ing)|\w*fold|per cent|ms|[mg]b)\b|\b(?-i:[IVXLCDM]{2,})\b",
    re.IGNORECASE,
)


def checked_claim(text: str, cited: Sequence[Finding], names: Mapping[str, str]) -> Claim | ClaimProblem:
    """The claim as readers get it, or why it does not stand.

    Args:
        text: as the model wrote it; scenarios stand in it as `SCENARIO_A` and so on.
        cited: the findings that it cites.
        names: the scenarios' names by what they are called in the text. They take their places, in quotation marks, once the
            claim has been checked: what they say has no part in that.
    """
    if len(text) > MOST_CHARACTERS:
        return ClaimProblem.NOT_PLAIN
    text = CITATION.sub(lambda found: _uncited(found, cited), SPACES.sub(" ", text.translate(ASCII)).strip())
    own = {alias for alias, name in names.items() if name in {each.scenario for each in cited}}
    if not PLAIN.fullmatch(SCENARIO.sub(" ", text)) or ADDRESS.search(text):
        return ClaimProblem.NOT_PLAIN
    if not {found.upper() for found in SCENARIO.findall(text)} <= own:
        return ClaimProblem.OTHER_SCENARIO
    if UNIT_OF_A_NAME.search(text) or not numbers_hold(SCENARIO.sub("this scenario", text), cited):
        return ClaimProblem.OTHER_FIGURE
    told = SCENARIO.sub(lambda found: f"scenario \u201c{names[found[1].upper()]}\u201d", text)
    return Claim(text=told[0].upper() + told[1:], findings=tuple(sorted({each.number for each in cited})))


def _uncited(found: re.Match[str], cited: Iterable[Finding]) -> str:
    """Nothing in place of a citation of findings that the claim cites anyway."""
    return "" if set(found[1].replace(" ", "").split(",")) <= {f"F{each.number}" for each in cited} else found[0]


def numbers_hold(text: str, cited: Sequence[Finding]) -> bool:
    """Whether all numbers of a claim are those of the findings that it cites."""
    figures, rest, end = _Figures.of(cited), [], 0
    for found in QUANTITY.finditer(text):
        if not figures.have(found, text):
            return False
        rest.append(text[end : found.start()])
        end = found.end()
    return NUMBER_LEFT.search(" , ".join((*rest, text[end:]))) is None


Quantity = tuple[Decimal, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What findings have: quantities with their units, intervals of values and of differences, confidences in percent, times
    and the ranks of percentiles.
    """

    quantities: frozenset[Quantity]
    intervals: frozenset[tuple[Quantity, Quantity]]
    differences: frozenset[tuple[Quantity, Quantity]]
    confidences: frozenset[Decimal]
    times: frozenset[str]
    percentiles: frozenset[str]

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> "_Figures":
        single = [_spellings((value,), each.unit) for each in findings for value in (each.value, each.baseline)]
        ends = [(each, _spellings((each.low, each.high), each.unit)) for each in findings]
        times = [at.astimezone(UTC) for each in findings for at in (each.start, each.end) if at is not None]
        return cls(
            quantities=frozenset(found for spelt in single for (found,) in spelt),
            intervals=frozenset((low, high) for each, spelt in ends if each.baseline is None for low, high in spelt),
            differences=frozenset((low, high) for each, spelt in ends if each.baseline is not None for low, high in spelt),
            confidences=frozenset(_as_shown(each.confidence, "") for each in findings),
            times=frozenset(text for at in times for text in _times(at)),
            percentiles=frozenset(PERCENTILES[each.figure] for each in findings if each.figure in PERCENTILES),
        )

    def have(self, found: re.Match[str], text: str) -> bool:
        """Whether they have the quantity, or the two, that were found there in the text, in the part that it plays there."""
        if found["time"]:
            return " ".join(filter(None, (found["day"], found["time"]))) in self.times
        if rank := found["short"] or found["long"]:
            return rank in self.percentiles
        before, after = text[: found.start()], text[found.end() :]
        second = _read(found["second"], found["unit"])
        if DIFFERENCE_AFTER.match(after):
            return False
        is_difference = DIFFERENCE.search(before) is not None
        is_confidence = second[1] == "" and CONFIDENCE_AFTER.match(after) is not None
        if found["first"] is None:
            is_confidence = is_confidence or (second[1] == "" and CONFIDENCE_BEFORE.search(before) is not None)
            return not is_difference and self._has(second, is_confidence=is_confidence)
        first = _read(found["first"], found["first_unit"] or found["unit"])
        if not is_confidence and (first, second) in self.differences and DIFFERENCE_NEAR.search(before):
            return True
        if not is_confidence and (first, second) in self.intervals and not is_difference:
            return True
        return not is_difference and self._has(first, is_confidence=False) and self._has(second, is_confidence=is_confidence)

    def _has(self, given: Quantity, *, is_confidence: bool) -> bool:
        return given[0] in self.confidences if is_confidence else given in self.quantities


def _spellings(values: Sequence[float | None], unit: str) -> Iterator[tuple[Quantity, ...]]:
    """The values as they are shown, and as they would be in a unit a thousand times greater; nothing where one is None."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return
    yield tuple((_as_shown(value, unit), unit) for value in known)
    if unit in THOUSANDS and all(abs(value) >= 1000.0 for value in known):
        yield tuple((_as_shown(value / 1000.0, THOUSANDS[unit]), THOUSANDS[unit]) for value in known)


def _as_shown(value: float, unit: str) -> Decimal:
    """The number that people see; of shares, percent."""
    return Decimal(shown(value, unit).split(" ")[0].replace(",", ""))


def _read(number: str, unit: str) -> Quantity:
    return Decimal(number.replace(",", "")), next(name for name, spelt in UNITS.items() if re.fullmatch(spelt, unit))


def _times(at: datetime) -> tuple[str, str]:
    return f"{at:%H:%M:%S}", f"{at:%Y-%m-%d %H:%M:%S}"

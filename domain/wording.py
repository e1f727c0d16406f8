"""An analysis in a chat model's words: what the model is told, and what of its answer stands.

The model is told figures and nothing else: no text of a user or of an API is among them, so that none can give it orders.
Scenarios are called `SCENARIO_A` and so on; pods are not named. Of its answer only claims stand (`domain/claim.py`).
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from string import ascii_uppercase
from typing import Any

from domain.claim import Claim, ClaimProblem, checked_claim
from domain.finding import Finding, FindingKind, shown

MOST_FINDINGS = 40  # that a model is told: small ones take in no more
MOST_CLAIMS = 20
RESOURCES = {"millicores": "CPU", "MB": "memory"}
FINDING_ID = re.compile(r"F?([1-9]\d{0,8})")
FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
MEANINGS = {
    FindingKind.SATURATION: "from this load on, more load brings no more TPS",
    FindingKind.NO_SATURATION: "TPS grew with the load up to this greatest load",
    FindingKind.REGRESSION: "the figure is worse than in the baseline run",
    FindingKind.IMPROVEMENT: "the figure is better than in the baseline run",
    FindingKind.DRIFT: "the figure became worse, from baseline to value, while the load was constant",
    FindingKind.ERROR_RATE: "more requests failed than the baseline allows",
    FindingKind.ERROR_BURST: "for this time far more requests failed than the baseline, which is the rest of the run",
    FindingKind.RESOURCE_NEAREST_LIMIT: "the most that was used of the resource nearest its limit, which is the baseline",
    FindingKind.RESOURCE_LIMIT: "a limit that would leave a fifth free; the baseline is the limit now",
}
TASK = """You put the findings of a load test into words for the engineers of the API that was tested. Findings are given as JSON.
Answer with one JSON object and nothing else, like this:
{"claims": [
  {"text": "Beyond 80 VUs more load brings no more TPS.", "findings": ["F7"]},
  {"text": "...", "findings": ["F2", "F4"]}
]}
- At most ten claims of one or two sentences in English, what matters most first. Say together what belongs together.
- "findings" has the ids of all findings that the claim rests on.
- Write each number exactly as it stands in one of those findings, with its unit: its value, its baseline, both ends of its
  interval as "low to high" (of a difference as "a difference of low to high"), its start or end, its confidence as
  "confidence of ...". Write no other number, neither in digits nor in words: no differences, ratios, durations, counts or
  rounded figures.
- Call scenarios as they are called there. Plain sentences only: no ids of findings, no markup, no addresses."""


class WordingStatus(StrEnum):
    """Whether an analysis has words of a chat model, and why not."""

    WORDED = "WORDED"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    NOTHING_FOUND = "NOTHING_FOUND"
    TIMED_OUT = "TIMED_OUT"
    UNREACHABLE = "UNREACHABLE"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    TOO_LARGE = "TOO_LARGE"
    NONSENSE = "NONSENSE"
    NO_CLAIM_STANDS = "NO_CLAIM_STANDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """A part of what a chat model is told: `role` is `system` or `user`."""

    role: str
    content: str


class ChatFailed(Exception):
    """The chat model has no answer; `status` says why."""

    def __init__(self, status: WordingStatus) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedClaims:
    """How many claims were dropped for one reason."""

    problem: ClaimProblem
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What stands of a chat model's answer: `claims` are there with `WORDED` alone. `dropped` has each reason once."""

    status: WordingStatus
    claims: tuple[Claim, ...] = ()
    dropped: tuple[DroppedClaims, ...] = ()


UNASKED = Wording(status=WordingStatus.NOT_CONFIGURED)


def messages(findings: Sequence[Finding]) -> list[ChatMessage]:
    """What a chat model is told of an analysis. It depends on no text of anybody."""
    told = sorted(findings, key=lambda each: (not each.is_problem, -each.confidence, each.number))[:MOST_FINDINGS]
    aliases = {name: alias for alias, name in _names(findings).items()}
    given = [_told(each, aliases) for each in sorted(told, key=lambda each: each.number)]
    return [ChatMessage(role="system", content=TASK), ChatMessage(role="user", content=json.dumps({"findings": given}, indent=1))]


def _told(finding: Finding, aliases: Mapping[str, str]) -> dict[str, Any]:
    is_resource = finding.kind in (FindingKind.RESOURCE_NEAREST_LIMIT, FindingKind.RESOURCE_LIMIT)
    given = {
        "id": f"F{finding.number}",
        "meaning": MEANINGS[finding.kind],
        "is_problem": finding.is_problem,
        "scenario": "all together" if finding.scenario is None else aliases[finding.scenario],
        "figure": RESOURCES.get(finding.unit, "resource") if is_resource else finding.figure,  # which would name the pod
        "value": shown(finding.value, finding.unit),
        "baseline": None if finding.baseline is None else shown(finding.baseline, finding.unit),
        "interval_of_difference" if finding.baseline is not None else "interval": _interval(finding),
        "start": _time(finding.start),
        "end": _time(finding.end),
        "confidence": shown(finding.confidence, ""),
    }
    return {name: value for name, value in given.items() if value is not None}


def _interval(finding: Finding) -> str | None:
    if finding.low is None or finding.high is None:
        return None
    return f"{shown(finding.low, finding.unit)} to {shown(finding.high, finding.unit)}"


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%H:%M:%S} UTC"


def _names(findings: Sequence[Finding]) -> dict[str, str]:
    """The scenarios of findings, by what they are called to a model."""
    names = dict.fromkeys(each.scenario for each in findings if each.scenario is not None)
    return {f"SCENARIO_{_letters(place)}": name for place, name in enumerate(names)}


def _letters(place: int) -> str:
    """Place 0 is A, then B to Z, AA, AB and so on."""
    before, last = divmod(place, len(ascii_uppercase))
    return (_letters(before - 1) if before else "") + ascii_uppercase[last]


def worded(findings: Sequence[Finding], answer: str) -> Wording:
    """What of a chat model's answer stands."""
    given = _claims(answer)
    if given is None:
        return Wording(status=WordingStatus.NONSENSE)
    by_number, names = {each.number: each for each in findings}, _names(findings)
    stand: list[Claim] = []
    problems = Counter({ClaimProblem.TOO_MANY: max(0, len(given) - MOST_CLAIMS)})
    for each in given[:MOST_CLAIMS]:
        found = _checked(each, by_number, names)
        found = ClaimProblem.REPEATED if found in stand else found
        if isinstance(found, Claim):
            stand.append(found)
        else:
            problems[found] += 1
    return Wording(
        status=WordingStatus.WORDED if stand else WordingStatus.NO_CLAIM_STANDS,
        claims=tuple(stand),
        dropped=tuple(DroppedClaims(problem=each, count=problems[each]) for each in ClaimProblem if problems[each]),
    )


def _claims(answer: str) -> list[Any] | None:
    """The claims of an answer that is what was asked for, in a code fence or among other words too; else None."""
    text = answer.rpartition("</think>")[2]  # where a model thinks aloud
    for candidate in _documents(text):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        claims = found.get("claims") if isinstance(found, dict) else found
        if isinstance(claims, list):
            return claims
    return None


def _documents(text: str) -> Iterator[str]:
    yield text
    if fenced := FENCE.search(text):
        yield fenced[1]
    yield text[text.find("{") : text.rfind("}") + 1]


def _checked(given: Any, findings: Mapping[int, Finding], names: Mapping[str, str]) -> Claim | ClaimProblem:
    if not isinstance(given, dict) or not isinstance(given.get("text"), str) or not given["text"].strip():
        return ClaimProblem.MALFORMED
    ids = given.get("findings")
    if not isinstance(ids, list) or not ids:
        return ClaimProblem.UNCITED
    matched = [FINDING_ID.fullmatch(str(each)) for each in ids]
    cited = [findings.get(int(each[1])) if each else None for each in matched]
    known = [each for each in cited if each is not None]
    if len(known) < len(ids):
        return ClaimProblem.UNKNOWN_FINDING
    return checked_claim(given["text"], known, names)

"""Claims of a chat model: which stand beside the findings that they cite, and that no number gets in that is not theirs."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import perf_counter

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from domain.claim import MOST_CHARACTERS, Claim, ClaimProblem, checked_claim
from domain.finding import Finding, FindingKind, shown
from domain.run_figure import RunFigure

START = datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC)
END = START + timedelta(seconds=315)
NAMES = {"SCENARIO_A": "500 ms", "SCENARIO_B": "größe"}


def finding(number: int, kind: FindingKind, figure: str, value: float, unit: str, **changes: object) -> Finding:
    given = {"confidence": 0.996, "sentence": "It takes 777 ms.", "is_problem": True, "start": START, "end": END, **changes}
    return Finding(number=number, kind=kind, figure=figure, value=value, unit=unit, **given)  # type: ignore[arg-type]


TIME = finding(1, FindingKind.REGRESSION, RunFigure.P95.phrase, 1234.4, "ms", baseline=980.2, low=201.3, high=301.9)
KNEE = finding(2, FindingKind.SATURATION, "load", 120.3, "VUs", low=110.2, high=131.0, scenario="500 ms", confidence=0.9987)
ERRORS = finding(3, FindingKind.ERROR_RATE, "the error rate", 0.1234, "", baseline=0.01, low=0.1, high=0.13)
MEMORY = finding(4, FindingKind.RESOURCE_NEAREST_LIMIT, "most memory of api 9", 2183.0, "MB", baseline=4000.0, low=None)
TPS = finding(5, FindingKind.REGRESSION, "TPS", 80.0, "requests/s", baseline=100.0, low=-25.0, high=-15.0, scenario="größe")
ALL = [TIME, KNEE, ERRORS, MEMORY, TPS]


def check(text: str, *cited: Finding) -> Claim | ClaimProblem:
    return checked_claim(text, cited or ALL, NAMES)


GOOD = [
    ("The p95 response time grew from 980 ms to 1,234 ms.", None),
    ("the 95th percentile rose to 1.23 s from 980 milliseconds", "The 95th percentile rose to 1.23 s from 980 milliseconds"),
    ("p95 is 1234 ms, a difference of 201 to 302 ms.", "P95 is 1234 ms, a difference of 201 to 302 ms."),
    ("It grew by 201 to 302 ms.", None),
    ("TPS fell to 80 requests/s from 100.00 requests per second, by -25.0 to -15.0 requests/s.", None),
    ("TPS: from 100 to 80 TPS.", None),
    ("Beyond 120 VUs more load brings no more TPS; the knee lies between 110 and 131 VUs.", None),
    ("The knee is at 120 VUs (110\u2013131 VUs).", "The knee is at 120 VUs (110-131 VUs)."),
    ("12.3% of the requests failed, while 1 percent are allowed [F3].", None),
    ("At 12.3 % with a confidence of 99.6 % the error rate is too high, also at 99.9 % confidence.", None),
    ("We are 99.6 % sure that 12.3 % failed.", None),
    ("From 08:00:00 to 08:05:15 UTC requests failed, until 2027-01-15 08:05:15.", None),
    ("It used 2.18 GB of 4,000 MB.", None),
    (
        "SCENARIO_A stops scaling at 120 VUs\u2014more load does not help.",
        "Scenario “500 ms” stops scaling at 120 VUs - ",
    ),
    ("In the scenario scenario_b, TPS is worse.", "In scenario “größe”, TPS is worse."),
    ("SCENARIO_A's TPS is worse, a regression of SCENARIO_B.", "Scenario “500 ms”'s TPS is worse"),
    ("It is slow, e.g. at 120 VUs, i.e. beyond the knee.", None),
    ("The API\u2019s errors grow under load\u2026", "The API's errors grow under load..."),
]


@pytest.mark.parametrize(("text", "told"), GOOD)
def test_a_claim_with_the_figures_of_its_findings_stands(text: str, told: str | None) -> None:
    found = check(text)
    assert isinstance(found, Claim), (text, found)
    assert found.findings == (1, 2, 3, 4, 5)
    assert found.text.startswith(text.replace(" [F3]", "") if told is None else told)


@pytest.mark.parametrize(
    "text",
    [
        "The p95 response time is 1,235 ms.",
        "The p95 response time is 1,234.4 ms.",  # more digits than are shown
        "It takes 1,230 ms.",
        "It takes 1.2 s.",
        "It takes 1.234 ms.",
        "It takes 1 234 ms.",
        "It takes 12e2 ms.",
        "It takes 777 ms.",  # which a sentence says, not a figure
        "The p99 response time is 1,234 ms.",
        "The 99th percentile is 1,234 ms.",
        "It takes 1,234.",
        "It takes 1,234 VUs.",
        "It takes 1,234 ms/s.",
        "It takes between 201 and 302 ms.",  # an interval of the difference
        "A difference of 302 to 201 ms.",
        "It grew by 254 ms.",
        "It grew 980 ms.",
        "It grew by 980 to 1,234 ms.",
        "It is 980 ms slower.",
        "An increase of 12.3 %.",
        "TPS fell 12.3 %.",
        "Errors are 12.3 % points higher.",
        "TPS fell by 15.0 to 25.0 requests/s.",
        "TPS is -80 requests/s.",
        "TPS is - 80 requests/s.",
        "The knee is at 110 VUs.",  # one end alone
        "The knee is between 110 VUs and 130 VUs.",
        "The knee is at 120-VU load.",
        "The error rate is 99.6 %.",
        "The error rate is 12.3 % with a confidence of 12.3 %.",
        "A confidence of 95 % in it.",
        "0.123 of the requests failed.",
        "12,3 % of the requests failed.",
        "Twelve percent of the requests failed.",
        "A third of the requests failed.",
        "Half of the requests failed.",
        "The error rate doubled.",
        "The error rate is tenfold.",
        "The error rate is twelvefold.",
        "XII requests/s are lost.",
        "Zehn % der Anfragen.",
        "Requests failed for 315 s.",
        "It broke at 08:00:01.",
        "It broke at 08:00:00 PM.",
        "It broke at 08:00:00 CET.",
        "It broke on 2027-01-16 08:00:00.",
        "It broke at 08:00.",
        "It is the 1st time.",
        "It is the v2 of the API.",
        "1.5x the load.",
        "Finding F9 is bad (F9).",
        "There are 5 findings.",
        "It needs SCENARIO_A VUs, with SCENARIO_A ms.",
        "It needs SCENARIO_A VUs.",
        "It lasts SCENARIO_A seconds.",
    ],
)
def test_a_claim_with_any_other_number_is_dropped(text: str) -> None:
    assert check(text) is ClaimProblem.OTHER_FIGURE


@pytest.mark.parametrize(
    "text",
    [
        "<b>It is bad.</b>",
        "It is **bad**.",
        "It is [bad](x).",
        "See http://evil.example/x for more.",
        "See www evil for more.",
        "See evil.example for more.",
        "See e.g.evil.example for more.",
        "See i.e.x for more.",
        "It is bad.\x00",
        "It is \u202ebad.",
        "응답이 느립니다.",
        "It takes \u0661\u0662\u0663 ms.",
        "It takes \uff11\uff12 ms.",
        "It takes \u00bd ms.",
        "It takes 五 ms.",
        "\ud800 is bad.",
        "...",
        "It is bad. " * (MOST_CHARACTERS // 11 + 1),
    ],
)
def test_what_is_no_plain_line_of_english_is_dropped(text: str) -> None:
    assert check(text) is ClaimProblem.NOT_PLAIN


def test_a_figure_of_a_finding_that_is_not_cited_is_another() -> None:
    assert isinstance(check("The knee is at 120 VUs.", KNEE), Claim)
    assert check("The knee is at 120 VUs.", TIME, ERRORS) is ClaimProblem.OTHER_FIGURE
    assert check("It broke at 08:00:00.", finding(1, FindingKind.DRIFT, "x", 1.0, "ms", start=None, end=None)) is (
        ClaimProblem.OTHER_FIGURE
    )


def test_a_scenario_that_no_cited_finding_is_about_is_another() -> None:
    assert check("SCENARIO_B is slow.", KNEE) is ClaimProblem.OTHER_SCENARIO
    assert check("SCENARIO_C is slow.") is ClaimProblem.OTHER_SCENARIO
    assert check("The knee of 500 ms is low.", KNEE) is ClaimProblem.OTHER_FIGURE  # its name has no part in the check
    assert check("größe is slow.", TPS) is ClaimProblem.NOT_PLAIN


WORDS = (
    "the a grew fell by to and from between is of confidence sure difference ms VUs % requests/s s GB MB TPS percent more lower "
    "UTC F1 (F1) half XX p95 p99 95th percentile - , . : / 1 -80 1e3 SCENARIO_A SCENARIO_B"
)
FIGURES = [each for one in ALL for each in (one.value, one.baseline, one.low, one.high, one.confidence) if each is not None]
SHOWN = [shown(each, unit) for each in FIGURES for unit in ("ms", "VUs", "", "requests/s", "MB", "s", "GB")]
PIECES = (
    st.sampled_from(WORDS.split())
    | st.sampled_from(SHOWN)
    | st.sampled_from(SHOWN).map(lambda text: text.split(" ")[0])
    | st.decimals(min_value=-2000, max_value=2000, places=1).map(str)
    | st.sampled_from(["08:00:00", "08:05:15", "08:05:16", "2027-01-15", "2027-01-15 08:00:00"])
    | st.text(max_size=3)
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A claim that stands, with something put in, taken out or both."""
    text = draw(st.sampled_from(GOOD))[0]
    for _ in range(draw(st.integers(1, 2))):
        place, length = draw(st.integers(0, len(text))), draw(st.integers(0, 6))
        text = text[:place] + draw(st.just("") | PIECES) + text[place + length :]
    return text


def own_numbers(cited: list[Finding]) -> set[Decimal]:
    """All that may stand in a claim, however it is spelt."""
    found = {Decimal(rank) for rank in ("50", "95", "99")}
    for each in cited:
        for value, unit in [(each.confidence, "")] + [
            (one, each.unit) for one in (each.value, each.baseline, each.low, each.high)
        ]:
            for size in () if value is None else (value, value / 1000):
                found.add(Decimal(shown(size, unit).split()[0].replace(",", "")))
    return found


@settings(max_examples=1500, deadline=None)
@given(texts(), st.just(ALL) | st.lists(st.sampled_from(ALL), min_size=1))
@example("between 110 VUs and 131 VUs", [KNEE])
def test_whatever_stands_has_only_numbers_of_its_findings(text: str, cited: list[Finding]) -> None:
    found = checked_claim(text, cited, NAMES)
    event(str(found) if isinstance(found, ClaimProblem) else f"stands, with a number: {any(map(str.isdigit, found.text))}")
    if isinstance(found, ClaimProblem):
        return
    bare = re.sub("“[^”]*”", "", found.text)
    assert bare.isascii() and not any(unicodedata.numeric(each, None) is not None and not each.isdigit() for each in bare)
    times = {f"{at:%H:%M:%S}" for each in cited for at in (each.start, each.end) if at is not None}
    bare = re.sub(r"2027-01-15 (?=\d\d:)|" + "|".join(times), "", bare)
    numbers = [each.strip(".,-") for each in re.findall(r"\d[\d.,]*", bare)]
    assert {Decimal(each.replace(",", "")) for each in numbers} <= {abs(each) for each in own_numbers(cited)}, found.text


VALUES = st.floats(min_value=0.0, max_value=1e6)


@settings(max_examples=500, deadline=None)
@given(VALUES, VALUES, st.sampled_from(["ms", "VUs", "requests/s", "millicores", "MB", ""]), st.floats(0, 1), VALUES)
def test_a_figure_as_it_is_shown_always_holds_and_another_never_does(
    value: float, baseline: float, unit: str, confidence: float, other: float
) -> None:
    if not unit:
        value, baseline, other = (round(each / 1e6, 4) for each in (value, baseline, other))  # those below show an exponent
    given = finding(1, FindingKind.DRIFT, "x", value, unit, baseline=baseline, confidence=round(confidence, 4))
    told = f"It went from {shown(baseline, unit)} to {shown(value, unit)} (confidence {shown(given.confidence, '')})."
    assert isinstance(checked_claim(told, [given], {}), Claim), told
    if shown(other, unit) not in (shown(value, unit), shown(baseline, unit)):
        assert checked_claim(f"It is {shown(other, unit)}.", [given], {}) is ClaimProblem.OTHER_FIGURE


def test_every_claim_is_checked_in_no_time() -> None:
    """No text that is short enough makes the patterns go back and forth."""
    before = perf_counter()
    for piece in ("1,234 ", "1,111", "1-", "1 and ", "by ", "(F1)", "scenario ", "SCENARIO_", "x.", "9", " " * 50, "confidence "):
        check((piece * MOST_CHARACTERS)[:MOST_CHARACTERS])
    assert perf_counter() - before < 1

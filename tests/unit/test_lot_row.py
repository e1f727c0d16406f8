"""What a lot row may say, and the pattern of lot ids, which no expression and no id can make slow."""

import csv
import io
import math
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import ValidationFailed
from domain.lot_csv import CsvRow, Header
from domain.lot_import import RefusedRow, read_row
from domain.lot_row import LOT_ID, MAX_LOT_ID, LotIds, LotRowDefinition, correction, lot_row_definition
from domain.pattern_text import Unmatchable
from domain.text_value import read_moment

LOT_IDS = LotIds(LOT_ID)
AT = datetime(2026, 7, 1, tzinfo=UTC)


def document(**changes: Any) -> dict[str, Any]:
    given = {
        "productLine": "LOGIC",
        "lotId": "LOT-1",
        "product": "P",
        "step": "S",
        "equipment": "E",
        "measuredAt": AT.isoformat(),
        "quantity": 1,
    }
    return {**given, "attributes": {"cd": 1.5}, **changes}


@pytest.mark.parametrize("lot_id", ["ABC", "A12", "LOT-1.02_B", "0" * 32])
def test_what_a_lot_id_is_unless_settings_say_otherwise(lot_id: str) -> None:
    assert LOT_IDS.problem(lot_id) is None


@pytest.mark.parametrize("lot_id", ["", "AB", "abc", "-AB", "A B", "ABC\n", "\nABC", "A" * 33, "가나다"])
def test_what_is_no_lot_id(lot_id: str) -> None:
    assert LOT_IDS.problem(lot_id) is not None


@pytest.mark.parametrize("pattern", ["A|B[0-9]", "^A$|^B[0-9]$"])
def test_the_pattern_is_held_against_an_id_from_end_to_end(pattern: str) -> None:
    lot_ids = LotIds(pattern)
    assert [each for each in ("A", "B1", "AB1", "A1", "B", "xA", "B1x") if lot_ids.problem(each) is None] == ["A", "B1"]


@pytest.mark.parametrize(
    "pattern",
    ["(", "[", "a{2,1}", "*", r"(a)\1", "(?<=a)b", "(?i)a", "(?i:a)", r"\1", "(?(1)a|b)", "a++", "(?>a)", r"\bA", "a" * 10_001],
)
def test_a_pattern_that_can_not_be_read_or_followed_is_refused(pattern: str) -> None:
    with pytest.raises(Unmatchable):
        LotIds(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", "(a*)*b", "(a|a)*b", "(a|aa)+$b", "(.*)*x", "(a?){64}a{64}", "((a+)+)+b", "(a*a*a*a*a*a*)*b", "(?=(a+)+b)a*"],
)
@pytest.mark.parametrize("lot_id", ["a" * MAX_LOT_ID, "a" * (MAX_LOT_ID - 1) + "!", "a" * 10**6])
def test_no_pattern_and_no_id_takes_long(pattern: str, lot_id: str) -> None:
    """Any of these takes an engine that goes back longer than anybody waits."""
    began = time.process_time()
    problem = LotIds(pattern).problem(lot_id)
    assert time.process_time() - began < 1.0
    assert problem is not None or lot_id == "a" * 64


@given(st.text(max_size=70))
def test_any_text_is_told(text: str) -> None:
    assert (LOT_IDS.problem(text) is None) == (LotIds(LOT_ID).problem(text) is None)


def read(**changes: Any) -> LotRowDefinition:
    return lot_row_definition(document(**changes), LOT_IDS)


@pytest.mark.parametrize(
    "text", ["2026-07-01T09:00:00+09:00", "2026-07-01 00:00Z", "2026-06-30T19:00:00.000-0500", "2026-07-01T00:00:00.000000-00:00"]
)
def test_a_time_is_a_moment_whatever_its_offset(text: str) -> None:
    measured_at = read(measuredAt=text).measured_at
    assert measured_at == AT and measured_at.tzinfo is UTC


NO_TIMES: tuple[Any, ...] = (
    *("2026-07-01T00:00:00", "2026-07-01", "2026", "yesterday", "01.07.2026", "2026-02-30T00:00Z", " "),
    *("0000-01-01T00:00Z", "10000-01-01T00:00Z", "0001-01-01T00:00+00:01", "9999-12-31T23:59-00:01", "-0001-01-01T00:00Z"),
    *(
        "2026-07-01T00:00:60Z",
        "2026-07-01T00:00+24:00",
        "2026-07-01T00:00+09:60",
        "2026-07-01T00:00-0099",
        "2026-07-01T00:00:00.1234567Z",
        "2026-07-01T00:00Z\n",
        "２026-07-01T00:00Z",
    ),
    *(AT, 1782864000, 1.5, True, [], {}, ["2026-07-01T00:00Z"]),
)
NO_QUANTITIES: tuple[Any, ...] = (
    *(0, -1, 2**31, 2**63, 2**64, 10**400, 1e300, 2.5, math.nan, math.inf, True, False, [], {}, [25]),
    *("0", "-1", "2147483648", "9" * 5000, "2.5", "1e300", "NaN", "Infinity", "true", "25 ", "0x19", "1,000", "２５", "dozen"),
)
NO_NUMBERS: tuple[Any, ...] = (None, True, [], {}, math.nan, math.inf, 10**400, 2**63, -(2**63) - 1)
NO_NUMBER_TEXTS = (
    "",
    " ",
    "1,5",
    "NaN",
    "inf",
    "1e999",
    "9223372036854775808",
    "1_0",
    "0x1",
    "１",
    "one",
    "1 ",
    "--1",
    "+-1",
    ".",
)


WRONG: dict[str, tuple[Any, ...]] = {
    "productLine": ("logic", "FLASH", " LOGIC", 1, True, [], {}, ["LOGIC"], "\ud800"),
    "lotId": ("lot 1", 5, True, ["LOT-1"], {}, "\ud800"),
    **dict.fromkeys(("product", "step", "equipment"), (5, 0.5, False, ["P"], {}, "p" * 201, "\x00")),
    "measuredAt": NO_TIMES,
    "quantity": NO_QUANTITIES,
    "attributes": ("x", 1, True, [1]),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_what_is_wrong_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationFailed) as failure:
        read(**{field: value})
    assert [each.field for each in failure.value.problems] == [f"input.{field}"]


@pytest.mark.parametrize("value", [*NO_NUMBERS, *NO_NUMBER_TEXTS])
def test_an_attribute_that_is_no_number_is_named(value: object) -> None:
    with pytest.raises(ValidationFailed) as failure:
        read(attributes={"cd": 1, "wrong": value})
    assert [each.field for each in failure.value.problems] == ["input.attributes.wrong"]


@pytest.mark.parametrize(("value", "wanted"), [(25, 25), (25.0, 25), ("25", 25), ("0025", 25), ("+25", 25), ("2.5e1", 25)])
def test_a_quantity_may_be_a_number_or_its_text(value: object, wanted: int) -> None:
    quantity = read(quantity=value).quantity
    assert quantity == wanted and type(quantity) is int


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_and_its_text_are_the_same(number: float) -> None:
    for value in (number, str(number)):
        stored = read(attributes={"cd": value}).attributes["cd"]
        assert type(stored) is type(number) and repr(stored) == repr(number)


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=OFFSETS))
def test_any_time_with_an_offset_is_read_to_the_microsecond(time: datetime) -> None:
    try:
        wanted: datetime | None = time.astimezone(UTC)
    except OverflowError:  # the year 0 or 10000 of UTC
        wanted = None
    assert read_moment(time.isoformat()) == wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)
NEAR = st.from_regex(
    r"[+-]?[0-9.eE]{1,25}|2026-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(.[0-9]{1,7})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?",
    fullmatch=True,
)
VALUES = ("productLine", "lotId", "product", "step", "equipment", "measuredAt", "quantity")


@given(st.dictionaries(st.sampled_from([*VALUES, "attributes"]), JSON | NEAR), st.dictionaries(st.text(), JSON | NEAR))
def test_whatever_is_sent_is_a_row_or_names_what_is_wrong(given: dict[str, Any], attributes: dict[str, Any]) -> None:
    try:
        row = read(**{"attributes": attributes, **given})
    except ValidationFailed as failure:
        places = {each.field.removeprefix("input.").split(".")[0] for each in failure.problems}
        assert places <= {*given, "attributes"}
        return
    assert 1 <= row.quantity < 2**31 and row.measured_at.tzinfo is UTC
    assert all(type(each) is int or math.isfinite(each) for each in row.attributes.values())


@given(st.dictionaries(st.sampled_from(VALUES), st.text(min_size=1) | NEAR, max_size=2), NEAR)
def test_a_file_and_an_input_take_the_same_texts(changes: dict[str, str], attribute: str) -> None:
    """What a row of a file says is what the same texts say in an input, and so is what is wrong with it."""
    texts = {name: str(value) for name, value in document(**changes).items()}
    header = Header(",", (*VALUES, "attribute.cd"), 0, 1)
    cells = io.StringIO()
    csv.writer(cells).writerow([*(texts[name] for name in VALUES), attribute])
    content = cells.getvalue().encode(errors="replace")
    assume(content.decode().rstrip("\r\n") == cells.getvalue().rstrip("\r\n"))
    in_file = read_row(CsvRow(2, 0, len(content), content), header, "utf-8", LOT_IDS)
    try:
        in_input: object = lot_row_definition({**texts, "attributes": {"cd": attribute}}, LOT_IDS, prefix="")
    except ValidationFailed as failure:
        in_input = failure.message
    assert (in_file.reason if isinstance(in_file, RefusedRow) else in_file) == in_input


def test_a_correction_says_why() -> None:
    assert correction(document(), " miscounted ", LOT_IDS)[1] == "miscounted"
    for reason in (None, "", " ", "x" * 2001):
        with pytest.raises(ValidationFailed) as failure:
            correction(document(), reason, LOT_IDS)
        assert [each.field for each in failure.value.problems] == ["reason"]

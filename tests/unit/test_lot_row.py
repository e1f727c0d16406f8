"""What a lot row may say, and the pattern of lot ids, which no expression and no id can make slow."""

import math
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationFailed
from domain.lot_row import LOT_ID, MAX_LOT_ID, LotIds, correction, lot_row_definition
from domain.pattern_text import Unmatchable

LOT_IDS = LotIds(LOT_ID)
AT = datetime(2026, 7, 1, tzinfo=UTC)


def document(**changes: Any) -> dict[str, Any]:
    given = {
        "productLine": "LOGIC",
        "lotId": "LOT-1",
        "product": "P",
        "step": "S",
        "equipment": "E",
        "measuredAt": AT,
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


def test_a_time_is_a_moment_whatever_its_offset() -> None:
    seoul = timezone(timedelta(hours=9))
    read = lot_row_definition(document(measuredAt=datetime(2026, 7, 1, 9, tzinfo=seoul)), LOT_IDS)
    assert read.measured_at == AT and read.measured_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"measuredAt": datetime(2026, 7, 1)}, "measuredAt"),
        ({"measuredAt": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))}, "measuredAt"),
        ({"measuredAt": "2026"}, "measuredAt"),
        ({"attributes": {"a": math.nan}}, "attributes.a"),
        ({"attributes": {"a": math.inf}}, "attributes.a"),
        ({"attributes": {"a": 10**400}}, "attributes.a"),
        ({"attributes": "x"}, "attributes"),
        ({"quantity": 2**31}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"productLine": "logic"}, "productLine"),
        ({"lotId": 5}, "lotId"),
        ({"lotId": "\ud800"}, "lotId"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as failure:
        lot_row_definition(document(**changes), LOT_IDS)
    assert [each.field for each in failure.value.problems] == [f"input.{field}"]


def test_a_correction_says_why() -> None:
    assert correction(document(), " miscounted ", LOT_IDS)[1] == "miscounted"
    for reason in (None, "", " ", "x" * 2001):
        with pytest.raises(ValidationFailed) as failure:
            correction(document(), reason, LOT_IDS)
        assert [each.field for each in failure.value.problems] == ["reason"]

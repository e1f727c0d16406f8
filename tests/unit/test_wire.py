"""JSON on the wire: what is sent is what is read, and what is no JSON is told."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gql.wire import NotJSON, decode

NUMBERS = st.integers(-(10**300), 10**300) | st.sampled_from(
    [2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]
)
VALUES = st.recursive(
    NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.booleans() | st.none(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)


@given(VALUES, st.booleans())
@example([2**64, 1.8446744073709552e19], False)
@example({"-9223372036854775809": -9223372036854775809, "": "\N{GREEK SMALL LETTER ALPHA}" * 19}, True)
def test_a_value_is_read_as_it_was_written(value: Any, is_text: bool) -> None:
    written = json.dumps(value, ensure_ascii=False)
    read = decode(written if is_text else written.encode())
    assert repr(read) == repr(value)


@pytest.mark.parametrize(
    "raw", ['"\ud800"', "[NaN]", '"\\ud800"', "[1e999]", "1" * 400, "[Infinity]", "", "{", b"\xff", "\ufeff1"]
)
def test_what_is_no_json_is_told(raw: str | bytes) -> None:
    """Beside a long number too."""
    for before, after in (("", ""), ("[12345678901234567890123, ", "]")):
        with pytest.raises(NotJSON):
            decode(before.encode() + raw + after.encode() if isinstance(raw, bytes) else before + raw + after)


@pytest.mark.parametrize("levels", [900, 1000, 1024, 1025, 100_000])
def test_deep_documents_are_read_or_told(levels: int) -> None:
    for inner in ("1", "12345678901234567890123"):
        try:
            assert len(decode("[" * levels + inner + "]" * levels)) == 1
        except NotJSON:
            assert levels > 900

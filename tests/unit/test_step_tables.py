"""Tables as strangers write them: what of a column is a number, what a category, and what is too much."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steps.columns import ColumnRefused, read_input
from steps.tables import TableRefused, read_columns


def test_numbers_of_a_table() -> None:
    columns = read_columns(b'\xef\xbb\xbfa,b,note\r\n1,"2",x\r\n,inf,y\r\nNaN, -3e1 ,\xff\r\n', ["b"], ["a"])
    assert list(columns) == ["b", "a"]
    np.testing.assert_equal(columns["a"], [1, np.nan, np.nan])
    np.testing.assert_equal(columns["b"], [2, np.inf, -30])


@pytest.mark.parametrize("content", [b"a,b\r1,2\r3,4\r", b"\n\r\n\na,b\n1,2\n\n3,4\n", b"\xef\xbb\xbf\r\na,b\r\n1,2\r\n3,4"])
def test_any_line_ends_and_blank_lines(content: bytes) -> None:
    columns = read_columns(content, ["a"], ["b"])
    np.testing.assert_equal(columns["a"], [1, 3])
    np.testing.assert_equal(columns["b"], [2, 4])


def test_a_row_of_another_length_is_named_as_it_stands_in_the_file() -> None:
    with pytest.raises(TableRefused, match=r"Row #3: Expected 2 columns, got 3.*the header is row #1"):
        read_columns(b"a,b\n1,2\n3,4,5\n", ["a"], ["b"])


def test_numbers_with_decimal_commas_are_no_categories() -> None:
    with pytest.raises(ColumnRefused, match="'0,0254' in row 1, which is not a number"):
        read_input(pa.chunked_array([["0,0254", "0,03"]]))
    assert read_input(pa.chunked_array([["a,b", "c"]])).tolist() == ["a,b", "c"]


def test_a_parquet_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": np.zeros(1000)}), sink)
    monkeypatch.setattr("steps.tables.MAX_ROWS", 999)
    with pytest.raises(TableRefused, match="too large"):
        read_columns(sink.getvalue(), ["a"], [])

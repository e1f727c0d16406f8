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

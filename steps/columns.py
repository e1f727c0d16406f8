"""Columns of tables as models take them: numbers, or categories, which are texts."""

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domain.design_space import Texts
from domain.interval import Column

MAX_CATEGORIES = 100
MAX_CATEGORY_LENGTH = 1000


class ColumnRefused(ValueError):
    """The column holds what no model can take; the message says what, the caller which column."""


def read_numbers(column: pa.ChunkedArray) -> Column:
    """The column as numbers of shape (rows,): booleans as 0 and 1, texts by what they say, NaN for nulls and blanks.

    `ColumnRefused` where something in it is no number.
    """
    column = _decoded(column)
    if pa.types.is_temporal(column.type) or pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        raise ColumnRefused(f"holds {column.type}, not numbers")
    if _is_text(column.type):
        column = _trimmed(column)
    try:
        numbers = pc.cast(column, pa.float64(), safe=False).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        odd = next((text for text in _distinct(column) if not _is_number(text)), None) if _is_text(column.type) else None
        if odd is None:
            raise ColumnRefused(f"holds {column.type}, not numbers: {error}") from error
        row = pc.index(column, pa.scalar(odd, column.type)).as_py() + 1
        raise ColumnRefused(f"holds {odd[:40]!r} in row {row}, which is not a number") from error
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def read_input(column: pa.ChunkedArray) -> Column | Texts:
    """The column as numbers where it holds numbers or texts that say numbers, else as categories.

    Booleans and dictionaries (the `Categorical` of pandas) are categories whatever they say. `ColumnRefused` where some texts say
    numbers, with a comma for a point too, and others do not, so that a slip of the pen is not taken for a category.
    """
    if pa.types.is_boolean(column.type) or pa.types.is_dictionary(column.type):
        return read_categories(column)
    with suppress(ColumnRefused):
        return read_numbers(column)
    if not _is_text(column.type) or any(_is_number(text.replace(",", ".")) for text in _distinct(_trimmed(column))):
        return read_numbers(column)  # which says what is wrong
    return read_categories(column)


def read_categories(column: pa.ChunkedArray) -> Texts:
    """The column as texts of shape (rows,), trimmed, None where there is none; truth values in small letters.

    `ColumnRefused` where there are more than `MAX_CATEGORIES` different ones, or a long one.
    """
    try:
        texts = _trimmed(pc.cast(_decoded(column), pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ColumnRefused(f"holds {column.type}, not categories") from error
    distinct = _distinct(texts)
    if len(distinct) > MAX_CATEGORIES:
        raise ColumnRefused(f"holds {len(distinct)} different texts; {MAX_CATEGORIES} categories are allowed")
    for text in distinct:
        if len(text) > MAX_CATEGORY_LENGTH:
            raise ColumnRefused(f"holds a text of {len(text)} characters; a category has at most {MAX_CATEGORY_LENGTH}")
    if {text.lower() for text in distinct} <= {"true", "false"}:
        texts = pc.utf8_lower(texts)
    return np.asarray(texts.combine_chunks().to_numpy(zero_copy_only=False), dtype=np.object_)


def is_categorical(values: Column | Texts) -> bool:
    """Whether a column that was read holds categories."""
    return values.dtype == np.object_


def categories_of(values: Column | Texts) -> tuple[str, ...]:
    """The different categories of a column, in alphabetical order."""
    return tuple(sorted({value for value in values.tolist() if isinstance(value, str)}))


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _trimmed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(pc.cast(texts, pa.string()))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _distinct(texts: pa.ChunkedArray) -> list[str]:
    found: list[str] = texts.unique().drop_null().to_pylist()
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

"""Reading table decks: CSV or Parquet from strangers, down to the named columns."""

import csv
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Collection, Sequence
from io import BytesIO, StringIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from domain.design_space import Texts
from domain.interval import Column
from steps.columns import ColumnRefused, read_categories, read_input, read_numbers

MAX_ROWS = 1_000_000
MAX_TABLE_BYTES = 512 * 2**20
MAX_HEADER = 2**20
PARQUET_MAGIC = b"PAR1"


class TableRefused(ValueError):
    """The file is no table, or lacks a column of the kind that is asked for."""


def read_columns(
    content: bytes, inputs: Sequence[str], responses: Sequence[str], categories: Collection[str] = ()
) -> dict[str, Column | Texts]:
    """Columns of a CSV (UTF-8 with or without byte order mark, commas) or Parquet file, each of shape (rows,).

    Responses are numbers, inputs numbers or categories, by what the column holds (`steps.columns`); those in `categories` are
    categories whatever they hold. Empty cells, "NaN" and the like are missing. `TableRefused` where the file can't be read, a
    column is missing, there twice or of the wrong kind, or there are no rows or more than `MAX_ROWS`.
    """
    names = [*inputs, *responses]
    try:
        table = _read_parquet(content, names) if content.startswith(PARQUET_MAGIC) else _read_csv(content, names)
    except (pa.ArrowException, OSError, csv.Error) as error:
        reason = " ".join(str(error).split())[:300]
        raise TableRefused(f"can't be read: {reason}{' (the header is row #1)' if 'Row #' in reason else ''}") from error
    if not 0 < table.num_rows <= MAX_ROWS:
        raise TableRefused(f"has {table.num_rows} rows; 1 to {MAX_ROWS} are allowed")
    columns: dict[str, Column | Texts] = {}
    for name in names:
        read = read_numbers if name in responses else read_categories if name in categories else read_input
        try:
            columns[name] = read(table.column(name))
        except ColumnRefused as error:
            raise TableRefused(f"column {name!r} {error}") from error
    return columns


def _read_csv(content: bytes, names: Sequence[str]) -> pa.Table:
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise TableRefused("is UTF-16; only UTF-8 is read")
    # Only the named columns have to be valid text: old tools write notes in whatever encoding.
    header = content[:MAX_HEADER].decode("utf-8-sig", "replace")
    lines = csv.reader(StringIO(header, newline=""))
    _check_names(next((line for line in lines if line), []), names)
    return pa_csv.read_csv(
        BytesIO(content),
        # One thread, since only then an error names its row.
        read_options=pa_csv.ReadOptions(use_threads=False),
        # All as text, since what a column holds is known at its end only.
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(names), column_types={name: pa.string() for name in names}, strings_can_be_null=True
        ),
    )


def _read_parquet(content: bytes, names: Sequence[str]) -> pa.Table:
    with pq.ParquetFile(BytesIO(content)) as file:
        _check_names(file.schema_arrow.names, names)
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        if file.metadata.num_rows > MAX_ROWS or sum(group.total_byte_size for group in groups) > MAX_TABLE_BYTES:
            raise TableRefused(f"is too large: {MAX_ROWS} rows and {MAX_TABLE_BYTES} bytes unpacked are allowed")
        return file.read(columns=list(names), use_threads=False)


def _check_names(found: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if found.count(name) != 1:
            shown = ", ".join(map(repr, found[:20]))[:300] or "none"
            raise TableRefused(f"has {'no' if name not in found else 'more than one'} column {name!r}; its columns are {shown}")

"""Imports of lot rows from a file: where each stands, and what becomes of the file's rows."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from domain.background_work import BackgroundWork
from domain.errors import ValidationFailed
from domain.kit import ProductLine
from domain.lot_csv import ENCODINGS, MAX_ROW, CsvRow, Header, encoding_named
from domain.lot_row import LotIds, LotRowDefinition, lot_row_definition
from domain.text_value import NUMBER
from domain.validation import Problems, is_storable

MAX_FILE_NAME = 200
MAX_REASON = 2_000
SHA256 = re.compile("[0-9a-f]{64}")
# What spreadsheets pass over before a formula: quotes, and what is blank or not seen, but for what may end a cell.
_BLANK = (
    '"\\x00-\\x08\\x0b\\x0c\\x0e-\\x20\\x7f-\\xa0\\xad\\u1680\\u180e\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u3000\\ufeff'
)
# What begins a formula; in East Asia the wide and the small forms are taken for the plain ones.
_SIGN = "-=+@\\uff1d\\uff0b\\uff0d\\uff20\\ufe66\\ufe62\\ufe63\\ufe6b\\u2212"
_TO_MARK = re.compile(rf"(?:\A|(?<=[;\t\r\n]))(?='|[{_BLANK}]*[{_SIGN}])|\A(?=[\t\r\n])")


class LotImportStatus(StrEnum):
    """Where an import stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotImport(BackgroundWork):
    """An import of a file that the person `actor` has uploaded.

    `product_lines` are those in which they could work when it was started, or last resumed. The first `bytes_read` were read,
    up to the end of row `row_number`; `rows_read` are those with something in them, without the header. `result_id` is the
    artifact with the rows that were refused.
    """

    kind: ClassVar[str] = "Lot import"
    transitions: ClassVar[Mapping[str, frozenset[str]]] = {
        "QUEUED": frozenset({"RUNNING", "CANCELLED"}),
        "RUNNING": frozenset({"SUCCEEDED", "FAILED", "CANCELLED"}),
        "SUCCEEDED": frozenset(),
        "FAILED": frozenset({"QUEUED"}),
        "CANCELLED": frozenset(),
    }

    status: LotImportStatus
    file_name: str
    sha256: str
    size: int
    actor: str
    actor_name: str
    product_lines: frozenset[ProductLine]
    encoding: str | None = None
    bytes_read: int = 0
    row_number: int = 0
    rows_read: int = 0
    rows_added: int = 0
    rows_refused: int = 0
    result_id: UUID | None = None

    def resumed(self, product_lines: frozenset[ProductLine], at: datetime) -> "LotImport":
        """The import queued again, to go on where it failed."""
        return replace(self.became(LotImportStatus.QUEUED, at), product_lines=product_lines, is_cancel_requested=False)

    def written_in(self, encoding: str, at: datetime) -> "LotImport":
        """The import once it is known what the file is written in."""
        return replace(self.changed(at), encoding=encoding)

    def progressed(self, last: CsvRow, *, added: int, refused: int, at: datetime) -> "LotImport":
        """The import after more rows of the file, up to this one."""
        return replace(
            self.changed(at),
            bytes_read=last.end,
            row_number=last.number,
            rows_read=self.rows_read + added + refused,
            rows_added=self.rows_added + added,
            rows_refused=self.rows_refused + refused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row of the file that was not added: its number, its fields as they are in the file, and why."""

    number: int
    fields: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LotImportOrder:
    """What a person asks for: the file by its checksum, what it is called, and what it is written in (None: that is detected)."""

    sha256: str
    file_name: str
    encoding: str | None


def lot_import_order(given: Mapping[str, Any]) -> LotImportOrder:
    """The order in an input document; `ValidationFailed` names the fields that are missing or wrong."""
    problems = Problems("input.")
    sha256 = problems.text(given, "upload")
    if sha256 and not SHA256.fullmatch(sha256):
        problems.add("upload", "must be 64 lower-case hexadecimal digits")
    file_name = problems.text(given, "fileName", "", most=MAX_FILE_NAME)
    name = problems.text(given, "encoding", "")
    encoding = encoding_named(name)
    if name and encoding is None:
        problems.add("encoding", f"must be one of {', '.join(ENCODINGS)}; left out, UTF-8 or else CP949 is detected")
    problems.check()
    return LotImportOrder(sha256=sha256, file_name=file_name, encoding=encoding)


def read_row(row: CsvRow, header: Header, encoding: str, lot_ids: LotIds) -> LotRowDefinition | RefusedRow | None:
    """What a row of a file says, or why it is refused; None for an empty line."""
    if row.content is None:
        return RefusedRow(number=row.number, fields=(), reason=f"is longer than {MAX_ROW} bytes")
    fields = row.fields(encoding, header.delimiter)
    if not fields:
        return None
    if len(fields) != len(header.columns):
        return refused(row.number, fields, f"has {len(fields)} fields, and the header has {len(header.columns)}")
    try:
        return lot_row_definition(header.document(fields), lot_ids, prefix="")
    except ValidationFailed as failure:
        return refused(row.number, fields, failure.message)


def refused(number: int, fields: Sequence[str], reason: str) -> RefusedRow:
    """A row that is refused, as every database can store it."""
    storable = tuple(each if is_storable(each) else each.replace("\x00", "\N{SYMBOL FOR NULL}") for each in fields)
    return RefusedRow(number=number, fields=storable, reason=reason[:MAX_REASON])


def result_lines(header: Header, rows: Iterable[RefusedRow], *, is_beginning: bool) -> bytes:
    """A part of the CSV file that lists refused rows: number, reason, and the fields as they were, each `harmless`."""
    text = io.StringIO()
    writer = csv.writer(text)
    if is_beginning:
        text.write("\N{ZERO WIDTH NO-BREAK SPACE}")
        writer.writerow(["row", "reason", *map(harmless, header.columns)])
    for row in rows:
        writer.writerow([row.number, harmless(row.reason), *map(harmless, row.fields)])
    return text.getvalue().encode()


def harmless(cell: str) -> str:
    """The text of a cell of which no spreadsheet computes anything, as apostrophes keep it from that. Numbers are harmless.

    A spreadsheet may split a cell: one whose language separates by semicolons, or that was told to separate by tabs, finds the
    quotes of a file with commas in the middle of its own cells, where they mean nothing. There what comes behind a semicolon, a
    tab or a line end begins a cell, so each such piece is looked at. A piece that begins with an apostrophe gets another one:
    taking one off each that begins so gives back what the cell was.
    """
    return cell if NUMBER.fullmatch(cell) else _TO_MARK.sub("'", cell)

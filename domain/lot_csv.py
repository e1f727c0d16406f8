"""Reading CSV files of any size in pieces: bytes in, rows out, each with the place where it ends, to go on from there.

Rows are found among the bytes, before they are decoded: in no encoding that is read is a byte of a longer character a quote, a
delimiter or a line end. What a row's fields are is what Python's `csv` says.
"""

import codecs
import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from domain.errors import ValidationFailed
from domain.lot_row import MAX_ATTRIBUTES, attribute_problem

MAX_ROW = 2**16  # bytes: a longer one is not kept; `csv` takes fields twice as long
HEAD_BYTES = 2 * MAX_ROW  # within which the header has to end
MAX_SHOWN = 80
DELIMITERS = (",", ";", "\t")
DETECTED = ("utf-8", "cp949")
# What files can be written in, by the names that people know it by: those in which no byte of a longer character is ASCII's
# quote, delimiter or line end.
ENCODINGS = {
    **dict.fromkeys(("utf-8", "utf-8-sig"), "utf-8"),
    **dict.fromkeys(("cp949", "euc-kr", "ks_c_5601-1987", "ksc5601", "ms949", "uhc"), "cp949"),
    **dict.fromkeys(("cp932", "shift_jis", "sjis", "windows-31j"), "cp932"),
    "euc-jp": "euc_jp",
    **dict.fromkeys(("gb18030", "gbk", "cp936", "gb2312"), "gb18030"),
    **dict.fromkeys(("cp950", "big5"), "cp950"),
    **dict.fromkeys(("cp1252", "windows-1252"), "cp1252"),
    **dict.fromkeys(("iso-8859-1", "latin-1"), "iso-8859-1"),
}
ATTRIBUTE = "attribute."
FIELDS = ("productLine", "lotId", "product", "step", "equipment", "measuredAt", "quantity")
_SPECIAL = {each: re.compile(rf"[\r\n{each}]".encode()) for each in DELIMITERS}
_MARK = codecs.BOM_UTF8


def encoding_named(name: str) -> str | None:
    """The encoding that people call so, whatever the case and the dashes; None where none is read by that name."""
    return _BY_NAME.get(_plain(name))


def _plain(name: str) -> str:
    return re.sub("[-_ ]", "", name.lower())


_BY_NAME = {_plain(name): encoding for name, encoding in ENCODINGS.items()}


class Unreadable(Exception):
    """The file is no CSV file of a kind that is read; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row: its number in the file, from 1, the place of its first byte and that after its last.

    `content` has its bytes with the line end; None where they are more than `MAX_ROW`.
    """

    number: int
    start: int
    end: int
    content: bytes | None

    def fields(self, encoding: str, delimiter: str) -> list[str]:
        """Its fields; none in an empty line."""
        text = (self.content or b"").decode(encoding)
        for line_end in ("\r\n", "\n", "\r"):
            if text.endswith(line_end):
                text = text.removesuffix(line_end)
                break
        return next(csv.reader([text], delimiter=delimiter), [])


class _Place(Enum):
    """Where in a row reading stands: at the beginning of a field, in one without quotes (or after them), or in quotes."""

    FIELD = 0
    PLAIN = 1
    QUOTED = 2


class CsvReader:
    """Finds the rows of a file that is fed in pieces, from the byte `offset` on, where row `number` has ended.

    It keeps the row that is under way, up to `MAX_ROW` bytes of it.
    """

    def __init__(self, delimiter: str, offset: int = 0, number: int = 0) -> None:
        self._special = _SPECIAL[delimiter]
        self._delimiter = delimiter.encode()[0]
        self._offset = offset  # of the row that is under way
        self._number = number
        self._buffer = b""
        self._dropped = 0  # bytes of that row that are not in the buffer any more
        self._at = 0  # the first byte in the buffer that was not looked at
        self._place = _Place.FIELD

    def feed(self, data: bytes, *, is_end: bool = False) -> list[CsvRow]:
        """The rows that end in this piece, which is the file's last where `is_end`; `Unreadable` if it ends within quotes."""
        self._buffer += data
        rows: list[CsvRow] = []
        begin = 0
        while (end := self._end_of_row(begin, is_end)) is not None:
            rows.append(self._made(begin, end))
            begin = end
        if is_end:
            if self._place is _Place.QUOTED:
                raise Unreadable(
                    f"Row {self._number + 1}, which begins at byte {self._offset}, has a quote that is never closed; "
                    "nothing from there on was read."
                )
            if begin < len(self._buffer) or self._dropped:
                rows.append(self._made(begin, len(self._buffer)))
            begin = len(self._buffer)
        elif self._dropped + len(self._buffer) - begin > MAX_ROW:
            self._dropped += self._at - begin
            begin = self._at
        self._buffer, self._at = self._buffer[begin:], self._at - begin
        return rows

    def _made(self, begin: int, end: int) -> CsvRow:
        length = self._dropped + end - begin
        content = self._buffer[begin:end] if length <= MAX_ROW else None
        row = CsvRow(self._number + 1, self._offset, self._offset + length, content)
        self._number, self._offset, self._dropped = row.number, row.end, 0
        self._at, self._place = end, _Place.FIELD
        return row

    def _end_of_row(self, begin: int, is_end: bool) -> int | None:
        """Where the row that is under way ends; None where that is still to come."""
        buffer, size = self._buffer, len(self._buffer)
        if self._at == begin and not self._dropped:
            # Most rows have no quotes, and are found at a glance.
            newline = buffer.find(b"\n", begin)
            if newline >= 0 and buffer.find(b'"', begin, newline) < 0 and buffer.find(b"\r", begin, newline - 1) < 0:
                return newline + 1
        while self._at < size:
            if self._place is _Place.FIELD:
                is_quoted = buffer[self._at] == ord('"')
                self._at += is_quoted
                self._place = _Place.QUOTED if is_quoted else _Place.PLAIN
            elif self._place is _Place.QUOTED:
                if not self._leave_quotes(is_end):
                    return None
            elif (found := self._special.search(buffer, self._at)) is None:
                self._at = size
            elif buffer[found.start()] == self._delimiter:
                self._at, self._place = found.end(), _Place.FIELD
            elif buffer[found.start()] == ord("\n"):
                return found.end()
            elif found.end() < size or is_end:
                return found.end() + (buffer[found.end() : found.end() + 1] == b"\n")
            else:  # whether a line feed follows is still to come
                self._at = found.start()
                return None
        return None

    def _leave_quotes(self, is_end: bool) -> bool:
        """Go on to what follows the next quote; False where that is still to come. Two quotes stand for one in the field."""
        quote = self._buffer.find(b'"', self._at)
        follows = self._buffer[quote + 1 : quote + 2]
        if quote < 0 or (not follows and not is_end):
            self._at = len(self._buffer) if quote < 0 else quote
            return False
        self._at = quote + 2 if follows == b'"' else quote + 1
        self._place = _Place.QUOTED if follows == b'"' else _Place.PLAIN
        return True


class EncodingFinder:
    """Decodes a file in pieces as each encoding that it may be written in; it is written in the first that it is valid in.

    That is the one that was `given`. Without one it is UTF-8 or else CP949, and UTF-8 alone where a byte order mark says so.
    """

    def __init__(self, given: str | None = None) -> None:
        self._possible = DETECTED if given is None else (given,)
        self._decoders = {name: codecs.getincrementaldecoder(name)() for name in self._possible}
        self._wrong: dict[str, int] = {}
        self._start = b""
        self._offset = 0

    def feed(self, data: bytes, *, is_end: bool = False) -> None:
        """Take the next piece; `Unreadable` as soon as the file can't be any, with the first byte that is wrong in each."""
        self._start += data[: len(_MARK) - len(self._start)]
        if self._start == _MARK and "utf-8" not in self._possible:
            given = self._possible[0].upper()
            raise Unreadable(f"The file begins with the byte order mark of UTF-8, and is not {given}; no row of it was added.")
        if self._start == _MARK:
            self._possible = ("utf-8",)
            self._decoders.pop("cp949", None)
        for name, decoder in list(self._decoders.items()):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(data, is_end)
            except UnicodeDecodeError as error:
                self._wrong[name] = self._offset - pending + error.start
                del self._decoders[name]
        self._offset += len(data)
        if not self._decoders:
            places = ", nor ".join(f"{name.upper()}, which is wrong at byte {self._wrong[name]}" for name in self._possible)
            raise Unreadable(f"The file is {'neither' if len(self._possible) > 1 else 'not'} {places}; no row of it was added.")

    @property
    def encoding(self) -> str:
        """What all that came so far is."""
        return next(iter(self._decoders))


@dataclass(frozen=True, slots=True)
class Header:
    """A file's first row: the delimiter, the columns in their order, the byte after it, and its number."""

    delimiter: str
    columns: tuple[str, ...]
    end: int
    number: int

    def document(self, fields: Sequence[str]) -> dict[str, Any]:
        """A row's fields by the names of the columns; attributes that are empty are left out."""
        document: dict[str, Any] = {"attributes": {}}
        for column, field in zip(self.columns, fields, strict=True):
            if not column.startswith(ATTRIBUTE):
                document[column] = field
            elif field.strip():
                document["attributes"][column.removeprefix(ATTRIBUTE)] = field
        return document


def read_header(start: bytes) -> Header:
    """The header in the first `HEAD_BYTES` of a file; `ValidationFailed` of `input.upload` names the columns that are wrong.

    Of comma, semicolon and tab that one is the delimiter by which most columns are known.
    """
    found = [header for each in DELIMITERS if (header := _first_row(start, each)) is not None]
    if not found:
        raise ValidationFailed.of("input.upload", f"has no header: no row ends within its first {HEAD_BYTES} bytes")
    header = max(found, key=lambda header: sum(_is_known(column) for column in header.columns))
    problems = _column_problems(header.columns)
    if problems:
        raise ValidationFailed.of("input.upload", "; ".join(problems))
    return header


def _first_row(start: bytes, delimiter: str) -> Header | None:
    offset = len(_MARK) if start.startswith(_MARK) else 0
    try:
        rows = CsvReader(delimiter, offset).feed(start[offset:], is_end=len(start) < HEAD_BYTES)
    except Unreadable:
        return None
    for row in rows:
        if row.content is None:
            return None
        # Known columns are ASCII; what is not may be shown as it can be.
        if fields := row.fields(_encoding_of(row.content), delimiter):
            return Header(delimiter, tuple(each.strip() for each in fields), row.end, row.number)
    return None


def _encoding_of(content: bytes) -> str:
    for encoding in DETECTED:
        with suppress(UnicodeDecodeError):
            content.decode(encoding)
            return encoding
    return "latin-1"


def _is_known(column: str) -> bool:
    return column in FIELDS or column.startswith(ATTRIBUTE)


def _column_problems(columns: Sequence[str]) -> list[str]:
    problems = [f"lacks the column {name}" for name in FIELDS if name not in columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    problems += [f"has the column {_shown(column)} more than once" for column in twice]
    for column in dict.fromkeys(columns):
        if not _is_known(column):
            problems.append(f"has a column {_shown(column)}, which is not known; attributes are columns `{ATTRIBUTE}NAME`")
        elif column not in FIELDS and (problem := attribute_problem(column.removeprefix(ATTRIBUTE))) is not None:
            problems.append(f"has a column {_shown(column)}, whose name {problem}")
    if len(columns) > len(FIELDS) + MAX_ATTRIBUTES:
        problems.append(f"has {len(columns)} columns; {len(FIELDS) + MAX_ATTRIBUTES} are allowed")
    return problems[:20]


def _shown(column: str) -> str:
    return repr(column[:MAX_SHOWN])

"""CSV files in pieces: whatever the pieces, the rows are those of Python's csv module, and reading goes on from any of them."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.errors import ValidationFailed
from domain.lot_csv import (
    DELIMITERS,
    ENCODINGS,
    FIELDS,
    HEAD_BYTES,
    MAX_ROW,
    CsvReader,
    CsvRow,
    EncodingFinder,
    Unreadable,
    encoding_named,
    read_header,
)

HEADER = ",".join(FIELDS)
ENCODING = st.sampled_from(["utf-8", "cp949"])
TEXT = st.text(st.sampled_from('a"",,;\t\r\n 가'), max_size=30)
CUTS = st.lists(st.integers(0, 120), max_size=8)


def pieces(content: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    return [content[begin:end] for begin, end in pairwise(places)]


def rows_of(parts: Sequence[bytes], delimiter: str = ",", offset: int = 0, number: int = 0) -> list[CsvRow]:
    reader = CsvReader(delimiter, offset, number)
    found = [row for part in parts for row in reader.feed(part)]
    return found + reader.feed(b"", is_end=True)


def expected(text: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@settings(max_examples=1000)
@given(TEXT, CUTS, st.sampled_from(DELIMITERS), ENCODING)
@example('"a\r\nb",c\r\nd', [5, 6], ",", "utf-8")
@example('"a""b"c"d', [2, 3], ",", "utf-8")
@example('"a""\nb"\nc', [], ",", "utf-8")
@example("a\r", [1, 2], ",", "utf-8")
@example("a\r\nb", [2], ",", "utf-8")
def test_any_pieces_give_the_rows_of_the_whole(text: str, cuts: list[int], delimiter: str, encoding: str) -> None:
    content = text.encode(encoding)
    try:
        found = rows_of(pieces(content, cuts), delimiter)
    except Unreadable:
        # A quote that is never closed: with one more it is, or it stood twice.
        assert any(field.endswith("x") and "\n" in field for field in expected(f"{text}\nx", delimiter)[-1])
        return
    assert [row.fields(encoding, delimiter) for row in found] == expected(text, delimiter)
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    assert [row.start for row in found] == [0, *(row.end for row in found)][: len(found)]
    assert b"".join(row.content or b"" for row in found) == content


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=4), max_size=6), st.sampled_from(DELIMITERS), CUTS)
def test_what_a_program_has_written_is_read_back(table: list[list[str]], delimiter: str, cuts: list[int]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(table)
    content = written.getvalue().encode("utf-8", "replace")
    found = [row.fields("utf-8", delimiter) for row in rows_of(pieces(content, cuts), delimiter)]
    assert found == [[each.encode("utf-8", "replace").decode() for each in row] for row in table]


@given(TEXT, st.integers(0, 10), CUTS)
def test_reading_goes_on_from_the_end_of_any_row(text: str, place: int, cuts: list[int]) -> None:
    content = text.encode()
    try:
        whole = rows_of([content])
    except Unreadable:
        return
    if not whole:
        return
    last = whole[min(place, len(whole) - 1)]
    rest = rows_of(pieces(content[last.end :], cuts), offset=last.end, number=last.number)
    assert rest == whole[last.number :]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 1000, MAX_ROW])
def test_a_row_that_is_too_long_is_told_and_not_kept(ending: str, size: int) -> None:
    """Whatever its quotes, line ends and pieces; the next row is found."""
    long = '"' + 'x""\n,' * MAX_ROW + '",b' + ending
    content = f"a{ending}{long}c{ending}".encode()
    reader, found, kept = CsvReader(","), [], 0
    for begin in range(0, len(content), size if size > 1 else 7):
        found += reader.feed(content[begin : begin + (size if size > 1 else 7)])
        kept = max(kept, len(reader._buffer))
    found += reader.feed(b"", is_end=True)
    assert kept <= 2 * MAX_ROW
    assert [(row.number, row.content and row.content.strip()) for row in found] == [(1, b"a"), (2, None), (3, b"c")]
    assert found[1].end - found[1].start == len(long)


def test_a_quote_that_is_never_closed_is_told_with_its_row() -> None:
    with pytest.raises(Unreadable, match="Row 2, which begins at byte 4, has a quote that is never closed"):
        rows_of([b'a,b\n"c,d\ne,f\n'])


def encoding_of(content: bytes, cuts: Iterable[int] = (), given: str | None = None) -> str:
    finder = EncodingFinder(given)
    for part in pieces(content, cuts):
        finder.feed(part)
    finder.feed(b"", is_end=True)
    return finder.encoding


@given(st.text(), CUTS)
def test_utf_8_is_told_from_any_pieces(text: str, cuts: list[int]) -> None:
    assert encoding_of(text.encode("utf-8", "replace"), cuts) == "utf-8"


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1), CUTS)
def test_cp949_is_told_from_any_pieces(text: str, cuts: list[int]) -> None:
    content = f"공정,{text}".encode("cp949")
    assert encoding_of(content, cuts) == "cp949"


@given(CUTS)
def test_what_is_neither_is_refused_with_its_places(cuts: list[int]) -> None:
    content = "공정".encode() + b"\xff,\n"
    with pytest.raises(Unreadable, match="neither UTF-8, which is wrong at byte 6, nor CP949, which is wrong at byte "):
        encoding_of(content, cuts)


@given(CUTS)
def test_a_byte_order_mark_says_that_it_is_utf_8(cuts: list[int]) -> None:
    marked = b"\xef\xbb\xbf" + "공정".encode("cp949")
    assert encoding_of("\ufeff공정".encode(), cuts) == "utf-8" == encoding_of(b"\xef\xbb\xbf")
    with pytest.raises(Unreadable, match="The file is not UTF-8, which is wrong at byte 3; no row"):
        encoding_of(marked, cuts)
    assert encoding_of("\ufeff공정".encode(), cuts, "utf-8") == "utf-8"
    with pytest.raises(Unreadable, match="byte order mark of UTF-8, and is not ISO-8859-1; no row"):
        encoding_of("\ufeff공정".encode(), cuts, "iso-8859-1")


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS.values())))
def test_no_byte_of_a_longer_character_is_taken_for_anything_else(encoding: str) -> None:
    written = "".join(map(chr, range(0x80, 0x110000))).encode(encoding, "ignore")
    assert len(written) > 90 and not set(b'",;\t\r\n') & set(written)


GIVEN = {
    "cp949": "공정",
    "cp932": "工程ソ表",
    "euc_jp": "工程",
    "gb18030": "工艺𠀀",
    "cp950": "製程許功蓋",
    "cp1252": "é€",
    "iso-8859-1": "é\x80",
}


@pytest.mark.parametrize(("encoding", "text"), GIVEN.items())
@given(cuts=CUTS)
def test_what_is_given_is_held_against_the_file(encoding: str, text: str, cuts: list[int]) -> None:
    content = f'"{text}",{text}\r\n'.encode(encoding)
    assert encoding_of(content, cuts, encoding) == encoding
    (row,) = rows_of(pieces(content, cuts))
    assert row.fields(encoding, ",") == [text, text]
    if encoding != "iso-8859-1":  # in which every byte is a character
        with pytest.raises(Unreadable, match=f"^The file is not {encoding.upper()}, which is wrong at byte {len(content)}"):
            encoding_of(content + b"\x81", cuts, encoding)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("UTF8", "utf-8"),
        ("EUC_KR", "cp949"),
        ("MS949", "cp949"),
        ("utf-8-sig", "utf-8"),
        ("Shift-JIS", "cp932"),
        ("latin1", "iso-8859-1"),
        ("utf-16", None),
        ("../x", None),
        ("", None),
    ],
)
def test_encodings_go_by_the_names_that_people_know(name: str, encoding: str | None) -> None:
    assert encoding_named(name) == encoding


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_delimiter_is_told_by_the_header(delimiter: str, mark: bytes) -> None:
    columns = (*FIELDS, "attribute.cd_nm")
    line = delimiter.join(f'"{each}"' if each == "step" else each for each in columns).encode()
    header = read_header(mark + b"\r\n" + line + b"\r\n1,2;3\t4\r\n")
    assert (header.delimiter, header.columns, header.number) == (delimiter, columns, 2)
    assert header.end == len(mark) + 2 + len(line) + 2


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (HEADER.replace("lotId,", ""), "lacks the column lotId"),
        (f"{HEADER},lotId", "has the column 'lotId' more than once"),
        (f"{HEADER},attribute.a,attribute.a", "has the column 'attribute.a' more than once"),
        (f"{HEADER},Lot", "has a column 'Lot', which is not known"),
        (f"{HEADER},", "has a column '', which is not known"),
        (f"{HEADER},attribute.1a", "has a column 'attribute.1a', whose name is no name of an attribute"),
        (f"{HEADER},attribute.", "has a column 'attribute.'"),
        (f"{HEADER},수량", "has a column '수량', which is not known"),
        ("", "has no header"),
        ("x" * HEAD_BYTES, "has no header"),
        ('"', "has no header"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_a_header_that_is_wrong_is_refused_by_its_columns(line: str, named: str, encoding: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_header(line.encode(encoding))
    (problem,) = refused.value.problems
    assert problem.field == "input.upload" and named in problem.message
